//! The claims of a URI signing token, RFC 9246 section 2.1.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::time::Duration;

use crate::{Denied, Jti, Policy, Scope, UrlScope};

/// Section 2.1.8: the version of these claims.
const VERSION: u64 = 1;

/// All claims that this room obeys, so all that `cdnicrit` may name.
const KNOWN: [&str; 14] = [
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cdniv", "cdnicrit", "cdniip", "cdniuc",
    "cdniets", "cdnistt", "cdnistd",
];

/// Claims as they came. Others are ignored (RFC 7519 section 4), unless `cdnicrit` names them.
#[derive(Deserialize)]
pub(super) struct Raw {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    aud: Option<Audience>,
    #[serde(default, deserialize_with = "rounded_down")]
    pub(super) exp: Option<u64>,
    #[serde(default, deserialize_with = "rounded_up")]
    pub(super) nbf: Option<u64>,
    #[serde(default, deserialize_with = "rounded_down")]
    pub(super) iat: Option<u64>,
    pub(super) jti: Option<String>,
    cdniv: Option<u64>,
    cdnicrit: Option<String>,
    pub(super) cdniip: Option<String>,
    cdniuc: String,
    #[serde(default, deserialize_with = "rounded_down")]
    pub(super) cdniets: Option<u64>,
    pub(super) cdnistt: Option<u64>,
    pub(super) cdnistd: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

/// A URI container.
pub(super) enum Container {
    Ready(Scope),
    Regex(String),
}

/// RFC 7519 section 2: a time may have a fraction. An end is not later for it.
fn rounded_down<'d, D: Deserializer<'d>>(value: D) -> Result<Option<u64>, D::Error> {
    number(value, f64::floor)
}

/// The same, and a beginning is not earlier.
fn rounded_up<'d, D: Deserializer<'d>>(value: D) -> Result<Option<u64>, D::Error> {
    number(value, f64::ceil)
}

fn number<'d, D: Deserializer<'d>>(
    value: D,
    round: fn(f64) -> f64,
) -> Result<Option<u64>, D::Error> {
    match Option::<Number>::deserialize(value)? {
        None => Ok(None),
        Some(Number::Whole(whole)) => Ok(Some(whole)),
        Some(Number::Real(real)) => {
            let rounded = Duration::try_from_secs_f64(round(real)).map_err(D::Error::custom)?;
            Ok(Some(rounded.as_secs()))
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(u64),
    Real(f64),
}

impl Raw {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Denied> {
        serde_json::from_slice(payload).or(Err(Denied::Layout("claims are not those of RFC 9246")))
    }

    /// What needs neither a key nor the request.
    pub(super) fn check(&self, policy: &Policy) -> Result<(), Denied> {
        // Section 2.1.8: an absent version is 1.
        if self.cdniv.is_some_and(|version| version != VERSION) {
            return Err(Denied::Layout("cdniv is not 1"));
        }
        // Section 2.1.9: whoever does not know a critical claim must reject.
        let critical = self.cdnicrit.as_deref().map(|names| names.split(','));
        if critical
            .into_iter()
            .flatten()
            .any(|name| !KNOWN.contains(&name.trim()))
        {
            return Err(Denied::CriticalClaim);
        }
        // Section 2.1.3, RFC 7519 section 4.1.3: who is not in the audience must reject.
        let named = match &self.aud {
            None => true,
            Some(Audience::One(name)) => policy.audience.as_ref() == Some(name),
            Some(Audience::Some(names)) => policy
                .audience
                .as_ref()
                .is_some_and(|own| names.contains(own)),
        };
        if !named {
            return Err(Denied::WrongAudience);
        }
        // Section 2.1.7: without a memory of nonces, a token that has one must be rejected.
        if self.jti.is_some() && policy.jti == Jti::Refuse {
            return Err(Denied::Nonce);
        }
        Ok(())
    }

    /// Section 2.1.15.
    pub(super) fn container(&self) -> Result<Container, Denied> {
        if let Some(regex) = self.cdniuc.strip_prefix("regex:") {
            return Ok(Container::Regex(regex.to_owned()));
        }
        // Section 2.1.15.1: the segment form of RFC 6920 section 5.
        let hash = self.cdniuc.strip_prefix("hash:sha-256;");
        let hash = hash.ok_or(Denied::Layout("cdniuc is neither regex: nor hash:sha-256;"))?;
        let bytes = URL_SAFE_NO_PAD.decode(hash).ok();
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let bytes = bytes.ok_or(Denied::Layout("cdniuc is not a SHA-256"))?;
        Ok(Container::Ready(Scope::Url(UrlScope::hash(bytes))))
    }
}
