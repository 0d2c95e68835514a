//! The native token: its layout, the signer's side, and decoding without trust.
//!
//! A token is this body and its signature as base64url without padding, in the one canonical
//! spelling, at most [`TOKEN_CHARS_MAX`] characters. Integers are big-endian, times are seconds
//! since the Unix epoch.
//!
//! ```text
//!  bytes  field
//!  1      version, 1
//!  1      K, length of the key id, 1 to 64
//!  K      key id: a label
//!  8      end: the first second that is no longer valid
//!  8      beginning: the first second that is valid
//!  1      scope kind: 1 one path, 2 prefix, 3 globs, 4 wildcards
//!  2      S, length of the scope
//!  S      scope: a path, or patterns joined by commas
//!  1      number of claims
//!         for each claim, types strictly ascending:
//!  1        type: 1 token id, 2 session, 3 client network, 4 regions
//!  1        L, length of the value
//!  L        value: a label (1, 2), prefix length and 4 or 16 bytes of address (3),
//!           labels joined by commas (4)
//!  64/32  signature, exactly as long as the algorithm of the key id makes it
//! ```
//!
//! What is signed is [`DOMAIN`], the site's name, a zero byte and the body. So a token is good
//! for one site even if two sites have a key in common, and a signature made for something else
//! is never a token. The algorithm is the key's: nothing in a token can choose it. An unknown
//! version or claim is refused: every claim is critical.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};

use crate::{
    Claims, ClientNet, Denied, Error, Label, Scheme, Scope, SigningKey, key_set::Wanted,
    presented::Decoded,
};

/// The longest token. With the longest object path it stays well under the limit of 8 KiB that a
/// request target has.
pub const TOKEN_CHARS_MAX: usize = 2048;

/// What every signed message starts with, so that it cannot be mistaken for another one.
pub const DOMAIN: &[u8] = b"millpond url token 1\0";

const VERSION: u8 = 1;
const TOKEN_ID: u8 = 1;
const SESSION: u8 = 2;
const CLIENT_NET: u8 = 3;
const REGIONS: u8 = 4;

/// Signs claims. Refuses what no verifier would accept: an empty window, or too much text.
pub fn sign(key: &SigningKey, claims: &Claims) -> Result<String, Error> {
    if claims.not_after_s <= claims.not_before_s {
        return Err(Error::Claims("not_after_s is not after not_before_s"));
    }
    if key.scheme() != Scheme::Native {
        return Err(Error::Claims("the key is of another scheme"));
    }
    if claims.client_nets.len() > 1 {
        return Err(Error::Claims(
            "a native token names at most one client network",
        ));
    }
    let mut token = body(key.kid(), claims)?;
    let signature = key.signature(&message(&claims.site, &token));
    token.extend(signature);
    let token = URL_SAFE_NO_PAD.encode(token);
    if token.len() > TOKEN_CHARS_MAX {
        return Err(Error::TokenTooLong { chars: token.len() });
    }
    // Reading it back costs nothing beside signing, and no rule is told twice.
    match decode(&token, &claims.site) {
        Ok(decoded) if decoded.claims == *claims => Ok(token),
        Ok(_) | Err(_) => Err(Error::Claims("a glob scope has 1 to 8 patterns")),
    }
}

/// SHA-256 of a token's text (of another scheme: and of what of the request it covers): its full digest, which names it without giving it away. `Display`
/// shows the first 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token.
    pub fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }

    pub(crate) fn from_digest(digest: &ring::digest::Digest) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// All 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Takes a token apart. Bounded by [`TOKEN_CHARS_MAX`]; believes nothing.
pub(crate) fn decode(token: &str, site: &Label) -> Result<Decoded, Denied> {
    if token.len() > TOKEN_CHARS_MAX {
        return Err(Denied::TooLong { chars: token.len() });
    }
    let bytes = URL_SAFE_NO_PAD
        .decode(token)
        .or(Err(Denied::NotBase64Url))?;
    let mut rest = Rest(&bytes);
    let version = rest.byte("version is missing")?;
    if version != VERSION {
        return Err(Denied::UnknownVersion(version));
    }
    let kid_bytes = usize::from(rest.byte("key id is missing")?);
    let kid = label(
        rest.take(kid_bytes, "key id is cut off")?,
        "key id is not a label",
    )?;
    let not_after_s = rest.integer("end is cut off")?;
    let not_before_s = rest.integer("beginning is cut off")?;
    let scope = scope(&mut rest)?;
    let mut claims = Claims::new(site.clone(), scope, not_before_s, not_after_s);
    decode_optional(&mut rest, &mut claims)?;
    let signature = rest.0.to_vec();
    let body_bytes = bytes.len() - signature.len();
    let message = message(site, &bytes[..body_bytes]);
    Ok(Decoded::new(Wanted::Kid(kid), claims, message, signature))
}

