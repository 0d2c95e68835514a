//! The sections of a config file that both nodes have: `[listen]`, `[tls]`, `[limits]`, `[cache]`.

use std::{
    fmt,
    fs::File,
    io::{Seek as _, SeekFrom},
    net::SocketAddr,
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use daemon::{
    config::{Common, Section, parse_bytes, show_bytes},
    resources::Bounds,
};
use store::{DiskConfig, WritesPerDay};
use tls::{Identity, MinVersion, ServerConfig, record::RecordLayer};

use crate::{
    memory::{BUDGET_UNKNOWN, Plans, SHARE, Split, Wishes, split},
    popularity::{self, PopularitySection},
};

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// A slice of 4 MiB, its record's head and the segment's own must fit; in 8 MiB one slice wastes no
/// more than the half.
const SEGMENT_BYTES_MIN: u64 = 8 * MIB;

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
    /// `[popularity]`, on a node that viewers ask, unless it is turned off.
    pub popularity: Option<PopularitySection>,
    /// `[memory]`: what each of them may take.
    pub memory: Split,
    /// `[steering]`, if the node is steered.
    pub steering: Option<steering::Settings>,
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
    /// Reads the shared sections from the top of a config file, for a node that fills by `plans`.
    pub fn read(top: &mut Section, clients: Clients, plans: Plans) -> Option<Self> {
        let mut wishes = Wishes {
            plans,
            ..Wishes::default()
        };
        let common = Common::read(top);
        let listen = top.section("listen", |listen| Some(read_listen(listen, clients)));
        let tls = top.section("tls", |tls| {
            wishes.ciphertext = tls.bytes("record_buffers", MIB..=TIB).optional();
            read_tls(tls, clients)
        });
        wishes.own_records = tls
            .as_ref()
            // Where the kernel cannot, ours does.
            .is_some_and(|tls| tls.record_layer != RecordLayer::Rustls);
        let limits = top.section("limits", |limits| {
            wishes.connections = limits.number("connections", 1..=1_000_000).optional();
            Some(read_limits(limits))
        });
        let store = top.section("cache", |section| Some(read_store(section, &mut wishes)));
        let steering = steering::Settings::read(top);
        if let Some(Some(steering)) = &steering {
            (wishes.steered, wishes.steering) = (true, steering.memory_bytes());
        }
        let popularity = match clients {
            Clients::Anybody => top.section("popularity", |section| {
                popularity::read(section, &mut wishes)
            }),
            Clients::WithCertificate => Some(None),
        };
        // Last, because its default depends on all others.
        let memory = top.section("memory", |section| read_memory(section, wishes));
        let (common, store, (limits, fills), memory) = (common?, store?, limits?, memory?);
        let cache = cache::Config {
            heads_bytes: memory.heads_bytes,
            ..cache::Config::named(common.name.clone()).with_fills(fills)
        };
        let mut tls = tls?;
        tls.record_buffers_bytes = usize::try_from(memory.ciphertext_bytes).unwrap_or(usize::MAX);
        let disks = store.disks.len() as u64;
        let mut popularity = popularity?;
        if let Some(popularity) = &mut popularity {
            popularity.sketch.memory_bytes = memory.popularity_bytes;
            popularity.folder = store
                .state_dir
                .clone()
                .unwrap_or_default()
                .join("popularity");
        }
        Some(Self {
            popularity,
            listen: listen?,
            tls,
            limits: downstream::Limits {
                connections: usize::try_from(memory.connections).unwrap_or(usize::MAX),
                ..limits
            },
            store: store::Config {
                ram_bytes: memory.ram_bytes,
                write_queue_bytes: memory.write_queue_bytes,
                held_bytes: memory.in_flight_bytes + memory.write_queue_bytes * disks,
                disk_records_max: memory.index_records.max(1),
                ..store
            },
            cache,
            common,
            memory,
            steering: steering?,
        })
    }
}

fn read_listen(section: &mut Section, clients: Clients) -> Listen {
    let port = match clients {
        Clients::Anybody => 443,
        Clients::WithCertificate => 8443,
    };
    let address = section
        .address("address")
        .or(SocketAddr::from(([0, 0, 0, 0], port)));
    let http3 = clients == Clients::Anybody && section.flag("http3").or(true);
    Listen { address, http3 }
}

