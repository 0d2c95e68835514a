//! The table of routes: what is served, who may ask, and what the answers look like.
//!
//! The router, the checks before a handler, and the `OpenAPI` document are all made of this one table.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use message::Timestamp;
use schemars::{Schema, SchemaGenerator};

use super::Api;
use crate::{
    Refused,
    access::{Right, Role},
    rates::Class,
};

/// An answer, in full.
pub(crate) type Reply = Response<Bytes>;

/// A handler's future.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Reply, Refused>> + Send + 'a>>;

/// What answers a route.
pub(crate) type Action = for<'a> fn(&'a Arc<Api>, Call) -> Answering<'a>;

/// One method on one path.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// With `{name}` for what differs.
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) right: Right,
    pub(crate) class: Class,
    /// What it takes, if it takes a body.
    pub(crate) takes: Option<Takes>,
    pub(crate) query: &'static [Parameter],
    pub(crate) gives: Vec<Gives>,
    pub(crate) action: Action,
}

impl Route {
    /// A GET of what whoever may see, sees.
    pub(crate) fn see(
        path: &'static str,
        name: &'static str,
        about: &'static str,
        gives: Vec<Gives>,
        action: Action,
    ) -> Self {
        Self {
            method: Method::GET,
            path,
            name,
            about,
            right: Right::See,
            class: Class::Read,
            takes: None,
            query: &[],
            gives,
            action,
        }
    }
}

/// A body that a route takes.
pub(crate) struct Takes {
    /// The media types, with their `ptype` where that tells them apart.
    pub(crate) kinds: Vec<(&'static str, SchemaOf)>,
    pub(crate) bytes_max: usize,
    /// What a byte of it takes in memory, until it is answered.
    pub(crate) weight: u64,
}

/// What a route answers when all is well; one status may have several media types.
pub(crate) struct Gives {
    pub(crate) status: StatusCode,
    /// Nothing for an answer without a body.
    pub(crate) body: Option<(&'static str, SchemaOf)>,
}

/// A parameter of the query.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) is_number: bool,
}

/// Makes the schema of a type.
#[derive(Clone, Copy)]
pub(crate) enum SchemaOf {
    /// JSON.
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// Anything.
    Bytes,
}

impl SchemaOf {
    /// Of a type that is sent as JSON.
    pub(crate) fn json<T: schemars::JsonSchema>() -> Self {
        Self::Json(SchemaGenerator::subschema_for::<T>)
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The name in the certificate.
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
    pub(crate) from: std::net::IpAddr,
}

/// A request, checked and read in full.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) path: String,
    /// What stood for `{name}` in the path.
    pub(crate) parameter: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: Timestamp,
    /// How the client names this server: `https://host:port`.
    pub(crate) base: String,
}

impl Call {
    /// A parameter of the query. Names and values are compared and returned as they came: none of
    /// ours needs an escape, and what has one is refused.
    pub(crate) fn query(&self, name: &str) -> Result<Option<&str>, Refused> {
        let parameters = self.query.iter().flat_map(|query| query.split('&'));
        let mut values = parameters
            .filter_map(|parameter| parameter.split_once('='))
            .filter(|(own, _)| *own == name)
            .map(|(_, value)| value);
        let value = values.next();
        if values.next().is_some() {
            return Err(Refused::malformed(format!("{name} is given twice")));
        }
        Ok(value)
    }

    /// A number of the query.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refused> {
        let bad = |value: &str| Refused::malformed(format!("{name}={value:?} is no number"));
        self.query(name)?
            .map(|value| value.parse().map_err(|_not_a_number| bad(value)))
            .transpose()
    }

    /// The body, as JSON of one type.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Refused> {
        crate::json::read(&self.body)
    }
}

/// What was found for a method and a path.
pub(crate) enum Match<'r> {
    Route(&'r Route, Option<String>),
    /// The path is known, but not with this method.
    Other(Vec<&'r Method>),
    Nothing,
}

/// The routes of the API, ready to be looked up.
pub(crate) struct Routes {
    routes: Vec<Route>,
    by_path: matchit::Router<Vec<usize>>,
}

impl Routes {
    /// # Errors
    /// When two paths contradict each other: a mistake in the table.
    pub(crate) fn new(routes: Vec<Route>) -> Result<Self, matchit::InsertError> {
        let mut paths: Vec<(&'static str, Vec<usize>)> = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            match paths.iter_mut().find(|(path, _)| *path == route.path) {
                Some((_, known)) => known.push(at),
                None => paths.push((route.path, vec![at])),
            }
        }
        let mut by_path = matchit::Router::new();
        for (path, known) in paths {
            by_path.insert(path, known)?;
        }
        Ok(Self { routes, by_path })
    }

    pub(crate) fn all(&self) -> &[Route] {
        &self.routes
    }

    pub(crate) fn find(&self, method: &Method, path: &str) -> Match<'_> {
        let Ok(found) = self.by_path.at(path) else {
            return Match::Nothing;
        };
        let wanted = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        let known = found.value.iter().filter_map(|at| self.routes.get(*at));
        let known: Vec<&Route> = known.collect();
        let parameter = found
            .params
            .iter()
            .next()
            .map(|(_, value)| value.to_owned());
        match known.iter().find(|route| route.method == *wanted) {
            Some(route) => Match::Route(route, parameter),
            None => Match::Other(known.iter().map(|route| &route.method).collect()),
        }
    }
}
