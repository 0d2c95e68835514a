//! From a site's `origin` to an upstream.

use std::sync::Arc;

use message::{Timestamp, Upstream};
use upstream::{
    BySite, HttpOrigin, HttpOriginConfig, Metrics, ObjectStorage, ObjectStorageConfig, Store,
};

use crate::config::{Config, Origin, Site};

/// One upstream that knows each site's origin.
pub(crate) fn build(
    config: &Config,
    registry: &prometheus::Registry,
    now: &Timestamp,
) -> Result<Arc<dyn Upstream>, node::Error> {
    let metrics = Metrics::new(registry)?;
    let mut sites = BySite::new();
    for site in &config.sites {
        sites = sites.with(site.name.clone(), origin(site, config, &metrics, now)?);
    }
    Ok(Arc::new(sites))
}

fn origin(
    site: &Site,
    config: &Config,
    metrics: &Metrics,
    now: &Timestamp,
) -> Result<Arc<dyn Upstream>, node::Error> {
    let (name, limits) = (site.name.clone(), site.limits.clone());
    let store = match &site.origin {
        Origin::Directory { root } => Store::Directory { root: root.clone() },
        Origin::S3(bucket) => Store::S3(bucket.s3(now)?),
        Origin::Http { urls, host, ca } => {
            let tls = node::client_tls(ca.as_deref(), &[b"h2", b"http/1.1"], now)?;
            let node = config.sections.common.name.to_string();
            let (base_urls, host) = (urls.clone(), host.clone());
            let config = HttpOriginConfig {
                name,
                node,
                base_urls,
                host,
                tls,
                limits,
            };
            return Ok(Arc::new(HttpOrigin::new(&config, metrics)?));
        }
    };
    let config = ObjectStorageConfig {
        name,
        store,
        limits,
    };
    Ok(Arc::new(ObjectStorage::new(&config, metrics)?))
}
