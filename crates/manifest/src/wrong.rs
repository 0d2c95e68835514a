//! What no manifest may say, whoever signs it.

use crate::OBJECT_PATH_BYTES_MAX;

/// An object, head or key set that cannot be. The text quotes at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A site's name, an audience or a key id.
    #[error("{what} {value:?}: 1 to 64 characters of A-Z a-z 0-9 . _ -")]
    Label {
        /// Which.
        what: &'static str,
        /// As given.
        value: String,
    },
    /// A path that breaks the grammar of object paths.
    #[error("path {path:?}: {problem}")]
    Path {
        /// As given.
        path: String,
        /// Which rule.
        problem: signing::Malformed,
    },
    /// A path that is legal for a viewer but too long for a manifest.
    #[error(
        "path {path:?}... has {bytes} bytes; a manifest's have at most {OBJECT_PATH_BYTES_MAX}"
    )]
    PathTooLong {
        /// Its first characters.
        path: String,
        /// Its length.
        bytes: usize,
    },
    /// Not a digest.
    #[error("digest {value:?}: {hint}")]
    Digest {
        /// As given.
        value: String,
        /// What would be right.
        hint: &'static str,
    },
    /// A member that is needed.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member whose value cannot be.
    #[error("{what} is {value}: {hint}")]
    Value {
        /// Which member.
        what: &'static str,
        /// As given.
        value: String,
        /// What would be right.
        hint: &'static str,
    },
    /// A name that stands there twice, or among the objects and the removed.
    #[error("{site}:{path} is there twice")]
    Twice {
        /// The site.
        site: String,
        /// The path.
        path: String,
    },
    /// The sizes of all objects add up to more than 64 bits.
    #[error("the sizes add up to more than 2^64")]
    SumTooLarge,
    /// More names than a table holds.
    #[error("more {0} than a manifest can hold")]
    TooMany(&'static str),
}

impl Wrong {
    pub(crate) fn label(what: &'static str, value: &str) -> Self {
        let value = cut(value);
        Self::Label { what, value }
    }

    pub(crate) fn digest(value: &str, hint: &'static str) -> Self {
        let value = cut(value);
        Self::Digest { value, hint }
    }

    pub(crate) fn value(what: &'static str, value: impl Into<Given>, hint: &'static str) -> Self {
        let Given(value) = value.into();
        Self::Value { what, value, hint }
    }
}

/// An offending value, cut.
pub(crate) struct Given(String);

impl From<u64> for Given {
    fn from(value: u64) -> Self {
        Self(value.to_string())
    }
}

impl From<&str> for Given {
    fn from(value: &str) -> Self {
        Self(format!("{:?}", cut(value)))
    }
}

/// At most 64 characters of an offending value.
pub(crate) fn cut(value: &str) -> String {
    value.chars().take(64).collect()
}
