//! CDNI URI Signing (RFC 9246): a JWT in the query, in the path or in a cookie.
//!
//! Taken are signed JWTs (JWS compact form) of `ES256`, `EdDSA`, `RS256` and `HS256`, as the key says. Not
//! taken: JWE (section 2.1.2 and 2.1.10 want `sub` and `cdniip` encrypted; a `cdniip` in clear is
//! obeyed), a header that is configured instead of sent (`jwt-header`), fractions of seconds, and
//! `jti` as a nonce: a node has no memory of all that every node has seen, so a token with one is
//! refused (section 2.1.7) unless the site says that it is a mere id.

mod claims;
mod jws;
mod renewal;

use crate::{Claims, Denied, Label, Policy, Scheme, key_set::Wanted, presented::Decoded};
use claims::{Container, Raw};

pub use jws::{Signed, sign};
pub use renewal::Renewal;

pub(crate) fn decode(text: &str, site: &Label, policy: &Policy) -> Result<Decoded, Denied> {
    let jws = jws::split(text)?;
    let raw = Raw::parse(&jws.payload)?;
    raw.check(policy)?;
    let (scope, regex) = match raw.container()? {
        Container::Ready(scope) => (scope, None),
        // Section 2.1.15: an expression is run only once the token has been verified.
        Container::Regex(regex) => (crate::Scope::Url(crate::UrlScope::nothing()), Some(regex)),
    };
    let exp = raw.exp.ok_or(Denied::Layout("exp is missing"))?;
    let mut claims = Claims::new(site.clone(), scope, raw.nbf.unwrap_or(0), exp);
    claims.client_nets = raw.client_net()?.into_iter().collect();
    claims.session = raw.sub.as_deref().map(Label::naming);
    claims.token_id = raw.jti.as_deref().map(Label::naming);
    let wanted = Wanted::Named {
        scheme: Scheme::UriSigning,
        name: jws.kid,
        algorithms: jws.algorithms,
    };
    let renewal = Renewal::of(&raw, &jws.payload)?;
    let decoded = Decoded::new(wanted, claims, jws.signed, jws.signature);
    Ok(Decoded {
        issuer: raw.iss,
        regex,
        renewal,
        ..decoded
    })
}
