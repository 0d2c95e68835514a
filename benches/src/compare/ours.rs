//! Our side: an edge as its own process, filled from a shield in this one.

use std::env;

use shield::Shield;
use tokio::process::Child;

use super::{
    Cores, Error, Target,
    pinned::on_core,
    pki, proof,
    target::Kind,
    world::{OPEN, SIGNED, World, free_port, write},
};

pub(crate) struct Ours {
    edge: Child,
    pid: u32,
    port: u16,
    prefix: String,
    shield: Shield,
}

impl Ours {
    pub(crate) async fn start(world: &World, cores: &Cores) -> Result<Self, Error> {
        let file = world.root().join("shield.toml");
        write(&file, shield_config().as_bytes())?;
        let config = shield::Config::load(&file).map_err(Error::Config)?;
        let shield = Shield::start(config).await?;

        let port = free_port()?;
        let file = world.root().join("edge.toml");
        let text = edge_config(port, &shield.address().to_string());
        write(&file, text.as_bytes())?;
        let program = env::current_exe().map_err(Error::io("the path of this program"))?;
        let edge = on_core(cores.server, program)
            .args(["edge", "--config"])
            .arg(&file)
            .spawn()
            .map_err(Error::io("starting the edge on its core (taskset)"))?;
        proof::listening(port).await?;
        let pid = edge
            .id()
            .ok_or_else(|| Error::Broken("the edge has ended".to_owned()))?;
        Ok(Self {
            edge,
            pid,
            port,
            prefix: world.signed_prefix()?,
            shield,
        })
    }

    /// The edge as in production: every URL carries a token.
    pub(crate) fn signed(&self) -> Target {
        Target {
            label: "millpond",
            kind: Kind::Signed,
            host: "localhost",
            port: self.port,
            prefix: self.prefix.clone(),
            pids: vec![self.pid],
        }
    }

    /// The same edge, on a site whose URLs are not signed.
    pub(crate) fn open(&self) -> Target {
        Target {
            label: "millpond, unsigned",
            kind: Kind::Open,
            host: "127.0.0.1",
            prefix: String::new(),
            ..self.signed()
        }
    }

    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        let killed = self.edge.kill().await;
        self.shield.drain().await;
        killed.map_err(Error::io("ending the edge"))
    }
}

/// Limits against floods are lifted where one load generator would run into them; all else is the
/// default.
fn edge_config(port: u16, shield: &str) -> String {
    let shield_name = pki::SHIELD;
    format!(
        r#"
[node]
name = "edge1"
[listen]
address = "127.0.0.1:{port}"
[tls]
certificates = [{{ certificate = "server.pem", key = "server.key" }}]
[limits]
new_connections_per_s = 10000
new_connections_burst = 10000
requests_per_connection = 1000000000
[cache]
ram = "1GiB"
state = "edge-state"
[[cache.disk]]
path = "edge-slices"
size = "1GiB"
[admin]
address = "127.0.0.1:0"
[log]
level = "warn"
access = "off"
[shields]
ca = "ca.pem"
certificate = "client.pem"
key = "client.key"
[[shields.member]]
name = "shield1"
addresses = ["{shield}"]
server_name = "{shield_name}"
[[site]]
name = "{SIGNED}"
hosts = ["localhost"]
keys = "keys.json"
ttl_default = "6h"
[[site]]
name = "{OPEN}"
hosts = ["127.0.0.1"]
signing = "none"
ttl_default = "6h"
"#
    )
}

fn shield_config() -> String {
    let site = |name| {
        format!(
            r#"
[[site]]
name = "{name}"
ttl_default = "6h"
[site.origin]
kind = "directory"
path = "origin"
"#
        )
    };
    let (signed, open) = (site(SIGNED), site(OPEN));
    format!(
        r#"
[node]
name = "shield1"
[listen]
address = "127.0.0.1:0"
[tls]
certificates = [{{ certificate = "shield.pem", key = "shield.key" }}]
client_ca = "ca.pem"
[cache]
ram = "64MiB"
state = "shield-state"
[admin]
address = "127.0.0.1:0"
[log]
level = "warn"
access = "off"
{signed}{open}"#
    )
}
