//! A site as requests meet it: who may have what of it, and what that is called.

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use cache::SiteRules;
use http::{HeaderMap, HeaderName, StatusCode, header};
use message::{Body, Error, Kind, ObjectName, Request, Response, Trail};
use semantics::{
    cmcd,
    cors::{self, Cors},
    fields,
    key::{self, KeyRules, QueryRule},
};
use signing::{
    Carriers, Denied, Facts, Fields, Found, Grammar, Grant, Jti, Label, Nonces, ObjectPath,
    Regions, Scheme, SigningKey, Token, Verifier,
};
use tokio::time::Instant;

use super::{
    after::After,
    metrics::{Metrics, SiteMetrics},
    viewers::CmcdRules,
};
use crate::{config, countries::Countries, timing, tokens::Session};

/// A site as requests meet it.
pub(super) struct Site {
    pub(super) name: Arc<str>,
    verifier: Option<Verifier>,
    pub(super) carriers: Carriers,
    /// The field that carries tokens, if one does.
    field: Option<HeaderName>,
    pub(super) session: Option<Session>,
    pub(super) renewal: Option<Arc<SigningKey>>,
    /// Where tokens are good once: which were.
    pub(super) spent: Option<Arc<Nonces>>,
    regions: Regions,
    countries: Countries,
    pub(super) grammar: Grammar,
    key: KeyRules,
    pub(super) cors: Cors,
    server_timing: bool,
    pub(super) cmcd: CmcdRules,
    pub(super) rules: Arc<SiteRules>,
    pub(super) metrics: SiteMetrics,
}

/// What the gate let through.
pub(super) struct Admitted {
    pub(super) name: ObjectName,
    pub(super) session: Option<Arc<str>>,
    pub(super) grant: Option<Arc<Grant>>,
    pub(super) after: After,
}

/// The fields of a request.
struct Headers<'a>(&'a HeaderMap);

impl Fields for Headers<'_> {
    fn joined(&self, name: &str) -> Option<String> {
        let lines = self.0.get_all(name).iter().map(|line| line.to_str().ok());
        let lines: Vec<_> = lines.collect::<Option<_>>()?;
        (!lines.is_empty()).then(|| lines.join(","))
    }
}

impl Site {
    /// `spent` is what the same site remembered under the config before.
    pub(super) fn new(
        site: &config::Site,
        countries: &Countries,
        metrics: &Metrics,
        spent: Option<Arc<Nonces>>,
        now_s: u64,
    ) -> Self {
        let tokens = site.tokens.as_ref();
        let is_once = tokens.is_some_and(|tokens| tokens.policy.jti == Jti::Once);
        // The second of the start is not known whole.
        let begin = || Arc::new(Nonces::since(now_s.saturating_add(1)));
        let spent = is_once.then(|| spent.unwrap_or_else(begin));
        let verifier = tokens.map(|tokens| {
            let (keys, revoked) = (tokens.keys.clone(), tokens.revoked.clone());
            let policy = tokens.policy.clone();
            let verifier = Verifier::with_revoked(site.name.clone(), keys, revoked, policy);
            match &spent {
                Some(spent) => verifier.remembering(Arc::clone(spent)),
                None => verifier,
            }
        });
        let carriers = site.carriers.clone();
        let name = carriers.names.edge_auth.as_str();
        let field = carriers.schemes.contains(Scheme::EdgeAuth);
        Self {
            name: site.name.to_arc(),
            verifier,
            field: field.then(|| HeaderName::try_from(name).ok()).flatten(),
            carriers,
            session: tokens.and_then(|tokens| tokens.session.clone()),
            renewal: tokens.and_then(|tokens| tokens.renewal.clone()),
            spent,
            regions: site.regions.clone(),
            countries: countries.clone(),
            grammar: site.grammar,
            key: site.key.clone(),
            cors: site.cors.clone(),
            server_timing: site.server_timing,
            cmcd: site.cmcd,
            rules: Arc::clone(&site.rules),
            metrics: metrics.of_site(&site.name.to_arc(), tokens.map(|tokens| &tokens.revoked)),
        }
    }

