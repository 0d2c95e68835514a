//! The body of an answer, as it comes from its connection.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use http_body::Body as _;
use hyper::body::Incoming;
use message::Error;

use crate::{
    fault::{self, Phase},
    lease::Lease,
};

/// A response body on the wire. The connection goes back to its pool at the body's clean end.
pub(crate) struct WireBody {
    pub(crate) incoming: Incoming,
    pub(crate) lease: Option<Lease>,
    pub(crate) whom: Arc<str>,
}

impl WireBody {
    /// Takes the body for read if there is nothing in it.
    pub(crate) fn finish(mut self) {
        self.settle();
    }

    /// The connection is not used again: whoever sent this head may send anything.
    pub(crate) fn abandon(mut self) {
        self.lease = None;
    }

    fn settle(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.give_back();
        }
    }
}

impl Stream for WireBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
            return Poll::Ready(match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => Some(Ok(bytes)),
                    // Trailers say nothing that a cache may use.
                    Err(_trailers) => continue,
                },
                Some(Err(error)) => {
                    self.lease = None;
                    Some(Err(fault::of(Phase::Body, &self.whom, &error)))
                }
                None => {
                    if let Some(lease) = self.lease.take() {
                        lease.give_back();
                    }
                    None
                }
            });
        }
    }
}

impl Drop for WireBody {
    fn drop(&mut self) {
        // Whoever counts bytes stops reading before the end has been told.
        self.settle();
    }
}
