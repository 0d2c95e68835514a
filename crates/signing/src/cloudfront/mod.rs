//! Amazon CloudFront's signed URLs and cookies.
//!
//! Parameters `Expires` (a canned policy) or `Policy` (a custom one), `Signature`, `Key-Pair-Id`
//! and perhaps `Hash-Algorithm`; as cookies with `CloudFront-` before each. What is signed is the
//! policy. A canned one is not sent: it is made here of the URL and `Expires`, byte by byte as the
//! signer made it. Without `Hash-Algorithm=SHA256` it is signed with SHA-1, which only a key of
//! `rsa-sha-1` allows; ring has no ECDSA with SHA-1, so an ECDSA key wants SHA256.

mod policy;
mod signer;

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    Algorithm, Claims, Denied, Facts, Label, Scheme, Scope, edge_auth::seconds, key::Form,
    key_set::Wanted, presented::Decoded, url_scope::UrlScope,
};
use policy::Policy;

pub use signer::sign;

/// CloudFront's parameters or cookies, as they came.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent<'a> {
    pub(crate) expires: Option<&'a str>,
    pub(crate) policy: Option<&'a str>,
    pub(crate) signature: Option<&'a str>,
    pub(crate) key_pair_id: Option<&'a str>,
    pub(crate) hash_algorithm: Option<&'a str>,
}

impl<'a> Sent<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn texts(&self) -> [Option<&'a str>; 5] {
        [
            self.expires,
            self.policy,
            self.signature,
            self.key_pair_id,
            self.hash_algorithm,
        ]
    }

    /// A canned policy is for one URL, which is not in it.
    pub(crate) fn bound(&self, facts: &Facts<'_>) -> Cow<'static, str> {
        match self.policy {
            Some(_) => Cow::Borrowed(""),
            None => Cow::Owned(facts.url()),
        }
    }

    pub(crate) fn decode(&self, site: &Label, facts: &Facts<'_>) -> Result<Decoded, Denied> {
        let missing = |what| move || Denied::Layout(what);
        let signature = self.signature.ok_or_else(missing("Signature is missing"))?;
        let name = self
            .key_pair_id
            .ok_or_else(missing("Key-Pair-Id is missing"))?;
        let signature = decode64(signature).ok_or(Denied::Layout("Signature is not base64"))?;
        let (form, algorithms) = self.hash()?;
        let (claims, message) = match (self.expires, self.policy) {
            (Some(expires), None) => canned(expires, site, facts)?,
            (None, Some(policy)) => custom(policy, site)?,
            (None, None) => return Err(Denied::Layout("Expires and Policy are missing")),
            (Some(_), Some(_)) => return Err(Denied::Layout("Expires beside Policy")),
        };
        let wanted = Wanted::Named {
            scheme: Scheme::CloudFront,
            name: Some(name.to_owned()),
            algorithms,
        };
        let decoded = Decoded::new(wanted, claims, message, signature);
        Ok(Decoded { form, ..decoded })
    }

    fn hash(&self) -> Result<(Form, &'static [Algorithm]), Denied> {
        match self.hash_algorithm {
            None | Some("SHA1") => Ok((Form::DerSha1, &[Algorithm::RsaSha1])),
            Some("SHA256") => Ok((Form::Der, Scheme::CloudFront.algorithms())),
            Some(_) => Err(Denied::Layout("Hash-Algorithm is unknown")),
        }
    }
}

fn canned(expires: &str, site: &Label, facts: &Facts<'_>) -> Result<(Claims, Vec<u8>), Denied> {
    let not_after_s = seconds(expires).ok_or(Denied::Layout("Expires is not a number"))?;
    // The grammars of paths and queries have no quote and no backslash, so this is that one JSON.
    let message = format!(
        r#"{{"Statement":[{{"Resource":"{}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}"#,
        facts.url()
    );
    let scope = Scope::Path(facts.path.clone());
    let claims = Claims::new(site.clone(), scope, 0, not_after_s);
    Ok((claims, message.into_bytes()))
}

fn custom(policy: &str, site: &Label) -> Result<(Claims, Vec<u8>), Denied> {
    let message = decode64(policy).ok_or(Denied::Layout("Policy is not base64"))?;
    let policy = Policy::parse(&message).ok_or(Denied::Layout("Policy is not one statement"))?;
    let scope = UrlScope::url_pattern(&policy.resource);
    let scope = Scope::Url(scope.ok_or(Denied::Layout("Resource is too long"))?);
    let (begin_s, end_s) = (policy.not_before_s.unwrap_or(0), policy.not_after_s);
    let mut claims = Claims::new(site.clone(), scope, begin_s, end_s);
    claims.client_nets = policy.client_net.into_iter().collect();
    Ok((claims, message))
}

/// CloudFront writes `-`, `_` and `~` in place of `+`, `=` and `/`.
fn decode64(text: &str) -> Option<Vec<u8>> {
    let plain: Option<String> = text
        .chars()
        .map(|c| match c {
            '-' => Some('+'),
            '_' => Some('='),
            '~' => Some('/'),
            '+' | '=' | '/' => None,
            other => Some(other),
        })
        .collect();
    STANDARD.decode(plain?).ok()
}
