//! The listeners' side: certificates by server name, mutual TLS, tickets, hot swap.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, WebPkiClientVerifier},
    version,
};

use crate::{
    Error, Identity, Warning, pem, provider,
    record::{self, Pool, RecordLayer, Session, Settings, Socket, Stream},
    resolver::{Resolver, Table},
};

/// The oldest protocol version that a listener accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2, for old players. QUIC stays at 1.3.
    Tls12,
    /// TLS 1.3.
    #[default]
    Tls13,
}

/// What a listener shows and asks for.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// One or more identities, chosen by server name; the first also answers clients that send
    /// none.
    pub certificates: Vec<Identity>,
    /// Authorities for client certificates. When set, a client without a certificate from one of
    /// them is refused in the handshake, and no session tickets are given: a resumption would
    /// skip the check against authorities that changed since.
    pub client_ca: Option<PathBuf>,
    /// The oldest version accepted.
    pub min_version: MinVersion,
    /// Who makes the records of TCP connections.
    pub record_layer: RecordLayer,
    /// What the buffers of sending connections may take together, if the records are ours: 256 MiB,
    /// which is 256 connections with 512 KiB each and 2,000 with 64 KiB. Further ones get buffers of
    /// one record.
    pub record_buffers_bytes: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            client_ca: None,
            min_version: MinVersion::default(),
            record_layer: RecordLayer::default(),
            record_buffers_bytes: 256 << 20,
        }
    }
}

impl ServerConfig {
    /// Says why this kernel cannot make the records, where they are asked of it. Blocks while it
    /// asks the kernel.
    pub fn falls_back(&self) -> Option<Warning> {
        match self.record_layer {
            RecordLayer::Kernel => {
                record::kernel_missing().map(|reason| Warning::NoKernelTls { reason })
            }
            RecordLayer::Own | RecordLayer::Rustls => None,
        }
    }
}

/// Everything that one load of the files made; replaced as a whole.
#[derive(Debug)]
struct InForce {
    tcp: Arc<rustls::ServerConfig>,
    tcp_chacha: Arc<rustls::ServerConfig>,
    quic: Arc<rustls::ServerConfig>,
    not_after_unix_s: i64,
}

/// A TLS server whose certificates can be swapped while it serves.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    records: Settings,
    ticketer: Arc<dyn rustls::server::ProducesTickets>,
    /// Outlives reloads, so that whoever kept a configuration shows new certificates too.
    resolver: Arc<Resolver>,
    in_force: ArcSwap<InForce>,
}

impl Server {
    /// Loads the files that `config` names. `now` is wall time since the Unix epoch.
    pub fn load(config: ServerConfig, now: Duration) -> Result<(Self, Vec<Warning>), Error> {
        let ticketer = aws_lc_rs::Ticketer::new()?;
        let mut certificates = certificates(&config, now)?;
        let mut record_layer = config.record_layer;
        if let Some(warning) = config.falls_back() {
            certificates.warnings.push(warning);
            record_layer = RecordLayer::Own;
        }
        let resolver = Arc::new(Resolver(ArcSwap::from_pointee(certificates.table)));
        let in_force = build(&config, &ticketer, &resolver, certificates.not_after_unix_s)?;
        let in_force = ArcSwap::from_pointee(in_force);
        let records = Settings {
            records: record_layer,
            pool: Pool::new(config.record_buffers_bytes),
        };
        Ok((
            Self {
                config,
                records,
                ticketer,
                resolver,
                in_force,
            },
            certificates.warnings,
        ))
    }

    /// Reads the same files again and swaps in what they hold, client authorities included. After
    /// an error everything is as before. Open connections keep what they were opened with.
    pub fn reload(&self, now: Duration) -> Result<Vec<Warning>, Error> {
        let fresh = certificates(&self.config, now)?;
        let (ticketer, resolver) = (&self.ticketer, &self.resolver);
        let in_force = build(&self.config, ticketer, resolver, fresh.not_after_unix_s)?;
        self.resolver.0.store(Arc::new(fresh.table));
        self.in_force.store(Arc::new(in_force));
        Ok(fresh.warnings)
    }

