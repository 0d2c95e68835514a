//! The folder of a comparison, the origin, and the shield that stands between it and the edge.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use shield::Shield;
use signing::{Algorithm, Carriers, Claims, KeySet, Label, Scope, SigningKey};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::{Error, origin::Origin, pki};

/// The edge's site with signed URLs, and its site without.
pub(crate) const SIGNED: &str = "signed";
pub(crate) const OPEN: &str = "open";

/// What all servers stand on.
pub(crate) struct World {
    folder: TempDir,
    token: String,
    pub(crate) origin: Origin,
    shield: Mutex<Option<Shield>>,
    shield_address: String,
}

impl World {
    /// Below the folder for temporary files, which `TMPDIR` moves.
    pub(crate) async fn make() -> Result<Self, Error> {
        let folder =
            TempDir::with_prefix("millpond-bench-").map_err(Error::io("a temporary folder"))?;
        let root = folder.path();
        pki::write(root)?;
        let key = SigningKey::generate(Algorithm::Ed25519, Label::parse("bench-1")?)?;
        let keys = KeySet::new(vec![key.verify_key()])?;
        write(&root.join("keys.json"), keys.to_json().as_bytes())?;
        let now_s = message::now().unix_s();
        let scope = Scope::prefix("/vod")?;
        let claims = Claims::new(Label::parse(SIGNED)?, scope, now_s, now_s + 6 * 3600);
        let token = signing::sign(&key, &claims)?;

        let origin = Origin::start().await?;
        let file = root.join("shield.toml");
        let address = format!("127.0.0.1:{}", free_port()?);
        write(&file, shield_config(&address, origin.port()).as_bytes())?;
        let shield = Mutex::new(Some(start_shield(root).await?));
        Ok(Self {
            folder,
            token,
            origin,
            shield,
            shield_address: address,
        })
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The authority that signed the servers' certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.root().join("ca.pem")
    }

    /// A folder of its own for one server.
    pub(crate) fn own(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.root().join(name);
        fs::create_dir_all(&path).map_err(Error::io(path.display()))?;
        Ok(path)
    }

    pub(crate) fn shield(&self) -> &str {
        &self.shield_address
    }

    /// Starts the shield anew, with nothing in its memory.
    pub(crate) async fn forget_shield(&self) -> Result<(), Error> {
        let mut shield = self.shield.lock().await;
        if let Some(old) = shield.take() {
            old.drain().await;
        }
        *shield = Some(start_shield(self.root()).await?);
        Ok(())
    }

    /// What stands before the paths of the signed site: one token for all of a session's segments,
    /// as players inherit it from the playlist's URL.
    pub(crate) fn signed_prefix(&self) -> Result<String, Error> {
        let carrier = signing::Carrier::Path;
        let url = Carriers::default().signed_url("https://h/x", carrier, &self.token)?;
        let prefix = url
            .strip_prefix("https://h")
            .and_then(|path| path.strip_suffix("/x"));
        prefix
            .map(str::to_owned)
            .ok_or_else(|| Error::Broken(format!("a signed URL that reads {url}")))
    }

    pub(crate) async fn close(self) {
        if let Some(shield) = self.shield.into_inner() {
            shield.drain().await;
        }
    }
}

/// Writes a file and the folders that it lies in.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent.display()))?;
    }
    fs::write(path, bytes).map_err(Error::io(path.display()))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, Error> {
    let free = || TcpListener::bind("127.0.0.1:0")?.local_addr();
    free()
        .map(|address| address.port())
        .map_err(Error::io("a free port"))
}

async fn start_shield(root: &Path) -> Result<Shield, Error> {
    let config = shield::Config::load(&root.join("shield.toml")).map_err(Error::Config)?;
    Ok(Shield::start(config).await?)
}

fn shield_config(address: &str, origin: u16) -> String {
    let site = |name| {
        format!(
            r#"
[[site]]
name = "{name}"
ttl_default = "6h"
[site.origin]
kind = "http"
urls = ["http://127.0.0.1:{origin}"]
"#
        )
    };
    let (signed, open) = (site(SIGNED), site(OPEN));
    format!(
        r#"
[node]
name = "shield1"
[listen]
address = "{address}"
[tls]
certificates = [{{ certificate = "shield.pem", key = "shield.key" }}]
client_ca = "ca.pem"
[cache]
ram = "64MiB"
state = "shield-state"
[admin]
address = "127.0.0.1:0"
[log]
level = "error"
access = "off"
{signed}{open}"#
    )
}
