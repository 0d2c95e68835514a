//! Known content, fetches of it, and the one oracle: every body is checked byte for byte.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use http_body_util::BodyExt;
use message::{ByteRange, Condition, Error, Fetch, Kind, ObjectName, Response, Upstream};
use prometheus::Registry;
use upstream::{Limits, Metrics};

/// Longer than anything takes that happens at all.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const SITE: &str = "vod";

/// The byte at `offset` of the object `name`: a keyed function, so that a byte from another
/// object, offset or version does not pass.
pub(crate) fn byte(name: &str, offset: u64) -> u8 {
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(17, 42);
    (name, offset / 8).hash(&mut hasher);
    hasher.finish().to_le_bytes()[usize::try_from(offset % 8).unwrap()]
}

pub(crate) fn content(name: &str, first: u64, length: u64) -> Vec<u8> {
    (first..first + length)
        .map(|offset| byte(name, offset))
        .collect()
}

pub(crate) fn metrics() -> (Metrics, Registry) {
    let registry = Registry::new();
    (Metrics::new(&registry).unwrap(), registry)
}

/// The value of the metric `name` whose labels contain `label`, summed.
#[expect(
    clippy::cast_possible_truncation,
    reason = "these are small whole numbers"
)]
pub(crate) fn metric(registry: &Registry, name: &str, label: &str) -> i64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    let metrics = family
        .map(prometheus::proto::MetricFamily::get_metric)
        .unwrap_or_default();
    let labelled = metrics
        .iter()
        .filter(|metric| label.is_empty() || metric.get_label().iter().any(|l| l.value() == label));
    let values =
        labelled.map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value());
    values.sum::<f64>() as i64
}

/// One try, and more time than a busy machine takes for anything.
pub(crate) fn unhurried() -> Limits {
    Limits {
        connect_timeout: PATIENCE,
        head_timeout: PATIENCE,
        stall_timeout: PATIENCE,
        retries_max: 0,
        ..Limits::default()
    }
}

/// One try, with times that a test can wait for.
pub(crate) fn quick() -> Limits {
    Limits {
        head_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_secs(1),
        ..unhurried()
    }
}

pub(crate) struct Ask(Fetch);

impl Ask {
    pub(crate) fn whole(path: &str) -> Self {
        let object = ObjectName {
            site: SITE.into(),
            path: path.into(),
        };
        Self(Fetch {
            object,
            range: None,
            condition: None,
            carried: message::Carried::default(),
            demand: message::Demand::Any,
            at: message::now(),
        })
    }

    pub(crate) fn range(path: &str, first: u64, last: u64) -> Self {
        let mut ask = Self::whole(path);
        ask.0.range = Some(ByteRange { first, last });
        ask
    }

    pub(crate) fn with(mut self, condition: Condition) -> Self {
        self.0.condition = Some(condition);
        self
    }

    pub(crate) fn if_match(self, etag: &str) -> Self {
        self.with(Condition::IfMatch(etag.into()))
    }

    pub(crate) async fn of(self, upstream: &dyn Upstream) -> Result<Response, Error> {
        upstream.fetch(self.0).await
    }

    pub(crate) async fn refused_by(self, upstream: &dyn Upstream) -> Kind {
        self.of(upstream).await.expect_err("an error").kind()
    }
}

pub(crate) fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

pub(crate) async fn body(response: Response) -> Result<Vec<u8>, Error> {
    Ok(response.into_body().collect().await?.to_bytes().to_vec())
}

/// Checks status and every byte.
pub(crate) async fn expect(response: Response, status: u16, bytes: &[u8]) {
    assert_eq!(response.status(), status);
    let received = body(response).await.unwrap();
    assert_eq!(received.len(), bytes.len());
    assert!(received == bytes, "wrong bytes");
}

/// Waits, bounded, for what another task will do.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    });
    assert!(waiting.await.is_ok(), "never happened: {what}");
}

pub(crate) fn rustls_provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
