//! The configs of the demo's nodes: files as an operator writes them.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{Arguments, SITE, pki};
use crate::{Error, keys};

/// The edge's and the shield's names.
const EDGE: &str = "edge1";
const SHIELD: &str = "shield1";

/// Writes the file that names both nodes for commands, and who calls them; says where.
pub(crate) fn write_nodes(folder: &Path, edge: u16, shield: u16) -> Result<PathBuf, Error> {
    let text = format!(
        r#"ca = "ca.pem"
certificate = "steering.pem"
key = "steering.key"
[[node]]
name = "{EDGE}"
url = "https://localhost:{edge}"
[[node]]
name = "{SHIELD}"
url = "https://localhost:{shield}"
shield = true
"#
    );
    write(folder, "nodes.toml", &text)
}

/// What a node's steering API has, whoever may call it.
fn steering() -> String {
    let steering = pki::STEERING;
    format!(
        r#"[steering]
listen = "127.0.0.1:0"
certificate = "edge.pem"
key = "edge.key"
client_ca = "ca.pem"
steering = ["{steering}"]"#
    )
}

/// The sections of an edge that reports what it was asked for, is steered, and is filled in these hours
/// of UTC: `bounds` are the other keys of its `[fill]`.
pub(crate) fn filled(bounds: &str, hours: &str) -> String {
    let steering = steering();
    format!(
        r#"[popularity.reports]
kind = "directory"
path = "reports"
{steering}
[fill]
keys = "planners.json"
{bounds}
[[fill.window]]
hours = "{hours}""#
    )
}

/// Writes the shield's config, and says where.
pub(crate) fn write_shield(folder: &Path) -> Result<PathBuf, Error> {
    let steering = steering();
    let text = format!(
        r#"
[node]
name = "{SHIELD}"
[listen]
address = "127.0.0.1:0"
[tls]
certificates = [{{ certificate = "shield.pem", key = "shield.key" }}]
client_ca = "ca.pem"
[cache]
ram = "64MiB"
state = "shield-state"
segment = "16MiB"
[[cache.disk]]
path = "shield-slices"
size = "256MiB"
[admin]
address = "127.0.0.1:0"
[log]
level = "warn"
access = "./shield-access.log"
[drain]
deadline = "10s"
{steering}
[[site]]
name = "{SITE}"
ttl_default = "1h"
[site.origin]
kind = "directory"
path = "origin"
"#
    );
    write(folder, "shield.toml", &text)
}

/// Writes the edge's config, and says where.
pub(crate) fn write_edge(
    folder: &Path,
    arguments: &Arguments,
    shield: SocketAddr,
) -> Result<PathBuf, Error> {
    let filled = filled(r#"rate = "8MiB""#, "00:00-00:00");
    // Whoever tries it out is alone.
    let more = format!("[popularity]\nsessions_min = 1\n{filled}");
    let edge = Edge {
        name: EDGE,
        files: "edge",
        ports: [arguments.port, arguments.admin_port],
        ram: "64MiB",
        segment: "16MiB",
        disk: "size = \"256MiB\"",
        more: &more,
        site: "server_timing = true\nttl_default = \"1h\"",
    };
    edge.write(folder, shield)
}

/// What edges of the demo differ in.
pub(crate) struct Edge<'t> {
    pub(crate) name: &'t str,
    /// What the names of its files and folders begin with.
    pub(crate) files: &'t str,
    /// For viewers, and of the admin listener.
    pub(crate) ports: [u16; 2],
    pub(crate) ram: &'t str,
    pub(crate) segment: &'t str,
    /// Keys of its disk.
    pub(crate) disk: &'t str,
    /// More sections.
    pub(crate) more: &'t str,
    /// More keys of the site.
    pub(crate) site: &'t str,
}

impl Edge<'_> {
    /// Writes its config, and says where.
    pub(crate) fn write(&self, folder: &Path, shield: SocketAddr) -> Result<PathBuf, Error> {
        let Self {
            name,
            files,
            ports: [port, admin_port],
            ram,
            segment,
            disk,
            more,
            site,
        } = self;
        let server = pki::SHIELD;
        let text = format!(
            r#"
[node]
name = "{name}"
[listen]
address = "127.0.0.1:{port}"
[tls]
certificates = [{{ certificate = "edge.pem", key = "edge.key" }}]
[cache]
ram = "{ram}"
state = "{files}-state"
segment = "{segment}"
[[cache.disk]]
path = "{files}-slices"
{disk}
[admin]
address = "127.0.0.1:{admin_port}"
[log]
level = "warn"
access = "./{files}-access.log"
[drain]
deadline = "10s"
[shields]
ca = "ca.pem"
certificate = "edge-client.pem"
key = "edge-client.key"
[[shields.member]]
name = "{SHIELD}"
addresses = ["{shield}"]
server_name = "{server}"
{more}
[[site]]
name = "{SITE}"
hosts = ["localhost", "127.0.0.1"]
keys = "keys.json"
{site}
"#
        );
        write(folder, &format!("{files}.toml"), &text)
    }
}

/// Writes a config of this name, and says where.
fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let path = folder.join(name);
    keys::replace(&path, text)?;
    Ok(path)
}