fn scope(rest: &mut Rest<'_>) -> Result<Scope, Denied> {
    let kind = rest.byte("scope is missing")?;
    let length = rest.take(2, "scope is cut off")?;
    let length = usize::from(length[0]) << 8 | usize::from(length[1]);
    let text = rest.take(length, "scope is cut off")?;
    Scope::from_token(kind, text).ok_or(Denied::Layout("scope is not legal"))
}

fn decode_optional(rest: &mut Rest<'_>, claims: &mut Claims) -> Result<(), Denied> {
    let count = rest.byte("claims are missing")?;
    let mut last = 0;
    for _ in 0..count {
        let claim = rest.byte("claim is cut off")?;
        if claim <= last {
            return Err(Denied::UnknownClaim(claim));
        }
        last = claim;
        let length = usize::from(rest.byte("claim is cut off")?);
        let value = rest.take(length, "claim is cut off")?;
        match claim {
            TOKEN_ID => claims.token_id = Some(label(value, "token id is not a label")?),
            SESSION => claims.session = Some(label(value, "session is not a label")?),
            CLIENT_NET => {
                let net = ClientNet::from_bytes(value);
                claims.client_nets = vec![net.ok_or(Denied::Layout("client network"))?];
            }
            REGIONS => {
                let regions = value.split(|byte| *byte == b',');
                let regions = regions.map(|region| label(region, "region is not a label"));
                claims.regions = regions.collect::<Result<_, _>>()?;
            }
            unknown => return Err(Denied::UnknownClaim(unknown)),
        }
    }
    Ok(())
}

fn label(bytes: &[u8], wrong: &'static str) -> Result<Label, Denied> {
    Label::from_bytes(bytes).ok_or(Denied::Layout(wrong))
}

/// What is left to decode.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize, missing: &'static str) -> Result<&'a [u8], Denied> {
        let (taken, rest) = self
            .0
            .split_at_checked(bytes)
            .ok_or(Denied::Layout(missing))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self, missing: &'static str) -> Result<u8, Denied> {
        self.take(1, missing).map(|byte| byte[0])
    }

    fn integer(&mut self, missing: &'static str) -> Result<u64, Denied> {
        let bytes = self.take(8, missing)?;
        Ok(bytes
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
}

/// What is signed.
fn message(site: &Label, body: &[u8]) -> Vec<u8> {
    [DOMAIN, site.as_str().as_bytes(), &[0], body].concat()
}

fn body(kid: &Label, claims: &Claims) -> Result<Vec<u8>, Error> {
    let scope = claims.scope.to_string();
    let too_long = Error::TokenTooLong { chars: scope.len() };
    let scope_bytes = u16::try_from(scope.len()).or(Err(too_long))?;
    let mut body = vec![VERSION];
    push_short(&mut body, kid.as_str().as_bytes())?;
    body.extend(claims.not_after_s.to_be_bytes());
    body.extend(claims.not_before_s.to_be_bytes());
    let kind = claims.scope.kind();
    body.push(kind.ok_or(Error::Claims("a native token names paths, not URLs"))?);
    body.extend(scope_bytes.to_be_bytes());
    body.extend(scope.as_bytes());

    let text = |label: &Label| label.as_str().as_bytes().to_vec();
    let regions: Vec<_> = claims.regions.iter().map(Label::as_str).collect();
    let optional = [
        (TOKEN_ID, claims.token_id.as_ref().map(text)),
        (SESSION, claims.session.as_ref().map(text)),
        (
            CLIENT_NET,
            claims.client_nets.first().map(|net| net.to_bytes()),
        ),
        (
            REGIONS,
            (!regions.is_empty()).then(|| regions.join(",").into_bytes()),
        ),
    ];
    let count_at = body.len();
    body.push(0);
    for (claim, value) in optional {
        let Some(value) = value else { continue };
        body[count_at] += 1;
        body.push(claim);
        push_short(&mut body, &value)?;
    }
    Ok(body)
}

fn push_short(body: &mut Vec<u8>, value: &[u8]) -> Result<(), Error> {
    let too_long = Error::Claims("the regions are over 255 characters together");
    body.push(u8::try_from(value.len()).or(Err(too_long))?);
    body.extend(value);
    Ok(())
}
