//! Why there is nothing of a node.

use std::{
    io,
    path::{Path, PathBuf},
};

use steering::client::ClientError;

/// Why there is nothing of a node.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// It was called in vain.
    #[error(transparent)]
    Call(#[from] ClientError),
    /// It took one manifest after the other while it told of them.
    #[error("new manifests came while it told what it holds")]
    Restless,
    /// What it answered could not be kept.
    #[error("{}", path.display())]
    Unwritten {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Failed {
    /// What turns an error of the file at `path` into ours.
    pub(super) fn unwritten(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Unwritten {
            path: path.clone(),
            source,
        }
    }
}
