//! Requests that no library would send, byte by byte, and what comes back.

mod digits;
mod http1;
mod http2;
mod http3;

pub use http1::Http1;
pub use http2::Http2;
pub use http3::Http3;

/// What became of a raw HTTP/2 or 3 request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A response with this status.
    Status(u16),
    /// The stream was reset with this code.
    Reset(u64),
    /// The connection was closed with this code.
    Closed(u64),
}

impl Outcome {
    /// Whether the request was refused: 4xx but 404, which answers a request that was understood;
    /// 5xx, a reset stream or a closed connection.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Status(status) => *status >= 400 && *status != 404,
            Self::Reset(_) | Self::Closed(_) => true,
        }
    }
}
