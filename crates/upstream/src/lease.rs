//! One request's claim on a connection.

use std::sync::{Arc, atomic::Ordering};

use http::Request;
use hyper::body::Incoming;
use message::Error;

use crate::{
    pool::{Exclusive, Pool, Shared},
    question::{Form, Sent},
};

/// One request's claim on a connection.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    link: Option<Link>,
    /// Whether the connection carried a request before: it may have died unnoticed.
    pub(crate) reused: bool,
}

pub(crate) enum Link {
    Exclusive(Exclusive),
    Stream(Arc<Shared>),
}

impl Lease {
    pub(crate) fn new(pool: &Arc<Pool>, link: Link, reused: bool) -> Self {
        Self {
            pool: Arc::clone(pool),
            link: Some(link),
            reused,
        }
    }

    pub(crate) fn on(pool: &Arc<Pool>, shared: Arc<Shared>, reused: bool) -> Self {
        shared.streams.fetch_add(1, Ordering::Relaxed);
        Self::new(pool, Link::Stream(shared), reused)
    }

    /// How requests on it are written.
    pub(crate) fn form(&self) -> Form {
        match self.link {
            Some(Link::Stream(_)) => Form::Absolute,
            Some(Link::Exclusive(_)) | None => Form::Origin,
        }
    }

    /// Sends the request and waits for the head. Cancel safe: dropping it resets the stream or
    /// closes the connection.
    pub(crate) async fn send(
        &mut self,
        request: Request<Sent>,
    ) -> hyper::Result<http::Response<Incoming>> {
        match &mut self.link {
            Some(Link::Exclusive(connection)) => connection.sender.send_request(request).await,
            Some(Link::Stream(shared)) => shared.sender.clone().send_request(request).await,
            // A lease is given back by value: there is none left to send on.
            None => std::future::pending().await,
        }
    }

    /// No new request uses this connection.
    pub(crate) fn retire(&self) {
        if let Some(Link::Stream(shared)) = &self.link {
            shared.retired.store(true, Ordering::Relaxed);
        }
    }

    /// What TLS said when the connection broke. HTTP's layers tell of it only that it did.
    pub(crate) fn tls_failure(&self) -> Option<Error> {
        let driver = match &self.link {
            Some(Link::Exclusive(connection)) => &connection.driver,
            Some(Link::Stream(shared)) => &shared.driver,
            None => return None,
        };
        driver.witness.tls_failure()
    }

    /// The body ended where its framing said: the connection may carry another request.
    pub(crate) fn give_back(mut self) {
        match self.link.take() {
            Some(Link::Exclusive(connection)) => self.pool.put_idle(connection),
            link => self.link = link,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Link::Stream(shared)) = &self.link {
            shared.streams.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
