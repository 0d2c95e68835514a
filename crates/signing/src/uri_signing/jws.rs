//! JWS in its compact form (RFC 7515), to read and to write.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Algorithm, Denied, Error, Scheme, SigningKey, UrlScope};

/// A JWS taken apart.
pub(super) struct Jws {
    pub(super) kid: Option<String>,
    pub(super) algorithms: &'static [Algorithm],
    pub(super) payload: Vec<u8>,
    pub(super) signed: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// RFC 7515 section 4.1.11: `crit` names extensions, of which we know none.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// `configured` is the header of tokens that come without one (RFC 9246 section 2.2).
pub(super) fn split(text: &str, configured: Option<&str>) -> Result<Jws, Denied> {
    let whole;
    let text = match configured {
        Some(header) if text.split('.').count() == 2 => {
            whole = format!("{header}.{text}");
            &whole
        }
        Some(_) | None => text,
    };
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Denied::Layout("not a JWS"));
    };
    let bytes = |part| URL_SAFE_NO_PAD.decode(part).or(Err(Denied::NotBase64Url));
    let header: Header = serde_json::from_slice(&bytes(header)?)
        .or(Err(Denied::Layout("header is not that of a JWS")))?;
    if header.crit.is_some() {
        return Err(Denied::CriticalClaim);
    }
    let signed = text.len() - signature.len() - 1;
    Ok(Jws {
        kid: header.kid,
        algorithms: algorithms(&header.alg).ok_or(Denied::WrongAlgorithm)?,
        payload: bytes(payload)?,
        signed: text.as_bytes()[..signed].to_vec(),
        signature: bytes(signature)?,
    })
}

/// Which keys a header's `alg` allows. The key decides: this can only rule keys out.
fn algorithms(alg: &str) -> Option<&'static [Algorithm]> {
    match alg {
        "ES256" => Some(&[Algorithm::EcdsaP256]),
        "EdDSA" => Some(&[Algorithm::Ed25519]),
        "RS256" => Some(&[Algorithm::RsaSha256]),
        "HS256" => Some(&[Algorithm::HmacSha256]),
        _ => None,
    }
}

fn alg(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::EcdsaP256 => Some("ES256"),
        Algorithm::Ed25519 => Some("EdDSA"),
        Algorithm::RsaSha256 => Some("RS256"),
        Algorithm::HmacSha256 => Some("HS256"),
        Algorithm::HmacSha1 | Algorithm::RsaSha1 => None,
    }
}

pub(super) fn write(key: &SigningKey, claims: &Map<String, Value>) -> Option<String> {
    let header = json!({ "alg": alg(key.algorithm())?, "kid": key.token_name() });
    let claims = serde_json::to_vec(claims).ok()?;
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    let text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.signature(text.as_bytes()));
    Some(format!("{text}.{signature}"))
}

/// What a new URI signing token is for.
#[derive(Debug, Clone)]
pub enum Signed<'a> {
    /// One URL, as it is without the token.
    Url(&'a str),
    /// URLs that a regular expression matches as a whole.
    Regex(&'a str),
}

/// A new token, good from `not_before_s` to `not_after_s`; with `renew_s` an edge that can gives a
/// new one for so long, in a cookie, with each answer.
pub fn sign(
    key: &SigningKey,
    what: &Signed<'_>,
    not_before_s: u64,
    not_after_s: u64,
    renew_s: Option<u64>,
) -> Result<String, Error> {
    if key.scheme() != Scheme::UriSigning {
        return Err(Error::Claims("the key is not of uri-signing"));
    }
    let container = match what {
        Signed::Url(url) => {
            let digest = digest(&SHA256, url.as_bytes());
            format!("hash:sha-256;{}", URL_SAFE_NO_PAD.encode(digest))
        }
        Signed::Regex(regex) => {
            if UrlScope::regex(regex).is_none() {
                return Err(Error::Claims(
                    "the regular expression is none, or too large",
                ));
            }
            format!("regex:{regex}")
        }
    };
    let mut claims = Map::new();
    claims.insert("cdniuc".to_owned(), container.into());
    claims.insert("nbf".to_owned(), not_before_s.into());
    claims.insert("iat".to_owned(), not_before_s.into());
    claims.insert("exp".to_owned(), not_after_s.into());
    if let Some(issuer) = &key.issuer {
        claims.insert("iss".to_owned(), (&**issuer).into());
    }
    if let Some(renew_s) = renew_s {
        claims.insert("cdniets".to_owned(), renew_s.into());
        claims.insert("cdnistt".to_owned(), 1.into());
    }
    write(key, &claims).ok_or(Error::Claims("the key cannot sign a JWT"))
}