    /// Decides before any lookup: an object that is cached is no more open than one that is not.
    pub(super) fn admit(&self, request: &Request, node: &str) -> Result<Admitted, Error> {
        let headers = &request.head.headers;
        if fields::is_loop(headers, node) {
            return Err(Error::new(
                Kind::ProxyLoopDetected,
                "this node is in CDN-Loop already",
            ));
        }
        let malformed = |what: signing::Malformed| {
            self.metrics.refused(what.label());
            bad_request(what.to_string())
        };
        // CTA-5004: nothing that a player tells of itself is part of what is signed, or of a key.
        let query = request.query().and_then(cmcd::strip);
        let found = self.find(request, query.as_deref()).map_err(malformed)?;
        let path = ObjectPath::parse_as(&found.path, self.grammar).map_err(malformed)?;
        let mut tokens = found.token.into_iter().chain(found.beside);
        // Other schemes sign whole URLs; a native token does not care who is asked.
        let signs_urls = tokens.any(|token| token.scheme() != Scheme::Native);
        let needs_origin = signs_urls || self.session.is_some();
        let origin = if needs_origin {
            origin(request.host())
        } else {
            String::new()
        };
        let fields = Headers(headers);
        let mut facts = Facts::new(&path, request.client.address.ip(), request.at.unix_s());
        (facts.origin, facts.query) = (&origin, found.query.as_deref());
        facts.fields = &fields;
        let grant = self
            .decide(&found, &facts)
            .map_err(|denied| self.refuse(&denied))?;
        let key = key::canonical(path.as_str(), found.query.as_deref(), &self.key)
            .map_err(|what| bad_request(what.to_string()))?;
        let key = match key {
            Cow::Borrowed(_) => path.to_arc(),
            Cow::Owned(key) => key.into(),
        };
        let after = match &grant {
            Some(grant) => self.after(grant, &found, request, &facts),
            None => After::Nothing,
        };
        let session = grant.as_ref();
        let session = session.and_then(|grant| grant.claims.session.as_ref().map(Label::to_arc));
        let site = Arc::clone(&self.name);
        let name = ObjectName { site, path: key };
        Ok(Admitted {
            name,
            session,
            grant,
            after,
        })
    }

    fn find<'r>(
        &self,
        request: &'r Request,
        query: Option<&'r str>,
    ) -> Result<Found<'r>, signing::Malformed> {
        let headers = &request.head.headers;
        let text = |value: &'r http::HeaderValue| value.to_str().ok();
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(text);
        let field = self
            .field
            .as_ref()
            .and_then(|name| headers.get(name))
            .and_then(text);
        self.carriers.find(request.path(), query, field, cookies)
    }

    /// The site's own rules, then the token's. A country is looked for only where a rule asks.
    fn decide(&self, found: &Found<'_>, facts: &Facts<'_>) -> Result<Option<Arc<Grant>>, Denied> {
        if !self.regions.is_open() {
            self.regions.admit(self.country(facts.client).as_ref())?;
        }
        let Some(verifier) = &self.verifier else {
            return Ok(None);
        };
        let verify = |token: Option<Token<'_>>| match verifier.admit(token, facts) {
            Err(Denied::WrongRegion) => {
                let country = self.country(facts.client);
                let country = country.as_ref();
                verifier.admit(token, &Facts { country, ..*facts })
            }
            decided => decided,
        };
        let grant = match (verify(found.token), found.beside) {
            // A session goes on when the URL that it began with is over, or was good once.
            (Err(Denied::Expired { .. } | Denied::Replayed), Some(beside)) => verify(Some(beside)),
            (decided, _) => decided,
        }?;
        if let Some(grant) = &grant {
            self.metrics.granted(grant.scheme);
        }
        Ok(grant)
    }

    fn country(&self, client: IpAddr) -> Option<Label> {
        self.countries.of(client)
    }

    /// RFC 7725: what the law of a place forbids is 451; all else is one 403.
    fn refuse(&self, denied: &Denied) -> Error {
        self.metrics.refused(denied.label());
        if denied.is_place() {
            let status = StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS;
            return Error::request(status, denied.label());
        }
        Error::new(Kind::HttpRequestDenied, denied.label())
    }

    /// Whether every query parameter is part of the key.
    pub(super) fn keeps_all_parameters(&self) -> bool {
        self.key.query == QueryRule::All
    }

    /// What a URL names that comes without a token.
    pub(super) fn object(&self, path: &str, query: Option<&str>) -> Result<ObjectName, String> {
        let path = ObjectPath::parse_as(path, self.grammar).map_err(|what| what.to_string())?;
        let key =
            key::canonical(path.as_str(), query, &self.key).map_err(|what| what.to_string())?;
        Ok(ObjectName {
            site: Arc::clone(&self.name),
            path: key.into(),
        })
    }

    /// Answers a request for `Server-Timing`. The clock is read once more than for others.
    pub(super) fn tell_timing(&self, request: &Request, response: &mut Response) {
        if self.server_timing && timing::is_asked(&request.head.headers) {
            let took = Instant::now().saturating_duration_since(request.at.mono);
            let trail = response.extensions().get::<Trail>().cloned();
            timing::tell(response.headers_mut(), trail.as_ref(), took);
        }
    }

    /// Answered here, without a token: a preflight cannot carry one (the Fetch standard forbids
    /// credentials on it).
    pub(super) fn preflight(&self, request: &Request) -> Response {
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

fn bad_request(what: String) -> Error {
    Error::request(StatusCode::BAD_REQUEST, what)
}

/// Scheme and host as signers write them. Nothing is served in clear, so the scheme is `https`; a
/// listener has dropped the port, which to viewers is 443.
pub(super) fn origin(host: &str) -> String {
    format!("https://{host}")
}
