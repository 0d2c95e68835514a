//! The configs of the demo's nodes: files as an operator writes them.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{Arguments, SITE, pki};
use crate::{Error, keys};

/// Writes the shield's config, and says where.
pub(crate) fn write_shield(folder: &Path) -> Result<PathBuf, Error> {
    let text = format!(
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
    let (port, admin_port, name) = (arguments.port, arguments.admin_port, pki::SHIELD);
    let text = format!(
        r#"
[node]
name = "edge1"
[listen]
address = "127.0.0.1:{port}"
[tls]
certificates = [{{ certificate = "edge.pem", key = "edge.key" }}]
[cache]
ram = "64MiB"
state = "edge-state"
segment = "16MiB"
[[cache.disk]]
path = "edge-slices"
size = "256MiB"
[admin]
address = "127.0.0.1:{admin_port}"
[log]
level = "warn"
access = "./edge-access.log"
[drain]
deadline = "10s"
[shields]
ca = "ca.pem"
certificate = "edge-client.pem"
key = "edge-client.key"
[[shields.member]]
name = "shield1"
addresses = ["{shield}"]
server_name = "{name}"
[[site]]
name = "{SITE}"
hosts = ["localhost", "127.0.0.1"]
keys = "keys.json"
server_timing = true
ttl_default = "1h"
"#
    );
    write(folder, "edge.toml", &text)
}

/// Writes a config of this name, and says where.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let path = folder.join(name);
    keys::replace(&path, text)?;
    Ok(path)
}
