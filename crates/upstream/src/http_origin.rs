//! An HTTP(S) origin: one site's own server, or several of the same content.

use std::{future::Future, pin::Pin, sync::Arc};

use http::{
    Uri,
    uri::{Authority, Scheme},
};
use message::{Error, Fetch, Response, Upstream};
use rustls_pki_types::ServerName;

use crate::{
    Limits, Metrics,
    address::HostPort,
    answer::Close,
    dial::Dialer,
    dispatch::Dispatch,
    hop::Hop,
    place::Place,
    pool::{Pool, Speech},
    question::{Target, cdn_loop},
    shields::bounded,
    wire::{Base, HttpHop},
};

/// Origins of one site.
const ORIGINS_MAX: usize = 16;

/// What [`HttpOrigin`] needs.
#[derive(Debug, Clone)]
pub struct HttpOriginConfig {
    /// The label in metrics.
    pub name: Arc<str>,
    /// This node's name, sent in `CDN-Loop`: an RFC 9110 token.
    pub node: String,
    /// `http[s]://host[:port][/prefix]`, 1 to 16: the first is asked first, the others when it
    /// fails.
    pub base_urls: Vec<String>,
    /// `Host`, where it is not the URL's own.
    pub host: Option<String>,
    /// The client's side of TLS, for `https`. ALPN may offer `h2` and `http/1.1`; what the origin
    /// chooses is spoken.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Which closes end a body that nothing else ends.
    pub closes: Closes,
    /// Limits, for all URLs together where they count reads, else for each.
    pub limits: Limits,
}

/// Which closes of a connection end a body that has neither a length nor chunks.
///
/// RFC 9112 section 8 calls such a body complete unless the connection tells of an error. Over TLS
/// that is sure: what is cut short lacks the `close_notify` (section 9.8). Over plain TCP a lost or
/// reset connection is an error too, but a server that dies in the middle of an answer closes just
/// as one that has sent it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Closes {
    /// Those of TLS: a body that is cut short must not look whole.
    #[default]
    Https,
    /// Every clean one.
    Any,
}

/// An HTTP origin.
///
/// An object is read as `GET {base_url}{path}` with `CDN-Loop`, `Range`, a condition and what the
/// site's rule carries, and nothing else. Redirects are not followed: they are answers.
pub struct HttpOrigin {
    order: Vec<usize>,
    dispatch: Dispatch,
}

impl HttpOrigin {
    /// Checks the configuration. Connects to nobody yet.
    ///
    /// # Errors
    /// When there is no URL or too many, one is malformed or lacks TLS, or a limit is absurd.
    pub fn new(config: &HttpOriginConfig, metrics: &Metrics) -> Result<Self, crate::Error> {
        config.limits.check()?;
        bounded("base_urls", config.base_urls.len(), ORIGINS_MAX)?;
        let hops = config.base_urls.iter().map(|url| {
            let hop: Box<dyn Hop> = Box::new(hop(url, config)?);
            Ok(hop)
        });
        let hops = hops.collect::<Result<Vec<_>, crate::Error>>()?;
        Ok(Self {
            order: (0..hops.len()).collect(),
            dispatch: Dispatch::new(&config.name, hops, &config.limits, metrics),
        })
    }
}

impl Upstream for HttpOrigin {
    fn fetch(
        &self,
        fetch: Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>> {
        Box::pin(async move { self.dispatch.fetch(&self.order, &fetch).await })
    }
}

fn hop(url: &str, config: &HttpOriginConfig) -> Result<HttpHop, crate::Error> {
    let base = BaseUrl::parse(url)?;
    let authority = match &config.host {
        Some(host) => host
            .parse()
            .map_err(|_invalid| crate::Error::ServerName(host.clone()))?,
        None => base.authority.clone(),
    };
    let close = closing(config.closes, &base.scheme);
    Ok(HttpHop {
        name: base.to_string().into(),
        pool: Arc::new(base.pool(config.tls.as_ref(), &config.limits)?),
        target: Target {
            scheme: base.scheme,
            authority,
            cdn_loop: cdn_loop(&config.node)?,
        },
        close,
        base: Base::Prefix(base.prefix),
        head_timeout: config.limits.head_timeout,
    })
}

fn closing(closes: Closes, scheme: &Scheme) -> Close {
    match closes {
        Closes::Any => Close::EndsBodies,
        Closes::Https if *scheme == Scheme::HTTPS => Close::EndsBodies,
        Closes::Https => Close::EndsNothing,
    }
}

/// `http[s]://host[:port][/prefix]`.
#[derive(Debug, Clone)]
pub(crate) struct BaseUrl {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// Without a slash at its end.
    pub(crate) prefix: String,
    address: HostPort,
}

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, crate::Error> {
        let wrong = || crate::Error::Url(text.to_owned());
        let parts = text
            .parse::<Uri>()
            .map_err(|_invalid| wrong())?
            .into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(wrong());
        };
        let port = match (scheme.as_str(), authority.port_u16()) {
            (_, Some(port)) => port,
            ("http", None) => 80,
            ("https", None) => 443,
            (_, None) => return Err(wrong()),
        };
        let prefix = parts
            .path_and_query
            .map(|path| path.as_str().to_owned())
            .unwrap_or_default();
        let is_known = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        if !is_known || authority.as_str().contains('@') || prefix.contains('?') {
            return Err(wrong());
        }
        let address =
            HostPort::parse(&format!("{}:{port}", authority.host())).map_err(|_address| wrong())?;
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self {
            scheme,
            authority,
            prefix,
            address,
        })
    }

    /// Connections to where the URL points.
    pub(crate) fn pool(
        &self,
        tls: Option<&Arc<rustls::ClientConfig>>,
        limits: &Limits,
    ) -> Result<Pool, crate::Error> {
        let tls = if self.scheme == Scheme::HTTPS {
            let config = tls.ok_or_else(|| crate::Error::TlsMissing(self.to_string()))?;
            let name = ServerName::try_from(self.address.host.to_string())
                .map_err(|_invalid| crate::Error::ServerName(self.address.host.to_string()))?;
            Some((Arc::clone(config), name))
        } else {
            None
        };
        let dialer = Dialer {
            places: vec![Place::new(self.address.clone())],
            tls,
            allow_private_addresses: limits.allow_private_addresses,
            connect_timeout: limits.connect_timeout,
        };
        Ok(Pool::new(dialer, Speech::Negotiated, limits))
    }
}

impl std::fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_scheme_host_port_and_prefix() {
        let url = BaseUrl::parse("https://origin.example/vod/").unwrap();
        assert_eq!((url.prefix.as_str(), url.address.port), ("/vod", 443));
        let url = BaseUrl::parse("http://[::1]:8080").unwrap();
        assert_eq!(
            (url.prefix.as_str(), url.address.to_string()),
            ("", "[::1]:8080".to_owned())
        );
    }

    #[test]
    fn other_urls_are_refused() {
        for url in [
            "",
            "origin",
            "/path",
            "ftp://a:1",
            "http://",
            "http://u:p@h/",
            "http://h/?q",
            "s3://b",
        ] {
            assert!(BaseUrl::parse(url).is_err(), "{url}");
        }
    }
}
