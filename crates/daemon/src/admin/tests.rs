//! The admin listener over real connections.

use std::process::Stdio;

use prometheus::{IntCounter, Registry};
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    task::JoinHandle,
};

use super::*;
use crate::process::Lifecycle;

const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    address: SocketAddr,
    routes: Routes,
    life: Lifecycle,
    config: Effective,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Bench {
    async fn start() -> Self {
        let admin = Admin::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (routes, life, stop) = (Routes::new(), Lifecycle::new(), CancellationToken::new());
        let registry = Registry::new();
        let counter = IntCounter::new("millpond_test_total", "help").unwrap();
        registry.register(Box::new(counter)).unwrap();
        let config = Effective::new(json!({ "node": { "name": "edge-1" } }));
        add_pages(&routes, registry, life.clone(), config.clone());
        let address = admin.address();
        let server = tokio::spawn(admin.serve(routes.clone(), stop.clone()));
        Self {
            address,
            routes,
            life,
            config,
            stop,
            server,
        }
    }

    /// Sends bytes as they are, and reads until the other side closes.
    async fn send(&self, text: &str) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            // A refused connection may end with a reset.
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8(answer).unwrap()
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap()
    }

    async fn ask(&self, line: &str, fields: &str) -> (u16, String) {
        let request =
            format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{fields}\r\n");
        let answer = self.send(&request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (
            head[9..12].parse().unwrap(),
            format!("{head}\r\n\r\n{body}"),
        )
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, answer) = self.ask(&format!("GET {path}"), "").await;
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }
}

#[tokio::test]
async fn metrics_health_config_and_the_index_are_there() {
    let bench = Bench::start().await;
    let (status, metrics) = bench.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.contains("# TYPE millpond_test_total counter\nmillpond_test_total 0\n"));
    assert_eq!(bench.get("/healthz").await, (200, "ok\n".to_owned()));
    let (_, index) = bench.get("/").await;
    assert!(index.contains("GET /readyz\n"), "{index}");

    let (_, config) = bench.get("/config").await;
    assert_eq!(
        serde_json::from_str::<Json>(&config).unwrap()["node"]["name"],
        "edge-1"
    );
    bench
        .config
        .replace(json!({ "node": { "name": "edge-2" } }));
    assert!(bench.get("/config").await.1.contains("edge-2"));
}

