//! One exchange over HTTP: a request on a leased connection, a judged head, a body.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{Request, response::Parts};
use message::{Error, Fetch, Kind};
use tokio::{sync::Notify, time::timeout};

use crate::{
    answer::{self, Close, Shape},
    fault::{self, Phase},
    hop::{Answer, Failure, Hop, Stage},
    lease::Lease,
    pool::Pool,
    question::{Asked, Form, Sent, Target},
    wire_body::WireBody,
};

/// Interim responses (1xx) that a hop may send before its answer.
const INTERIM_MAX: u32 = 16;

/// A hop that speaks HTTP.
pub(crate) struct HttpHop {
    pub(crate) name: Arc<str>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) target: Target,
    /// What comes before an object's path.
    pub(crate) base: Base,
    pub(crate) close: Close,
    pub(crate) head_timeout: Duration,
}

/// How an object's name becomes a path at the hop.
#[derive(Debug, Clone)]
pub(crate) enum Base {
    /// `/{site}{path}`: a shield serves many sites.
    Site,
    /// `{prefix}{path}`: an origin is one site's own.
    Prefix(String),
}

impl HttpHop {
    async fn ask_once(&self, fetch: &Fetch) -> Result<Answer, Failure> {
        if !fetch.object.path.starts_with('/') {
            let error = Error::request(
                http::StatusCode::BAD_REQUEST,
                format!("path {:?} does not begin with a slash", fetch.object.path),
            );
            return Err(Failure::new(Stage::Unsendable, error));
        }
        let path = match &self.base {
            Base::Site => format!("/{}{}", fetch.object.site, fetch.object.path),
            Base::Prefix(prefix) => format!("{prefix}{}", fetch.object.path),
        };
        let asked = Asked::from(fetch);
        let write = |form| self.target.request(&path, &asked, form);
        let exchange = Exchange {
            pool: &self.pool,
            whom: &self.name,
            patience: self.head_timeout,
        };
        let (mut head, body) = exchange.run(&write).await?;
        let shape = match answer::judge(&asked, &head, self.close) {
            Ok(shape) => shape,
            Err(error) => {
                body.abandon();
                return Err(Failure::new(Stage::Useless, named(&self.name, &error)));
            }
        };
        answer::strip_hop_by_hop(&mut head.headers);
        Ok(match shape {
            Shape::Body(length) => {
                if let Some(length) = length {
                    head.headers
                        .insert(http::header::CONTENT_LENGTH, length.into());
                }
                Answer {
                    head,
                    length,
                    body: Box::pin(body),
                }
            }
            Shape::Bare => {
                body.finish();
                Answer::bare(head.status, head.headers)
            }
            Shape::OtherVersion => Answer::bare(
                http::StatusCode::PRECONDITION_FAILED,
                http::HeaderMap::new(),
            ),
        })
    }
}

fn named(whom: &str, error: &Error) -> Error {
    Error::new(error.kind(), format!("{whom}: {}", error.detail()))
}

impl Hop for HttpHop {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask<'a>(
        &'a self,
        fetch: &'a Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>> {
        Box::pin(self.ask_once(fetch))
    }

    fn passes_on(&self, head: &Parts) -> bool {
        // RFC 9209, RFC 9211: a shield that names what failed, or passes on what its origin said,
        // is alive itself. If it opened our breaker, one site's dead origin would take the shield
        // from all the other sites.
        let names_itself = ["proxy-status", "cache-status"]
            .iter()
            .any(|name| head.headers.contains_key(*name));
        matches!(self.base, Base::Site) && names_itself
    }

    fn repeats(&self) -> bool {
        false
    }
}

/// A request and the head of its response.
pub(crate) struct Exchange<'a> {
    pub(crate) pool: &'a Arc<Pool>,
    pub(crate) whom: &'a Arc<str>,
    /// How long the head may take, from the connection's being there.
    pub(crate) patience: Duration,
}

/// Writes the request in the form that the connection needs.
pub(crate) type Write<'a> = dyn Fn(Form) -> Result<Request<Sent>, Error> + Send + Sync + 'a;