    /// The configuration for TCP: ALPN `h2` and `http/1.1`, AES-128-GCM first whatever the
    /// client's order. Ask for it once per connection, so that a reload takes effect.
    pub fn tcp(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.in_force.load().tcp)
    }

    /// As [`Server::tcp`], but `ChaCha20` first for a client that lists it first, which is how a
    /// phone without AES instructions asks for it.
    pub fn tcp_for(&self, hello: &ClientHello<'_>) -> Arc<rustls::ServerConfig> {
        let in_force = self.in_force.load();
        let chacha = provider::prefers_chacha(hello.cipher_suites());
        Arc::clone(if chacha {
            &in_force.tcp_chacha
        } else {
            &in_force.tcp
        })
    }

    /// Shakes hands with a client that connected by TCP, as [`Server::tcp_for`] its hello.
    ///
    /// # Errors
    /// See [`record::accept`]. Not cancel safe: dropping the future drops the connection.
    pub async fn accept<S>(&self, socket: S) -> io::Result<(Stream<S>, Session)>
    where
        S: Socket,
    {
        record::accept(socket, |hello| self.tcp_for(hello), &self.records).await
    }

    /// The configuration for QUIC: ALPN `h3`, TLS 1.3, 0-RTT off, ciphers in the client's order.
    /// The same `Arc` until a reload swaps it.
    pub fn quic(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.in_force.load().quic)
    }

    /// Whether one of the certificates is for this host, in lower case; an address without
    /// brackets.
    pub fn serves(&self, server_name: &str) -> bool {
        self.resolver.0.load().find(server_name).is_some()
    }

    /// Who makes the records of TLS 1.3 over TCP: what the config asks for, or [`RecordLayer::Own`]
    /// in the place of a kernel that cannot.
    pub fn record_layer(&self) -> RecordLayer {
        self.records.records
    }

    /// When the first of the certificates expires, in seconds since the Unix epoch.
    pub fn not_after_unix_s(&self) -> i64 {
        self.in_force.load().not_after_unix_s
    }
}

/// The identities of one load.
struct Certificates {
    table: Table,
    not_after_unix_s: i64,
    warnings: Vec<Warning>,
}

fn certificates(config: &ServerConfig, now: Duration) -> Result<Certificates, Error> {
    let provider = provider::aes_first();
    let mut all = Vec::with_capacity(config.certificates.len());
    let mut warnings = Vec::new();
    let mut not_after_unix_s = i64::MAX;
    for identity in &config.certificates {
        let loaded = pem::load(identity, now, &provider)?;
        not_after_unix_s = not_after_unix_s.min(loaded.not_after_unix_s);
        warnings.extend(loaded.warning);
        all.push(loaded.certified);
    }
    let table = Table::new(&all).ok_or(Error::NoIdentity)?;
    Ok(Certificates {
        table,
        not_after_unix_s,
        warnings,
    })
}

fn build(
    config: &ServerConfig,
    ticketer: &Arc<dyn rustls::server::ProducesTickets>,
    resolver: &Arc<Resolver>,
    not_after_unix_s: i64,
) -> Result<InForce, Error> {
    let make = |provider, face| rustls_config(config, provider, face, resolver, ticketer);
    Ok(InForce {
        tcp: make(provider::aes_first(), Face::Tcp)?,
        tcp_chacha: make(provider::chacha_first(), Face::Tcp)?,
        quic: make(provider::aes_first(), Face::Quic)?,
        not_after_unix_s,
    })
}

#[derive(Clone, Copy)]
enum Face {
    Tcp,
    Quic,
}

fn rustls_config(
    config: &ServerConfig,
    provider: Arc<CryptoProvider>,
    face: Face,
    resolver: &Arc<Resolver>,
    ticketer: &Arc<dyn rustls::server::ProducesTickets>,
) -> Result<Arc<rustls::ServerConfig>, Error> {
    let versions: &[_] = match (face, config.min_version) {
        (Face::Tcp, MinVersion::Tls12) => &[&version::TLS13, &version::TLS12],
        (Face::Tcp, MinVersion::Tls13) | (Face::Quic, _) => &[&version::TLS13],
    };
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?;
    let builder = match &config.client_ca {
        Some(path) => builder.with_client_cert_verifier(client_verifier(path, provider)?),
        None => builder.with_no_client_auth(),
    };
    let mut made = builder.with_cert_resolver(Arc::clone(resolver) as _);
    made.session_storage = Arc::new(NoServerSessionStorage {});
    made.max_early_data_size = 0;
    made.send_tls13_tickets = 0;
    if config.client_ca.is_none() {
        // One ticket: a player opens the next connection after this one, seldom beside it.
        made.send_tls13_tickets = 1;
        made.ticketer = Arc::clone(ticketer);
    }
    match face {
        Face::Tcp => {
            made.ignore_client_order = true;
            made.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        Face::Quic => made.alpn_protocols = vec![b"h3".to_vec()],
    }
    Ok(Arc::new(made))
}

fn client_verifier(
    path: &std::path::Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Error> {
    let unusable = |detail: String| Error::ClientAuthorities {
        path: path.to_owned(),
        detail,
    };
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| unusable(error.to_string()))
}
