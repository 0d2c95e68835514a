//! From a site's `origin` to an upstream.

use std::{path::Path, sync::Arc};

use message::{Timestamp, Upstream};
use upstream::{
    BySite, Credentials, HttpOrigin, HttpOriginConfig, Metrics, ObjectStorage, ObjectStorageConfig,
    S3, Store,
};

use crate::config::{Bucket, Config, Origin, Site};

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
        Origin::S3(bucket) => Store::S3(s3(bucket, now)?),
        Origin::Http { urls, host, ca } => {
            let tls = client_tls(ca.as_deref(), &[b"h2", b"http/1.1"], now)?;
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

fn s3(bucket: &Bucket, now: &Timestamp) -> Result<S3, node::Error> {
    let credentials = match (&bucket.access_key, &bucket.secret_key) {
        (Some(access_key), Some(secret_key)) => Some(Credentials {
            access_key: access_key.reveal().to_owned(),
            secret_key: secret_key.reveal().to_owned(),
            session_token: bucket
                .session_token
                .as_ref()
                .map(|token| token.reveal().to_owned()),
        }),
        _ => None,
    };
    Ok(S3 {
        endpoint: bucket.endpoint.clone(),
        bucket: bucket.name.clone(),
        region: bucket.region.clone(),
        credentials,
        virtual_hosted: bucket.virtual_hosted,
        allow_http: bucket.allow_http,
        prefix: bucket.prefix.clone(),
        tls: client_tls(bucket.ca.as_deref(), &[b"http/1.1"], now)?,
    })
}

/// The authorities that the machine trusts, where Debian and most others keep them.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// TLS towards an origin whose certificate `ca` has signed; without it, one of the machine's
/// authorities, and none where there are none: an `https` origin is then refused at start.
fn client_tls(
    ca: Option<&Path>,
    alpn: &[&[u8]],
    now: &Timestamp,
) -> Result<Option<Arc<rustls::ClientConfig>>, node::Error> {
    let system = Path::new(SYSTEM_CA);
    let Some(ca) = ca.or_else(|| system.is_file().then_some(system)) else {
        return Ok(None);
    };
    let alpn = alpn.iter().map(|name| name.to_vec()).collect();
    let config = tls::ClientConfig {
        ca: vec![ca.to_owned()],
        identity: None,
        alpn,
    };
    let (config, warnings) = config.build(now.wall)?;
    node::tell(&warnings);
    Ok(Some(config))
}
