//! The gate: whose site it is, whether the viewer may have the object, and what its name is.
//!
//! The token is taken out here. What goes on is the object's name; of the request itself, the
//! cache reads ranges and preconditions and nothing else.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;
use cache::{Cache, SiteRules};
use http::{Method, StatusCode, header};
use message::{Answer, Body, Error, Handler, Kind, ObjectName, Request, Response, Trail};
use node::Sites;
use semantics::{
    cors::{self, Cors},
    fields,
    key::{self, KeyRules},
};
use signing::{Carriers, Facts, Grant, Label, ObjectPath, Verifier};

use tokio::time::Instant;

use crate::{
    config::{self, Config},
    timing,
};

/// The handler that stands before the cache.
pub(crate) struct Gate {
    node: Arc<str>,
    via: fields::Via,
    /// By host; replaced as a whole.
    sites: ArcSwap<HashMap<String, Arc<Site>>>,
    cache: Cache,
}

/// A site as requests meet it.
struct Site {
    name: Arc<str>,
    verifier: Option<Verifier>,
    carriers: Carriers,
    key: KeyRules,
    cors: Cors,
    server_timing: bool,
    rules: Arc<SiteRules>,
}

/// What the gate let through.
struct Admitted {
    name: ObjectName,
    session: Option<Arc<str>>,
}

impl Gate {
    pub(crate) fn new(config: &Config, cache: Cache) -> Self {
        let sites = ArcSwap::from_pointee(by_host(config));
        Self {
            node: config.sections.common.name.clone(),
            via: fields::Via::new(&config.sections.common.name),
            sites,
            cache,
        }
    }

    /// Takes over the sites and key sets of another config. Requests that are under way go on
    /// with what they began with.
    pub(crate) fn replace_sites(&self, config: &Config) {
        self.sites.store(Arc::new(by_host(config)));
    }

    async fn answer(&self, request: Request) -> Response {
        let Some(site) = self.sites.load().get(request.host()).cloned() else {
            let error = Error::request(StatusCode::MISDIRECTED_REQUEST, "no site has this host");
            return error.into_response(&self.node);
        };
        if request.head.method == Method::OPTIONS {
            return site.preflight(&request);
        }
        let (answer, session) = match site.admit(&request, &self.node) {
            Ok(Admitted { name, session }) => {
                let viewer = self.cache.viewer(&request, session.as_deref());
                let answer = self.cache.answer_for(viewer, &request, name, &site.rules);
                (answer.await, session)
            }
            Err(error) => (Err(error), None),
        };
        let mut response = answer.unwrap_or_else(|error| error.into_response(&self.node));
        cors::decorate(&request.head.headers, &site.cors, response.headers_mut());
        self.via
            .append(response.headers_mut(), request.head.version);
        let trail = response.extensions_mut().get_or_insert_default::<Trail>();
        trail.site = Some(Arc::clone(&site.name));
        trail.session = session;
        site.tell_timing(&request, &mut response);
        response
    }
}

impl Handler for Gate {
    fn handle(&self, request: Request) -> Answer<'_> {
        Box::pin(self.answer(request))
    }
}

impl Sites for Gate {
    fn all(&self) -> Vec<(Arc<str>, Vec<String>)> {
        let sites = self.sites.load();
        let mut all: BTreeMap<Arc<str>, Vec<String>> = BTreeMap::new();
        for (host, site) in sites.iter() {
            all.entry(Arc::clone(&site.name))
                .or_default()
                .push(host.clone());
        }
        all.into_iter().collect()
    }

    fn of_host(&self, host: &str) -> Option<Arc<str>> {
        let sites = self.sites.load();
        sites.get(host).map(|site| Arc::clone(&site.name))
    }

    fn object(
        &self,
        site: &str,
        path: &str,
        query: Option<&str>,
    ) -> Option<Result<(ObjectName, Arc<SiteRules>), String>> {
        let sites = self.sites.load();
        let site = sites.values().find(|own| *own.name == *site)?;
        Some(
            site.object(path, query)
                .map(|name| (name, Arc::clone(&site.rules))),
        )
    }
}

