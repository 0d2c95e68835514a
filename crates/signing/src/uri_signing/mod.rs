//! CDNI URI Signing (RFC 9246): a JWT in the query, in the path or in a cookie.
//!
//! Taken are signed JWTs (JWS compact form) of `ES256`, `EdDSA`, `RS256` and `HS256`, as the key says.
//! A `cdniip` or `sub` in a JWE is opened with the decryption keys of the site's key set, once the
//! token has been verified; one in clear is obeyed too. A `jti` is a nonce (section 2.1.7): refused,
//! held to one use, or a mere id, as the site says.

mod claims;
mod jwe;
mod jws;
mod renewal;

use crate::{
    Claims, ClientNet, DecryptionKey, Denied, Jti, Label, Nonce, Policy, Scheme, key_set::Wanted,
    presented::Decoded,
};
use claims::{Container, Raw};

pub use jws::{Signed, sign};
pub use renewal::{Renewal, Transport};

/// Claims that are encrypted, as they came.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    client_net: Option<String>,
    subject: Option<String>,
}

impl Sealed {
    /// Puts what was encrypted among the claims of a token that has been verified.
    ///
    /// Section 2.1.10: an address that cannot be read is a refusal. A subject forbids nothing, so
    /// without any key to open it with it stands for itself, as an opaque session.
    pub(crate) fn open(
        &self,
        claims: &mut Claims,
        keys: &[DecryptionKey],
        now_s: u64,
    ) -> Result<(), Denied> {
        if let Some(text) = &self.client_net {
            let opened = jwe::open(text, keys, now_s).ok_or(Denied::NotOpened)?;
            claims.client_nets = vec![client_net(&opened)?];
        }
        if let (Some(text), false) = (&self.subject, keys.is_empty()) {
            let opened = jwe::open(text, keys, now_s).ok_or(Denied::NotOpened)?;
            // It was hidden because it may say who somebody is: so it is in logs, too.
            claims.session = Some(Label::hiding(&opened));
        }
        Ok(())
    }
}

pub(crate) fn decode(text: &str, site: &Label, policy: &Policy) -> Result<Decoded, Denied> {
    let jws = jws::split(text, policy.jwt_header.as_deref())?;
    let raw = Raw::parse(&jws.payload)?;
    raw.check(policy)?;
    let (scope, regex) = match raw.container()? {
        Container::Ready(scope) => (scope, None),
        // Section 2.1.15: an expression is run only once the token has been verified.
        Container::Regex(regex) => (crate::Scope::Url(crate::UrlScope::nothing()), Some(regex)),
    };
    let exp = raw.exp.ok_or(Denied::Layout("exp is missing"))?;
    let mut claims = Claims::new(site.clone(), scope, raw.nbf.unwrap_or(0), exp);
    let is_sealed = |text: &&String| jwe::is_one(text);
    let sealed = Sealed {
        client_net: raw.cdniip.as_ref().filter(is_sealed).cloned(),
        subject: raw.sub.as_ref().filter(is_sealed).cloned(),
    };
    if let (Some(text), None) = (&raw.cdniip, &sealed.client_net) {
        claims.client_nets = vec![client_net(text)?];
    }
    claims.session = raw.sub.as_deref().map(Label::naming);
    claims.token_id = raw.jti.as_deref().map(Label::naming);
    let nonce = nonce(&raw, &claims, policy);
    let renewal = Renewal::of(&raw, &jws.payload, exp, policy)?;
    let wanted = Wanted::Named {
        scheme: Scheme::UriSigning,
        name: jws.kid,
        algorithms: jws.algorithms,
    };
    let decoded = Decoded::new(wanted, claims, jws.signed, jws.signature);
    Ok(Decoded {
        issuer: raw.iss,
        regex,
        renewal,
        nonce,
        sealed: Some(sealed),
        ..decoded
    })
}

/// Section 2.1.7. A token was used nowhere before it was issued or valid, nor while it had more left
/// than the longest life.
fn nonce(raw: &Raw, claims: &Claims, policy: &Policy) -> Option<Nonce> {
    let id = claims.token_id.clone()?;
    let end_s = claims.not_after_s;
    let known = [raw.iat, raw.nbf].into_iter().flatten();
    let longest = end_s.saturating_sub(policy.max_lifetime_s);
    let since_s = known.fold(longest, u64::max);
    (policy.jti == Jti::Once).then_some(Nonce { id, since_s, end_s })
}

/// Section 2.1.10: an address or a prefix of addresses.
fn client_net(text: &str) -> Result<ClientNet, Denied> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    ClientNet::loose(bare).ok_or(Denied::Layout("cdniip is no network"))
}
