//! What a peer sent that no rule can make sense of.

/// A field or target that is refused instead of guessed at.
///
/// In a request it is answered with 400; in an upstream response ([`Malformed::ContentRange`])
/// with 502. No variant holds what was sent, because a query may hold a token and these messages
/// reach the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field that may come once came on several lines.
    #[error("{0} on more than one line")]
    Repeated(&'static str),
    /// A `Content-Range` that is not in the grammar or contradicts itself.
    #[error("content-range is not a byte range within its length")]
    ContentRange,
    /// A path that does not begin with a slash or holds a byte that no path may hold.
    #[error("byte {offset} of the path is not a path byte")]
    Path {
        /// Where, from 0.
        offset: usize,
    },
    /// A query byte outside the grammar: `;`, `?`, `+`, a control, a non-canonical escape.
    #[error("byte {offset} of the query is not a query byte or not in canonical form")]
    Query {
        /// Where, from 0.
        offset: usize,
    },
    /// Two `&` in a row, or one at an end.
    #[error("empty query parameter at byte {offset}")]
    EmptyParameter {
        /// Where, from 0.
        offset: usize,
    },
    /// A query parameter without `=` or without a name.
    #[error("query parameter at byte {offset} is not name=value")]
    NotAPair {
        /// Where, from 0.
        offset: usize,
    },
    /// A query parameter of the key given twice.
    #[error("query parameter at byte {offset} was given before")]
    DuplicateParameter {
        /// Where, from 0.
        offset: usize,
    },
    /// More query parameters than [`crate::key::PARAMETERS_MAX`].
    #[error("more than {} query parameters", crate::key::PARAMETERS_MAX)]
    TooManyParameters,
    /// Forwarded request fields longer than [`crate::forward::BYTES_MAX`], or with a control.
    #[error(
        "request fields to be forwarded beyond {} bytes",
        crate::forward::BYTES_MAX
    )]
    TooMuchForwarded,
}
