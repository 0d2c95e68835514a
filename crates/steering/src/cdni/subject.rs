//! From what a command names, URLs and patterns of URLs, to what that is on this node.

use std::sync::Arc;

use cache::{BadExpression, Expression, Pattern};
use http::Uri;
use message::ObjectName;

use super::model::{FaultKind, ListFormat, Target};
use crate::{Engine, Reason, Refused, access::Role};

/// What a name came to.
pub(crate) enum Found {
    Targets(Vec<Target>),
    /// Nothing here; why.
    Nothing(FaultKind, &'static str),
    /// It cannot be held here; why.
    Unheld(FaultKind, String),
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
    own(engine, role, url, |name| Target::Object {
        site: name.site.to_string(),
        path: name.path.to_string(),
        size,
    })
}

/// Why an object of a list is not done that is of no known type.
pub(crate) const UNKNOWN_TYPE: &str =
    "objects are of type \"object\", \"hls\", \"dash\", \"mss\", \"json\" or \"text\"";

/// The object list that a URL names; what it names is found when the trigger is worked on.
///
/// # Errors
/// As [`url`].
pub(crate) fn list(
    engine: &dyn Engine,
    role: &Role,
    url: &str,
    format: ListFormat,
    size: Option<u64>,
) -> Result<Found, Refused> {
    own(engine, role, url, |name| Target::List {
        site: name.site.to_string(),
        url: url.to_owned(),
        format,
        size,
    })
}

/// What the object is to be taken for that a URL names on a site of the client's.
fn own(
    engine: &dyn Engine,
    role: &Role,
    url: &str,
    target: impl FnOnce(ObjectName) -> Target,
) -> Result<Found, Refused> {
    let Some((site, uri)) = located(engine, url)? else {
        let why = "no site of this node has this host";
        return Ok(Found::Nothing(FaultKind::Permission, why));
    };
    check(role, &site)?;
    let name = engine.object(&site, uri.path(), uri.query());
    let name = name.map_err(|refused| Refused {
        // One of thousands.
        detail: format!("{url:?}: {}", refused.detail),
        ..refused
    })?;
    Ok(Found::Targets(vec![target(name)]))
}

/// The object that a URL names in a list on `site`: one of that site, or of another that is the owner's
/// in whose `role` it is read. Whoever steers all sites has none more by it: the list is not its own.
///
/// # Errors
/// What is on another site or on none, or cannot be an object's.
pub(crate) fn listed(
    engine: &dyn Engine,
    role: Option<&Role>,
    site: &str,
    url: &str,
) -> Result<ObjectName, Refused> {
    let is_own = |found: &str| match role {
        Some(role @ Role::Owner(_)) => role.owns(found),
        Some(Role::Steering | Role::Reader) | None => false,
    };
    match located(engine, url)? {
        Some((found, uri)) if *found == *site || is_own(&found) => {
            engine.object(&found, uri.path(), uri.query())
        }
        Some(_) | None => {
            let what = "a list names what is not on its site";
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
    on_sites(engine, role, |site, hosts| {
        let paths = hosts.iter().flat_map(|host| pattern.behind(host));
        let mut paths: Vec<String> = paths.map(|path| path.to_string()).collect();
        paths.sort_unstable();
        paths.dedup();
        let targets = paths.into_iter().map(|path| Target::Pattern {
            site: site.to_owned(),
            pattern: path,
            case_sensitive,
            with_query,
        });
        targets.collect()
    })
}

/// Sites that one regular expression may reach: each of them holds it.
const EXPRESSION_SITES_MAX: usize = 8;

/// What a regular expression over URLs can match, site by site. One that cannot be held is told as
/// such: it may be legal elsewhere.
///
/// # Errors
/// As [`pattern`].
pub(crate) fn expression(
    engine: &dyn Engine,
    role: &Role,
    text: &str,
    case_sensitive: bool,
    with_query: bool,
) -> Result<Found, Refused> {
    let unheld = |bad: BadExpression| Found::Unheld(FaultKind::Spec, bad.to_string());
    // Whatever the sites.
    if let Err(bad) = Expression::parse(text, &[], case_sensitive, with_query) {
        return Ok(unheld(bad));
    }
    let mut failed = None;
    let found = on_sites(engine, role, |site, hosts| {
        match Expression::parse(text, hosts, case_sensitive, with_query) {
            Ok(Some(_)) => vec![Target::Expression {
                site: site.to_owned(),
                expression: text.to_owned(),
                hosts: hosts.to_vec(),
                case_sensitive,
                with_query,
            }],
            Ok(None) => Vec::new(),
            Err(bad) => {
                failed = Some(bad);
                Vec::new()
            }
        }
    })?;
    match (failed, found) {
        (Some(bad), _) => Ok(unheld(bad)),
        (None, Found::Targets(targets)) if targets.len() > EXPRESSION_SITES_MAX => {
            let what =
                format!("it is for more than {EXPRESSION_SITES_MAX} sites: name their hosts");
            Ok(Found::Unheld(FaultKind::Spec, what))
        }
        (None, found) => Ok(found),
    }
}

/// What is found on the client's sites, where `targets` finds something on a site with these hosts.
fn on_sites(
    engine: &dyn Engine,
    role: &Role,
    mut targets: impl FnMut(&str, &[String]) -> Vec<Target>,
) -> Result<Found, Refused> {
    let (mut all, mut others) = (Vec::new(), None);
    for (site, hosts) in engine.sites() {
        let found = targets(&site, &hosts);
        // A pattern that also fits others' hosts reaches the owner's alone.
        if role.owns(&site) {
            all.extend(found);
        } else if !found.is_empty() {
            others = Some(site);
        }
    }
    match (all.is_empty(), others) {
        (true, Some(site)) => Err(others_site(&site)),
        (true, None) => Ok(Found::Nothing(
            FaultKind::Permission,
            "no site of this node has a host that matches",
        )),
        (false, _) => Ok(Found::Targets(all)),
    }
}

fn check(role: &Role, site: &str) -> Result<(), Refused> {
    if role.owns(site) {
        return Ok(());
    }
    Err(others_site(site))
}

fn others_site(site: &str) -> Refused {
    let detail = format!("site {site:?} is somebody else's");
    Refused::new(Reason::Role, detail)
}
