//! From what a command names, URLs and patterns of URLs, to what that is on this node.

use cache::Pattern;
use http::Uri;

use super::model::{FaultKind, Target};
use crate::{Engine, Reason, Refused, access::Role};

/// What a name came to.
pub(crate) enum Found {
    Targets(Vec<Target>),
    /// Nothing here; why.
    Nothing(FaultKind, &'static str),
}

/// The object that a URL names.
///
/// # Errors
/// A malformed URL (400), or a site that is not the client's (403).
pub(crate) fn url(
    engine: &dyn Engine,
    role: &Role,
    url: &str,
    size: Option<u64>,
) -> Result<Found, Refused> {
    let malformed = || Refused::malformed(format!("{url:?} is no absolute http URL"));
    let uri: Uri = url.parse().map_err(|_no_uri| malformed())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri
        .host()
        .filter(|_| is_http && !url.contains('#'))
        .ok_or_else(malformed)?;
    let Some(site) = engine.site_of(&host.to_ascii_lowercase()) else {
        return Ok(Found::Nothing(
            FaultKind::Permission,
            "no site of this node has this host",
        ));
    };
    check(role, &site)?;
    let name = engine.object(&site, uri.path(), uri.query())?;
    Ok(Found::Targets(vec![Target::Object {
        site: name.site.to_string(),
        path: name.path.to_string(),
        size,
    }]))
}

/// What a pattern of URLs can match, site by site. RFC 8007 section 5.2.2.1: schemes are ignored.
///
/// # Errors
/// A malformed pattern (400), or one that is for other owners' sites alone (403).
pub(crate) fn pattern(
    engine: &dyn Engine,
    role: &Role,
    text: &str,
    case_sensitive: bool,
    with_query: bool,
) -> Result<Found, Refused> {
    let rest = text.split_once("//").map_or(text, |(_, rest)| rest);
    let pattern = Pattern::parse(rest, case_sensitive, with_query)
        .map_err(|bad| Refused::malformed(format!("{text:?}: {bad}")))?;
    let (mut targets, mut others) = (Vec::new(), None);
    for (site, hosts) in engine.sites() {
        let paths = hosts.iter().flat_map(|host| pattern.behind(host));
        let mut paths: Vec<String> = paths.map(|path| path.to_string()).collect();
        paths.sort_unstable();
        paths.dedup();
        if paths.is_empty() {
            continue;
        }
        // A pattern that also fits others' hosts reaches the owner's alone.
        if !role.owns(&site) {
            others = Some(site);
            continue;
        }
        targets.extend(paths.into_iter().map(|path| Target::Pattern {
            site: site.to_string(),
            pattern: path,
            case_sensitive,
            with_query,
        }));
    }
    match (targets.is_empty(), others) {
        (true, Some(site)) => Err(check(role, &site)
            .err()
            .unwrap_or_else(|| Refused::malformed(text))),
        (true, None) => Ok(Found::Nothing(
            FaultKind::Permission,
            "no site of this node has a host that matches",
        )),
        (false, _) => Ok(Found::Targets(targets)),
    }
}

fn check(role: &Role, site: &str) -> Result<(), Refused> {
    if role.owns(site) {
        return Ok(());
    }
    let detail = format!("site {site:?} is somebody else's");
    Err(Refused::new(Reason::Role, detail))
}
