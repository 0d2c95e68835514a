//! Dual tokens: a short one at the playlist is exchanged for a longer one at the segments.

use crate::{Claims, ClientNet, Facts, Grant, Scope, SigningKey, sign};

/// How a session token is made.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'k> {
    /// A native key of the edges' own, in the site's key set too.
    pub key: &'k SigningKey,
    /// How long a session token is good, in seconds.
    pub lifetime_s: u64,
}

/// A native token that takes a verified one's place: the same scope, network, regions, session and
/// id, from now on, signed by the edge. So it is never good for more, but longer.
///
/// `None` for a token that is one itself (a session ends), that is for one URL or names its URLs by
/// a hash or a regular expression (nothing to inherit), or whose scope a native token cannot hold.
pub fn exchange(with: &Exchange<'_>, grant: &Grant, facts: &Facts<'_>) -> Option<String> {
    if grant.kid == *with.key.kid() {
        return None;
    }
    let claims = &grant.claims;
    let scope = match &claims.scope {
        Scope::Path(_) => return None,
        scope @ (Scope::Prefix(_) | Scope::Globs(_) | Scope::Wildcards(_)) => scope.clone(),
        Scope::Url(urls) => {
            let patterns = urls.path_patterns_at(facts.origin)?;
            Scope::wildcards(patterns.iter().map(String::as_str)).ok()?
        }
    };
    // Of several networks the session keeps the one that it began in.
    let inside = |net: &&ClientNet| net.contains(facts.client);
    let net = claims.client_nets.iter().find(inside).copied();
    let end_s = facts.now_s.saturating_add(with.lifetime_s);
    let session = Claims {
        client_nets: net.into_iter().collect(),
        regions: claims.regions.clone(),
        session: claims.session.clone(),
        token_id: claims.token_id.clone(),
        ..Claims::new(claims.site.clone(), scope, facts.now_s, end_s)
    };
    sign(with.key, &session).ok()
}
