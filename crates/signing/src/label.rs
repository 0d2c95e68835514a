//! Short names that are safe in a token, a log line and a file name.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::Error;

/// The longest label.
pub const LABEL_BYTES_MAX: usize = 64;

/// A key id, site, session, region, token id, parameter or cookie name: 1 to
/// [`LABEL_BYTES_MAX`] bytes of `A-Z a-z 0-9 . _ -`, compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(Arc<str>);

impl Label {
    /// Checks and copies `text`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::from_bytes(text.as_bytes())
            .ok_or_else(|| Error::value("label", text, "1 to 64 characters of A-Z a-z 0-9 . _ -"))
    }

    /// Whether `bytes` are a label, without keeping them.
    pub fn is_legal(bytes: &[u8]) -> bool {
        let legal = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        (1..=LABEL_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(legal)
    }

    /// The same for bytes from a token, without an error to build.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if !Self::is_legal(bytes) {
            return None;
        }
        str::from_utf8(bytes).ok().map(|text| Self(text.into()))
    }

    /// A label that stands for any text: the text itself where it is one, else `sha256-` and half of
    /// its digest. For the session and token ids of other vendors' tokens.
    pub fn naming(text: &str) -> Self {
        Self::from_bytes(text.as_bytes()).unwrap_or_else(|| Self::hiding(text))
    }

    /// A label that stands for any text without saying it: `sha256-` and half of its digest. Who has
    /// few texts to guess from can guess.
    pub(crate) fn hiding(text: &str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let name = format!("sha256-{}", crate::hex::encode(&digest.as_ref()[..16]));
        Self(name.into())
    }

    /// For names of our own, which the tests hold to the alphabet.
    pub(crate) fn from_static(text: &'static str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "{text}");
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared: no copy.
    pub fn to_arc(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Label {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_climb_quote_or_overflow() {
        let long = "k".repeat(LABEL_BYTES_MAX + 1);
        for bad in [
            "",
            "../../key",
            "a b",
            "a\n",
            "a\0",
            "ä",
            "a,b",
            long.as_str(),
        ] {
            assert!(Label::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            Label::parse("2026-05.ed_1").unwrap().as_str(),
            "2026-05.ed_1"
        );
    }
}