fn read_tls(section: &mut Section, clients: Clients) -> Option<ServerConfig> {
    const VERSIONS: &[(&str, MinVersion)] =
        &[("1.3", MinVersion::Tls13), ("1.2", MinVersion::Tls12)];
    const RECORD_LAYERS: &[(&str, RecordLayer)] = &[
        ("own", RecordLayer::Own),
        ("rustls", RecordLayer::Rustls),
        ("kernel", RecordLayer::Kernel),
    ];
    let certificates = section.sections("certificates", 1..=256, |pair| {
        let cert = pair.file("certificate").required();
        let key = pair.private_file("key").required();
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
        .or(RecordLayer::default());
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

fn read_store(section: &mut Section, wishes: &mut Wishes) -> store::Config {
    let default = store::Config::default();
    wishes.ram = section.bytes("ram", 8 * MIB..=16 * TIB).optional();
    wishes.heads = section.bytes("heads", MIB..=64 << 30).optional();
    let state = section.path("state").or(PathBuf::from("/var/lib/millpond"));
    let segment_bytes = section
        .bytes("segment", SEGMENT_BYTES_MIN..=1 << 30)
        .or(default.segment_bytes);
    wishes.write_queue = section.bytes("write_queue", MIB..=16 << 30).optional();
    wishes.slice = section
        .bytes("slice_average", 4 << 10..=4 * MIB)
        .or(512 << 10);
    let times = Duration::from_millis(1)..=Duration::from_mins(1);
    let read_timeout = section
        .duration("read_timeout", times)
        .or(default.read_timeout);
    let registered_buffers = section
        .choice("registered_buffers", &[("auto", true), ("off", false)])
        .or(default.registered_buffers);
    let disks = section.sections("disk", 0..=store::DISKS_MAX, |disk| {
        let path = disk.path("path").required();
        let bytes = disk.bytes("size", 0..=1024 * TIB).required();
        let writes = disk.parsed("writes_per_day", Writes::EXPECTED, Writes::parse);
        let writes_per_day = writes.or(Writes(WritesPerDay::Drives(1.0))).0;
        Some(DiskConfig {
            writes_per_day,
            ..DiskConfig::new(path?, bytes?)
        })
    });
    wishes.disks = disks.iter().map(bytes_of).collect();
    let config = store::Config {
        disks,
        state_dir: Some(state),
        segment_bytes,
        read_timeout,
        registered_buffers,
        clock: store::Clock::new(message::stopwatch()),
        ..default
    };
    if let Err(error) = config.check() {
        section.problem("disk", &error.to_string(), None);
    }
    config
}

/// How large a disk is. A whole partition, which is configured as 0, tells by its end; one that
/// cannot be opened now is left out later as well.
fn bytes_of(disk: &DiskConfig) -> u64 {
    if disk.bytes > 0 {
        return disk.bytes;
    }
    let end = File::open(&disk.path).and_then(|mut file| file.seek(SeekFrom::End(0)));
    end.unwrap_or(0)
}

/// The budget, and its split among all that the other sections wish for.
fn read_memory(section: &mut Section, wishes: Wishes) -> Option<Split> {
    let bounds = Bounds::of_this_process();
    let (share, of) = SHARE;
    let default = bounds
        .memory_bytes
        .map_or(BUDGET_UNKNOWN, |bytes| bytes / of * share);
    let budget = section.bytes("budget", 64 * MIB..=16 * TIB).optional();
    let in_flight = section.bytes("in_flight", 16 * MIB..=TIB).optional();
    if let (Some(budget), Some(bound)) = (budget, bounds.memory_bytes)
        && budget > bound
    {
        let what = format!("is {budget} bytes, and this process may use {bound}");
        section.problem("budget", &what, Some("see MemoryMax= of the unit"));
    }
    let wishes = Wishes {
        in_flight,
        open_files: bounds.open_files,
        ..wishes
    };
    match split(budget.unwrap_or(default), &wishes) {
        Ok(split) => Some(split),
        Err(what) => {
            let hint = "raise it, or set the parts lower; the default is three quarters of memory";
            section.problem("budget", &what, Some(hint));
            None
        }
    }
}

/// A write budget as text: `500GB`, or `0.3 DWPD` as makers rate drives.
struct Writes(WritesPerDay);

impl Writes {
    const EXPECTED: &str = "a size such as \"500GB\", or drive writes such as \"0.3 DWPD\"";

    fn parse(text: &str) -> Option<Self> {
        let Some(drives) = text.strip_suffix("DWPD") else {
            return parse_bytes(text).map(|bytes| Self(WritesPerDay::Bytes(bytes)));
        };
        let drives: f64 = drives.trim_end().parse().ok()?;
        let is_sane = (0.0..=100.0).contains(&drives);
        is_sane.then_some(Self(WritesPerDay::Drives(drives)))
    }
}

impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            WritesPerDay::Bytes(bytes) => f.write_str(&show_bytes(bytes)),
            WritesPerDay::Drives(drives) => write!(f, "{drives} DWPD"),
        }
    }
}