impl Exchange<'_> {
    /// Sends on a connection, and once more if the hop never saw the request: that it closed an
    /// idle connection meanwhile, or has no room for another stream, is no fault of the hop's.
    pub(crate) async fn run(&self, write: &Write<'_>) -> Result<(Parts, WireBody), Failure> {
        match self.once(write, true).await {
            Ok(answered) => Ok(answered),
            Err(Dead {
                unnoticed: true, ..
            }) => self.once(write, false).await.map_err(|dead| dead.failure),
            Err(Dead {
                failure,
                unnoticed: false,
            }) => Err(failure),
        }
    }

    async fn once(&self, write: &Write<'_>, reuse: bool) -> Result<(Parts, WireBody), Dead> {
        let mut lease = self
            .pool
            .lease(reuse)
            .await
            .map_err(|error| Dead::noticed(Stage::Unreachable, named(self.whom, &error)))?;
        let mut request =
            write(lease.form()).map_err(|error| Dead::noticed(Stage::Unsendable, error))?;
        let flood = Flood::watch(&mut request);
        let sent = timeout(self.patience, async {
            tokio::select! {
                answer = lease.send(request) => answer.map_err(Trouble::Hyper),
                () = flood.notified() => Err(Trouble::Flood),
            }
        });
        let trouble = match sent.await {
            Ok(Ok(response)) => {
                let (head, incoming) = response.into_parts();
                let whom = Arc::clone(self.whom);
                return Ok((
                    head,
                    WireBody {
                        incoming,
                        lease: Some(lease),
                        whom,
                    },
                ));
            }
            Ok(Err(trouble)) => trouble,
            Err(_elapsed) => Trouble::Silence,
        };
        Err(self.dead(&lease, trouble))
    }

    fn dead(&self, lease: &Lease, trouble: Trouble) -> Dead {
        let error = match trouble {
            Trouble::Hyper(error) => error,
            Trouble::Flood => {
                let detail = format!("{}: more than {INTERIM_MAX} interim responses", self.whom);
                return Dead::noticed(Stage::Useless, Error::new(Kind::HttpProtocolError, detail));
            }
            Trouble::Silence => {
                let detail = format!("{}: no head within {:?}", self.whom, self.patience);
                return Dead::noticed(Stage::Broken, Error::new(Kind::HttpResponseTimeout, detail));
            }
        };
        let loss = Loss::of(&error);
        let is_timeout = error.is_timeout();
        let error = fault::of(Phase::Head, self.whom, &error);
        if loss == Loss::Connection {
            lease.retire();
            if let Some(cause) = lease.tls_failure() {
                // TLS 1.3: a client's certificate is refused after its handshake.
                return Dead::noticed(Stage::Unreachable, named(self.whom, &cause));
            }
        }
        let stage = match error.kind() {
            Kind::HttpProtocolError => Stage::Useless,
            _ => Stage::Broken,
        };
        let unnoticed = match loss {
            Loss::Refused => true,
            Loss::Connection => lease.reused && !is_timeout && stage == Stage::Broken,
            Loss::Stream => false,
        };
        Dead {
            failure: Failure::new(stage, error),
            unnoticed,
        }
    }
}

enum Trouble {
    Hyper(hyper::Error),
    Flood,
    Silence,
}

/// A failed try, and whether the hop never saw the request: a connection had died before it, or
/// the hop had no room for it.
struct Dead {
    failure: Failure,
    unnoticed: bool,
}

impl Dead {
    fn noticed(stage: Stage, error: Error) -> Self {
        Self {
            failure: Failure::new(stage, error),
            unnoticed: false,
        }
    }
}

/// What an exchange lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// The connection.
    Connection,
    /// This request's stream.
    Stream,
    /// RFC 9113 section 8.7: this request's stream, before it was looked at. It is safe to ask
    /// again, and by then the hop's limit of streams is known.
    Refused,
}

impl Loss {
    fn of(error: &hyper::Error) -> Self {
        let cause = std::error::Error::source(error);
        match cause.and_then(|cause| cause.downcast_ref::<h2::Error>()) {
            Some(error) if error.is_go_away() || error.is_io() => Self::Connection,
            Some(error) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Self::Refused,
            Some(_) => Self::Stream,
            None => Self::Connection,
        }
    }
}

/// Ends an exchange whose interim responses never end.
struct Flood;

impl Flood {
    fn watch(request: &mut Request<Sent>) -> Arc<Notify> {
        let (notify, count) = (Arc::new(Notify::new()), AtomicU32::new(0));
        let tell = Arc::clone(&notify);
        hyper::ext::on_informational(request, move |_interim| {
            if count.fetch_add(1, Ordering::Relaxed) >= INTERIM_MAX {
                tell.notify_one();
            }
        });
        notify
    }
}
