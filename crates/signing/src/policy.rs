//! What a site asks of its tokens: this room's config.

use serde::Deserialize;

use crate::{Label, Scheme};

/// What a `jti` is to a site. RFC 9246 section 2.1.7 makes it a nonce, which one node can see to for
/// itself and not for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Jti {
    /// A token that has one is refused.
    #[default]
    Refuse,
    /// A mere id, for logs and revocation.
    Id,
    /// Good for one request on this node, as [`crate::Nonces`] remembers.
    Once,
}

/// What a site asks of its tokens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Whether a request without a token is denied. A token that comes is always verified.
    /// Default true.
    pub required: bool,
    /// The longest lifetime (end minus beginning) of a token. Default 86,400 s: a long film and a
    /// pause.
    pub max_lifetime_s: u64,
    /// How far the signer's clock may be ahead of ours. Default 30 s. Expiry has no allowance.
    pub clock_skew_s: u64,
    /// Where this node is. A token that names regions is denied on a node without one.
    pub region: Option<Label>,
    /// Who a URI signing token's `aud` has to name. A token with an audience is denied without one.
    pub audience: Option<String>,
    /// What a URI signing token's `jti` is. Default refused.
    pub jti: Jti,
    /// How many spent nonces are remembered until their tokens end. Default 65,536, at about 0.2 KiB
    /// each. While it is full, further tokens with a `jti` are refused.
    pub nonces_max: u64,
    /// The header of URI signing tokens that come without one (RFC 9246 section 2.2), as a JWT has
    /// it: in base64url. It can only rule keys out.
    pub jwt_header: Option<String>,
    /// Whether tokens that want to be renewed are taken. Default false: the site needs a key for it.
    pub renews: bool,
    /// How many verified tokens are remembered. Default 16,384, at about 0.5 KiB each.
    pub verified_tokens_max: usize,
    /// How many forged tokens are remembered. Default 4,096, at about 64 bytes each.
    pub rejected_tokens_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            required: true,
            max_lifetime_s: 86_400,
            clock_skew_s: 30,
            region: None,
            audience: None,
            jti: Jti::Refuse,
            nonces_max: 65_536,
            jwt_header: None,
            renews: false,
            verified_tokens_max: 16_384,
            rejected_tokens_max: 4_096,
        }
    }
}

impl Policy {
    /// How far a signer's clock may be ahead. RFC 9246 section 2.1.5 gives no leeway.
    pub(crate) fn skew_s(&self, scheme: Scheme) -> u64 {
        match scheme {
            Scheme::UriSigning => 0,
            Scheme::Native | Scheme::MediaCdn | Scheme::CloudFront | Scheme::EdgeAuth => {
                self.clock_skew_s
            }
        }
    }

    /// All that is wrong with the values, each with its key and a hint; for a config check.
    pub fn problems(&self) -> Vec<String> {
        let ranges = [
            ("max_lifetime_s", self.max_lifetime_s, 1, 31_622_400),
            ("clock_skew_s", self.clock_skew_s, 0, 300),
            (
                "verified_tokens_max",
                self.verified_tokens_max as u64,
                1,
                1 << 20,
            ),
            ("nonces_max", self.nonces_max, 1, 1 << 20),
            (
                "rejected_tokens_max",
                self.rejected_tokens_max as u64,
                1,
                1 << 20,
            ),
        ];
        let out_of_range = ranges
            .into_iter()
            .filter(|(_, value, least, most)| value < least || value > most);
        out_of_range
            .map(|(key, value, least, most)| format!("{key} = {value}: from {least} to {most}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_legal_and_unknown_keys_are_not() {
        let policy: Policy = serde_json::from_str("{}").unwrap();
        assert_eq!(policy, Policy::default());
        assert!(policy.problems().is_empty());
        assert!(serde_json::from_str::<Policy>(r#"{"requierd": false}"#).is_err());
        assert!(serde_json::from_str::<Policy>(r#"{"region": "../x"}"#).is_err());
    }

    #[test]
    fn all_bad_values_are_told_at_once() {
        let policy = Policy {
            max_lifetime_s: 0,
            clock_skew_s: 3600,
            verified_tokens_max: 0,
            ..Policy::default()
        };
        let problems = policy.problems();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[1].contains("clock_skew_s = 3600: from 0 to 300"));
    }
}
