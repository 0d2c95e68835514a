//! Records sealed by the kernel, where it can; where it cannot, what is in their place.

use std::{process::Stdio, sync::Arc};

use tls::{
    ServerConfig, Warning,
    record::{RecordLayer, accept, kernel_missing},
};
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command, time::timeout};

use crate::support::{HOST, PATIENCE, Pki, settings};

/// Not a multiple of a record, and more than a socket's buffer.
const BODY_BYTES: usize = (24 << 20) + 4_321;

const SUITES: [&str; 3] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];

fn body() -> Vec<u8> {
    (0..BODY_BYTES)
        .map(|at| (at * 7 + at / 251).to_le_bytes()[0])
        .collect()
}

/// What `OpenSSL` reads from a server that is to have the kernel seal, and who sealed. `None`, said
/// loudly, where it is not installed.
async fn download(pki: &Pki, suite: &str) -> Option<(Vec<u8>, RecordLayer)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = Arc::clone(&pki.server);
    let served = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut settings = settings();
        settings.records = RecordLayer::Kernel;
        let (mut stream, _) = accept(socket, |_| config, &settings).await.unwrap();
        let body = body();
        stream.write_all(&body).await.unwrap();
        stream.shutdown().await.unwrap();
        stream.records()
    });
    let ca = pki.ca();
    let output = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_return_error"])
        .args(["-connect", &address, "-servername", HOST])
        .args(["-ciphersuites", suite, "-CAfile"])
        .arg(ca)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match timeout(PATIENCE, output).await.unwrap() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("SKIPPED: openssl is not installed");
            served.abort();
            return None;
        }
        Err(error) => panic!("openssl: {error}"),
    };
    let records = timeout(PATIENCE, served).await.unwrap().unwrap();
    Some((output.stdout, records))
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_gets_exactly_the_bytes_that_the_kernel_seals() {
    if let Some(reason) = kernel_missing() {
        eprintln!("skipped: this kernel has no tls ULP: {reason}");
        return;
    }
    let pki = Pki::new();
    for suite in SUITES {
        let Some((got, records)) = download(&pki, suite).await else {
            return;
        };
        assert_eq!(records, RecordLayer::Kernel, "{suite}");
        assert!(got == body(), "{suite}: {} bytes", got.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_kernel_cannot_our_own_records_carry_the_same_bytes() {
    if kernel_missing().is_none() {
        eprintln!("skipped: this kernel has the tls ULP");
        return;
    }
    let pki = Pki::new();
    for suite in SUITES {
        let Some((got, records)) = download(&pki, suite).await else {
            return;
        };
        assert_eq!(records, RecordLayer::Own, "{suite}");
        assert!(got == body(), "{suite}: {} bytes", got.len());
    }
}

#[test]
fn a_config_that_asks_for_more_than_the_kernel_has_says_so() {
    let asks = |record_layer| ServerConfig {
        record_layer,
        ..ServerConfig::default()
    };
    let missing = kernel_missing().map(|reason| Warning::NoKernelTls { reason });
    assert_eq!(asks(RecordLayer::Kernel).falls_back(), missing);
    assert_eq!(asks(RecordLayer::Own).falls_back(), None);
    assert_eq!(asks(RecordLayer::Rustls).falls_back(), None);
}
