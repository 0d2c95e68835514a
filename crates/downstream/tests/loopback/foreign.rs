//! Clients that are not ours: curl, OpenSSL, nghttp2. A missing one is reported as skipped.

use std::process::Stdio;

use crate::support::{HOST, Running, content::bytes_of, start};
use tokio::process::Command;

/// Runs a program, or says loudly that it is not there.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> Option<std::process::Output> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(crate::support::PATIENCE, command.output())
        .await
        .expect("an end")
    {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIPPED: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

async fn curl(running: &Running, protocol: &str, path: &str) -> Option<std::process::Output> {
    let port = running.address.port();
    let (ca, resolve) = (running.pki.ca(), format!("{HOST}:{port}:127.0.0.1"));
    let url = format!("https://{HOST}:{port}{path}");
    let ca = ca.to_str().unwrap();
    // Without ALPN for 1.0, or curl would offer `http/1.0`, which no server takes.
    let alpn = if protocol == "--http1.0" {
        "--no-alpn"
    } else {
        "--alpn"
    };
    let common = [
        "-sS",
        protocol,
        alpn,
        "--cacert",
        ca,
        "--resolve",
        &resolve,
        &url,
    ];
    run("curl", &common).await
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_gets_every_byte() {
    let running = start(|_| {});
    for protocol in ["--http1.1", "--http1.0", "--http2"] {
        for path in [
            "/full/3/1048576",
            "/stream/3/1048576/10007",
            "/unsized/3/1048576/65536",
        ] {
            let Some(output) = curl(&running, protocol, path).await else {
                return;
            };
            assert!(output.status.success(), "{protocol} {path}: {output:?}");
            assert!(
                output.stdout == bytes_of(3, 0..1 << 20),
                "{protocol} {path}"
            );
        }
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_sees_a_broken_body_as_broken() {
    let running = start(|_| {});
    for protocol in ["--http1.1", "--http1.0", "--http2"] {
        for path in ["/break/7/200000/100000", "/break-unsized/7/0/100000"] {
            let Some(output) = curl(&running, protocol, path).await else {
                return;
            };
            assert!(
                !output.status.success(),
                "{protocol} {path} looked complete"
            );
        }
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_is_given_tls_1_3_and_no_more() {
    let running = start(|_| {});
    let (address, ca) = (running.address.to_string(), running.pki.ca());
    let ca = ca.to_str().unwrap();
    let common = [
        "s_client",
        "-connect",
        &address,
        "-servername",
        HOST,
        "-CAfile",
        ca,
        "-brief",
    ];
    let with = |more: &[&'static str]| [&common[..], more].concat();
    let Some(output) = run("openssl", &with(&["-alpn", "h2"])).await else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("TLSv1.3") && said.contains("TLS_AES_128_GCM_SHA256"),
        "{said}"
    );
    assert!(said.contains("Verification: OK"), "{said}");
    for refused in [&["-tls1_2"][..], &["-alpn", "spdy/3"]] {
        let output = run("openssl", &with(refused)).await.unwrap();
        assert!(!output.status.success(), "{refused:?}: {output:?}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h2load_completes_every_request() {
    let running = start(|_| {});
    let url = format!("https://127.0.0.1:{}/full/3/65536", running.address.port());
    let host = format!("--header=:authority: {HOST}");
    let connect = format!("--connect-to=127.0.0.1:{}", running.address.port());
    let url = url.replace("127.0.0.1", HOST);
    let arguments = ["-n", "2000", "-c", "20", "-m", "10", &connect, &host, &url];
    let Some(output) = run("h2load", &arguments).await else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("2000 succeeded, 0 failed, 0 errored"),
        "{said}"
    );
    assert!(said.contains("status codes: 2000 2xx"), "{said}");
    running.end().await;
}
