//! Object storage as the shield's origin: a real S3 server, and a directory.

use std::{fs, net::TcpListener, path::Path, time::Duration};

use futures_util::TryStreamExt as _;
use object_store::{
    ObjectStore as _, ObjectStoreExt as _, PutPayload,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path as Key,
};
use tempfile::TempDir;
use tests::{
    client::{Client, PROTOCOLS, Protocol},
    eventually,
    foreign::need,
    node::{Home, Node, Role, Settings},
    oracle::Object,
    origin::write_objects,
    perhaps,
    pki::Pki,
    planner::{Planner, planned},
    world::Plan,
};
use tokio::process::{Child, Command};

const MIB: u64 = 1 << 20;
const ACCESS: &str = "millpondaccess";
const SECRET: &str = "millpondsecretmillpond";

/// `SeaweedFS` on loopback; it ends with this.
struct Weed {
    _process: Child,
    _folder: TempDir,
    endpoint: String,
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
        let mut command = Command::new(weed);
        command
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
            .arg(format!("-dir={}", folder.path().display()))
            .arg(format!("-master.port={master}"))
            .arg(format!("-volume.port={volume}"))
            .arg(format!("-filer.port={filer}"))
            .arg(format!("-s3.port={s3}"))
            .arg(format!("-s3.config={}", config.display()))
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
    async fn ready() -> Option<Self> {
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

    async fn put_all(&self, objects: &[Object]) {
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
    async fn all(&self, prefix: &str) -> Vec<(String, bytes::Bytes)> {
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
        let key = Key::from(object.name.trim_start_matches('/'));
        let put = self.store();
        let put = put.put(&key, PutPayload::from_bytes(object.content()));
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

struct Way {
    client: Client,
    edge: Node,
    shield: Node,
    shield_home: Home,
    _edge_home: Home,
    _pki: Pki,
}

/// An edge and a shield whose site has this origin.
async fn way(origin: &[(&str, toml::Value)]) -> Way {
    let pki = Pki::new();
    let shield_home = Home::new(Role::Shield);
    let mut settings = Settings::shield(&shield_home, &pki, "http://127.0.0.1:9");
    settings.set("site.0.origin", toml::Table::new());
    for (key, value) in origin {
        settings.set(&format!("site.0.origin.{key}"), value.clone());
    }
    let shield = shield_home.start(&settings).await;
    let edge_home = Home::new(Role::Edge);
    let edge = edge_home
        .start(&Settings::edge(&edge_home, &pki, &[shield.address]))
        .await;
    let client = Client::new(&pki, edge.address, "media.test");
    Way {
        client,
        edge,
        shield,
        shield_home,
        _edge_home: edge_home,
        _pki: pki,
    }
}

fn secret(folder: &Path, name: &str, value: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder.join(name);
    fs::write(&file, value).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    file.to_str().unwrap().to_owned()
}

async fn are_served(way: &Way, objects: &[Object]) {
    for (protocol, object) in PROTOCOLS.into_iter().cycle().zip(objects) {
        for _ in 0..2 {
            way.client
                .get(protocol, &object.name, &[])
                .await
                .is_whole(object);
        }
        let reply = way
            .client
            .get(protocol, &object.name, &[("range", "bytes=-1000")])
            .await;
        reply.is_part(object, object.bytes - 1000..object.bytes);
    }
    for protocol in PROTOCOLS {
        way.client.get(protocol, "/v/absent.m4s", &[]).await.is(404);
    }
}

fn objects() -> Vec<Object> {
    [1000, 300_001, 4 * MIB, 4 * MIB + 1, 11 * MIB + 5]
        .map(|bytes| Object::new(&format!("/vod/a-b_c/{bytes}.m4s"), bytes))
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_is_an_origin_end_to_end() {
    let Some(weed) = Weed::ready().await else {
        return;
    };
    let objects = objects();
    weed.put_all(&objects).await;
    let secrets = TempDir::new().unwrap();
    let origin = [
        ("kind", "s3".into()),
        ("endpoint", weed.endpoint.clone().into()),
        ("bucket", "origin".into()),
        (
            "access_key_file",
            secret(secrets.path(), "access", ACCESS).into(),
        ),
        (
            "secret_key_file",
            secret(secrets.path(), "secret", SECRET).into(),
        ),
        ("allow_http", true.into()),
    ];
    let nodes = way(&origin).await;
    are_served(&nodes, &objects).await;
    let reply = nodes
        .client
        .get(Protocol::Http2, &objects[1].name, &[])
        .await;
    assert!(
        reply
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("x-amz")),
        "{reply:?}"
    );
    let (_, config) = nodes.shield.ask("/config").await;
    assert!(!config.contains(SECRET) && !nodes.shield_home.logs().contains(SECRET));
    nodes.edge.drain().await;
    nodes.shield.drain().await;

    // The object changes under its readers: the next version is served, never a mix.
    let wrong = [
        origin.to_vec(),
        vec![(
            "secret_key_file",
            secret(secrets.path(), "wrong", "x").into(),
        )],
    ];
    let nodes = way(&wrong.concat()).await;
    let reply = nodes
        .client
        .get(Protocol::Http2, &objects[0].name, &[])
        .await;
    assert!(
        matches!(reply.status.as_u16(), 403 | 502),
        "a wrong secret: {reply:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_an_origin_end_to_end() {
    let folder = TempDir::new().unwrap();
    let objects = objects();
    write_objects(folder.path(), &objects);
    let path = folder.path().to_str().unwrap();
    let nodes = way(&[("kind", "directory".into()), ("path", path.into())]).await;
    are_served(&nodes, &objects).await;
    // Nothing above the directory is within reach, whatever a viewer asks for.
    fs::write(
        folder.path().parent().unwrap().join("millpond-outside"),
        "secret",
    )
    .unwrap();
    for target in [
        "/../millpond-outside",
        "/vod/../../millpond-outside",
        "/%2e%2e/millpond-outside",
    ] {
        nodes.client.get(Protocol::Http2, target, &[]).await.is(400);
    }
    fs::remove_file(folder.path().parent().unwrap().join("millpond-outside")).unwrap();
    nodes.edge.drain().await;
    nodes.shield.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_out_of_the_directory_leads_nowhere() {
    let folder = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret.m4s"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
    let path = folder.path().to_str().unwrap();
    let nodes = way(&[("kind", "directory".into()), ("path", path.into())]).await;
    let reply = nodes
        .client
        .get(Protocol::Http2, "/link/secret.m4s", &[])
        .await;
    assert!(reply.status.as_u16() >= 400, "{reply:?}");
}

/// The keys of a bucket that reports are written to.
fn reports(weed: &Weed, secrets: &Path) -> Vec<(&'static str, toml::Value)> {
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

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_takes_an_edges_reports_once_it_is_there() {
    let Some(weed) = Weed::ready().await else {
        return;
    };
    let secrets = TempDir::new().unwrap();
    let object = Object::new("/v/reported.m4s", 300_001);
    let mut edge = reports(&weed, secrets.path());
    // Nobody listens there: the report waits.
    edge[2].1 = "http://127.0.0.1:9".into();
    let plan = Plan::default().edge_keys(&edge);
    let mut world = plan.start(std::slice::from_ref(&object)).await;
    let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
    reply.is_whole(&object);
    for (key, value) in reports(&weed, secrets.path()) {
        world.edge_settings.set(key, value);
    }
    world.restart_edge().await;
    let reported = eventually(60, "the S3 server to have a report", async || {
        let objects = weed.all("fleet/a").await;
        (!objects.is_empty()).then_some(objects)
    });
    let [(key, report)] = &reported.await[..] else {
        panic!("one report");
    };
    let rows = tests::reports::of(key.strip_prefix("fleet/a/").unwrap(), report.clone());
    let told: Vec<_> = rows
        .iter()
        .map(|row| (&*row.path, row.bytes_served))
        .collect();
    assert_eq!(told, [(&*object.name, object.bytes)]);
    assert!(!world.edge_home.logs().contains(SECRET));
    let edge = world.edge.take().unwrap();
    let (_, config) = edge.ask("/config").await;
    assert!(!config.contains(SECRET), "{config}");
    edge.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_fills_an_edge_when_the_shields_have_nothing() {
    let Some(weed) = Weed::ready().await else {
        return;
    };
    let (objects, secrets) = (objects(), TempDir::new().unwrap());
    weed.put_all(&objects).await;
    let planner = Planner::new();
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.publish(1, &wanted);
    let mut plan = planner.edge("00:00-00:00");
    plan = plan.edge_key("fill.storage_after", "0s");
    let keys: [(&str, toml::Value); 6] = [
        ("site.0.origin.kind", "s3".into()),
        ("site.0.origin.endpoint", weed.endpoint.clone().into()),
        ("site.0.origin.bucket", "origin".into()),
        ("site.0.origin.allow_http", true.into()),
        (
            "site.0.origin.access_key_file",
            secret(secrets.path(), "access", ACCESS).into(),
        ),
        (
            "site.0.origin.secret_key_file",
            secret(secrets.path(), "secret", SECRET).into(),
        ),
    ];
    for (key, value) in keys {
        plan = plan.edge_key(key, value);
    }
    // The shield's origin has none of them.
    let world = plan.start(&[]).await;
    let sample = "millpond_fill_filled_total{source=\"storage\"}";
    eventually(60, "all to be filled from S3", async || {
        let filled = world.edge().count(sample).await;
        (filled == objects.len() as u64).then_some(())
    })
    .await;
    for object in &objects {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        reply.is_whole(object);
        assert!(reply.cache_status().contains("hit"), "{reply:?}");
    }
    let (_, config) = world.edge().ask("/config").await;
    assert!(!config.contains(SECRET), "{config}");
}
