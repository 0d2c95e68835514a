//! Which path answers what.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use parking_lot::RwLock;
use serde_json::Value as Json;

/// Routes, at most: they are written down in code.
const ROUTES_MAX: usize = 256;

/// A request to the admin listener, read in full.
#[derive(Debug)]
pub struct Call {
    /// GET (for HEAD as well), or what else the route takes.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query, without its question mark.
    pub query: Option<String>,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body, within the route's limit.
    pub body: Bytes,
}

/// An answer, in full.
pub type Reply = Response<Bytes>;

type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;
type Action = Arc<dyn Fn(Call) -> Answering + Send + Sync>;

/// The routes of an admin listener; clones share them, and they may be added while it serves.
#[derive(Clone, Default)]
pub struct Routes(Arc<RwLock<Vec<Route>>>);

#[derive(Clone)]
struct Route {
    method: Method,
    path: &'static str,
    body_bytes_max: usize,
    action: Action,
}

/// What there is for a method and a path.
pub(super) enum Match {
    Route {
        action: Action,
        body_bytes_max: usize,
    },
    /// The path is known, but not with this method.
    OtherMethods(Vec<Method>),
    Nothing,
}

impl Routes {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a page.
    pub fn get<F>(&self, path: &'static str, action: impl Fn(Call) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        self.add(Method::GET, path, 0, action);
    }

    /// Adds a route. A path that ends in `/*` takes everything below it. The first that fits
    /// answers; a body beyond `body_bytes_max` is 413.
    ///
    /// `action` is dropped when the client goes; what must be done all the same is a task of its
    /// own. Beyond 256 routes nothing is added.
    pub fn add<F>(
        &self,
        method: Method,
        path: &'static str,
        body_bytes_max: usize,
        action: impl Fn(Call) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Reply> + Send + 'static,
    {
        let action: Action = Arc::new(move |call| Box::pin(action(call)));
        let mut routes = self.0.write();
        if routes.len() < ROUTES_MAX {
            routes.push(Route {
                method,
                path,
                body_bytes_max,
                action,
            });
        }
    }

    /// `GET /metrics` and the like, in the order in which they were added.
    pub fn list(&self) -> Vec<String> {
        self.0
            .read()
            .iter()
            .map(|route| format!("{} {}", route.method, route.path))
            .collect()
    }

    pub(super) fn find(&self, method: &Method, path: &str) -> Match {
        let method = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let routes = self.0.read();
        let fitting: Vec<&Route> = routes.iter().filter(|route| route.fits(path)).collect();
        match fitting.iter().find(|route| route.method == *method) {
            Some(Route {
                action,
                body_bytes_max,
                ..
            }) => Match::Route {
                action: action.clone(),
                body_bytes_max: *body_bytes_max,
            },
            None if fitting.is_empty() => Match::Nothing,
            None => Match::OtherMethods(fitting.iter().map(|route| route.method.clone()).collect()),
        }
    }
}

impl Route {
    fn fits(&self, path: &str) -> bool {
        match self.path.strip_suffix('*') {
            Some(folder) => path
                .strip_prefix(folder)
                .is_some_and(|below| !below.is_empty()),
            None => self.path == path,
        }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

/// A reply in JSON.
pub fn json(status: StatusCode, value: &Json) -> Reply {
    let mut text = format!("{value:#}");
    text.push('\n');
    reply(status, "application/json", text)
}

/// A reply in plain text.
pub fn text(status: StatusCode, text: impl Into<String>) -> Reply {
    reply(status, "text/plain; charset=utf-8", text)
}

pub(super) fn reply(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<String>,
) -> Reply {
    let mut reply = Reply::new(Bytes::from(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Nothing here is for a page of somebody else's to show, run or guess at.
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    reply
}
