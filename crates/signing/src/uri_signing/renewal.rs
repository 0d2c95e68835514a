//! Signed token renewal, RFC 9246 section 3: an answer brings the token for the next request.

use serde_json::{Map, Value};

use super::{claims::Raw, jws};
use crate::{Denied, Jti, ObjectPath, Policy, SigningKey};

/// How the next token travels, section 2.1.13.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In a cookie, with each answer.
    Cookie,
    /// In the URL of a redirection, which takes a request: only when half of a token's life is over.
    Url,
}

/// What a token says of the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    claims: Map<String, Value>,
    transport: Transport,
    lifetime_s: u64,
    depth: usize,
    /// The end of the token that says this.
    end_s: u64,
    /// What no token of the chain outlives: the longest life from the beginning that all of them say.
    last_s: u64,
}

impl Renewal {
    /// Section 2.1.12 and 2.1.13: `cdniets` and `cdnistt` come together or not at all. A site that
    /// has no key for it follows no redirection either: there the token just ends.
    pub(super) fn of(
        raw: &Raw,
        payload: &[u8],
        end_s: u64,
        policy: &Policy,
    ) -> Result<Option<Self>, Denied> {
        let (lifetime_s, transport) = match (raw.cdniets, raw.cdnistt) {
            (None, None) => return Ok(None),
            (Some(lifetime_s), Some(transport)) => (lifetime_s, transport),
            (Some(_), None) | (None, Some(_)) => {
                return Err(Denied::Layout("cdniets and cdnistt come together"));
            }
        };
        let depth = usize::try_from(raw.cdnistd.unwrap_or(0));
        let depth = depth.or(Err(Denied::Layout("cdnistd is negative")))?;
        let transport = match transport {
            1 => Transport::Cookie,
            2 if policy.renews => Transport::Url,
            // Section 3.2.1: 0 is no renewal, said in full.
            0 | 2 => return Ok(None),
            _ => return Err(Denied::Layout("cdnistt is unknown")),
        };
        let claims = serde_json::from_slice(payload);
        let mut claims: Map<String, Value> =
            claims.or(Err(Denied::Layout("claims are not an object")))?;
        if policy.jti == Jti::Once {
            // The chain began with a token that is spent; its next ones are good for their time.
            claims.remove("jti");
        }
        let since_s = raw.nbf.unwrap_or(u64::MAX);
        Ok(Some(Self {
            claims,
            transport,
            lifetime_s,
            depth,
            end_s,
            last_s: since_s.saturating_add(policy.max_lifetime_s),
        }))
    }

    /// How the next token travels.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// How long the next token is good, in seconds.
    pub fn lifetime_s(&self) -> u64 {
        self.lifetime_s
    }

    /// Whether a redirection is worth its request: half of the life that each token of the chain
    /// gets is over, and the next one would live longer than this one.
    pub fn is_due(&self, now_s: u64) -> bool {
        let left_s = self.end_s.saturating_sub(now_s);
        left_s.saturating_mul(2) <= self.lifetime_s && self.next_end_s(now_s) > self.end_s
    }

    /// The next token: the same claims, from now on. `None` if the key signs no JWT, or if the chain
    /// has come to its end.
    pub fn next(&self, key: &SigningKey, now_s: u64) -> Option<String> {
        let end_s = self.next_end_s(now_s);
        if end_s <= now_s {
            return None;
        }
        let mut claims = self.claims.clone();
        claims.insert("exp".to_owned(), end_s.into());
        claims.insert("iat".to_owned(), now_s.into());
        if let (true, Some(issuer)) = (claims.contains_key("iss"), &key.issuer) {
            claims.insert("iss".to_owned(), (&**issuer).into());
        }
        jws::write(key, &claims)
    }

    /// Section 2.1.12: so long after the time at which this token was verified.
    fn next_end_s(&self, now_s: u64) -> u64 {
        now_s.saturating_add(self.lifetime_s).min(self.last_s)
    }

    /// Section 2.1.14: the first `cdnistd` segments of the path are the cookie's; with fewer there
    /// is no renewal.
    pub fn cookie_path<'a>(&self, path: &'a ObjectPath) -> Option<&'a str> {
        let text = path.as_str();
        if self.depth == 0 {
            return Some("/");
        }
        // The last segment is a file's: a folder ends before a slash.
        let mut slashes = text.match_indices('/').skip(self.depth);
        slashes.next().map(|(at, _)| &text[..at])
    }
}
