//! The gate: whose site it is, whether the viewer may have the object, and what its name is.
//!
//! The token is taken out here. What goes on is the object's name; of the request itself, the
//! cache reads ranges and preconditions and nothing else.

mod after;
mod metrics;
mod site;
mod viewers;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use cache::{Cache, SiteRules};
use http::{Method, StatusCode};
use message::{Answer, Error, Handler, ObjectName, Request, Response, RoundTrip, Trail};
use node::Sites;
use prometheus::Registry;
use semantics::{cmsd, cors, fields};

use crate::config::Config;
use after::{After, give_cookie, redirect};
use metrics::Metrics;
use site::{Admitted, Site};

pub(crate) use viewers::CmcdRules;

/// The handler that stands before the cache.
pub(crate) struct Gate {
    node: Arc<str>,
    via: fields::Via,
    /// By host; replaced as a whole.
    sites: ArcSwap<HashMap<String, Arc<Site>>>,
    cache: Cache,
    metrics: Metrics,
}

impl Gate {
    pub(crate) fn new(
        config: &Config,
        cache: Cache,
        registry: &Registry,
        now_s: u64,
    ) -> Result<Self, prometheus::Error> {
        let metrics = Metrics::new(registry)?;
        let sites = by_host(config, &metrics, &HashMap::new(), now_s);
        let sites = ArcSwap::from_pointee(sites);
        Ok(Self {
            node: config.sections.common.name.clone(),
            via: fields::Via::new(&config.sections.common.name),
            sites,
            cache,
            metrics,
        })
    }

    /// Takes over the sites and key sets of another config. Requests that are under way go on
    /// with what they began with. What tokens were spent on a site stays known.
    pub(crate) fn replace_sites(&self, config: &Config, now_s: u64) {
        let sites = by_host(config, &self.metrics, &self.sites.load(), now_s);
        self.sites.store(Arc::new(sites));
    }

    async fn answer(&self, request: Request) -> Response {
        let Some(site) = self.sites.load().get(request.host()).cloned() else {
            let error = Error::request(StatusCode::MISDIRECTED_REQUEST, "no site has this host");
            return error.into_response(&self.node);
        };
        if request.head.method == Method::OPTIONS {
            return site.preflight(&request);
        }
        let mut told = Vec::new();
        let (answer, session, cookie) = match site.admit(&request, &self.node) {
            Ok(Admitted {
                after: After::Redirect(target),
                session,
                ..
            }) => (Ok(redirect(&target)), session, None),
            Ok(admitted) => {
                told = site.listen(&self.cache, &request, &admitted);
                let Admitted {
                    name,
                    session,
                    after,
                    ..
                } = admitted;
                let viewer = self.cache.viewer(&request, session.as_deref());
                let answer = self.cache.answer_for(viewer, &request, name, &site.rules);
                let cookie = match after {
                    After::Cookie(cookie) => Some(cookie),
                    After::Nothing | After::Redirect(_) => None,
                };
                (answer.await, session, cookie)
            }
            Err(error) => (Err(error), None, None),
        };
        let mut response = answer.unwrap_or_else(|error| error.into_response(&self.node));
        if let Some(cookie) = cookie {
            give_cookie(&cookie, &mut response);
        }
        cors::decorate(&request.head.headers, &site.cors, response.headers_mut());
        self.via
            .append(response.headers_mut(), request.head.version);
        let trail = response.extensions_mut().get_or_insert_default::<Trail>();
        trail.site = Some(Arc::clone(&site.name));
        trail.session = session;
        trail.told = told;
        site.tell_timing(&request, &mut response);
        self.tell_state(&request, &mut response);
        response
    }

    /// CTA-5006: a node under duress says so, and players may ask for less; and how long a round trip
    /// takes, where the transport has measured it. No throughput: what a connection carries is not
    /// known before it is full, and a congestion window in slow start would be told as too little.
    fn tell_state(&self, request: &Request, response: &mut Response) {
        let round_trip = request.head.extensions.get::<RoundTrip>();
        let dynamic = cmsd::Dynamic {
            node: &self.node,
            throughput_kbps: None,
            round_trip_ms: round_trip.map(|RoundTrip(time)| whole_ms(*time)),
            is_under_duress: self.cache.is_short(),
        };
        cmsd::append(response.headers_mut(), &dynamic);
    }
}

/// Rounded up: no round trip takes no time.
fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
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

fn by_host(
    config: &Config,
    metrics: &Metrics,
    before: &HashMap<String, Arc<Site>>,
    now_s: u64,
) -> HashMap<String, Arc<Site>> {
    let mut hosts = HashMap::new();
    for site in &config.sites {
        let same = before.values().find(|own| *own.name == *site.name.as_str());
        let spent = same.and_then(|own| own.spent.clone());
        let built = Arc::new(Site::new(site, &config.countries, metrics, spent, now_s));
        hosts.extend(
            site.hosts
                .iter()
                .map(|host| (host.clone(), Arc::clone(&built))),
        );
    }
    hosts
}
