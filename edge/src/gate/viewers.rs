//! What players tell of themselves (CMCD, CTA-5004), and what a site makes of it: words for the
//! log, and the next object fetched ahead.

use std::{borrow::Cow, sync::Arc};

use cache::{Announcement, Cache};
use daemon::config::Section;
use message::{ObjectName, Request, Told};
use semantics::{
    cmcd::{Cmcd, Value},
    relative,
};
use signing::{Facts, Grant, ObjectPath};

use super::site::{Admitted, Site, origin};

/// Keys that are logged of one request.
const TOLD_MAX: usize = 48;

/// `[site.cmcd]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CmcdRules {
    pub(crate) log: Logged,
    /// Whether the next object is fetched ahead for those who read on.
    pub(crate) fetch_ahead: bool,
}

/// What of it the access log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logged {
    /// All but URLs.
    All,
    /// The same without `sid`: nothing that tells one session from another.
    Anonymous,
    /// Nothing.
    Nothing,
}

impl CmcdRules {
    /// Reads the section; what is shown in the shipped config are the defaults.
    pub(crate) fn read(section: &mut Section) -> Self {
        const LOGGED: &[(&str, Logged)] = &[
            ("all", Logged::All),
            ("anonymous", Logged::Anonymous),
            ("off", Logged::Nothing),
        ];
        Self {
            log: section.choice("log", LOGGED).or(Logged::All),
            fetch_ahead: section.flag("fetch_ahead").or(true),
        }
    }

    fn told(self, cmcd: &Cmcd) -> Vec<(Box<str>, Told)> {
        let session = match self.log {
            Logged::All => true,
            Logged::Anonymous => false,
            Logged::Nothing => return Vec::new(),
        };
        let pairs = cmcd.for_log(session).take(TOLD_MAX);
        pairs
            .map(|(key, value)| (Box::from(key), told(value)))
            .collect()
    }
}

fn told(value: Value<'_>) -> Told {
    match value {
        Value::Flag(flag) => Told::Flag(flag),
        Value::Integer(number) => Told::Integer(number),
        Value::Decimal(number) => Told::Decimal(number),
        Value::Text(text) => Told::Text(text.into()),
    }
}

impl Site {
    /// Reads what a player tells; notes and fetches ahead what it announces, and yields what is
    /// logged. A request without it costs no more than a look.
    pub(super) fn listen(
        &self,
        cache: &Cache,
        request: &Request,
        admitted: &Admitted,
    ) -> Vec<(Box<str>, Told)> {
        let cmcd = Cmcd::collect(request.query(), &request.head.headers);
        if cmcd.is_empty() {
            return Vec::new();
        }
        if self.cmcd.fetch_ahead {
            self.announce(cache, request, admitted, &cmcd);
        }
        self.cmcd.told(&cmcd)
    }

    fn announce(&self, cache: &Cache, request: &Request, admitted: &Admitted, cmcd: &Cmcd) {
        let Some(next) = cmcd.next() else {
            return;
        };
        let session = admitted.session.as_deref().map(Cow::Borrowed);
        let session = session.or_else(|| cmcd.session());
        let name = self.next_name(&next.reference, request, admitted);
        cache.announced(Announcement {
            viewer: cache.viewer(request, session.as_deref()),
            track: cmcd.value("ot").unwrap_or_default(),
            object: &admitted.name,
            next: name.map(|name| (name, next.offset)),
            rules: &self.rules,
            at: request.at,
        });
    }

    /// The object that a player announces, if what it showed covers that as well. It is relative to
    /// the object that it asks for, on the same host.
    fn next_name(
        &self,
        reference: &str,
        request: &Request,
        admitted: &Admitted,
    ) -> Option<ObjectName> {
        let target = relative::resolve(&admitted.name.path, reference)?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target.as_str(), None),
        };
        // A token in it would have a place in the path or in a query of which all is kept.
        let has_token = path.contains("/~") || (query.is_some() && self.keeps_all_parameters());
        if has_token {
            return None;
        }
        let path = ObjectPath::parse_as(path, self.grammar).ok()?;
        let origin = origin(request.host());
        let mut facts = Facts::new(&path, request.client.address.ip(), request.at.unix_s());
        (facts.origin, facts.query) = (&origin, query);
        let covers = |grant: &Arc<Grant>| grant.claims.scope.covers(&facts);
        if !admitted.grant.as_ref().is_none_or(covers) {
            return None;
        }
        self.object(path.as_str(), query).ok()
    }
}
