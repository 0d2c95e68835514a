//! What ends a connection in its records, and what the client is told.

use std::io;

use aws_lc_rs::error::Unspecified;

/// RFC 8446 section 6: the alerts that this record layer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// All that was to be sent has been.
    CloseNotify = 0,
    /// A record or a message that has no place here.
    UnexpectedMessage = 10,
    /// A record that cannot be opened.
    BadRecordMac = 20,
    /// A record larger than any may be.
    RecordOverflow = 22,
    /// A field with a value that it cannot have.
    IllegalParameter = 47,
    /// A message that cannot be read.
    DecodeError = 50,
    /// A failure of our own.
    InternalError = 80,
}

impl Alert {
    /// The message, as it stands in a record.
    pub(super) fn message(self) -> [u8; 2] {
        // RFC 8446 section 6: a warning, or fatal.
        let level = if self == Self::CloseNotify { 1 } else { 2 };
        [level, self as u8]
    }
}

/// Why the records of a connection ended. Wrapped in the [`io::Error`] that a stream gives.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The client sent what it must not; it was told so.
    #[error("refused a record: {reason} ({alert:?})")]
    Refused {
        /// What the client was told.
        alert: Alert,
        /// What was wrong.
        reason: &'static str,
    },
    /// The client ended the connection with an alert.
    #[error("the client sent alert {0}")]
    Alert(u8),
    /// The connection ended without `close_notify`: what came before may be cut short.
    #[error("the connection ended without a close_notify")]
    Truncated,
    /// Nothing can be sent any more.
    #[error("the sending side is closed")]
    Closed,
    /// The cipher failed, which no input can bring about.
    #[error("the cipher failed")]
    Cipher,
    /// The kernel seals with a key that is used up, or that the client asked to be replaced.
    #[error("the sending key is due for an update, which the kernel is not asked for")]
    Rekey,
}

impl Error {
    /// What the client is told, if it is to be told anything.
    pub(super) fn alert(&self) -> Option<Alert> {
        match self {
            Self::Refused { alert, .. } => Some(*alert),
            Self::Cipher | Self::Rekey => Some(Alert::InternalError),
            // RFC 8446 section 6.2: after a fatal alert nothing more is sent.
            Self::Alert(_) | Self::Truncated | Self::Closed => None,
        }
    }
}

impl From<Unspecified> for Error {
    fn from(_: Unspecified) -> Self {
        Self::Cipher
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Refused { .. } => io::ErrorKind::InvalidData,
            Error::Alert(_) => io::ErrorKind::ConnectionAborted,
            Error::Truncated => io::ErrorKind::UnexpectedEof,
            Error::Closed => io::ErrorKind::BrokenPipe,
            Error::Cipher | Error::Rekey => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
