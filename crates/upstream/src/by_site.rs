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
