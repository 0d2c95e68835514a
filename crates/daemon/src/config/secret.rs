//! A secret that cannot be shown by accident.

use std::fmt;

use serde::{Serialize, Serializer};

/// What stands in the place of a secret.
pub(super) const MASK: &str = "***";

/// A password, access key or the like. `Debug` and serialisation show `***`; only
/// [`Secret::reveal`] gives it away.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives it away, to the one who needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_wherever_it_is_written() {
        let secret = Secret::new("canary-4711");
        assert_eq!(secret.reveal(), "canary-4711");
        let written = format!(
            "{secret:?} {:#?} {}",
            Some(&secret),
            serde_json::json!([secret])
        );
        assert!(!written.contains("canary"), "{written}");
    }
}
