//! The gate: mutual TLS has said who asks; here it is decided what is asked for.

use std::{collections::HashMap, sync::Arc};

use cache::{Cache, SiteRules};
use http::{Method, StatusCode};
use message::{Answer, Error, Handler, Kind, ObjectName, Request, Response, Trail};
use node::Sites;
use semantics::{
    fields,
    key::{self, KeyRules, QueryRule},
};
use signing::{Grammar, ObjectPath};

use crate::config::Config;

/// An edge has chosen the parameters that count; all that it sends belong to the key.
fn key_rules(site: &SiteRules) -> KeyRules {
    KeyRules {
        query: QueryRule::All,
        case: site.case,
    }
}

/// The handler that stands before the cache.
pub(crate) struct Gate {
    node: Arc<str>,
    via: fields::Via,
    /// Who may ask; anybody with a certificate where it is empty.
    edges: Vec<String>,
    sites: HashMap<Arc<str>, Arc<SiteRules>>,
    cache: Cache,
}

impl Gate {
    pub(crate) fn new(config: &Config, cache: Cache) -> Self {
        let sites = config
            .sites
            .iter()
            .map(|site| (site.name.clone(), Arc::clone(&site.rules)));
        Self {
            node: config.sections.common.name.clone(),
            via: fields::Via::new(&config.sections.common.name),
            edges: config.edges.clone(),
            sites: sites.collect(),
            cache,
        }
    }

    async fn answer(&self, request: Request) -> Response {
        let answer = match self.admit(&request) {
            Ok((name, rules)) => self.cache.answer(&request, name, rules).await,
            Err(error) => Err(error),
        };
        let mut response = answer.unwrap_or_else(|error| error.into_response(&self.node));
        self.via
            .append(response.headers_mut(), request.head.version);
        if let Some(identity) = &request.client.identity {
            let trail = response.extensions_mut().get_or_insert_default::<Trail>();
            trail.session = Some(Arc::clone(identity));
        }
        response
    }

    fn admit(&self, request: &Request) -> Result<(ObjectName, &Arc<SiteRules>), Error> {
        let identity = request.client.identity.as_deref();
        let welcome = self.edges.is_empty()
            || identity.is_some_and(|name| self.edges.iter().any(|edge| edge == name));
        if !welcome {
            let detail = format!("edge {} is not in [edges] names", identity.unwrap_or("-"));
            return Err(Error::new(Kind::HttpRequestDenied, detail));
        }
        if request.head.method == Method::OPTIONS {
            return Err(Error::request(
                StatusCode::METHOD_NOT_ALLOWED,
                "OPTIONS to a shield",
            ));
        }
        if fields::is_loop(&request.head.headers, &self.node) {
            return Err(Error::new(
                Kind::ProxyLoopDetected,
                "this node is in CDN-Loop already",
            ));
        }
        let absent = || Error::request(StatusCode::NOT_FOUND, "no such site on this shield");
        let target = request.path().strip_prefix('/').ok_or_else(absent)?;
        let (site, path) = target.split_at(target.find('/').ok_or_else(absent)?);
        let (site, rules) = self.sites.get_key_value(site).ok_or_else(absent)?;
        let malformed = |what: String| Error::request(StatusCode::BAD_REQUEST, what);
        // An edge has checked it, by what the site has there; a certificate does not make its holder an
        // edge of ours.
        let path = ObjectPath::parse_as(path, Grammar::Delimited)
            .map_err(|what| malformed(what.to_string()))?;
        let path = key::canonical(path.as_str(), request.query(), &key_rules(rules))
            .map_err(|what| malformed(what.to_string()))?;
        Ok((
            ObjectName {
                site: Arc::clone(site),
                path: path.into(),
            },
            rules,
        ))
    }
}

/// A shield answers for sites by name and for no host of theirs: commands that name URLs are for
/// edges.
impl Sites for Gate {
    fn all(&self) -> Vec<(Arc<str>, Vec<String>)> {
        let names = self.sites.keys();
        names.map(|name| (Arc::clone(name), Vec::new())).collect()
    }

    fn of_host(&self, _host: &str) -> Option<Arc<str>> {
        None
    }

    fn object(
        &self,
        site: &str,
        path: &str,
        query: Option<&str>,
    ) -> Option<Result<(ObjectName, Arc<SiteRules>), String>> {
        let (site, rules) = self.sites.get_key_value(site)?;
        let name = || {
            let path =
                ObjectPath::parse_as(path, Grammar::Delimited).map_err(|what| what.to_string())?;
            let path = key::canonical(path.as_str(), query, &key_rules(rules))
                .map_err(|what| what.to_string())?;
            let name = ObjectName {
                site: Arc::clone(site),
                path: path.into(),
            };
            Ok((name, Arc::clone(rules)))
        };
        Some(name())
    }
}

impl Handler for Gate {
    fn handle(&self, request: Request) -> Answer<'_> {
        Box::pin(self.answer(request))
    }
}
