//! A cache in this process that holds a few objects in RAM, without listeners and TLS.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use cache::{Cache, SiteRules};
use http::{Method, StatusCode, header};
use http_body_util::BodyExt as _;
use message::{
    Body, Client, Error, Fetch, Kind, ObjectName, Protocol, Request, Response, Upstream,
};
use prometheus::Registry;
use semantics::freshness::TtlRules;
use store::Store;

use crate::bodies;

/// The one site.
const SITE: &str = "bench";

/// A warm cache and what it takes to ask it.
pub struct Warm {
    /// The cache.
    pub cache: Cache,
    /// The store below it.
    pub store: Store,
    /// The site's rules.
    pub rules: Arc<SiteRules>,
}

impl Warm {
    /// Opens a store without disks and asks the cache once for each of `objects`, given as number
    /// and length, to the end of their bodies.
    ///
    /// # Errors
    /// When a part refuses to start, or an object cannot be read.
    pub async fn up(objects: &[(u32, usize)]) -> Result<Self, Box<dyn std::error::Error>> {
        let registry = Registry::new();
        let store = Store::open(store::Config::default(), &registry).await?;
        let config = cache::Config::named(SITE);
        let cache = Cache::new(config, store.clone(), Arc::new(Bodies), &registry)?;
        let ttl = TtlRules {
            default: Duration::from_hours(1),
            ..TtlRules::default()
        };
        let rules = Arc::new(SiteRules::new(ttl));
        let warm = Self {
            cache,
            store,
            rules,
        };
        for (number, length) in objects {
            let request = request(Method::GET);
            let response = warm.answer(&request, name(*number, *length)).await?;
            response.into_body().collect().await?;
        }
        Ok(warm)
    }

    /// Asks the cache.
    ///
    /// # Errors
    /// As [`Cache::answer`].
    pub async fn answer(&self, request: &Request, name: ObjectName) -> Result<Response, Error> {
        self.cache.answer(request, name, &self.rules).await
    }
}

/// What an object is called.
pub fn name(number: u32, length: usize) -> ObjectName {
    ObjectName {
        site: SITE.into(),
        path: bodies::path(number, length).into(),
    }
}

/// A request as a listener would admit it, with the fields that a browser sends.
pub fn request(method: Method) -> Request {
    let mut head = http::Request::new(()).into_parts().0;
    head.method = method;
    for (field, value) in [
        (header::ACCEPT, "*/*"),
        (header::ACCEPT_ENCODING, "identity;q=1, *;q=0"),
        (header::USER_AGENT, "bench/1"),
    ] {
        head.headers
            .insert(field, http::HeaderValue::from_static(value));
    }
    Request {
        head,
        client: Client {
            address: SocketAddr::from(([127, 0, 0, 1], 40_000)),
            protocol: Protocol::Http2,
            identity: None,
            server_name: None,
        },
        at: message::now(),
    }
}

/// An upstream that has every body.
struct Bodies;

impl Bodies {
    fn read(fetch: &Fetch) -> Result<Response, Error> {
        let Some((_, body)) = bodies::at(&fetch.object.path) else {
            return Err(Error::new(Kind::DestinationNotFound, "no such body"));
        };
        let total = body.len();
        let mut builder = http::Response::builder()
            .header(header::ETAG, format!("\"{}\"", fetch.object.path.len()))
            .header(header::CONTENT_TYPE, "video/iso.segment")
            .header(header::CACHE_CONTROL, "max-age=86400");
        let part = match fetch.range {
            None => body,
            Some(range) => {
                let place = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
                let (first, end) = (place(range.first), place(range.last + 1).min(total));
                builder = builder.status(StatusCode::PARTIAL_CONTENT).header(
                    header::CONTENT_RANGE,
                    format!("bytes {first}-{}/{total}", end - 1),
                );
                body.slice(first..end)
            }
        };
        builder
            .body(Body::from(part))
            .map_err(|error| Error::new(Kind::ProxyInternalError, error.to_string()))
    }
}

impl Upstream for Bodies {
    fn fetch(
        &self,
        fetch: Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>> {
        Box::pin(async move { Self::read(&fetch) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_warm_object_is_answered_from_ram_with_its_own_bytes() {
        let warm = Warm::up(&[(1, bodies::LARGE_BYTES)]).await.unwrap();
        let (get, name) = (request(Method::GET), name(1, bodies::LARGE_BYTES));
        let response = warm.answer(&get, name).await.unwrap();
        let trail = response.extensions().get::<message::Trail>().unwrap();
        assert_eq!((trail.outcome, trail.source), (Some("hit"), Some("ram")));
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes, bodies::body(1, bodies::LARGE_BYTES));
    }
}
