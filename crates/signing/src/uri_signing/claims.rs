//! The claims of a URI signing token, RFC 9246 section 2.1.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::{ClientNet, Denied, Policy, Scope, UrlScope};

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
    pub(super) exp: Option<u64>,
    pub(super) nbf: Option<u64>,
    #[serde(rename = "iat")]
    _iat: Option<u64>,
    pub(super) jti: Option<String>,
    cdniv: Option<u64>,
    cdnicrit: Option<String>,
    cdniip: Option<String>,
    cdniuc: String,
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
        if self.jti.is_some() && !policy.jti_is_id {
            return Err(Denied::Nonce);
        }
        Ok(())
    }

    /// Section 2.1.10 has a CIDR in a JWE; one in clear is obeyed, a JWE is not read.
    pub(super) fn client_net(&self) -> Result<Option<ClientNet>, Denied> {
        let Some(text) = &self.cdniip else {
            return Ok(None);
        };
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let net = ClientNet::loose(bare);
        net.map(Some)
            .ok_or(Denied::Layout("cdniip is encrypted or no network"))
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
