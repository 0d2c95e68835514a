//! The way of a request: who asks, what for, may he, how often, how much; then its handler.

mod fill;
mod head;
mod manifests;
mod node;
mod openapi;
mod popularity;
mod purge;
pub(crate) mod reply;
pub(crate) mod route;
pub(crate) mod table;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header, request::Parts};
use hyper::body::Incoming;
use message::Timestamp;
use ring::digest::{SHA256, digest};
use tokio_util::task::TaskTracker;

pub use openapi::document;

pub(crate) use self::head::is_same_media;
use self::{
    head::{allow, base, check_body, is_from_a_page},
    reply::refusal,
    route::{Call, Caller, Match, Reply, Route, Routes},
};
use crate::{
    Config, Engine, Error, Reason, Refused,
    audit::{Audit, Line},
    body,
    cdni::Book,
    memory::{Bodies, Room},
    page,
    pulse::Pulse,
    rates::Rates,
    report::Heartbeat,
};

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The name in its certificate, which the handshake has verified.
    pub(crate) name: Arc<str>,
    pub(crate) from: IpAddr,
}

/// A request whose body is to be read.
struct Admitted<'r> {
    route: &'r Route,
    caller: Caller,
    /// What stood for `{name}` in the path.
    parameter: Option<String>,
}

/// A request that is refused for what its head says.
struct NotHeard {
    refused: Refused,
    /// What the answer says besides.
    field: Option<(HeaderName, HeaderValue)>,
}

impl NotHeard {
    fn plain(refused: Refused) -> Self {
        Self {
            refused,
            field: None,
        }
    }

    fn with(refused: Refused, name: HeaderName, value: Option<HeaderValue>) -> Self {
        let field = value.map(|value| (name, value));
        Self { refused, field }
    }
}

/// The API of one node.
pub(crate) struct Api {
    pub(crate) config: Config,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) pulse: Pulse,
    tls: Arc<tls::Server>,
    pub(crate) book: Book,
    routes: Routes,
    rates: Rates,
    audit: Audit,
    changes: AtomicU64,
    pub(crate) bodies: Bodies,
    /// Changes go on when their client goes.
    pub(crate) tasks: TaskTracker,
}

impl Api {
    pub(crate) fn new(
        config: Config,
        engine: Arc<dyn Engine>,
        tls: Arc<tls::Server>,
        book: Book,
        now: &Timestamp,
    ) -> Result<Self, Error> {
        let routes =
            Routes::new(table::routes()).map_err(|error| Error::Config(error.to_string()))?;
        Ok(Self {
            audit: Audit::new(&config.state),
            pulse: Pulse::new(now.mono),
            engine,
            tls,
            book,
            routes,
            rates: Rates::default(),
            changes: AtomicU64::new(0),
            bodies: Bodies::new(config.memory_bytes / 2),
            tasks: TaskTracker::new(),
            config,
        })
    }

