//! A server on loopback with a certificate of its own, a handler with known content, and clients.

pub(crate) mod clients;
pub(crate) mod content;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use downstream::{Config, Drain, Drained, Error, Listeners, Server, Share};
use prometheus::Registry;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use content::Content;

/// The host that the server is for.
pub(crate) const HOST: &str = "media.test";

/// Longer than anything here takes; a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Pki {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "the test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        std::fs::write(
            dir.path().join("ca.pem"),
            params.self_signed(&key).unwrap().pem(),
        )
        .unwrap();
        Self {
            dir,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    pub(crate) fn identity(&self, names: &[&str]) -> tls::Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let stem = names[0].clone();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let path = |suffix: &str| self.dir.path().join(format!("{stem}.{suffix}"));
        std::fs::write(path("crt"), leaf.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        tls::Identity {
            cert: path("crt"),
            key: path("key"),
        }
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) pki: Pki,
    pub(crate) content: Arc<Content>,
    pub(crate) registry: Registry,
    pub(crate) tls: Arc<tls::Server>,
    pub(crate) drain: Drain,
    pub(crate) done: JoinHandle<Result<Drained, Error>>,
}

/// Starts one with a change to its configuration.
pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Running {
    start_with(change, |_, _| {}, Duration::from_secs(20))
}

/// Starts one with a change to its TLS and its grace as well.
pub(crate) fn start_with(
    change: impl FnOnce(&mut Config),
    change_tls: impl FnOnce(&mut tls::ServerConfig, &Pki),
    grace: Duration,
) -> Running {
    let pki = Pki::new();
    let mut server = tls::ServerConfig {
        certificates: vec![pki.identity(&[HOST]), pki.identity(&["music.test"])],
        record_layer: crate::RECORDS,
        ..tls::ServerConfig::default()
    };
    change_tls(&mut server, &pki);
    let (server, _) = tls::Server::load(server, message::now().wall).unwrap();
    let tls = Arc::new(server);
    let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), Share::Alone).unwrap();
    let address = listeners.addresses()[0];
    let mut config = Config::new("test");
    config.alt_svc = Some(address.port());
    config.limits.new_connections_burst = 10_000;
    config.limits.connections_per_ipv4 = 10_000;
    change(&mut config);
    let (content, registry) = (Arc::new(Content::default()), Registry::new());
    let drain = Drain::new(grace);
    let handler = Arc::clone(&content) as _;
    let server = Server::new(config, Arc::clone(&tls), handler, &registry).unwrap();
    let done = tokio::spawn(server.run(listeners, drain.clone()));
    Running {
        address,
        pki,
        content,
        registry,
        tls,
        drain,
        done,
    }
}

impl Running {
    /// A counter's or gauge's value, summed over the label values that contain `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name().ends_with(name));
        let Some(family) = family else {
            panic!("no metric {name}")
        };
        let fits = |metric: &&prometheus::proto::Metric| {
            metric
                .get_label()
                .iter()
                .any(|pair| pair.value().contains(label))
        };
        let metrics = family.get_metric().iter().filter(fits);
        metrics
            .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
            .sum()
    }

    /// Waits until a metric has a value.
    pub(crate) async fn metric_becomes(&self, name: &str, label: &str, value: f64) {
        self.metric_fits(name, label, |now| (now - value).abs() <= 0.1)
            .await;
    }

    /// Waits until a metric has a value, or a higher one.
    pub(crate) async fn metric_reaches(&self, name: &str, label: &str, value: f64) {
        self.metric_fits(name, label, |now| now >= value).await;
    }

    async fn metric_fits(&self, name: &str, label: &str, fits: impl Fn(f64) -> bool) {
        let reached = async {
            while !fits(self.metric(name, label)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, reached).await;
        assert!(
            outcome.is_ok(),
            "{name}{{{label}}} is {}",
            self.metric(name, label)
        );
    }

    /// Ends the server and tells how.
    pub(crate) async fn end(self) -> Drained {
        self.drain.start();
        tokio::time::timeout(PATIENCE, self.done)
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }
}
