//! What a client sends: counted, because h3 keeps whole frames before it decodes them and sets no
//! bound; and gathered, because h3 walks its list of pieces on each arrival and a head in one-byte
//! pieces would cost its square.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId},
};
use quinn::ConnectionError;

use super::terms::{connection_error, lost, read_error, stream_id, var_int};
use crate::http3::{
    priority_update::{Follower, NoRequest},
    updates::Updates,
};

/// Read at a time.
const READ_BYTES: usize = 4 << 10;

/// How many more bytes may come.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Gives some back, up to `most`.
    pub(super) fn refill(&self, bytes: usize, most: usize) {
        self.0.update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.saturating_add(bytes).min(most)
        });
    }

    /// `false` when there was not as much left.
    pub(super) fn spend(&self, bytes: usize) -> bool {
        self.0
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .is_ok()
    }
}

/// Closes a connection whose client sent more than requests need.
pub(super) fn close_excessive(quinn: &quinn::Connection) -> ConnectionErrorIncoming {
    let code = var_int(Code::H3_EXCESSIVE_LOAD.value());
    quinn.close(code, b"more bytes than requests have");
    connection_error(ConnectionError::LocallyClosed)
}

/// RFC 9218 section 7.2: a priority for what is no request.
fn close_no_request(quinn: &quinn::Connection) -> ConnectionErrorIncoming {
    let code = var_int(Code::H3_ID_ERROR.value());
    quinn.close(code, b"a priority for what is no request");
    connection_error(ConnectionError::LocallyClosed)
}

/// The half that a client sends on.
pub(crate) struct RecvStream {
    stream: quinn::RecvStream,
    allowance: Allowance,
    quinn: quinn::Connection,
    /// Of a stream that may be the control stream: h3 skips the frames that speak of priorities.
    follows: Option<(Follower, Arc<Updates>)>,
}

impl RecvStream {
    pub(super) fn new(
        stream: quinn::RecvStream,
        allowance: Allowance,
        quinn: quinn::Connection,
    ) -> Self {
        Self {
            stream,
            allowance,
            quinn,
            follows: None,
        }
    }

    /// Has what a one-way stream says of priorities told to `updates`.
    pub(super) fn followed(mut self, updates: Arc<Updates>) -> Self {
        self.follows = Some((Follower::default(), updates));
        self
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let mut bytes = [0; READ_BYTES];
        // Fills the buffer from as many frames as there are.
        let read = ready!(self.stream.poll_read(cx, &mut bytes)).map_err(read_error)?;
        if !self.allowance.spend(read) {
            return Poll::Ready(Err(lost(close_excessive(&self.quinn))));
        }
        if let Some((follower, updates)) = &mut self.follows {
            let followed = follower.follow(&bytes[..read], |stream, said| {
                updates.update(stream, said);
            });
            if let Err(NoRequest) = followed {
                return Poll::Ready(Err(lost(close_no_request(&self.quinn))));
            }
        }
        Poll::Ready(Ok(
            (read > 0).then(|| Bytes::copy_from_slice(&bytes[..read]))
        ))
    }

    fn stop_sending(&mut self, error_code: u64) {
        // An error says that the stream is over already.
        drop(self.stream.stop(var_int(error_code)));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}
