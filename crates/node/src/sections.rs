//! The sections of a config file that both nodes have: `[listen]`, `[tls]`, `[limits]`, `[cache]`,
//! and the times to live of a site.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use daemon::config::{Common, Section};
use semantics::freshness::TtlRules;
use store::DiskConfig;
use tls::{Identity, MinVersion, ServerConfig, record::RecordLayer};

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// What every node is told about itself.
#[derive(Debug, Clone)]
pub struct Sections {
    /// `[node]`, `[admin]`, `[log]` and `[drain]`.
    pub common: Common,
    /// `[listen]`.
    pub listen: Listen,
    /// `[tls]`.
    pub tls: ServerConfig,
    /// `[limits]`, as far as connections go.
    pub limits: downstream::Limits,
    /// `[cache]`: the store.
    pub store: store::Config,
    /// `[cache]` and `[limits]`: the cache above it.
    pub cache: cache::Config,
}

/// `[listen]`.
#[derive(Debug, Clone)]
pub struct Listen {
    /// One address for TCP and UDP.
    pub address: SocketAddr,
    /// Whether HTTP/3 is served on it, and `Alt-Svc` says so.
    pub http3: bool,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Anybody; the gate decides about requests.
    Anybody,
    /// Whoever shows a certificate of `[tls] client_ca`.
    WithCertificate,
}

impl Sections {
    /// Reads the shared sections from the top of a config file.
    pub fn read(top: &mut Section, clients: Clients) -> Option<Self> {
        let common = Common::read(top);
        let listen = top.section("listen", |listen| {
            let port = if clients == Clients::Anybody {
                443
            } else {
                8443
            };
            let address = listen
                .address("address")
                .or(SocketAddr::from(([0, 0, 0, 0], port)));
            let http3 = clients == Clients::Anybody && listen.flag("http3").or(true);
            Some(Listen { address, http3 })
        });
        let tls = top.section("tls", |tls| read_tls(tls, clients));
        let limits = top.section("limits", |limits| Some(read_limits(limits)));
        let store = top.section("cache", |section| {
            let heads = section.bytes("heads", MIB..=64 << 30).or(64 * MIB);
            Some((read_store(section), heads))
        });
        let (common, (store, heads_bytes), (limits, fills)) = (common?, store?, limits?);
        let cache = cache::Config {
            heads_bytes,
            ..cache::Config::named(common.name.clone()).with_fills(fills)
        };
        Some(Self {
            listen: listen?,
            tls: tls?,
            limits,
            store,
            cache,
            common,
        })
    }
}

fn read_tls(section: &mut Section, clients: Clients) -> Option<ServerConfig> {
    const VERSIONS: &[(&str, MinVersion)] =
        &[("1.3", MinVersion::Tls13), ("1.2", MinVersion::Tls12)];
    const RECORD_LAYERS: &[(&str, RecordLayer)] =
        &[("own", RecordLayer::Own), ("rustls", RecordLayer::Rustls)];
    let certificates = section.sections("certificates", 1..=256, |pair| {
        let cert = pair.file("certificate").required();
        let key = pair.file("key").required();
        Some(Identity {
            cert: cert?,
            key: key?,
        })
    });
    let min_version = section
        .choice("min_version", VERSIONS)
        .or(MinVersion::Tls13);
    let record_layer = section
        .choice("record_layer", RECORD_LAYERS)
        .or(RecordLayer::Rustls);
    let client_ca = match clients {
        Clients::Anybody => None,
        Clients::WithCertificate => Some(section.file("client_ca").required()?),
    };
    Some(ServerConfig {
        certificates,
        client_ca,
        min_version,
        record_layer,
        ..ServerConfig::default()
    })
}

fn read_limits(section: &mut Section) -> (downstream::Limits, usize) {
    let default = downstream::Limits::default();
    let mut count = |key, range: RangeInclusive<u64>, default: usize| {
        let value = section.number(key, range).or(default as u64);
        usize::try_from(value).unwrap_or(default)
    };
    let connections = count("connections", 1..=1_000_000, default.connections);
    let handshakes = count("handshakes", 1..=65_536, default.handshakes);
    let fills = count("fills", 1..=65_536, 256);
    let mut small = |key, default: u32| {
        let value = section.number(key, 1..=1_000_000).or(u64::from(default));
        u32::try_from(value).unwrap_or(default)
    };
    let connections_per_ipv4 = small("connections_per_ipv4", default.connections_per_ipv4);
    let connections_per_ipv6_56 = small("connections_per_ipv6_56", default.connections_per_ipv6_56);
    let new_connections_per_s = small("new_connections_per_s", default.new_connections_per_s);
    let new_connections_burst = small("new_connections_burst", default.new_connections_burst);
    let http2_streams = small("http2_streams", default.http2_streams);
    let requests = section
        .number("requests_per_connection", 1..=u64::MAX)
        .or(default.requests_per_connection);
    let times = Duration::from_millis(100)..=Duration::from_hours(24);
    let mut time = |key, default| section.duration(key, times.clone()).or(default);
    (
        downstream::Limits {
            connections,
            connections_per_ipv4,
            connections_per_ipv6_56,
            new_connections_per_s,
            new_connections_burst,
            handshakes,
            http2_streams,
            requests_per_connection: requests,
            handshake_timeout: time("handshake_timeout", default.handshake_timeout),
            head_timeout: time("head_timeout", default.head_timeout),
            idle_timeout: time("idle_timeout", default.idle_timeout),
            stall_timeout: time("stall_timeout", default.stall_timeout),
            connection_age: time("connection_age", default.connection_age),
            ..default
        },
        fills,
    )
}

fn read_store(section: &mut Section) -> store::Config {
    let default = store::Config::default();
    let ram_bytes = section.bytes("ram", 8 * MIB..=16 * TIB).or(1 << 30);
    let state = section.path("state").or(PathBuf::from("/var/lib/millpond"));
    let segment_bytes = section
        .bytes("segment", MIB..=1 << 30)
        .or(default.segment_bytes);
    let write_queue_bytes = section
        .bytes("write_queue", MIB..=16 << 30)
        .or(default.write_queue_bytes);
    let times = Duration::from_millis(1)..=Duration::from_mins(1);
    let read_timeout = section
        .duration("read_timeout", times)
        .or(default.read_timeout);
    let disks = section.sections("disk", 0..=store::DISKS_MAX, |disk| {
        let path = disk.path("path").required();
        let bytes = disk.bytes("size", 0..=1024 * TIB).required();
        Some(DiskConfig::new(path?, bytes?))
    });
    let config = store::Config {
        ram_bytes,
        disks,
        state_dir: Some(state),
        segment_bytes,
        write_queue_bytes,
        read_timeout,
        ..default
    };
    if let Err(error) = config.check() {
        section.problem("disk", &error.to_string(), None);
    }
    config
}

/// The times to live of a `[[site]]`.
pub fn read_ttl(site: &mut Section) -> TtlRules {
    let default = TtlRules::default();
    let range = Duration::ZERO..=Duration::from_hours(24 * 366);
    let negative_range = Duration::ZERO..=Duration::from_mins(5);
    let force = site.duration("ttl_force", range.clone()).optional();
    let negative = site
        .duration("ttl_negative", negative_range)
        .or(default.negative);
    let mut time = |key, default| site.duration(key, range.clone()).or(default);
    TtlRules {
        default: time("ttl_default", default.default),
        stale_if_error: time("stale_if_error", default.stale_if_error),
        stale_while_revalidate: time("stale_while_revalidate", default.stale_while_revalidate),
        force,
        negative,
    }
}
