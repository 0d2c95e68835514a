//! A real S3 server, and the keys of a config for it.

use std::{fs, net::TcpListener, path::Path, time::Duration};

use futures_util::TryStreamExt as _;
use object_store::{
    ObjectStore as _, ObjectStoreExt as _, PutPayload,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path as Key,
};
use tempfile::TempDir;
use tests::{eventually, foreign::need, oracle::Object, perhaps};
use tokio::process::{Child, Command};

pub(crate) const ACCESS: &str = "millpondaccess";
pub(crate) const SECRET: &str = "millpondsecretmillpond";

/// `SeaweedFS` on loopback; it ends with this.
pub(crate) struct Weed {
    _process: Child,
    _folder: TempDir,
    pub(crate) endpoint: String,
}

impl Weed {
    fn start() -> Option<Self> {
        let weed = need("weed")?;
        let folder = TempDir::with_prefix("millpond-weed-").unwrap();
        let identities = format!(
            r#"{{"identities":[{{"name":"dev","credentials":[{{"accessKey":"{ACCESS}","secretKey":"{SECRET}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
        );
        let config = folder.path().join("s3.json");
        fs::write(&config, identities).unwrap();
        // It adds 10,000 to each port for its own calls.
        let [master, volume, filer, s3] = ports();
        let socket = |of: &str| format!("-{of}.localSocket={}/{of}.sock", folder.path().display());
        let mut command = Command::new(weed);
        command
            .arg(format!("-logdir={}", folder.path().display()))
            .args([
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-filer",
                "-s3",
            ])
            .args([
                "-master.telemetry=false",
                "-volume.max=20",
                "-master.volumeSizeLimitMB=64",
            ])
            // Its catalogues have fixed ports, of which a machine has one each.
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .arg(format!("-dir={}", folder.path().display()))
            .arg(format!("-master.port={master}"))
            .arg(format!("-volume.port={volume}"))
            .arg(format!("-filer.port={filer}"))
            .arg(format!("-s3.port={s3}"))
            .arg(format!("-s3.config={}", config.display()))
            .arg(socket("filer"))
            .arg(socket("s3"))
            .stdout(fs::File::create(folder.path().join("log")).unwrap())
            .stderr(fs::File::create(folder.path().join("errors")).unwrap())
            .kill_on_drop(true);
        let process = command.spawn().unwrap();
        Some(Self {
            _process: process,
            _folder: folder,
            endpoint: format!("http://127.0.0.1:{s3}"),
        })
    }

    /// A server that takes objects. It has ports of its own choosing as well, so that another one
    /// on this machine may be in its way for a moment: then it is started anew.
    pub(crate) async fn ready() -> Option<Self> {
        let probe = Object::new("/probe", 1);
        let mut tries = 0;
        loop {
            let weed = Self::start()?;
            if perhaps(40, async || weed.put(&probe).await).await.is_some() {
                return Some(weed);
            }
            tries += 1;
            assert!(
                tries < 3,
                "three S3 servers took no object within 40 s each"
            );
        }
    }

    pub(crate) async fn put_all(&self, objects: &[Object]) {
        for object in objects {
            eventually(60, "the S3 server to take an object", async || {
                self.put(object).await
            })
            .await;
        }
    }

    fn store(&self) -> AmazonS3 {
        AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_bucket_name("origin")
            .with_region("us-east-1")
            .with_access_key_id(ACCESS)
            .with_secret_access_key(SECRET)
            .with_allow_http(true)
            .with_retry(object_store::RetryConfig {
                max_retries: 0,
                ..Default::default()
            })
            .build()
            .unwrap()
    }

    /// All objects under a prefix: key and content.
    pub(crate) async fn all(&self, prefix: &str) -> Vec<(String, bytes::Bytes)> {
        let store = self.store();
        let listed = store.list(Some(&Key::from(prefix)));
        let mut objects = Vec::new();
        for meta in listed.try_collect::<Vec<_>>().await.unwrap() {
            let object = store.get(&meta.location).await.unwrap();
            objects.push((meta.location.to_string(), object.bytes().await.unwrap()));
        }
        objects
    }

    async fn put(&self, object: &Object) -> Option<()> {
        self.put_bytes(&object.name, object.content()).await
    }

    /// Puts an object of any content, or does not.
    pub(crate) async fn put_bytes(&self, name: &str, content: bytes::Bytes) -> Option<()> {
        let key = Key::from(name.trim_start_matches('/'));
        let put = self.store();
        let put = put.put(&key, PutPayload::from_bytes(content));
        let put = tokio::time::timeout(Duration::from_secs(20), put).await;
        put.ok()?.ok().map(drop)
    }
}

/// Four ports free for both the program and its calls.
fn ports() -> [u16; 4] {
    let spread = (std::process::id() % 900) as u16 * 10;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let found: Vec<u16> = (12_000 + spread..32_000)
        .filter(|&port| free(port) && free(port + 10_000))
        .take(4)
        .collect();
    found.try_into().unwrap()
}

/// Writes a secret to a file that only its owner may read.
pub(crate) fn secret(folder: &Path, name: &str, value: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder.join(name);
    fs::write(&file, value).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The keys of a bucket that reports are written to.
pub(crate) fn reports(weed: &Weed, secrets: &Path) -> Vec<(&'static str, toml::Value)> {
    vec![
        ("popularity.sessions_min", 1.into()),
        ("popularity.reports.kind", "s3".into()),
        ("popularity.reports.endpoint", weed.endpoint.clone().into()),
        ("popularity.reports.bucket", "origin".into()),
        ("popularity.reports.prefix", "fleet/a".into()),
        ("popularity.reports.allow_http", true.into()),
        (
            "popularity.reports.access_key_file",
            secret(secrets, "access", ACCESS).into(),
        ),
        (
            "popularity.reports.secret_key_file",
            secret(secrets, "secret", SECRET).into(),
        ),
    ]
}
