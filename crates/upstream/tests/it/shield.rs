//! A shield made for tests: HTTP/2 over mutual TLS, with known content and bad habits.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::watch, task::JoinHandle};

use crate::support::{content, rustls_provider};

pub(crate) const NAME: &str = "shield.test";
pub(crate) const OBJECT_BYTES: u64 = 300_000;

/// A CA and what it signs.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Two authorities of one name would be told apart only by their signatures.
        let name = format!("test authority {:016x}", rand::random::<u64>());
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, name: &str) -> Chain {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
    }

    fn roots(&self) -> Arc<rustls::RootCertStore> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }

    pub(crate) fn client(&self, own: Option<&Self>, alpn: &[&str]) -> Arc<rustls::ClientConfig> {
        let builder = rustls::ClientConfig::builder_with_provider(rustls_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        let mut config = match own {
            Some(own) => {
                let (chain, key) = own.sign("edge.test");
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    pub(crate) fn server(&self, name: &str, alpn: &str) -> Arc<rustls::ServerConfig> {
        let provider = rustls_provider();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
            self.roots(),
            Arc::clone(&provider),
        );
        let (chain, key) = self.sign(name);
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        Arc::new(config)
    }
}

/// What a shield does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Serves.
    Good,
    /// Sends half of the body, then resets the stream.
    ResetsMidBody,
    /// Sends half of the body, then nothing.
    StallsMidBody,
    /// Never answers.
    Silent,
    /// 500 of its own.
    Broken,
    /// 502 that names what failed behind it.
    BadGateway,
    /// Sends a byte less than announced, and ends the stream.
    Short,
}

pub(crate) struct TestShield {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<Mutex<Vec<Request<()>>>>,
    pub(crate) connections: Arc<AtomicUsize>,
    habit: watch::Sender<Habit>,
    /// Counts up to ask every connection for a GOAWAY.
    goaway: watch::Sender<u32>,
    task: Option<JoinHandle<()>>,
}

impl TestShield {
    pub(crate) async fn start(authority: &Authority) -> Self {
        Self::start_as(authority, NAME, "h2").await
    }

    pub(crate) async fn start_as(authority: &Authority, name: &str, alpn: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (habit, habits) = watch::channel(Habit::Good);
        let (goaway, goaways) = watch::channel(0);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let acceptor = tokio_rustls::TlsAcceptor::from(authority.server(name, alpn));
        let (log, counter) = (Arc::clone(&requests), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            let mut serving = tokio::task::JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let service = Service {
                    habits: habits.clone(),
                    log: Arc::clone(&log),
                };
                let (acceptor, goaways) = (acceptor.clone(), goaways.clone());
                serving.spawn(async move {
                    match acceptor.accept(tcp).into_fallible().await {
                        Ok(tls) => service.serve(tls, goaways).await,
                        // Closed with bytes unread, it would reset the alert away.
                        Err((_error, mut tcp)) => {
                            let _closed = tcp.shutdown().await;
                            let _closed = tokio::io::copy(&mut tcp, &mut tokio::io::sink()).await;
                        }
                    }
                });
            }
        });
        Self {
            address,
            requests,
            connections,
            habit,
            goaway,
            task: Some(task),
        }
    }

    pub(crate) fn behave(&self, habit: Habit) {
        self.habit.send_replace(habit);
    }

    pub(crate) fn go_away(&self) {
        self.goaway.send_modify(|count| *count += 1);
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Ends the shield with all its connections, as a killed process would.
    pub(crate) async fn kill(&mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        assert!(task.await.is_err());
    }
}

impl Drop for TestShield {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

type TestBody = UnsyncBoxBody<Bytes, std::io::Error>;

#[derive(Clone)]
struct Service {
    habits: watch::Receiver<Habit>,
    log: Arc<Mutex<Vec<Request<()>>>>,
}

impl Service {
    async fn serve(
        self,
        tls: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
        mut goaways: watch::Receiver<u32>,
    ) {
        goaways.mark_unchanged();
        let service = hyper::service::service_fn(move |request| self.clone().answer(request));
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(8)
            .serve_connection(TokioIo::new(tls), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = goaways.changed() => connection.as_mut().graceful_shutdown(),
        }
        let _ended = connection.await;
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<TestBody>, Infallible> {
        let habit = *self.habits.borrow();
        let path = request.uri().path().to_owned();
        let range = request
            .headers()
            .get("range")
            .map(|range| range.to_str().unwrap().to_owned());
        self.log.lock().unwrap().push(request.map(|_body| ()));
        let plain = |status: u16| Response::builder().status(status);
        let answer = match habit {
            Habit::Silent => std::future::pending().await,
            Habit::Broken => plain(500).body(pieces(&[], None)),
            Habit::BadGateway => plain(502)
                .header("proxy-status", "shield; error=connection_refused")
                .body(pieces(&[], None)),
            Habit::Good | Habit::ResetsMidBody | Habit::StallsMidBody | Habit::Short => {
                serve(&path, range.as_deref(), habit)
            }
        };
        Ok(answer.unwrap())
    }
}

fn serve(path: &str, range: Option<&str>, habit: Habit) -> http::Result<Response<TestBody>> {
    let (first, last) = match range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
    {
        Some((first, last)) => (first.parse().unwrap(), last.parse::<u64>().unwrap()),
        None => (0, OBJECT_BYTES),
    };
    let last = last.min(OBJECT_BYTES - 1);
    let length = last + 1 - first;
    let mut response = Response::builder()
        .header("content-length", length)
        .header("etag", "\"v\"");
    if range.is_some() {
        let content_range = format!("bytes {first}-{last}/{OBJECT_BYTES}");
        response = response.status(206).header("content-range", content_range);
    }
    let sent = match habit {
        Habit::ResetsMidBody | Habit::StallsMidBody => length / 2,
        Habit::Short => length - 1,
        _ => length,
    };
    let bytes = content(path, first, sent);
    response.body(pieces(&bytes, Some(habit)))
}

fn pieces(bytes: &[u8], habit: Option<Habit>) -> TestBody {
    let data: Vec<_> = bytes.chunks(16_384).map(Bytes::copy_from_slice).collect();
    let data = stream::iter(data.into_iter().map(|bytes| Ok(Frame::data(bytes))));
    let end = stream::once(async move {
        match habit {
            Some(Habit::StallsMidBody) => std::future::pending().await,
            Some(Habit::ResetsMidBody) => {
                // A reset overtakes data that waits to be sent: let it go first.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some(Err(std::io::Error::other("reset")))
            }
            _ => None,
        }
    });
    let end = end.filter_map(std::future::ready);
    UnsyncBoxBody::new(BodyExt::boxed_unsync(StreamBody::new(data.chain(end))))
}
