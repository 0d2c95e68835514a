//! Who is told what viewers were served: counting demand is another room's.

use std::ops::Range;

use message::{ObjectName, Timestamp};

use crate::Viewer;

/// Somebody who counts. Called on the way of every answer, so it must be quick and must not wait.
pub trait Audience: Send + Sync + 'static {
    /// An answer has ended, whole or not, and bytes of it were handed over: of an object whose length is
    /// known before the last of them can have arrived.
    fn served(&self, served: &Served<'_>);
}

/// The bytes of an object that one answer handed over to its listener.
#[derive(Debug, Clone)]
pub struct Served<'a> {
    /// The object's identity.
    pub object: &'a [u8; 16],
    /// The object's name.
    pub name: &'a ObjectName,
    /// The whole object's bytes.
    pub size: u64,
    /// Which of them; never empty.
    pub range: Range<u64>,
    /// Who asked.
    pub viewer: Viewer,
    /// When the request arrived.
    pub at: Timestamp,
}
