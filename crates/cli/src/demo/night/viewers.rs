//! Viewers: signed URLs over TLS, and every byte of every answer compared with what it should be.

use std::{collections::HashMap, net::SocketAddr, path::Path, sync::Arc};

use bytes::Bytes;
use forecast::catalogue::Object;
use futures_util::future;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use signing::{Carrier, Carriers, Claims, Label, Scope, SigningKey};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::library::{Library, Play};
use crate::{Error, demo::SITE};

/// Connections to each edge.
const CONNECTIONS: usize = 4;
const HOUR_S: u64 = 3600;
const LIFETIME_S: u64 = 12 * HOUR_S;
const HOST: &str = "localhost";

/// All viewers of all edges.
pub(super) struct Viewers {
    connector: TlsConnector,
    key: SigningKey,
}

/// What the viewers of an hour got from one edge.
#[derive(Debug, Default, Clone)]
pub(super) struct Heard {
    /// Bytes of all bodies, each as it should be.
    pub(super) bytes: u64,
    /// By object: bytes of answers that the edge had, and whether it had to ask for any.
    pub(super) objects: HashMap<Object, (u64, bool)>,
}

struct Connection {
    requests: SendRequest<Empty<Bytes>>,
    _driver: AbortOnDropHandle<()>,
}

impl Viewers {
    pub(super) fn new(folder: &Path, key: SigningKey) -> Result<Self, Error> {
        let tls = tls::ClientConfig {
            ca: vec![folder.join("ca.pem")],
            identity: None,
            alpn: vec![b"http/1.1".to_vec()],
        };
        let (tls, _warnings) = tls.build(message::now().wall).map_err(of("TLS"))?;
        let connector = TlsConnector::from(Arc::clone(&tls));
        Ok(Self { connector, key })
    }

    /// Plays an hour at one edge.
    pub(super) async fn watch(
        &self,
        edge: SocketAddr,
        name: &str,
        library: &Library,
        plays: &[Play],
    ) -> Result<Heard, Error> {
        let sittings = (0..CONNECTIONS).map(|place| async move {
            let mut heard = Heard::default();
            let mut own = plays.iter().skip(place).step_by(CONNECTIONS).peekable();
            if own.peek().is_some() {
                let mut connection = self.connect(edge).await?;
                for play in own {
                    let hit = self.ask(&mut connection, name, library, play).await?;
                    heard.note(play.object, library.catalogue.bytes(play.object), hit);
                }
            }
            Ok::<_, Error>(heard)
        });
        let mut all = Heard::default();
        for heard in future::try_join_all(sittings).await? {
            all.bytes += heard.bytes;
            for (object, (bytes, missed)) in heard.objects {
                let one = all.objects.entry(object).or_default();
                *one = (one.0 + bytes, one.1 | missed);
            }
        }
        Ok(all)
    }

    async fn connect(&self, edge: SocketAddr) -> Result<Connection, Error> {
        let socket = TcpStream::connect(edge).await.map_err(of("connecting"))?;
        let host = ServerName::try_from(HOST).map_err(of("connecting"))?;
        let stream = self.connector.connect(host, socket).await;
        let stream = TokioIo::new(stream.map_err(of("connecting"))?);
        let (requests, driver) = http1::handshake(stream).await.map_err(of("connecting"))?;
        // How the connection ends is told to whoever has asked over it.
        let driver = tokio::spawn(async move { drop(driver.await) });
        Ok(Connection {
            requests,
            _driver: AbortOnDropHandle::new(driver),
        })
    }

    /// Asks for a piece and compares it. True if the edge had all of it.
    async fn ask(
        &self,
        connection: &mut Connection,
        name: &str,
        library: &Library,
        play: &Play,
    ) -> Result<bool, Error> {
        let path = library.path(play.object);
        let request = Request::get(self.signed(&path, play.viewer)?)
            .header(header::HOST, HOST)
            .body(Empty::new());
        let request = request.map_err(of(&path))?;
        connection.requests.ready().await.map_err(of(&path))?;
        let response = connection.requests.send_request(request).await;
        let response = response.map_err(of(&path))?;
        let hit = is_hit(&response, name);
        let status = response.status();
        let body = response.into_body().collect().await.map_err(of(&path))?;
        let is_right = body.to_bytes() == library.content(play.object);
        if status == StatusCode::OK && is_right {
            return Ok(hit);
        }
        Err(Error::Demo(format!(
            "{name}: {path}: status {status}, bytes right: {is_right}"
        )))
    }

    /// Path and query of a URL that is good for all that this viewer may watch.
    fn signed(&self, path: &str, viewer: u64) -> Result<String, Error> {
        // A session's token, for as long as the hour lasts.
        let now_s = message::now().unix_s() / HOUR_S * HOUR_S;
        let (site, scope) = (Label::parse(SITE)?, Scope::prefix("/v")?);
        let mut claims = Claims::new(site, scope, now_s - 60, now_s + LIFETIME_S);
        claims.session = Some(Label::parse(&format!("viewer-{viewer}"))?);
        let token = signing::sign(&self.key, &claims)?;
        let url = format!("https://{HOST}{path}");
        let url = Carriers::default().signed_url(&url, Carrier::Query, &token)?;
        let target = url
            .strip_prefix("https://")
            .and_then(|url| url.strip_prefix(HOST));
        Ok(target.unwrap_or(path).to_owned())
    }
}

impl Heard {
    fn note(&mut self, object: Object, bytes: u64, hit: bool) {
        self.bytes += bytes;
        let one = self.objects.entry(object).or_default();
        one.0 += if hit { bytes } else { 0 };
        one.1 |= !hit;
    }
}

/// RFC 9211 section 2.1: whether this cache answered without going forward.
fn is_hit(response: &Response<Incoming>, name: &str) -> bool {
    let status = response.headers().get("cache-status");
    let status = status.and_then(|status| status.to_str().ok());
    status.is_some_and(|status| {
        let mut caches = status.split(',').map(str::trim);
        caches.any(|cache| cache.split(';').map(str::trim).take(2).eq([name, "hit"]))
    })
}

fn of<E: std::error::Error>(what: &str) -> impl Fn(E) -> Error + use<'_, E> {
    move |error| Error::Demo(format!("{what}: {}", crate::output::chain(&error)))
}