    /// Answers one request. Cancel safe: a change that was begun is made all the same.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Reply {
        let is_head = request.method() == Method::HEAD;
        let reply = self.reply(request, peer).await;
        if is_head {
            reply::head_of(reply)
        } else {
            reply
        }
    }

    async fn reply(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Reply {
        let at = message::now();
        let (head, body) = request.into_parts();
        match self.admit(&head, &peer, &at) {
            Ok(admitted) => {
                let made = self.make(admitted, head, body, at).await;
                made.unwrap_or_else(|refused| refuse(&refused, &at))
            }
            Err(NotHeard { refused, field }) => {
                body::let_go(body, &head.headers);
                tracing::info!(who = &*peer.name, from = %peer.from, path = head.uri.path(), %refused, "steering refused");
                let mut reply = refuse(&refused, &at);
                reply.headers_mut().extend(field);
                reply
            }
        }
    }

    /// Everything that is decided before a body is read.
    fn admit(&self, head: &Parts, peer: &Peer, at: &Timestamp) -> Result<Admitted<'_>, NotHeard> {
        let plain = |reason, detail: &str| NotHeard::plain(Refused::new(reason, detail));
        let is_visit = head.uri.path() == page::PATH && page::is_visit(&head.headers);
        if is_from_a_page(&head.headers) && !is_visit {
            return Err(plain(Reason::Browser, "not for pages in browsers"));
        }
        let Some(role) = self.config.roles.of(&peer.name) else {
            let detail = format!("{:?} has no role here", peer.name);
            return Err(plain(Reason::Role, &detail));
        };
        let (route, parameter) = match self.routes.find(&head.method, head.uri.path()) {
            Match::Route(route, parameter) => (route, parameter),
            Match::Nothing => {
                return Err(plain(
                    Reason::NotFound,
                    "nothing is here: see /v1/openapi.json",
                ));
            }
            Match::Other(methods) => {
                let refused = Refused::new(Reason::Method, "not with this method");
                return Err(NotHeard::with(refused, header::ALLOW, allow(&methods)));
            }
        };
        if !role.has(route.right) {
            let detail = format!("{:?} is {} and may not", peer.name, role.word());
            return Err(plain(Reason::Role, &detail));
        }
        if let Err(wait) = self.rates.take(&peer.name, route.class, at.mono) {
            let refused = Refused::new(Reason::RateLimited, "too many requests");
            // Up, so that whoever waits so long is heard.
            let seconds = HeaderValue::from(wait.as_secs() + 1);
            return Err(NotHeard::with(refused, header::RETRY_AFTER, Some(seconds)));
        }
        check_body(route, &head.headers, &self.bodies).map_err(NotHeard::plain)?;
        Ok(Admitted {
            route,
            caller: Caller {
                name: Arc::clone(&peer.name),
                role: role.clone(),
                from: peer.from,
            },
            parameter,
        })
    }

    async fn make(
        self: &Arc<Self>,
        admitted: Admitted<'_>,
        head: Parts,
        body: Incoming,
        at: Timestamp,
    ) -> Result<Reply, Refused> {
        let Admitted {
            route,
            caller,
            parameter,
        } = admitted;
        // The room is held until the answer is made: what is being judged takes memory as well.
        let (room, body) = self.take(route, &head, body).await?;
        let call = Call {
            base: base(&head.uri, &head.headers, &self.config),
            caller,
            path: head.uri.path().to_owned(),
            parameter,
            query: head.uri.query().map(str::to_owned),
            headers: head.headers,
            body,
            at,
        };
        if route.method == Method::GET {
            return (route.action)(self, call).await;
        }
        let (api, action, method) = (Arc::clone(self), route.action, route.method.clone());
        let change = self.tasks.spawn(async move {
            let _room = room;
            api.change(action, method, call).await
        });
        change
            .await
            .map_err(|error| Refused::new(Reason::Failed, error.to_string()))?
    }

    /// Takes a request's body, with the memory that it takes.
    async fn take(
        &self,
        route: &Route,
        head: &Parts,
        mut body: Incoming,
    ) -> Result<(Option<Room>, Bytes), Refused> {
        let room = match &route.takes {
            Some(takes) => {
                let (most, weight) = (takes.bytes_max, takes.weight);
                self.bodies.room(&head.headers, most, weight).map(Some)
            }
            None => Ok(None),
        };
        let taken = match room {
            Ok(room) => {
                let bytes_max = room.as_ref().map_or(0, |room| room.bytes_max);
                let read = body::read(&mut body, bytes_max, self.config.pace).await;
                read.map(|bytes| (room, bytes))
            }
            Err(refused) => Err(refused),
        };
        if taken.is_err() {
            body::let_go(body, &head.headers);
        }
        taken
    }

    /// Makes a change, noted down before and after.
    async fn change(
        self: Arc<Self>,
        action: route::Action,
        method: Method,
        call: Call,
    ) -> Result<Reply, Refused> {
        let mut line = Line {
            at_unix_ms: u64::try_from(call.at.wall.as_millis()).unwrap_or(u64::MAX),
            id: self.changes.fetch_add(1, Ordering::Relaxed),
            who: Arc::clone(&call.caller.name),
            role: call.caller.role.word(),
            from: call.caller.from,
            method: method.to_string(),
            path: call.path.clone(),
            body_bytes: call.body.len(),
            body_sha256: hex(digest(&SHA256, &call.body).as_ref()),
            status: None,
            code: None,
        };
        self.audit.note(&line).await?;
        let done = action(&self, call).await;
        let (status, code) = match &done {
            Ok(reply) => (reply.status(), None),
            Err(refused) => (refused.reason.status(), Some(refused.reason.code())),
        };
        (line.status, line.code) = (Some(status.as_u16()), code);
        tracing::info!(
            who = &*line.who,
            method = line.method,
            path = line.path,
            status = status.as_u16(),
            code,
            "steered"
        );
        // What is done is done: that its end could not be noted down is in the event log.
        let _told = self.audit.note(&line).await;
        done
    }

    /// How the node is.
    pub(crate) fn heartbeat(&self, now: &Timestamp) -> Heartbeat {
        let expires = self.tls.not_after_unix_s();
        self.pulse
            .heartbeat(&self.config, &*self.engine, expires, now)
    }

    pub(crate) fn routes(&self) -> &[Route] {
        self.routes.all()
    }
}

/// For those who may try again, and are not told when.
const RETRY_AFTER_S: u64 = 5;

fn refuse(refused: &Refused, at: &Timestamp) -> Reply {
    let mut reply = refusal(refused);
    let passes = matches!(
        refused.reason,
        Reason::Busy | Reason::AuditUnwritable | Reason::RateLimited
    );
    let left_s = refused
        .not_before_unix_s
        .map(|then| then.saturating_sub(at.unix_s()).max(1));
    if let Some(left_s) = left_s.or_else(|| passes.then_some(RETRY_AFTER_S)) {
        let fields = reply.headers_mut();
        fields.insert(header::RETRY_AFTER, HeaderValue::from(left_s));
    }
    reply
}
/// In hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _never_fails = write!(text, "{byte:02x}");
            text
        })
}
