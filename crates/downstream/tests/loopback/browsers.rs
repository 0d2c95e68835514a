//! The TLS of browsers: Chromium, which is `BoringSSL`, and NSS, which is Firefox's. A missing one is
//! reported as skipped.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{
    foreign::run,
    support::{HOST, content::bytes_of, start},
};

const LENGTH: u64 = 3 << 20;

/// Fetches, one after the other, and tells of each what FNV-1a makes of it.
const PAGE: &str = r"<body><script>
(async () => {
  for (const url of URLS) {
    const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
    let sum = 0x811c9dc5;
    for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
    document.body.append(`${bytes.length}:${sum};`);
  }
})().catch(error => document.body.append(`failed: ${error}`));
</script>";

fn fnv_1a(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, step)
}

/// Arguments for a page in `dir` that may ask our server.
fn chromium(dir: &Path) -> Vec<String> {
    let mut arguments: Vec<_> = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-web-security",
        "--ignore-certificate-errors",
        "--virtual-time-budget=60000",
        "--dump-dom",
    ]
    .map(str::to_owned)
    .into();
    arguments.push(format!("--host-resolver-rules=MAP {HOST} 127.0.0.1"));
    arguments.push(format!("--user-data-dir={}", dir.display()));
    arguments.push(format!("file://{}", dir.join("page.html").display()));
    arguments
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_gets_every_byte() {
    let running = start(|_| {});
    let dir = TempDir::new().unwrap();
    let origin = format!("https://{HOST}:{}", running.address.port());
    let urls = ["full/1", "stream/2", "unsized/3", "full/4"].map(|path| {
        let piece = if path.starts_with("full") {
            ""
        } else {
            "/10007"
        };
        format!("'{origin}/{path}/{LENGTH}{piece}'")
    });
    let page = PAGE.replace("URLS", &format!("[{}]", urls.join(",")));
    fs::write(dir.path().join("page.html"), page).unwrap();
    let arguments = chromium(dir.path());
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let Some(output) = run("chromium", &arguments).await else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let sum = |object| fnv_1a(&bytes_of(object, 0..LENGTH));
    let sums = [1, 2, 3, 4].map(|object| format!("{LENGTH}:{};", sum(object)));
    let sums = sums.concat();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains(&sums),
        "{sums} is not in {said}\n{complaints}"
    );
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nss_gets_every_byte() {
    let running = start(|_| {});
    let dir = TempDir::new().unwrap();
    let request = dir.path().join("request");
    let head =
        format!("GET /full/5/{LENGTH} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
    fs::write(&request, head).unwrap();
    let port = running.address.port().to_string();
    let arguments = [
        "-D",
        "-o",
        "-4",
        "-h",
        "127.0.0.1",
        "-a",
        HOST,
        "-p",
        &port,
        "-V",
        "tls1.3:tls1.3",
        "-A",
        request.to_str().unwrap(),
    ];
    let Some(output) = run("tstclnt", &arguments).await else {
        return;
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    let (got, body) = (output.stdout, bytes_of(5, 0..LENGTH));
    assert!(got.ends_with(&body), "{} bytes: {complaints}", got.len());
    running.end().await;
}
