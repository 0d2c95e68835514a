//! From what a command names, URLs and patterns of URLs, to what that is on this node.

use std::sync::Arc;

use cache::Pattern;
use http::Uri;
use message::ObjectName;

use super::model::{FaultKind, PlaylistFormat, Target};
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
    let Some(name) = own(engine, role, url)? else {
        return Ok(ELSEWHERE);
    };
    Ok(Found::Targets(vec![Target::Object {
        site: name.site.to_string(),
        path: name.path.to_string(),
        size,
    }]))
}

/// The playlist that a URL names; what it names is found when the trigger is worked on.
///
/// # Errors
/// As [`url`].
pub(crate) fn playlist(
    engine: &dyn Engine,
    role: &Role,
    url: &str,
    format: PlaylistFormat,
    size: Option<u64>,
) -> Result<Found, Refused> {
    let Some(name) = own(engine, role, url)? else {
        return Ok(ELSEWHERE);
    };
    Ok(Found::Targets(vec![Target::Playlist {
        site: name.site.to_string(),
        url: url.to_owned(),
        format,
        size,
    }]))
}

const ELSEWHERE: Found =
    Found::Nothing(FaultKind::Permission, "no site of this node has this host");

/// The object that a URL names on a site of the client's; `None` if no site has its host.
fn own(engine: &dyn Engine, role: &Role, url: &str) -> Result<Option<ObjectName>, Refused> {
    let Some((site, uri)) = located(engine, url)? else {
        return Ok(None);
    };
    check(role, &site)?;
    engine.object(&site, uri.path(), uri.query()).map(Some)
}

/// The object of `site` that a URL in one of its playlists names.
///
/// # Errors
/// What is on another site or on none, or cannot be an object's.
pub(crate) fn on_site(engine: &dyn Engine, site: &str, url: &str) -> Result<ObjectName, Refused> {
    match located(engine, url)? {
        Some((found, uri)) if *found == *site => engine.object(site, uri.path(), uri.query()),
        Some(_) | None => {
            let what = "a playlist names what is not on its site";
            Err(Refused::new(Reason::UnknownHost, what))
        }
    }
}

/// The site that has a URL's host, if any.
fn located(engine: &dyn Engine, url: &str) -> Result<Option<(Arc<str>, Uri)>, Refused> {
    let malformed = || Refused::malformed(format!("{url:?} is no absolute http URL"));
    let uri: Uri = url.parse().map_err(|_no_uri| malformed())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri
        .host()
        .filter(|_| is_http && !url.contains('#'))
        .ok_or_else(malformed)?;
    let site = engine.site_of(&host.to_ascii_lowercase());
    Ok(site.map(|site| (site, uri)))
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
