//! Which upstream a site has.

use std::{collections::HashMap, future::Future, pin::Pin, sync::Arc};

use message::{Error, Fetch, Kind, Response, Upstream};

/// A router from a site's name to its upstream: what a shield, which has an origin for each
/// site, gives to its cache as the one next hop.
#[derive(Default)]
pub struct BySite {
    sites: HashMap<Arc<str>, Arc<dyn Upstream>>,
}

impl BySite {
    /// A router that knows no site.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a site, replacing what it had.
    #[must_use]
    pub fn with(mut self, site: impl Into<Arc<str>>, upstream: Arc<dyn Upstream>) -> Self {
        self.sites.insert(site.into(), upstream);
        self
    }
}

impl Upstream for BySite {
    fn fetch(
        &self,
        fetch: Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>> {
        match self.sites.get(&fetch.object.site) {
            Some(upstream) => upstream.fetch(fetch),
            None => Box::pin(std::future::ready(Err(Error::new(
                Kind::DestinationNotFound,
                format!("no upstream for site {:?}", fetch.object.site),
            )))),
        }
    }
}

#[cfg(test)]
mod tests {
    use message::{Body, ObjectName};

    use super::*;

    struct Teapot;

    impl Upstream for Teapot {
        fn fetch(
            &self,
            _fetch: Fetch,
        ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>> {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
            Box::pin(std::future::ready(Ok(response)))
        }
    }

    #[tokio::test]
    async fn a_site_meets_its_own_upstream_and_an_unknown_one_none() {
        let router = BySite::new().with("tea", Arc::new(Teapot));
        let fetch = |site: &str| Fetch {
            object: ObjectName {
                site: site.into(),
                path: "/a".into(),
            },
            range: None,
            condition: None,
            carried: message::Carried::default(),
            demand: message::Demand::Any,
            at: message::now(),
        };
        assert_eq!(router.fetch(fetch("tea")).await.unwrap().status(), 418);
        let error = router.fetch(fetch("coffee")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::DestinationNotFound);
    }
}
