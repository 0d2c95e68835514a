//! A server that echoes, with a certificate of its own.

use std::{
    future::poll_fn, io, net::SocketAddr, path::PathBuf, pin::pin, sync::Arc, time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tempfile::TempDir;
use tls::record::{Pool, RecordLayer, Session, Settings, Socket, Stream, accept};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

pub(crate) const HOST: &str = "media.test";

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Pki {
    dir: TempDir,
    pub(crate) server: Arc<ServerConfig>,
}

impl Pki {
    /// A server for TLS 1.2 and 1.3 with tickets.
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        let name = "the test authority";
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), ca.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![HOST.to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS12, &version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        server.ticketer = aws_lc_rs::Ticketer::new().unwrap();
        server.alpn_protocols = vec![b"echo".to_vec()];
        Self {
            dir,
            server: Arc::new(server),
        }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.ca()).unwrap())
            .unwrap();
        roots
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        records: RecordLayer::Own,
        pool: Pool::new(16 << 20),
    }
}

/// Reads and writes back until the client closes; flushes are deferred.
pub(crate) async fn echo<S: Socket>(mut stream: Stream<S>) -> io::Result<u64> {
    let deferred = stream.defer();
    let mut echoing = pin!(async move {
        let mut bytes = vec![0; 50_000];
        let mut echoed = 0;
        loop {
            let read = stream.read(&mut bytes).await?;
            if read == 0 {
                break;
            }
            stream.write_all(&bytes[..read]).await?;
            stream.flush().await?;
            echoed += read as u64;
        }
        stream.shutdown().await?;
        Ok(echoed)
    });
    poll_fn(|cx| deferred.poll(echoing.as_mut(), cx)).await?
}

/// Shakes hands and echoes.
pub(crate) async fn serve<S: Socket>(
    socket: S,
    config: Arc<ServerConfig>,
) -> (Session, bool, io::Result<u64>) {
    let (stream, session) = accept(socket, |_| config, &settings()).await.unwrap();
    let is_own = stream.records() == RecordLayer::Own;
    (session, is_own, echo(stream).await)
}

/// An echo server for one connection.
pub(crate) async fn listen(
    config: Arc<ServerConfig>,
) -> (SocketAddr, JoinHandle<(Session, bool, io::Result<u64>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        serve(socket, config).await
    });
    (address, served)
}
