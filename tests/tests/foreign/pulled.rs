//! A node that nobody can reach pulls its manifest: from a private bucket of an S3 server, and from nginx
//! over HTTPS, which asks for a certificate.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use steering::report::{Heartbeat, Phase};
use tempfile::TempDir;
use tests::{
    eventually,
    foreign::need,
    node::free_address,
    oracle::Object,
    perhaps,
    pki::Pki,
    planner::{Planner, planned},
    world::{Plan, World},
};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::weed::{ACCESS, SECRET, Weed, secret};

fn objects() -> [Object; 2] {
    [("/v/1.m4s", 300_001), ("/v/2.m4s", 5_000_011)].map(|(name, bytes)| Object::new(name, bytes))
}

/// An edge in a process of its own that pulls `object`.
fn pulling(planner: &Planner, object: &str, origin: &[(&'static str, toml::Value)]) -> Plan {
    Plan::default()
        .edge_disk(64)
        .edge_apart()
        .edge_key("fill.keys", planner.keys().to_str().unwrap())
        .edge_key("fill.window.0.hours", "00:00-00:00")
        .edge_key("fill.pull.object", object)
        .edge_key("fill.pull.interval", "10s")
        .edge_keys(origin)
}

/// Waits until a sample of the edge's metrics is at least this. A server of others that is slow for a moment
/// fails a pull, and each failure in a row makes the next one later.
async fn reaches(world: &World, sample: &str, count: u64) {
    let sample = format!("millpond_fill_{sample}");
    let has = async || (world.edge().count(&sample).await >= count).then_some(());
    let has = perhaps(180, has).await;
    let logs = || world.edge_home.logs();
    assert!(has.is_some(), "{sample} is not {count}\n{}", logs());
}

async fn pulls(world: &World, outcome: &str, count: u64) {
    reaches(
        world,
        &format!("pulls_total{{outcome=\"{outcome}\"}}"),
        count,
    )
    .await;
}

async fn is_served(world: &World, objects: &[Object], is_here: bool) {
    for object in objects {
        let reply = world.whole(object).await;
        assert_eq!(reply.cache_status().contains("hit"), is_here, "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_comes_from_a_private_bucket_whose_keys_may_change() {
    let Some(weed) = Weed::ready().await else {
        return;
    };
    let (objects, planner) = (objects(), Planner::new());
    let manifest = |generation, count| {
        let wanted: Vec<_> = objects[..count].iter().map(planned).collect();
        planner.signed(generation, &wanted)
    };
    let put = async |file: Vec<u8>| {
        let put = weed.put_bytes("/fleet/manifests/edge1", file.into());
        put.await.unwrap();
    };
    put(manifest(1, 1)).await;
    let secrets = TempDir::new().unwrap();
    let origin = [
        ("fill.pull.origin.kind", "s3".into()),
        ("fill.pull.origin.endpoint", weed.endpoint.clone().into()),
        ("fill.pull.origin.bucket", "origin".into()),
        ("fill.pull.origin.prefix", "fleet".into()),
        ("fill.pull.origin.allow_http", true.into()),
        (
            "fill.pull.origin.access_key_file",
            secret(secrets.path(), "access", ACCESS).into(),
        ),
        (
            "fill.pull.origin.secret_key_file",
            secret(secrets.path(), "secret", "of another time").into(),
        ),
    ];
    let world = pulling(&planner, "/manifests/edge1", &origin);
    let world = world.start(&objects).await;
    // To who cannot sign, the bucket is closed.
    pulls(&world, "failed", 1).await;
    eventually(60, "a line in the log", async || {
        world.edge_home.logs().contains("403").then_some(())
    })
    .await;
    assert_eq!(world.edge().count("millpond_fill_generation").await, 0);

    fs::remove_file(secrets.path().join("secret")).unwrap();
    secret(secrets.path(), "secret", SECRET);
    world.edge().child().signal("HUP").await;
    reaches(&world, "generation", 1).await;
    reaches(&world, "objects{state=\"held\"}", 1).await;
    is_served(&world, &objects[..1], true).await;

    // It lies there still; then another one does.
    pulls(&world, "unchanged", 1).await;
    put(manifest(2, 2)).await;
    reaches(&world, "generation", 2).await;
    reaches(&world, "objects{state=\"held\"}", 2).await;
    is_served(&world, &objects, true).await;
    pulls(&world, "taken", 2).await;
    assert_eq!(world.edge().count("millpond_fill_pull_failures").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_holds_is_written_to_a_bucket() {
    let Some(weed) = Weed::ready().await else {
        return;
    };
    let (objects, planner) = (objects(), Planner::new());
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.publish(1, &wanted);
    let secrets = TempDir::new().unwrap();
    let told = [
        ("fill.inventory.kind", "s3".into()),
        ("fill.inventory.endpoint", weed.endpoint.clone().into()),
        ("fill.inventory.bucket", "origin".into()),
        ("fill.inventory.prefix", "fleet".into()),
        ("fill.inventory.allow_http", true.into()),
        (
            "fill.inventory.access_key_file",
            secret(secrets.path(), "put.access", ACCESS).into(),
        ),
        (
            "fill.inventory.secret_key_file",
            secret(secrets.path(), "put.secret", SECRET).into(),
        ),
        ("fill.inventory.interval", "10s".into()),
    ];
    let world = planner.edge("00:00-00:00").edge_keys(&told);
    let _world = world.start(&objects).await;
    eventually(180, "both objects in the inventory", async || {
        let files = weed.all("fleet/inventory").await;
        let (key, file) = files.first()?;
        assert_eq!(
            (files.len(), &**key),
            (1, "fleet/inventory/edge1.ndjson.zst")
        );
        let lines = zstd::decode_all(&**file).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        let is_told = |object: &Object| lines.contains(&object.name);
        objects.iter().all(is_told).then_some(())
    })
    .await;
}

/// nginx over TLS, for those who show a certificate.
struct Nginx {
    folder: TempDir,
    address: SocketAddr,
    program: PathBuf,
}

impl Nginx {
    fn new(program: PathBuf, pki: &Pki) -> Self {
        let folder = TempDir::with_prefix("millpond-nginx-").unwrap();
        let (address, behind) = (free_address(), free_address());
        let here = folder.path().display();
        let (server, ca) = (pki.server(), pki.ca().display());
        let (cert, key) = (server.cert.display(), server.key.display());
        let config = format!(
            "daemon off; master_process off; pid {here}/pid; error_log {here}/error.log;
            events {{}}
            http {{
                log_format told '$status $body_bytes_sent $ssl_client_verify';
                log_format body escape=none '$request_body';
                access_log {here}/access.log told;
                client_body_temp_path {here}/body; proxy_temp_path {here}/proxy;
                fastcgi_temp_path {here}/fastcgi; uwsgi_temp_path {here}/uwsgi;
                scgi_temp_path {here}/scgi;
                server {{
                    listen {address} ssl;
                    ssl_certificate {cert}; ssl_certificate_key {key};
                    ssl_client_certificate {ca}; ssl_verify_client on;
                    root {here}/www; default_type application/octet-stream;
                    location = /heartbeats {{
                        # It reads a body for whom it passes it on to.
                        proxy_pass http://{behind}; client_body_buffer_size 1m;
                        access_log {here}/heartbeats.log body;
                    }}
                }}
                server {{ listen {behind}; access_log off; return 204; }}
            }}"
        );
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        fs::create_dir_all(folder.path().join("www/plans")).unwrap();
        Self {
            folder,
            address,
            program,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file there in one step.
    fn put(&self, name: &str, content: &[u8]) {
        let new = self.path("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.path("www").join(name)).unwrap();
    }

    /// It ends with what this returns.
    async fn start(&self) -> Child {
        let mut command = Command::new(&self.program);
        command
            .arg("-p")
            .arg(self.folder.path())
            .arg("-c")
            .arg(self.path("nginx.conf"))
            .arg("-e")
            .arg(self.path("error.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let child = command.spawn().unwrap();
        let listens = async || TcpStream::connect(self.address).await.ok();
        let listens = perhaps(60, listens).await;
        assert!(listens.is_some(), "{}", self.log("error.log"));
        child
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

/// The keys of an edge's config that has its manifest there.
fn behind_nat(nginx: &Nginx, pki: &Pki) -> [(&'static str, toml::Value); 5] {
    let identity = pki.client("edge1.test");
    let url = format!("https://localhost:{}/plans", nginx.address.port());
    [
        ("fill.pull.origin.kind", "http".into()),
        ("fill.pull.origin.urls", vec![url].into()),
        ("fill.pull.origin.ca", text(pki.ca())),
        ("fill.pull.origin.certificate", text(&identity.cert)),
        ("fill.pull.origin.key", text(&identity.key)),
    ]
}

fn text(path: &Path) -> toml::Value {
    path.to_str().unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_comes_from_an_https_server_that_may_be_away_and_wants_a_certificate() {
    let Some(program) = need("nginx") else {
        return;
    };
    let (objects, planner, pki) = (objects(), Planner::new(), Pki::new());
    let manifest = |generation, count| {
        let wanted: Vec<_> = objects[..count].iter().map(planned).collect();
        planner.signed(generation, &wanted)
    };
    let nginx = Nginx::new(program, &pki);
    let origin = behind_nat(&nginx, &pki);
    let world = pulling(&planner, "/edge1", &origin).start(&objects).await;
    // Nobody is there yet: viewers are served, and it asks again by itself.
    pulls(&world, "failed", 1).await;
    is_served(&world, &objects[1..], false).await;
    nginx.put("plans/edge1", &manifest(1, 1));
    let mut running = nginx.start().await;
    reaches(&world, "generation", 1).await;
    reaches(&world, "objects{state=\"held\"}", 1).await;
    is_served(&world, &objects[..1], true).await;

    // It lies there still, and does not come again.
    pulls(&world, "unchanged", 1).await;
    let told = nginx.log("access.log");
    let lines: Vec<_> = told.lines().collect();
    let whole = format!("200 {} SUCCESS", manifest(1, 1).len());
    assert_eq!(lines[0], whole);
    let rest = &lines[1..];
    assert!(!rest.is_empty() && rest.iter().all(|line| *line == "304 0 SUCCESS"));

    // It goes away, and with it the next one comes back.
    let failed = "millpond_fill_pulls_total{outcome=\"failed\"}";
    let before = world.edge().count(failed).await;
    running.kill().await.unwrap();
    pulls(&world, "failed", before + 1).await;
    assert!(world.edge().count("millpond_fill_pull_failures").await > 0);
    is_served(&world, &objects, true).await;
    nginx.put("plans/edge1", &manifest(2, 2));
    let _running = nginx.start().await;
    reaches(&world, "generation", 2).await;
    reaches(&world, "objects{state=\"held\"}", 2).await;
    pulls(&world, "taken", 2).await;
    assert_eq!(world.edge().count("millpond_fill_pull_failures").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_nobody_can_reach_tells_by_heartbeats_what_has_become_of_its_manifest() {
    let Some(program) = need("nginx") else {
        return;
    };
    let (objects, planner, pki) = (objects(), Planner::new(), Pki::new());
    let nginx = Nginx::new(program, &pki);
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    nginx.put("plans/edge1", &planner.signed(7, &wanted));
    let _running = nginx.start().await;
    let url = format!("https://localhost:{}/heartbeats", nginx.address.port());
    let identity = pki.server();
    let world = pulling(&planner, "/edge1", &behind_nat(&nginx, &pki)).edge_keys(&[
        ("steering.listen", free_address().to_string().into()),
        ("steering.certificate", text(&identity.cert)),
        ("steering.key", text(&identity.key)),
        ("steering.client_ca", text(pki.ca())),
        ("steering.readers", vec!["edge1.test"].into()),
        ("steering.heartbeat_url", url.into()),
        ("steering.heartbeat_every", "1s".into()),
    ]);
    let _world = world.start(&objects).await;
    eventually(180, "a heartbeat that all is held", async || {
        let told = nginx.log("heartbeats.log");
        let heartbeat: Heartbeat = serde_json::from_str(told.lines().last()?).ok()?;
        assert_eq!(heartbeat.node, "edge1");
        let (held, fill) = (heartbeat.inventory, heartbeat.fill);
        let is_held = held.generation == Some(7) && held.complete_ratio >= 1.0;
        (is_held && fill.phase == Phase::Complete).then_some(())
    })
    .await;
}
