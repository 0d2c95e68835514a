//! What a token says, what a request is, and what is granted when the two agree.

use std::net::IpAddr;

use crate::{ClientNet, Denied, Label, ObjectPath, Policy, Scope, TokenDigest};

/// What a token says. Times are whole seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The site. It is signed but not carried: a verifier knows whose it is.
    pub site: Label,
    /// Which objects.
    pub scope: Scope,
    /// First second of validity; also where the lifetime is measured from.
    pub not_before_s: u64,
    /// First second that is no longer valid.
    pub not_after_s: u64,
    /// Only clients in this network.
    pub client_net: Option<ClientNet>,
    /// Only nodes in one of these regions; none means all.
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
            client_net: None,
            regions: Vec::new(),
            session: None,
            token_id: None,
        }
    }

    /// All that does not need the signature, nor a look at the path. `now_s` is the verifier's.
    pub(crate) fn check(&self, policy: &Policy, client: IpAddr, now_s: u64) -> Result<(), Denied> {
        if self.not_after_s <= self.not_before_s {
            return Err(Denied::EmptyWindow);
        }
        if self.not_after_s - self.not_before_s > policy.max_lifetime_s {
            return Err(Denied::LifetimeTooLong {
                s: self.not_after_s - self.not_before_s,
            });
        }
        if now_s >= self.not_after_s {
            return Err(Denied::Expired {
                ago_s: now_s - self.not_after_s,
            });
        }
        if self.not_before_s > now_s.saturating_add(policy.clock_skew_s) {
            return Err(Denied::NotYetValid {
                in_s: self.not_before_s - now_s,
            });
        }
        if self.client_net.is_some_and(|net| !net.contains(client)) {
            return Err(Denied::WrongClient);
        }
        let here = policy.region.as_ref();
        if !self.regions.is_empty() && !here.is_some_and(|here| self.regions.contains(here)) {
            return Err(Denied::WrongRegion);
        }
        Ok(())
    }
}

/// What a verifier has to know about a request.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The path, without its token.
    pub path: &'a ObjectPath,
    /// The socket's peer address: `X-Forwarded-For` is never believed.
    pub client: IpAddr,
    /// Wall time of the request, in seconds since the Unix epoch.
    pub now_s: u64,
}

/// A verified token: who may have what. Shared, because a player sends one token a thousand times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The key that signed.
    pub kid: Label,
    /// Names the token in limits and logs without giving it away.
    pub digest: TokenDigest,
    /// What it says.
    pub claims: Claims,
}
