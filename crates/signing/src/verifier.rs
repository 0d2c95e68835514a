//! Verifies tokens for one site: cheap checks first, then the signature, once for each token.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;

use crate::{
    Claims, Denied, Facts, Grant, KeySet, Label, Nonces, Policy, Revoked, Scope, TOKEN_CHARS_MAX,
    Token, TokenDigest, UrlScope, VerifyKey, presented::Decoded, recent::Recent,
};

/// The most keys that one token is tried with: a signer's old, present and next ones.
const KEYS_TRIED_MAX: usize = 6;

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
    nonces: Option<Arc<Nonces>>,
    current: ArcSwap<Current>,
}

/// A key set and what was learned under it.
#[derive(Debug)]
struct Current {
    keys: KeySet,
    revoked: Revoked,
    verified: Recent<Arc<Grant>>,
    rejected: Recent<()>,
}

impl Verifier {
    /// A verifier for `site`, which signers name in [`crate::Claims::site`].
    pub fn new(site: Label, keys: KeySet, policy: Policy) -> Self {
        Self::with_revoked(site, keys, Revoked::default(), policy)
    }

    /// The same, with what was revoked.
    pub fn with_revoked(site: Label, keys: KeySet, revoked: Revoked, policy: Policy) -> Self {
        let current = ArcSwap::from_pointee(Current::new(keys, revoked, &policy));
        Self {
            site,
            policy,
            floor: Floor::default(),
            nonces: None,
            current,
        }
    }

    /// The same with a memory of nonces, without which every token that is good once is refused. It
    /// outlives a verifier: what was spent stays so when a config is read anew.
    #[must_use]
    pub fn remembering(self, nonces: Arc<Nonces>) -> Self {
        Self {
            nonces: Some(nonces),
            ..self
        }
    }

    /// Whether a request may go on: with its grant, or with none where the site's policy wants
    /// no token. A token that came is verified in any case.
    pub fn admit<'t>(
        &self,
        token: Option<impl Into<Token<'t>>>,
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
    pub fn verify<'t>(
        &self,
        token: impl Into<Token<'t>>,
        facts: &Facts<'_>,
    ) -> Result<Arc<Grant>, Denied> {
        let token = token.into();
        let now_s = self
            .floor
            .raise_and_read(facts.now_s, self.policy.clock_skew_s);
        let chars = token.chars();
        if chars > TOKEN_CHARS_MAX {
            return Err(Denied::TooLong { chars });
        }
        let current = self.current.load();
        let digest = token.digest(facts);
        let grant = match current.verified.recall(&digest) {
            Some(grant) => self.check_again(&current, grant, facts, now_s)?,
            None => self.prove(&current, &token, digest, facts, now_s)?,
        };
        if current.revoked.names(&grant.claims) {
            return Err(Denied::Revoked);
        }
        if !grant.claims.scope.covers(facts) {
            return Err(Denied::OutOfScope);
        }
        grant.claims.check_region(&self.policy, facts.country)?;
        if let Some(nonce) = &grant.nonce {
            // The last of all checks: what is refused for another reason is not spent.
            let nonces = self.nonces.as_ref().ok_or(Denied::Nonce)?;
            nonces.spend(nonce, self.policy.nonces_max, now_s)?;
        }
        Ok(grant)
    }

    /// Replaces all keys at once. Requests under way finish with the keys that they began with;
    /// what was remembered under the old keys is forgotten.
    pub fn replace_keys(&self, keys: KeySet) {
        let revoked = self.current.load().revoked.clone();
        let next = Current::new(keys, revoked, &self.policy);
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
            .usable(&grant.kid, now_s, self.policy.skew_s(grant.scheme))
            .and_then(|_| {
                let (scheme, client) = (grant.scheme, facts.client);
                grant.claims.check(scheme, &self.policy, client, now_s)
            });
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
        token: &Token<'_>,
        digest: TokenDigest,
        facts: &Facts<'_>,
        now_s: u64,
    ) -> Result<Arc<Grant>, Denied> {
        if current.rejected.recall(&digest).is_some() {
            return Err(Denied::BadSignatureAgain);
        }
        let scheme = token.scheme();
        let decoded = token.decode(&self.site, facts, &self.policy)?;
        let skew_s = self.policy.skew_s(scheme);
        let keys = current.keys.candidates(&decoded.wanted, now_s, skew_s)?;
        let keys = fitting(&decoded, &keys)?;
        decoded
            .claims
            .check(scheme, &self.policy, facts.client, now_s)?;
        if decoded.renewal.is_some() && !self.policy.renews {
            return Err(Denied::NoRenewal);
        }
        let Some(key) = keys.iter().find(|key| signed_by(&decoded, key)) else {
            current.rejected.remember(digest, ());
            return Err(bad_signature(&keys));
        };
        let mut claims = proven_claims(decoded.claims, decoded.regex.as_deref())?;
        if let Some(sealed) = &decoded.sealed {
            sealed.open(&mut claims, current.keys.decryption_keys(), now_s)?;
            claims.check(scheme, &self.policy, facts.client, now_s)?;
        }
        let grant = Arc::new(Grant {
            scheme,
            kid: key.kid.clone(),
            digest,
            claims,
            renewal: decoded.renewal.map(Arc::new),
            nonce: decoded.nonce,
        });
        current.verified.remember(digest, Arc::clone(&grant));
        Ok(grant)
    }
}

/// The keys whose signatures look like this one, and whose issuer is the token's.
fn fitting<'k>(decoded: &Decoded, keys: &[&'k VerifyKey]) -> Result<Vec<&'k VerifyKey>, Denied> {
    let found = decoded.signature.len();
    let mut why_not = Denied::WrongIssuer;
    let mut fitting = Vec::new();
    for key in keys {
        let lengths = key.signature_bytes(decoded.form);
        let expected = *lengths.end();
        let issuer = decoded.issuer.as_deref();
        if !lengths.contains(&found) {
            why_not = Denied::SignatureLength { found, expected };
        } else if issuer.is_none() || issuer == key.issuer.as_deref() {
            fitting.push(*key);
        }
    }
    fitting.truncate(KEYS_TRIED_MAX);
    if fitting.is_empty() {
        Err(why_not)
    } else {
        Ok(fitting)
    }
}

fn signed_by(decoded: &Decoded, key: &VerifyKey) -> bool {
    decoded.messages.iter().any(|message| match &key.salt {
        None => key.verifies_as(decoded.form, message, &decoded.signature),
        Some(salt) => {
            let salted = [message, b"~salt=".as_slice(), salt.as_bytes()].concat();
            key.verifies_as(decoded.form, &salted, &decoded.signature)
        }
    })
}

fn bad_signature(keys: &[&VerifyKey]) -> Denied {
    // `fitting` yields at least one.
    keys.first()
        .map_or(Denied::NoKey, |key| Denied::BadSignature(key.kid.clone()))
}

/// A regular expression is compiled once its signature has been verified.
fn proven_claims(claims: Claims, regex: Option<&str>) -> Result<Claims, Denied> {
    let Some(regex) = regex else {
        return Ok(claims);
    };
    let scope = UrlScope::regex(regex).ok_or(Denied::Layout("regular expression"))?;
    Ok(Claims {
        scope: Scope::Url(scope),
        ..claims
    })
}

impl Current {
    fn new(keys: KeySet, revoked: Revoked, policy: &Policy) -> Self {
        Self {
            keys,
            revoked,
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
