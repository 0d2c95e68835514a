//! `OpenSSL` and `GnuTLS` as clients, through their commands. A missing one is reported as skipped.

use std::{process::Stdio, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::timeout,
};

use crate::support::{HOST, PATIENCE, Pki, listen};

/// A client that is typed to.
struct Dialogue {
    child: Child,
    stdin: ChildStdin,
    said: watch::Receiver<String>,
}

impl Dialogue {
    /// `None`, said loudly, when the program is not there.
    fn start(program: &str, arguments: &[&str]) -> Option<Self> {
        let spawned = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                eprintln!("SKIPPED: {program} is not installed");
                return None;
            }
            Err(error) => panic!("{program}: {error}"),
        };
        let (tell, said) = watch::channel(String::new());
        let tell = Arc::new(tell);
        tokio::spawn(listen_to(child.stdout.take().unwrap(), Arc::clone(&tell)));
        tokio::spawn(listen_to(child.stderr.take().unwrap(), tell));
        let stdin = child.stdin.take().unwrap();
        Some(Self { child, stdin, said })
    }

    async fn type_in(&mut self, line: &str) {
        self.stdin.write_all(line.as_bytes()).await.unwrap();
        self.stdin.flush().await.unwrap();
    }

    /// Waits until it has said `text` this often.
    async fn says(&mut self, text: &str, times: usize) {
        let there = |said: &String| said.matches(text).count() >= times;
        let waited = timeout(PATIENCE, self.said.wait_for(there)).await;
        let there = waited.is_ok_and(|said| said.is_ok());
        assert!(there, "no {text:?} in:\n{}", *self.said.borrow());
    }

    fn said(&self) -> String {
        self.said.borrow().clone()
    }
}

async fn listen_to(mut output: impl AsyncRead + Unpin, tell: Arc<watch::Sender<String>>) {
    let mut bytes = [0; 4_096];
    while let Ok(read @ 1..) = output.read(&mut bytes).await {
        tell.send_modify(|said| said.push_str(&String::from_utf8_lossy(&bytes[..read])));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_updates_keys_in_both_directions() {
    for suite in [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    ] {
        let pki = Pki::new();
        let (address, served) = listen(Arc::clone(&pki.server)).await;
        let (address, ca) = (address.to_string(), pki.ca());
        let arguments = [
            "s_client",
            "-connect",
            &address,
            "-servername",
            HOST,
            "-CAfile",
            ca.to_str().unwrap(),
            "-ciphersuites",
            suite,
            "-msg",
            "-verify_return_error",
        ];
        let Some(mut openssl) = Dialogue::start("openssl", &arguments) else {
            return;
        };
        openssl.type_in("one from the keyboard\n").await;
        openssl.says("\none from the keyboard", 1).await;
        // `k` updates the client's keys, `K` asks for the server's as well.
        let (ours, theirs) = (
            ">>> TLS 1.3, Handshake [length 0005], KeyUpdate",
            "<<< TLS 1.3, Handshake [length 0005], KeyUpdate",
        );
        openssl.type_in("k\n").await;
        openssl.says(ours, 1).await;
        openssl.type_in("two from the keyboard\n").await;
        openssl.says("\ntwo from the keyboard", 1).await;
        assert!(!openssl.said().contains(theirs));
        openssl.type_in("K\n").await;
        openssl.says(ours, 2).await;
        openssl.type_in("three from the keyboard\n").await;
        openssl.says("\nthree from the keyboard", 1).await;
        openssl.says(theirs, 1).await;
        openssl.type_in("Q\n").await;
        let status = timeout(PATIENCE, openssl.child.wait()).await.unwrap();
        assert!(status.unwrap().success(), "{}", openssl.said());
        assert!(openssl.said().contains(suite), "{}", openssl.said());
        let (session, is_own, echoed) = timeout(PATIENCE, served).await.unwrap().unwrap();
        assert!(is_own);
        assert_eq!(session.server_name.as_deref(), Some(HOST));
        echoed.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gnutls_updates_keys_in_both_directions() {
    let pki = Pki::new();
    let (address, served) = listen(Arc::clone(&pki.server)).await;
    let (port, ca) = (address.port().to_string(), pki.ca());
    let name = format!("--verify-hostname={HOST}");
    let sni = format!("--sni-hostname={HOST}");
    let arguments = [
        "--port",
        &port,
        "--x509cafile",
        ca.to_str().unwrap(),
        &name,
        &sni,
        "--inline-commands",
        "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.3",
        "127.0.0.1",
    ];
    let Some(mut gnutls) = Dialogue::start("gnutls-cli", &arguments) else {
        return;
    };
    gnutls.says("Simple Client Mode", 1).await;
    gnutls.type_in("one from the keyboard\n").await;
    gnutls.says("one from the keyboard", 1).await;
    gnutls.type_in("^rekey1^\n").await;
    gnutls.says("Rekey was completed", 1).await;
    gnutls.type_in("two from the keyboard\n").await;
    gnutls.says("two from the keyboard", 1).await;
    gnutls.type_in("^rekey^\n").await;
    gnutls.says("Rekey was completed", 2).await;
    gnutls.type_in("three from the keyboard\n").await;
    gnutls.says("three from the keyboard", 1).await;
    drop(gnutls.stdin);
    let status = timeout(PATIENCE, gnutls.child.wait()).await.unwrap();
    assert!(status.unwrap().success(), "{}", *gnutls.said.borrow());
    let (_, is_own, echoed) = timeout(PATIENCE, served).await.unwrap().unwrap();
    assert!(is_own);
    echoed.unwrap();
}
