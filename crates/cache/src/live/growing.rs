//! An object that upstream is still writing: chunked, so that nobody knows how long it will be.
//!
//! A low-latency packager begins to send a segment with its first chunk and ends when the segment
//! does, seconds later. To wait for the end would cost the latency that this was made for, so what
//! has come is handed on as it comes, to as many viewers as ask, wherever they join. An answer
//! that has begun has no length, and only upstream's own end ends it: a cut one ends with an
//! error, which no protocol takes for the end of a body (the last chunk of HTTP/1 does not come,
//! streams of HTTP/2 and 3 are reset).
//!
//! Once it is whole, up to [`WHOLE_BYTES_MAX`], it is stored like any other object. A longer one
//! lives as long as somebody reads it.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use message::{Body, Error, Kind};
use parking_lot::Mutex;
use store::{Epoch, Reservation};
use tokio::time::timeout;

use crate::{
    Inner,
    ask::{Answered, Feed},
    filling::{Failure, Filling, Follower},
    geometry::WHOLE_BYTES_MAX,
    head::{Entry, Head},
    learn::{Lesson, Question},
};

/// A segment of 4K video of six seconds has 12 MB. What goes on beyond this is no segment.
const GROWING_BYTES_MAX: u64 = 32 << 20;

/// Room is taken in steps of so much.
const STEP_BYTES: u64 = 1 << 20;

/// A packager that sends a chunk at a time may pause for as long as a chunk lasts; without a byte
/// for so long it is dead. (What waits for the whole may wait less.)
const PAUSE_MAX: Duration = Duration::from_secs(6);

/// What has come of it so far, for everybody who reads along.
pub(crate) struct Growing {
    /// All that its header said; its length is not in it.
    pub(crate) head: Arc<Head>,
    filling: Arc<Filling>,
    /// The memory of the pieces, for as long as anybody can read them.
    room: Mutex<Vec<Reservation>>,
}

impl fmt::Debug for Growing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Growing({})", self.head.name)
    }
}

impl Growing {
    /// Reads along from `offset` on.
    pub(crate) fn follow(&self, offset: u64) -> Follower {
        Follower::new(Arc::clone(&self.filling), offset)
    }

    /// Waits until more than `bytes` are there, or all that ever will be: then tells how many that
    /// is. Cancel safe.
    pub(crate) async fn beyond(&self, bytes: u64) -> Result<Option<u64>, Failure> {
        let mut follower = self.follow(bytes);
        match follower.next().await? {
            Some(_) => Ok(None),
            None => Ok(Some(self.filling.received())),
        }
    }

    /// Waits until it is whole, and tells how long it is. Cancel safe.
    pub(crate) async fn whole(&self) -> Result<u64, Failure> {
        let mut follower = self.follow(0);
        while follower.next().await?.is_some() {}
        Ok(self.filling.received())
    }
}

/// The body that it grows by, and where it goes.
pub(crate) struct Growth {
    inner: Arc<Inner>,
    question: Question,
    fields: HeaderMap,
    stamp: Epoch,
    body: Body,
    growing: Arc<Growing>,
    received: u64,
    reserved: u64,
}

impl Inner {
    /// Begins to grow what upstream has begun to send. `head` is without a length.
    pub(crate) fn grow(
        self: &Arc<Self>,
        question: &Question,
        head: Arc<Head>,
        (status, fields): (StatusCode, HeaderMap),
        body: Body,
        stamp: Epoch,
    ) -> Answered {
        // That it is not there is what was believed until now.
        if matches!(self.heads.get(&question.id.key), Some(Entry::Kept(_))) {
            self.heads.remove(&question.id.key);
        }
        let growing = Arc::new(Growing {
            head,
            filling: Arc::new(Filling::of(0)),
            room: Mutex::default(),
        });
        let growth = Growth {
            inner: Arc::clone(self),
            question: question.clone(),
            fields,
            stamp,
            body,
            growing: Arc::clone(&growing),
            received: 0,
            reserved: 0,
        };
        Answered {
            lesson: Lesson::Growing(growing, status),
            fill: Some(Feed::Growth(growth)),
            own: None,
        }
    }
}

impl Growth {
    /// Reads to the end. `question` is held until then, so that whoever asks joins in; it is let
    /// go before a failure is told, so that whoever asks anew is not told the same.
    ///
    /// Dropped before its end it fails its readers.
    pub(crate) async fn drive<Q: Send>(mut self, question: Q) {
        match self.read().await {
            Ok(()) => {
                let stored = self.store().await;
                match stored {
                    Some(whole) => {
                        self.growing.filling.complete(whole);
                        self.growing.room.lock().clear();
                    }
                    None => self.growing.filling.end(Ok(())),
                }
                drop(question);
            }
            Err(failure) => {
                drop(question);
                self.inner.metrics.fill_failures.inc();
                let at = self.received;
                tracing::debug!(object = %self.question.name, at, ?failure, "a growing object broke");
                self.growing.filling.end(Err(failure));
            }
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let pause = self.inner.config.stall.max(PAUSE_MAX);
        loop {
            let Ok(item) = timeout(pause, self.body.next()).await else {
                let detail = format!("upstream stalled at byte {}", self.received);
                return Err(failed(Kind::ConnectionReadTimeout, detail));
            };
            let Some(bytes) = item else {
                return Ok(());
            };
            self.append(bytes.map_err(Failure::Upstream)?).await?;
        }
    }

    async fn append(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let after = self.received + bytes.len() as u64;
        if after > GROWING_BYTES_MAX {
            // From now on its answers go from upstream to each viewer alone.
            let passed = self
                .inner
                .pass_for_now(&self.question, StatusCode::OK, self.stamp);
            let detail =
                format!("{passed:?}: more than {GROWING_BYTES_MAX} bytes without a length");
            return Err(failed(Kind::HttpProtocolError, detail));
        }
        while self.reserved < after {
            let room = self.inner.room(STEP_BYTES).await?;
            self.growing.room.lock().push(room);
            self.reserved += STEP_BYTES;
        }
        self.received = after;
        self.inner.metrics.fill_bytes.inc_by(bytes.len() as u64);
        // A copy, because it may be a corner of a large read buffer, and is not to keep it alive.
        self.growing.filling.append(Bytes::copy_from_slice(&bytes));
        Ok(())
    }

    /// Stores it as what it has turned out to be: the slice first, so that nobody who sees the head
    /// asks upstream again.
    async fn store(&mut self) -> Option<Bytes> {
        if self.received > WHOLE_BYTES_MAX {
            return None;
        }
        let room = self.inner.room(self.received).await.ok()?;
        let whole = room.hold(self.growing.filling.joined_with(&Bytes::new()));
        let carried = 0..self.received;
        let (question, fields) = (&self.question, &self.fields);
        let head = self
            .inner
            .head(question, fields, self.received, &carried, self.stamp)?;
        for index in head.geometry.covering(&carried) {
            let key = head.version.slice_key(index);
            self.inner.keep_slice(&head, key, whole.clone());
        }
        self.inner.keep(&head);
        Some(whole)
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        // Only the first end counts.
        let detail = "the growing object was abandoned".to_owned();
        self.growing
            .filling
            .end(Err(failed(Kind::ProxyInternalError, detail)));
    }
}

fn failed(kind: Kind, detail: String) -> Failure {
    Failure::Upstream(Error::new(kind, detail))
}
