//! The gate towards peers: who of the cluster may copy what.

use std::sync::Arc;

use cache::{Cache, SiteRules};
use http::{Method, StatusCode};
use message::{Answer, Error, Handler, Kind, ObjectName, Request, Response};
use preposition::Preposition;
use semantics::{
    fields,
    key::{self, Case, KeyRules, QueryRule},
    wish::Wish,
};
use signing::{Grammar, ObjectPath};

use super::Sites;

/// What a manifest names has its parameters in its path already.
const KEY: KeyRules = KeyRules {
    query: QueryRule::All,
    // An edge has made the name by its own rules.
    case: Case::Exact,
};

/// The handler of the listener for peers. What it serves is here and verified, or it is 404: no
/// question of a peer is passed on, so that peers cannot ask each other in a circle.
pub(crate) struct Gate {
    pub(crate) node: Arc<str>,
    pub(crate) via: fields::Via,
    /// Names in the certificates of the cluster's other edges.
    pub(crate) members: Vec<String>,
    pub(crate) sites: Sites,
    pub(crate) room: Preposition,
    pub(crate) cache: Cache,
}

impl Gate {
    async fn answer(&self, request: Request) -> Response {
        let answer = match self.admit(&request) {
            Ok((name, rules)) => self.find(&request, name, rules).await,
            Err(error) => Err(error),
        };
        let mut response = answer.unwrap_or_else(|error| error.into_response(&self.node));
        self.via
            .append(response.headers_mut(), request.head.version);
        response
    }

    fn admit(&self, request: &Request) -> Result<(ObjectName, Arc<SiteRules>), Error> {
        let identity = request.client.identity.as_deref();
        let is_member = identity.is_some_and(|name| self.members.iter().any(|it| it == name));
        if !is_member {
            let name = identity.unwrap_or("-");
            let detail = format!("{name} is no member of [fill.peers]");
            return Err(Error::new(Kind::HttpRequestDenied, detail));
        }
        if !matches!(request.head.method, Method::GET | Method::HEAD) {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Err(Error::request(status, "a peer reads"));
        }
        if fields::is_loop(&request.head.headers, &self.node) {
            let detail = "this node is in CDN-Loop already";
            return Err(Error::new(Kind::ProxyLoopDetected, detail));
        }
        if self.room.is_yielding() {
            let detail = "viewers need the link or the disks themselves";
            return Err(Error::new(Kind::DestinationUnavailable, detail));
        }
        // The edge that asks was purged, and this one may not have been, or not yet: what is here says
        // nothing of what the origin has now.
        if Wish::of(&request.head.headers).wants_the_origin() {
            let detail = "a peer asks no origin";
            return Err(Error::request(StatusCode::NOT_FOUND, detail));
        }
        let absent = || Error::request(StatusCode::NOT_FOUND, "no such site on this edge");
        let target = request.path().strip_prefix('/').ok_or_else(absent)?;
        let (site, path) = target.split_at(target.find('/').ok_or_else(absent)?);
        let sites = self.sites.load();
        let (site, rules) = sites.get_key_value(site).ok_or_else(absent)?;
        let malformed = |what: String| Error::request(StatusCode::BAD_REQUEST, what);
        // What an edge has named by its own rules: what a manifest cannot name is not here, and that is all.
        let path = ObjectPath::parse_as(path, Grammar::Delimited)
            .map_err(|what| malformed(what.to_string()))?;
        let path = key::canonical(path.as_str(), request.query(), &KEY)
            .map_err(|what| malformed(what.to_string()))?;
        let name = ObjectName {
            site: Arc::clone(site),
            path: path.into(),
        };
        Ok((name, Arc::clone(rules)))
    }

    async fn find(
        &self,
        request: &Request,
        name: ObjectName,
        rules: Arc<SiteRules>,
    ) -> Result<Response, Error> {
        let Some(wanted) = self.room.verified(&name.site, &name.path) else {
            let detail = "not planned here, not here yet, or not verified";
            return Err(Error::request(StatusCode::NOT_FOUND, detail));
        };
        let cache = &self.cache;
        cache.answer_verified(request, name, &wanted, &rules).await
    }
}

impl Handler for Gate {
    fn handle(&self, request: Request) -> Answer<'_> {
        Box::pin(self.answer(request))
    }
}