fn by_host(config: &Config) -> HashMap<String, Arc<Site>> {
    let mut hosts = HashMap::new();
    for site in &config.sites {
        let built = Arc::new(Site::new(site));
        hosts.extend(
            site.hosts
                .iter()
                .map(|host| (host.clone(), Arc::clone(&built))),
        );
    }
    hosts
}

impl Site {
    fn new(site: &config::Site) -> Self {
        let verifier = site.signing.as_ref().map(|signing| {
            Verifier::new(
                site.name.clone(),
                signing.keys.clone(),
                signing.policy.clone(),
            )
        });
        Self {
            name: site.name.to_arc(),
            verifier,
            carriers: site.carriers.clone(),
            key: site.key.clone(),
            cors: site.cors.clone(),
            server_timing: site.server_timing,
            rules: Arc::clone(&site.rules),
        }
    }

    /// Decides before any lookup: an object that is cached is no more open than one that is not.
    fn admit(&self, request: &Request, node: &str) -> Result<Admitted, Error> {
        let headers = &request.head.headers;
        if fields::is_loop(headers, node) {
            return Err(Error::new(
                Kind::ProxyLoopDetected,
                "this node is in CDN-Loop already",
            ));
        }
        let malformed = |what: String| Error::request(StatusCode::BAD_REQUEST, what);
        let cookies = headers.get_all(header::COOKIE).iter();
        let cookies = cookies.filter_map(|value| value.to_str().ok());
        let found = self
            .carriers
            .find(request.path(), request.query(), cookies)
            .map_err(|what| malformed(what.to_string()))?;
        let path = ObjectPath::parse(found.path).map_err(|what| malformed(what.to_string()))?;
        let grant = self.verify(found.token, &path, request)?;
        let key = key::canonical(path.as_str(), found.query.as_deref(), &self.key)
            .map_err(|what| malformed(what.to_string()))?;
        let key = match key {
            Cow::Borrowed(_) => path.to_arc(),
            Cow::Owned(key) => key.into(),
        };
        let session = grant.and_then(|grant| grant.claims.session.as_ref().map(Label::to_arc));
        let name = ObjectName {
            site: Arc::clone(&self.name),
            path: key,
        };
        Ok(Admitted { name, session })
    }

    /// What a URL names that comes without a token.
    fn object(&self, path: &str, query: Option<&str>) -> Result<ObjectName, String> {
        let path = ObjectPath::parse(path).map_err(|what| what.to_string())?;
        let key =
            key::canonical(path.as_str(), query, &self.key).map_err(|what| what.to_string())?;
        Ok(ObjectName {
            site: Arc::clone(&self.name),
            path: key.into(),
        })
    }

    fn verify(
        &self,
        token: Option<&str>,
        path: &ObjectPath,
        request: &Request,
    ) -> Result<Option<Arc<Grant>>, Error> {
        let Some(verifier) = &self.verifier else {
            return Ok(None);
        };
        let client = request.client.address.ip();
        let facts = Facts {
            path,
            client,
            now_s: request.at.unix_s(),
        };
        verifier
            .admit(token, &facts)
            .map_err(|denied| Error::new(Kind::HttpRequestDenied, denied.label()))
    }

    /// Answers a request for `Server-Timing`. The clock is read once more than for others.
    fn tell_timing(&self, request: &Request, response: &mut Response) {
        if self.server_timing && timing::is_asked(&request.head.headers) {
            let took = Instant::now().saturating_duration_since(request.at.mono);
            let trail = response.extensions().get::<Trail>().cloned();
            timing::tell(response.headers_mut(), trail.as_ref(), took);
        }
    }

    /// Answered here, without a token: a preflight cannot carry one (the Fetch standard forbids
    /// credentials on it).
    fn preflight(&self, request: &Request) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = cors::preflight(&request.head.headers, &self.cors);
        response.extensions_mut().insert(Trail {
            site: Some(Arc::clone(&self.name)),
            ..Trail::default()
        });
        response
    }
}
