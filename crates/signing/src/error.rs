//! Two errors: a request that is malformed (the client's), and an operator's bad value.

use std::borrow::Cow;

/// A request whose target does not follow the grammar: 400, and the connection closes.
///
/// The text is for the log. It names bytes in hexadecimal and never quotes the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The path does not start with `/`.
    #[error("path does not start with a slash")]
    NotAbsolute,
    /// The object path is longer than [`crate::OBJECT_PATH_BYTES_MAX`].
    #[error("path of {bytes} bytes is too long")]
    PathTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A byte that is neither unreserved nor `/`, so also every `%`.
    #[error("path has byte 0x{byte:02x} at {offset}")]
    PathByte {
        /// The byte.
        byte: u8,
        /// Where it stands in the object path.
        offset: usize,
    },
    /// `//`.
    #[error("path has an empty segment at {offset}")]
    EmptySegment {
        /// Where the segment stands in the object path.
        offset: usize,
    },
    /// A segment `.` or `..`.
    #[error("path has a dot segment at {offset}")]
    DotSegment {
        /// Where the segment stands in the object path.
        offset: usize,
    },
    /// The first segment of an object starts with `~`, which only a token may.
    #[error("first segment starts with ~, which is kept for tokens")]
    ReservedSegment,
    /// `/~token` with no `/` after it.
    #[error("path ends after the token")]
    TokenWithoutPath,
    /// A byte that no query may have: a control, a space, `;`, `?`, `#`, a quote and the like.
    #[error("query has byte 0x{byte:02x} at {offset}")]
    QueryByte {
        /// The byte.
        byte: u8,
        /// Where it stands in the query.
        offset: usize,
    },
    /// `%` without two hexadecimal digits, or one that hides a control byte.
    #[error("query has a bad percent escape at {offset}")]
    QueryEscape {
        /// Where it stands in the query.
        offset: usize,
    },
    /// An empty query, `&&`, or a parameter without a name or without `=`.
    #[error("query has a parameter that is not name=value at {offset}")]
    QueryParameter {
        /// Where it stands in the query.
        offset: usize,
    },
    /// The token's parameter or cookie occurs twice.
    #[error("token is given twice")]
    TwoTokens,
    /// A token in the query and another one in the path.
    #[error("token is given in query and path")]
    TwoCarriers,
    /// The parameters of one token do not stand together.
    #[error("token's parameters do not stand together")]
    ScatteredToken,
}

impl Malformed {
    /// A word for a metric label, from a small fixed set.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotAbsolute => "not_absolute",
            Self::PathTooLong { .. } => "path_too_long",
            Self::PathByte { .. } => "path_byte",
            Self::EmptySegment { .. } => "empty_segment",
            Self::DotSegment { .. } => "dot_segment",
            Self::ReservedSegment => "reserved_segment",
            Self::TokenWithoutPath => "token_without_path",
            Self::QueryByte { .. } => "query_byte",
            Self::QueryEscape { .. } => "query_escape",
            Self::QueryParameter { .. } => "query_parameter",
            Self::TwoTokens => "two_tokens",
            Self::TwoCarriers => "two_carriers",
            Self::ScatteredToken => "scattered_token",
        }
    }
}

/// What an operator or a signer got wrong. The text never quotes a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A label, client network, scope or URL that does not parse.
    #[error("{what} {value:?}: {hint}")]
    Value {
        /// What it was meant to be.
        what: &'static str,
        /// What was given, cut at 64 characters.
        value: String,
        /// What would be right.
        hint: Cow<'static, str>,
    },
    /// A key file that is not JSON of the expected shape.
    #[error("line {line}, column {column}: {problem}; {hint}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What kind of mistake.
        problem: &'static str,
        /// The fields that belong there.
        hint: &'static str,
    },
    /// A key file as a whole: too big, too new, empty, too many keys.
    #[error("key file: {problem}")]
    KeyFile {
        /// What is wrong, with the limit.
        problem: String,
    },
    /// One key of a key file.
    #[error("key {position} (kid {kid:?}): {problem}")]
    Key {
        /// Its place in the file, from 1.
        position: usize,
        /// Its id as given, cut at 64 characters.
        kid: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Claims that no verifier would accept.
    #[error("claims: {0}")]
    Claims(&'static str),
    /// Claims that do not fit into a token.
    #[error("token of {chars} characters is over the limit of {max}; name fewer or shorter scopes",
        max = crate::TOKEN_CHARS_MAX)]
    TokenTooLong {
        /// Its length.
        chars: usize,
    },
    /// The operating system gave no random bytes.
    #[error("the system gave no random bytes")]
    Entropy,
}

impl Error {
    pub(crate) fn value(
        what: &'static str,
        value: &str,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Value {
            what,
            value: cut(value),
            hint: hint.into(),
        }
    }
}

/// At most 64 characters of an offending value.
pub(crate) fn cut(value: &str) -> String {
    value.chars().take(64).collect()
}
