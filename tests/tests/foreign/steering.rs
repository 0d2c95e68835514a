//! curl as a steering service, over HTTP/1.1 and HTTP/2.

use serde_json::Value as Json;
use tests::{
    foreign::{need, output, run, text},
    oracle::Object,
    world::{Plan, World},
};
use tokio::process::Command;

fn curl(world: &World, name: Option<&str>, version: &str) -> Option<Command> {
    let mut curl = Command::new(need("curl")?);
    curl.args([
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        version,
        "--cacert",
    ]);
    curl.arg(world.pki.ca());
    if let Some(name) = name {
        let files = world.pki.client(name);
        curl.arg("--cert")
            .arg(files.cert)
            .arg("--key")
            .arg(files.key);
    }
    Some(curl)
}

fn url(world: &World, path: &str) -> String {
    let port = world.edge().steering.unwrap().port();
    format!("https://localhost:{port}{path}")
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_steers_an_edge() {
    let object = Object::new("/v/a.m4s", 50_000);
    let world = Plan::default()
        .edge_steered()
        .start(std::slice::from_ref(&object))
        .await;
    for version in ["--http1.1", "--http2"] {
        let curl = || curl(&world, Some("steering.test"), version);
        let Some(mut get) = curl() else { return };
        let heartbeat = run(get.arg(url(&world, "/v1/heartbeat")), 40).await;
        let heartbeat: Json = serde_json::from_str(&heartbeat).unwrap();
        assert_eq!(heartbeat["state"], "serving");
        let Some(mut post) = curl() else { return };
        post.args([
            "--header",
            "content-type: application/cdni; ptype=ci-trigger-command",
        ]);
        post.args([
            "--data",
            r#"{"trigger":{"type":"purge","content.urls":["https://media.test/v/a.m4s"]}}"#,
        ]);
        post.args(["--write-out", "\n%{http_code} %{header_json}"]);
        let answer = run(post.arg(url(&world, "/cdni/triggers")), 40).await;
        assert!(answer.contains("\n201 "), "{answer}");
        assert!(answer.contains("ci-trigger-status"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_without_a_good_certificate_is_not_heard() {
    let world = Plan::default().edge_steered().start(&[]).await;
    let Some(mut get) = curl(&world, None, "--http1.1") else {
        return;
    };
    let answer = output(get.arg(url(&world, "/v1/heartbeat")), 40).await;
    assert!(!answer.status.success(), "{}", text(&answer));
    assert!(answer.stdout.is_empty(), "{}", text(&answer));
}
