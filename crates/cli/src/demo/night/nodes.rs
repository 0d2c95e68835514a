//! The shield, and two edges with the same viewers: one that is filled at night, one that is not.

use std::{
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use edge::Edge;
use shield::Shield;
use steering::client::{Client, ClientError};

use crate::{
    Error,
    demo::{figures, settings},
};

/// The edge that is filled: its manifests' audience and the node of its reports.
pub(super) const FILLED: &str = "filled";
/// The edge that is not.
pub(super) const ALONE: &str = "alone";

/// When what is planned may come in, in UTC.
pub(super) const WINDOW: Range<usize> = 2..6;
/// The smallest segments that there are.
const SEGMENT_BYTES: u64 = 8 << 20;
/// With fewer, a segment that goes takes much of what a disk holds with it.
const SEGMENTS_MIN: u64 = 5;

/// So many times as fast as it would have to be.
const SPARE: u64 = 2;
/// What an edge takes for a rate at least.
const RATE_MIN: u64 = 1 << 20;

/// What the edges are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// What a disk holds.
    pub(super) disk_bytes: u64,
    /// What a night may bring in.
    pub(super) window_bytes: u64,
    /// How fast, by the second of real time.
    pub(super) bytes_per_s: u64,
}

impl Size {
    /// Disks that hold a part of what is asked for in all, of which a night may fill a part. All that
    /// comes in within `window`, with time to spare.
    pub(super) fn of(
        asked_bytes: u64,
        disk_percent: u64,
        night_percent: u64,
        window: Duration,
    ) -> Self {
        let segments = (asked_bytes * disk_percent / 100).div_ceil(SEGMENT_BYTES);
        let disk_bytes = segments.max(SEGMENTS_MIN) * SEGMENT_BYTES;
        let window_bytes = disk_bytes * night_percent / 100;
        let ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX).max(1);
        Self {
            disk_bytes,
            window_bytes,
            bytes_per_s: (window_bytes * 1000 * SPARE / ms).max(RATE_MIN),
        }
    }
}

/// Starts the shield over `origin` in the folder.
pub(super) async fn start_shield(folder: &Path) -> Result<Shield, Error> {
    let config = settings::write_shield(folder)?;
    let config = shield::Config::load(&config).map_err(|report| Error::Config { report })?;
    Ok(Shield::start(config).await?)
}

/// An edge, and what it has told already.
pub(super) struct Node {
    pub(super) name: &'static str,
    edge: Edge,
    /// Bytes from the shield that were told: all, and those of them that came by plan.
    counted: [u64; 2],
}

/// What came from the shield.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Came {
    /// Because viewers asked.
    pub(super) asked_bytes: u64,
    /// By plan.
    pub(super) planned_bytes: u64,
}

impl Node {
    /// Starts an edge before this shield.
    pub(super) async fn start(
        name: &'static str,
        folder: &Path,
        shield: SocketAddr,
        size: &Size,
    ) -> Result<Self, Error> {
        let config = write(name, folder, shield, size)?;
        let config = edge::Config::load(&config).map_err(|report| Error::Config { report })?;
        let edge = Edge::start(config).await?;
        Ok(Self {
            name,
            edge,
            counted: [0; 2],
        })
    }

    pub(super) async fn drain(self) {
        self.edge.drain().await;
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.edge.address()
    }

    /// A client of its steering API.
    pub(super) fn steering(&self, folder: &Path) -> Result<Client, Error> {
        let none = || Error::Demo(format!("{} has no steering API", self.name));
        let port = self.edge.steering_address().ok_or_else(none)?.port();
        let tls = tls::ClientConfig {
            ca: vec![folder.join("ca.pem")],
            identity: Some(tls::Identity {
                cert: folder.join("steering.pem"),
                key: folder.join("steering.key"),
            }),
            alpn: Vec::new(),
        };
        let client = Client::new(
            &format!("https://localhost:{port}"),
            &tls,
            message::now().wall,
        );
        client.map_err(|error| called(self.name)(error))
    }

    /// Bytes from the shield since this was last asked.
    pub(super) fn take_from_shield(&mut self) -> Came {
        let registry = self.edge.registry();
        let names = [
            "millpond_cache_fill_bytes_total",
            "millpond_fill_bytes_total",
        ];
        let now = names.map(|name| figures::sum(registry, name, None));
        let before = std::mem::replace(&mut self.counted, now);
        let [all, planned_bytes] = [0, 1].map(|at| now[at].saturating_sub(before[at]));
        Came {
            asked_bytes: all.saturating_sub(planned_bytes),
            planned_bytes,
        }
    }
}

/// What turns an error of a call to a node into ours.
pub(super) fn called(node: &str) -> impl Fn(ClientError) -> Error + use<'_> {
    move |source| Error::Client {
        node: node.to_owned(),
        source: Box::new(source),
    }
}

fn write(name: &str, folder: &Path, shield: SocketAddr, size: &Size) -> Result<PathBuf, Error> {
    let disk = format!("size = \"{}B\"", size.disk_bytes);
    let more = if name == FILLED {
        filled(size)
    } else {
        POPULARITY.to_owned()
    };
    let edge = settings::Edge {
        name,
        files: name,
        ports: [0, 0],
        ram: "8MiB",
        segment: "8MiB",
        disk: &disk,
        more: &more,
        site: "ttl_default = \"7d\"",
    };
    edge.write(folder, shield)
}

/// All viewers are made up: there is nobody to protect. And the sketch is saved every hour, which is not long.
const POPULARITY: &str = r#"[popularity]
memory = "4MiB"
sessions_min = 1"#;

/// The sections of the edge that is filled.
fn filled(size: &Size) -> String {
    let Range { start, end } = WINDOW;
    let Size {
        window_bytes,
        bytes_per_s,
        ..
    } = size;
    let bounds = format!("rate = \"{bytes_per_s}B\"\nwindow_bytes = \"{window_bytes}B\"");
    let filled = settings::filled(&bounds, &format!("{start:02}:00-{end:02}:00"));
    format!("{POPULARITY}\n{filled}")
}
