//! Verifies tokens for one site: cheap checks first, then the signature, once for each token.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;

use crate::{
    Denied, Facts, Grant, KeySet, Label, Policy, TOKEN_CHARS_MAX, TokenDigest, recent::Recent,
    token,
};

/// Says who may have what on one site.
///
/// A verified token is remembered by its full digest, so a player's next segments cost one hash
/// and one map access; its window, key, client, region and scope are still checked on each use.
/// A forged token that comes again is refused by the same means, so only new forgeries cost a
/// signature. Both memories are bounded by the [`Policy`] and fall with the key set that they
/// were made under.
///
/// Locks are held for single map accesses. All methods take `&self`: one verifier serves all
/// threads.
#[derive(Debug)]
pub struct Verifier {
    site: Label,
    policy: Policy,
    floor: Floor,
    current: ArcSwap<Current>,
}

/// A key set and what was learned under it.
#[derive(Debug)]
struct Current {
    keys: KeySet,
    verified: Recent<Arc<Grant>>,
    rejected: Recent<()>,
}

impl Verifier {
    /// A verifier for `site`, which signers name in [`crate::Claims::site`].
    pub fn new(site: Label, keys: KeySet, policy: Policy) -> Self {
        let current = ArcSwap::from_pointee(Current::new(keys, &policy));
        Self {
            site,
            policy,
            floor: Floor::default(),
            current,
        }
    }

    /// Whether a request may go on: with its grant, or with none where the site's policy wants
    /// no token. A token that came is verified in any case.
    pub fn admit(
        &self,
        token: Option<&str>,
        facts: &Facts<'_>,
    ) -> Result<Option<Arc<Grant>>, Denied> {
        match token {
            Some(token) => self.verify(token, facts).map(Some),
            None if self.policy.required => Err(Denied::Absent),
            None => Ok(None),
        }
    }

    /// Verifies a token for a request.
    ///
    /// Time never runs backwards here by more than the policy's skew: the latest `now_s` of any
    /// request is kept, so a clock that is set back does not revive what has expired.
    pub fn verify(&self, token: &str, facts: &Facts<'_>) -> Result<Arc<Grant>, Denied> {
        let now_s = self
            .floor
            .raise_and_read(facts.now_s, self.policy.clock_skew_s);
        if token.len() > TOKEN_CHARS_MAX {
            return Err(Denied::TooLong { chars: token.len() });
        }
        let current = self.current.load();
        let digest = TokenDigest::of(token);
        let grant = match current.verified.recall(&digest) {
            Some(grant) => self.check_again(&current, grant, facts, now_s)?,
            None => self.prove(&current, token, digest, facts, now_s)?,
        };
        if !grant.claims.scope.covers(facts.path) {
            return Err(Denied::OutOfScope);
        }
        Ok(grant)
    }

    /// Replaces all keys at once. Requests under way finish with the keys that they began with;
    /// what was remembered under the old keys is forgotten.
    pub fn replace_keys(&self, keys: KeySet) {
        let next = Current::new(keys, &self.policy);
        self.current.store(Arc::new(next));
    }

    /// The site.
    pub fn site(&self) -> &Label {
        &self.site
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How far `now_s` is behind the latest time seen, in seconds. More than the policy's skew
    /// means that the clock was set back, or had been ahead: worth an alarm and perhaps a drain,
    /// because until time has caught up the verifier judges by the later time.
    pub fn clock_behind_s(&self, now_s: u64) -> u64 {
        self.floor.latest_s().saturating_sub(now_s)
    }

    /// Raises the time floor, for instance to a time kept from before a restart.
    pub fn raise_floor(&self, now_s: u64) {
        self.floor.raise_and_read(now_s, 0);
    }

    /// Sets the time floor to `now_s`, also downwards: an operator's answer to a clock that had
    /// run ahead. Tokens that expired meanwhile become valid again.
    pub fn reset_floor(&self, now_s: u64) {
        self.floor.0.store(now_s, Ordering::Relaxed);
    }

    fn check_again(
        &self,
        current: &Current,
        grant: Arc<Grant>,
        facts: &Facts<'_>,
        now_s: u64,
    ) -> Result<Arc<Grant>, Denied> {
        let checked = current
            .keys
            .usable(&grant.kid, now_s, self.policy.clock_skew_s)
            .and_then(|_| grant.claims.check(&self.policy, facts.client, now_s));
        match checked {
            Ok(()) => Ok(grant),
            Err(over @ (Denied::Expired { .. } | Denied::KeyRetired(_))) => {
                current.verified.forget(&grant.digest);
                Err(over)
            }
            Err(denied) => Err(denied),
        }
    }

    fn prove(
        &self,
        current: &Current,
        token: &str,
        digest: TokenDigest,
        facts: &Facts<'_>,
        now_s: u64,
    ) -> Result<Arc<Grant>, Denied> {
        if current.rejected.recall(&digest).is_some() {
            return Err(Denied::BadSignatureAgain);
        }
        let decoded = token::decode(token, &self.site)?;
        let key = current
            .keys
            .usable(&decoded.kid, now_s, self.policy.clock_skew_s)?;
        let (found, expected) = (decoded.signature.len(), key.algorithm().signature_bytes());
        if found != expected {
            return Err(Denied::SignatureLength { found, expected });
        }
        decoded.claims.check(&self.policy, facts.client, now_s)?;
        if !key.verifies(&decoded.message, &decoded.signature) {
            current.rejected.remember(digest, ());
            return Err(Denied::BadSignature(decoded.kid));
        }
        let grant = Arc::new(Grant {
            kid: decoded.kid,
            digest,
            claims: decoded.claims,
        });
        current.verified.remember(digest, Arc::clone(&grant));
        Ok(grant)
    }
}

impl Current {
    fn new(keys: KeySet, policy: &Policy) -> Self {
        Self {
            keys,
            verified: Recent::new(policy.verified_tokens_max),
            rejected: Recent::new(policy.rejected_tokens_max),
        }
    }
}

/// The latest wall time seen. Seconds, so requests write to it about once a second.
#[derive(Debug, Default)]
struct Floor(AtomicU64);

impl Floor {
    /// The time to judge by: `now_s`, but not more than `skew_s` before the latest time seen.
    fn raise_and_read(&self, now_s: u64, skew_s: u64) -> u64 {
        let latest_s = self.latest_s();
        if now_s > latest_s {
            self.0.fetch_max(now_s, Ordering::Relaxed);
        }
        now_s.max(latest_s.saturating_sub(skew_s))
    }

    fn latest_s(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
