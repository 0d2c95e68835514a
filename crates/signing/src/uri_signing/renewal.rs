//! Signed token renewal, RFC 9246 section 3: each answer brings the token for the next request.

use serde_json::{Map, Value};

use super::{claims::Raw, jws};
use crate::{Denied, ObjectPath, SigningKey};

/// Section 2.1.13: how the next token travels.
const TRANSPORT_COOKIE: u64 = 1;
const TRANSPORT_MAX: u64 = 2;

/// What a token says of the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    claims: Map<String, Value>,
    lifetime_s: u64,
    depth: usize,
}

impl Renewal {
    /// Section 2.1.12 and 2.1.13: `cdniets` and `cdnistt` come together or not at all. A token whose
    /// next one travels in a query wants a redirection, which an edge does not make: none is given.
    pub(super) fn of(raw: &Raw, payload: &[u8]) -> Result<Option<Self>, Denied> {
        let (lifetime_s, transport) = match (raw.cdniets, raw.cdnistt) {
            (None, None) => return Ok(None),
            (Some(lifetime_s), Some(transport)) => (lifetime_s, transport),
            (Some(_), None) | (None, Some(_)) => {
                return Err(Denied::Layout("cdniets and cdnistt come together"));
            }
        };
        if transport > TRANSPORT_MAX {
            return Err(Denied::Layout("cdnistt is unknown"));
        }
        let depth = usize::try_from(raw.cdnistd.unwrap_or(0));
        let depth = depth.or(Err(Denied::Layout("cdnistd is negative")))?;
        if transport != TRANSPORT_COOKIE {
            return Ok(None);
        }
        let claims = serde_json::from_slice(payload);
        let claims = claims.or(Err(Denied::Layout("claims are not an object")))?;
        Ok(Some(Self {
            claims,
            lifetime_s,
            depth,
        }))
    }

    /// How long the next token is good, in seconds.
    pub fn lifetime_s(&self) -> u64 {
        self.lifetime_s
    }

    /// The next token: the same claims, from now on. `None` if the key signs no JWT.
    pub fn next(&self, key: &SigningKey, now_s: u64) -> Option<String> {
        let mut claims = self.claims.clone();
        let end_s = now_s.saturating_add(self.lifetime_s);
        claims.insert("exp".to_owned(), end_s.into());
        claims.insert("iat".to_owned(), now_s.into());
        if let (true, Some(issuer)) = (claims.contains_key("iss"), &key.issuer) {
            claims.insert("iss".to_owned(), (&**issuer).into());
        }
        jws::write(key, &claims)
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
