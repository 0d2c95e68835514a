//! Who moves the blocks: `io_uring`, or threads that block where that is refused.

use std::fmt;

use crate::{
    Buffer, Error, Operation, Options,
    blocking::Blocking,
    file::Opened,
    gate::{Gate, Permit},
    uring::Uring,
};

/// Which engine moves the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Engine {
    /// `io_uring` if the kernel grants it and the file is accessed past the page cache, else
    /// threads that block.
    #[default]
    Auto,
    /// `io_uring`, or the device does not open.
    Uring,
    /// Threads that block: for systems that refuse `io_uring`, and for tests.
    Blocking,
}

impl Engine {
    /// The word for configs, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Uring => "io_uring",
            Self::Blocking => "blocking",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An engine at work on one file.
pub(crate) enum Motor {
    Uring(Uring),
    Blocking {
        engine: Blocking,
        /// Why it is not the other one, if nobody asked for that.
        fallback: Option<String>,
    },
}

impl Motor {
    /// Starts an engine. Blocks the thread.
    pub(crate) fn start(opened: &Opened, options: &Options, gate: &Gate) -> Result<Self, Error> {
        let uring = || Uring::start(opened, options, gate.clone());
        let blocking = |fallback| Self::Blocking {
            engine: Blocking::new(opened.clone()),
            fallback,
        };
        match options.engine {
            Engine::Uring => uring()
                .map(Self::Uring)
                .map_err(|error| Error::io(Operation::Open, 0, error)),
            Engine::Blocking => Ok(blocking(None)),
            // A read through the page cache would keep the one thread from all others.
            Engine::Auto if !opened.direct => {
                Ok(blocking(Some("no direct access to the file".to_owned())))
            }
            Engine::Auto => {
                Ok(uring().map_or_else(|error| blocking(Some(error.to_string())), Self::Uring))
            }
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Uring(_) => Engine::Uring,
            Self::Blocking { .. } => Engine::Blocking,
        }
    }

    pub(crate) fn fallback(&self) -> Option<&str> {
        match self {
            Self::Uring(_) => None,
            Self::Blocking { fallback, .. } => fallback.as_deref(),
        }
    }

    pub(crate) async fn read_at(
        &self,
        permit: Permit,
        offset: u64,
        buffer: Buffer,
    ) -> Result<Buffer, Error> {
        match self {
            Self::Uring(engine) => engine.read_at(permit, offset, buffer).await,
            Self::Blocking { engine, .. } => engine.read_at(permit, offset, buffer).await,
        }
    }

    pub(crate) async fn write_at(
        &self,
        permit: Permit,
        offset: u64,
        buffer: Buffer,
        length: usize,
    ) -> Result<(), Error> {
        match self {
            Self::Uring(engine) => engine.write_at(permit, offset, buffer, length).await,
            Self::Blocking { engine, .. } => engine.write_at(permit, offset, buffer, length).await,
        }
    }

    pub(crate) async fn sync(&self, permit: Permit) -> Result<(), Error> {
        match self {
            Self::Uring(engine) => engine.sync(permit).await,
            Self::Blocking { engine, .. } => engine.sync(permit).await,
        }
    }
}