#[tokio::test]
async fn ready_means_serving_and_nothing_else() {
    let bench = Bench::start().await;
    let state = |body: &str| {
        let body: Json = serde_json::from_str(body).unwrap();
        (
            body["ready"].as_bool(),
            body["state"].clone(),
            body["reason"].clone(),
        )
    };
    bench.life.starting("recovering 3 disks");
    let (status, body) = bench.get("/readyz").await;
    let starting = (Some(false), "starting".into(), "recovering 3 disks".into());
    assert_eq!((status, state(&body)), (503, starting));
    bench.life.serving();
    let (status, body) = bench.get("/readyz").await;
    assert_eq!(
        (status, state(&body)),
        (200, (Some(true), "serving".into(), "serving".into()))
    );
    bench.life.draining("SIGTERM");
    let (status, body) = bench.get("/readyz").await;
    assert_eq!(
        (status, state(&body)),
        (503, (Some(false), "draining".into(), "SIGTERM".into()))
    );
    assert_eq!(bench.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let bench = Bench::start().await;
    let (status, answer) = bench.ask("POST /metrics", "Content-Length: 0\r\n").await;
    assert_eq!(status, 405);
    assert!(answer.contains("allow: GET\r\n"), "{answer}");
    assert_eq!(bench.ask("TRACE /", "").await.0, 405);
    assert_eq!(bench.get("/etc/passwd").await.0, 404);
    assert_eq!(bench.get("/metrics/").await.0, 404);
    let (status, head) = bench.ask("HEAD /healthz", "").await;
    assert!(status == 200 && head.ends_with("\r\n\r\n"), "{head}");
    // The pages take no body.
    assert_eq!(
        bench
            .ask("GET /metrics", "Content-Length: 1\r\n\r\nx")
            .await
            .0,
        413
    );
}

#[tokio::test]
async fn a_request_that_a_page_made_is_refused() {
    let bench = Bench::start().await;
    for fields in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
    ] {
        for line in ["GET /config", "GET /metrics", "POST /config", "OPTIONS /"] {
            assert_eq!(bench.ask(line, fields).await.0, 403, "{line} {fields}");
        }
    }
    assert_eq!(
        bench
            .ask("GET /", "Sec-Fetch-Site: none\r\nUser-Agent: Mozilla/5\r\n")
            .await
            .0,
        200
    );
    // A page whose name was pointed at this address.
    let rebound = "GET /config HTTP/1.1\r\nHost: evil.example:9090\r\nUser-Agent: Mozilla/5.0\r\n\
                   Connection: close\r\n\r\n";
    assert!(bench.send(rebound).await.starts_with("HTTP/1.1 403"));
    assert!(
        bench
            .send(&rebound.replace("Mozilla/", "Prometheus/"))
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        bench
            .send(&rebound.replace("evil.example", "[::1]"))
            .await
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn routes_can_be_added_with_bodies_and_folders() {
    let bench = Bench::start().await;
    bench
        .routes
        .add(http::Method::POST, "/triggers/*", 8, |call| async move {
            let length = call.body.len();
            text(
                StatusCode::CREATED,
                format!("{} {length} {:?}", call.path, call.query),
            )
        });
    let post = |length: usize| format!("Content-Length: {length}\r\n\r\n{}", "x".repeat(length));
    let (status, answer) = bench.ask("POST /triggers/7?a=b", &post(8)).await;
    assert!(
        status == 201 && answer.ends_with("/triggers/7 8 Some(\"a=b\")"),
        "{answer}"
    );
    assert_eq!(bench.ask("POST /triggers/7", &post(9)).await.0, 413);
    assert_eq!(bench.ask("POST /triggers/", &post(1)).await.0, 404);
    let chunks = "Transfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n";
    assert_eq!(bench.ask("POST /triggers/7", chunks).await.0, 413);
}

#[tokio::test]
async fn malformed_and_oversized_heads_are_refused() {
    let bench = Bench::start().await;
    assert!(
        bench
            .send("rubbish\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400")
    );
    let many = "a: b\r\n".repeat(FIELDS_MAX + 1);
    assert_eq!(bench.ask("GET /", &many).await.0, 431);
    let long = format!("a: {}\r\n", "b".repeat(2 * HEAD_BYTES_MAX));
    assert_eq!(bench.ask("GET /", &long).await.0, 431);
    assert_eq!(bench.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn more_connections_than_there_are_places_are_closed_at_once() {
    let bench = Bench::start().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(bench.address).await.unwrap();
        // Answered, so accepted and holding its place.
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        held.push(stream);
    }
    assert_eq!(
        bench.send("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await,
        ""
    );
}

#[tokio::test]
async fn it_ends_when_asked_and_lets_idle_connections_go() {
    let bench = Bench::start().await;
    let mut idle = TcpStream::connect(bench.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    bench.stop.cancel();
    tokio::time::timeout(PATIENCE, bench.server)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(idle.read(&mut [0; 1024]).await.unwrap(), 0);
    // Eventually: a child that another test is just starting holds all descriptors for a moment.
    let refused = async { while TcpStream::connect(bench.address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
}

#[tokio::test]
async fn curl_can_scrape_it() {
    let bench = Bench::start().await;
    let url = format!("http://{}/metrics", bench.address);
    let mut curl = Command::new("curl");
    curl.args([
        "-sS",
        "--max-time",
        "10",
        "-w",
        "%{http_code} %{content_type}",
        &url,
    ]);
    let Ok(curl) = curl.stdin(Stdio::null()).output().await else {
        println!("skipped: there is no curl on this machine");
        return;
    };
    let text = String::from_utf8(curl.stdout).unwrap();
    assert!(
        text.ends_with("millpond_test_total 0\n200 text/plain; version=0.0.4"),
        "{text}"
    );
}
