//! What a token says, what a request is, and what is granted when the two agree.

use std::{fmt, net::IpAddr, sync::Arc};

use crate::{
    ClientNet, Denied, Label, Nonce, ObjectPath, Policy, Scheme, Scope, TokenDigest,
    uri_signing::Renewal,
};

/// What a token says. Times are whole seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The site. It is signed but not carried: a verifier knows whose it is. Other schemes' tokens
    /// do not name it; their keys belong to it.
    pub site: Label,
    /// Which objects.
    pub scope: Scope,
    /// First second of validity; also where the lifetime is measured from. 0 where a token of
    /// another scheme says nothing: then its lifetime is what is left of it.
    pub not_before_s: u64,
    /// First second that is no longer valid.
    pub not_after_s: u64,
    /// Only clients in one of these networks; none means all. A native token has at most one.
    pub client_nets: Vec<ClientNet>,
    /// Only viewers or nodes in one of these regions; none means all.
    pub regions: Vec<Label>,
    /// The viewer's session, for the access log.
    pub session: Option<Label>,
    /// The signer's name for this token, for the access log and for limits.
    pub token_id: Option<Label>,
}

impl Claims {
    /// Claims with a site, a scope and a window; everything else is open.
    pub fn new(site: Label, scope: Scope, not_before_s: u64, not_after_s: u64) -> Self {
        Self {
            site,
            scope,
            not_before_s,
            not_after_s,
            client_nets: Vec::new(),
            regions: Vec::new(),
            session: None,
            token_id: None,
        }
    }

    /// All that does not need the signature, nor a look at the path. `now_s` is the verifier's.
    pub(crate) fn check(
        &self,
        scheme: Scheme,
        policy: &Policy,
        client: IpAddr,
        now_s: u64,
    ) -> Result<(), Denied> {
        if self.not_after_s <= self.not_before_s {
            return Err(Denied::EmptyWindow);
        }
        let open = scheme != Scheme::Native && self.not_before_s == 0;
        let since_s = if open { now_s } else { self.not_before_s };
        let lifetime_s = self.not_after_s.saturating_sub(since_s);
        if lifetime_s > policy.max_lifetime_s {
            return Err(Denied::LifetimeTooLong { s: lifetime_s });
        }
        if now_s >= self.not_after_s {
            return Err(Denied::Expired {
                ago_s: now_s - self.not_after_s,
            });
        }
        if self.not_before_s > now_s.saturating_add(policy.skew_s(scheme)) {
            return Err(Denied::NotYetValid {
                in_s: self.not_before_s - now_s,
            });
        }
        let inside = |net: &ClientNet| net.contains(client);
        if !self.client_nets.is_empty() && !self.client_nets.iter().any(inside) {
            return Err(Denied::WrongClient);
        }
        Ok(())
    }

    /// Where the token may be used. Looked at only once it has been verified, because the answer
    /// is a status of its own.
    pub(crate) fn check_region(
        &self,
        policy: &Policy,
        country: Option<&Label>,
    ) -> Result<(), Denied> {
        let here = |place: Option<&Label>| place.is_some_and(|here| self.regions.contains(here));
        if self.regions.is_empty() || here(country) || here(policy.region.as_ref()) {
            return Ok(());
        }
        Err(Denied::WrongRegion)
    }
}

/// What a verifier has to know about a request.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The path, without its token.
    pub path: &'a ObjectPath,
    /// The socket's peer address: `X-Forwarded-For` is never believed.
    pub client: IpAddr,
    /// Wall time of the request, in seconds since the Unix epoch.
    pub now_s: u64,
    /// Scheme and host as the viewer named them, such as `https://cdn.example`: in lower case, without
    /// a port. Other schemes sign whole URLs.
    pub origin: &'a str,
    /// The query without the token.
    pub query: Option<&'a str>,
    /// The viewer's country (ISO 3166-1, two capital letters), where it is known.
    pub country: Option<&'a Label>,
    /// The request's header fields.
    pub fields: &'a dyn Fields,
}

/// The header fields of a request, for the one scheme that signs some of them.
pub trait Fields {
    /// The value of a field, its lines joined by commas; `None` where there is none, or where one
    /// is not text.
    fn joined(&self, name: &str) -> Option<String>;
}

/// A request without fields.
struct NoFields;

impl Fields for NoFields {
    fn joined(&self, _name: &str) -> Option<String> {
        None
    }
}

impl<'a> Facts<'a> {
    /// All that a native token needs; the rest is empty.
    pub fn new(path: &'a ObjectPath, client: IpAddr, now_s: u64) -> Self {
        Self {
            path,
            client,
            now_s,
            origin: "",
            query: None,
            country: None,
            fields: &NoFields,
        }
    }

    /// The URL without the token, as it was before somebody signed it.
    pub(crate) fn url(&self) -> String {
        let (mark, query) = self.query.map_or(("", ""), |query| ("?", query));
        [self.origin, self.path.as_str(), mark, query].concat()
    }
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("path", &self.path)
            .field("client", &self.client)
            .field("now_s", &self.now_s)
            .field("origin", &self.origin)
            .field("query", &self.query)
            .field("country", &self.country)
            .finish_non_exhaustive()
    }
}

/// A verified token: who may have what. Shared, because a player sends one token a thousand times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose format it has.
    pub scheme: Scheme,
    /// The key that signed.
    pub kid: Label,
    /// Names the token in limits and logs without giving it away.
    pub digest: TokenDigest,
    /// What it says.
    pub claims: Claims,
    /// How it wants to be renewed, if it does.
    pub renewal: Option<Arc<Renewal>>,
    /// Of a token that is good for one request, which the verifier has spent.
    pub nonce: Option<Nonce>,
}
