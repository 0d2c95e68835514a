//! The folder of a comparison: certificates, keys, and the bodies that both servers are filled from.

use std::{
    fs,
    path::{Path, PathBuf},
};

use benches::bodies::{self, LARGE_BYTES, SMALL_BYTES};
use signing::{Algorithm, Carriers, Claims, KeySet, Label, Scope, SigningKey};
use tempfile::TempDir;

use super::{Error, measure::Shape, pki, target::Target};

/// The edge's site with signed URLs, and its site without.
pub(crate) const SIGNED: &str = "signed";
pub(crate) const OPEN: &str = "open";

/// How many objects there are of each length. All of one length are more than the last-level cache
/// holds, because what a node serves does not lie there either.
const SMALLS: u32 = 768;
const LARGES: u32 = 128;

/// A temporary folder with all that both servers need.
pub(crate) struct World {
    folder: TempDir,
    token: String,
}

impl World {
    pub(crate) fn make() -> Result<Self, Error> {
        let folder =
            TempDir::with_prefix("millpond-bench-").map_err(Error::io("a temporary folder"))?;
        let root = folder.path();
        pki::write(root)?;
        for (length, count) in [(SMALL_BYTES, SMALLS), (LARGE_BYTES, LARGES)] {
            for number in 0..count {
                let path = bodies::path(number, length);
                let path = root.join("origin").join(path.trim_start_matches('/'));
                write(&path, &bodies::body(number, length))?;
            }
        }
        let key = SigningKey::generate(Algorithm::Ed25519, Label::parse("bench-1")?)?;
        let keys = KeySet::new(vec![key.verify_key()])?;
        write(&root.join("keys.json"), keys.to_json().as_bytes())?;
        let now_s = message::now().unix_s();
        let scope = Scope::prefix("/vod")?;
        let claims = Claims::new(Label::parse(SIGNED)?, scope, now_s, now_s + 6 * 3600);
        let token = signing::sign(&key, &claims)?;
        Ok(Self { folder, token })
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The authority that signed the servers' certificates.
    pub(crate) fn ca(&self) -> PathBuf {
        self.root().join("ca.pem")
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

    /// How many objects have that length.
    pub(crate) fn objects(length: usize) -> u32 {
        if length == SMALL_BYTES {
            SMALLS
        } else {
            LARGES
        }
    }

    /// Writes the list of URLs of one shape for the generator, and says where.
    pub(crate) fn urls(&self, target: &Target, shape: Shape) -> Result<PathBuf, Error> {
        let length = shape.length();
        let urls: String = (0..Self::objects(length))
            .map(|number| target.url(&bodies::path(number, length)) + "\n")
            .collect();
        let file = self.root().join("urls.txt");
        write(&file, urls.as_bytes())?;
        Ok(file)
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
    let free = || std::net::TcpListener::bind("127.0.0.1:0")?.local_addr();
    free()
        .map(|address| address.port())
        .map_err(Error::io("a free port"))
}
