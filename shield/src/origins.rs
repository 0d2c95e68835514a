//! From a site's `origin` to an upstream.

use std::sync::Arc;

use message::{Timestamp, Upstream};
use upstream::{BySite, Metrics};

use crate::config::Config;

/// One upstream that knows each site's origin.
pub(crate) fn build(
    config: &Config,
    registry: &prometheus::Registry,
    now: &Timestamp,
) -> Result<Arc<dyn Upstream>, node::Error> {
    let metrics = Metrics::new(registry)?;
    let node = &config.sections.common.name;
    let mut sites = BySite::new();
    for site in &config.sites {
        let origin = site.origin.upstream(&site.name, node, &metrics, now)?;
        sites = sites.with(site.name.clone(), origin);
    }
    Ok(Arc::new(sites))
}
