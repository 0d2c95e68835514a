//! The shield, and two edges with the same viewers: one that is filled at night, one that is not.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use edge::Edge;
use shield::Shield;
use steering::client::{Client, ClientError};

use crate::{
    Error,
    demo::{figures, pki, settings},
};

/// The edge that is filled: its manifests' audience and the node of its reports.
pub(super) const FILLED: &str = "filled";
/// The edge that is not.
pub(super) const ALONE: &str = "alone";

/// What an edge's disk holds. Of 8 MiB segments, the smallest that there are, it takes several.
pub(super) const DISK_BYTES: u64 = 40 << 20;

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
    /// Bytes from the shield that were told.
    counted: u64,
}

impl Node {
    /// Starts an edge before this shield.
    pub(super) async fn start(
        name: &'static str,
        folder: &Path,
        shield: SocketAddr,
    ) -> Result<Self, Error> {
        let config = write(name, folder, shield)?;
        let config = edge::Config::load(&config).map_err(|report| Error::Config { report })?;
        let edge = Edge::start(config).await?;
        Ok(Self {
            name,
            edge,
            counted: 0,
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
    pub(super) fn take_from_shield(&mut self) -> u64 {
        let registry = self.edge.registry();
        let all = figures::sum(registry, "millpond_cache_fill_bytes_total", None);
        let new = all.saturating_sub(self.counted);
        self.counted = all;
        new
    }
}

/// What turns an error of a call to a node into ours.
pub(super) fn called(node: &str) -> impl Fn(ClientError) -> Error + use<'_> {
    move |source| Error::Client {
        node: node.to_owned(),
        source: Box::new(source),
    }
}

fn write(name: &str, folder: &Path, shield: SocketAddr) -> Result<PathBuf, Error> {
    let steering = pki::STEERING;
    let disk = format!(
        r#"size = "{DISK_BYTES}B"
# Three days go by in minutes: what a day may write is no bound here.
writes_per_day = "1TB""#
    );
    let more = format!(
        r#"[popularity]
# All viewers are made up: there is nobody to protect.
sessions_min = 1
[steering]
listen = "127.0.0.1:0"
certificate = "edge.pem"
key = "edge.key"
client_ca = "ca.pem"
steering = ["{steering}"]
[fill]
keys = "planners.json"
[[fill.window]]
# Nights here have no hours of their own: a manifest is pushed when one begins.
hours = "00:00-00:00""#
    );
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
