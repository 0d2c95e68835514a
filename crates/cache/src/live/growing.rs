//! An object that upstream is still writing: chunked, so that nobody knows how long it will be.
//!
//! A low-latency packager begins to send a segment with its first chunk and ends when the segment
//! does, seconds later. To wait for the end would cost the latency that this was made for, so what
//! has come is handed on as it comes, to as many viewers as ask, wherever they join. An answer
//! that has begun has no length, and only upstream's own end ends it: a cut one ends with an
//! error, which no protocol takes for the end of a body (the last chunk of HTTP/1 does not come,
//! streams of HTTP/2 and 3 are reset).
//!
//! What comes is cut into slices as it comes. Which version they are of is known when its length
//! is: at the end they go to the store, and then the head does. A body that breaks is gone on
//! with from its last byte, if a strong validator can say that it is the same one ([`resume`]).
//!
//! [`resume`]: super::resume

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use message::{Body, ByteRange, Condition, Demand, Error, Fetch, Kind};
use parking_lot::Mutex;
use store::{Epoch, Reservation};
use tokio::time::timeout;

use crate::{
    Inner,
    ask::{Answered, Feed},
    filling::{Failure, Filling, Follower},
    geometry::{SLICE_BYTES, WHOLE_BYTES_MAX},
    head::{Entry, Head},
    live::resume::{self, Rest},
    question::{Lesson, Question},
};

/// A segment of 4K video of six seconds has 12 MB. What goes on beyond this is no segment.
pub(super) const GROWING_BYTES_MAX: u64 = 32 << 20;

/// A packager that sends a chunk at a time may pause for as long as a chunk lasts; without a byte
/// for so long it is dead. (What waits for the whole may wait less.)
const PAUSE_MAX: Duration = Duration::from_secs(6);

/// What has come of it so far, for everybody who reads along.
pub(crate) struct Growing {
    /// All that its header said; its length is not in it.
    pub(crate) head: Arc<Head>,
    filling: Arc<Filling>,
    /// The memory of the pieces of the last slice, for as long as anybody can read them. Those
    /// before it are joined, and hold their own.
    room: Mutex<Option<Reservation>>,
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
    /// The object's byte that the body goes on with: before `received`, where it begins anew.
    at: u64,
    growing: Arc<Growing>,
    received: u64,
    /// How long it is, where an answer has told.
    total: Option<u64>,
}

/// Why it grows no further.
enum Stop {
    /// The body broke: what is left may be had in another.
    Broken(Error),
    /// There is no more to be had.
    Failed(Failure),
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
            at: 0,
            growing: Arc::clone(&growing),
            received: 0,
            total: None,
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
                self.store().await;
                self.growing.filling.end(Ok(()));
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
        let mut resumes = 0;
        loop {
            let error = match self.read_body().await {
                Ok(()) => return Ok(()),
                Err(Stop::Failed(failure)) => return Err(failure),
                Err(Stop::Broken(error)) => error,
            };
            if self.growing.head.strong_etag().is_none() || resumes == self.inner.config.resumes_max
            {
                return Err(Failure::Upstream(error));
            }
            resumes += 1;
            self.inner.metrics.fill_resumes.inc();
            let at = self.received;
            tracing::debug!(object = %self.question.name, at, %error, "resuming a growing object");
            self.resume().await?;
        }
    }

    async fn read_body(&mut self) -> Result<(), Stop> {
        let pause = self.inner.config.stall.max(PAUSE_MAX);
        loop {
            let Ok(item) = timeout(pause, self.body.next()).await else {
                let detail = format!("upstream stalled at byte {}", self.at);
                return Err(Stop::Broken(Error::new(
                    Kind::ConnectionReadTimeout,
                    detail,
                )));
            };
            let Some(bytes) = item else {
                return self.ended();
            };
            let news = self.news(bytes.map_err(Stop::Broken)?)?;
            self.append(news).await.map_err(Stop::Failed)?;
        }
    }

    /// Whether the end of a body is the end of the object.
    fn ended(&self) -> Result<(), Stop> {
        let is_all =
            self.at == self.received && self.total.is_none_or(|total| total == self.received);
        if is_all {
            return Ok(());
        }
        let detail = format!("upstream ended at byte {}", self.at);
        Err(Stop::Broken(Error::new(
            Kind::HttpResponseIncomplete,
            detail,
        )))
    }

    /// What has not come before. A body that begins anew must begin with the same bytes: what it
    /// adds would else be put behind another version's.
    fn news(&mut self, mut bytes: Bytes) -> Result<Bytes, Stop> {
        let known = usize::try_from(self.received - self.at).unwrap_or(usize::MAX);
        let before = bytes.split_to(known.min(bytes.len()));
        if !before.is_empty() && !self.growing.filling.is_same(self.at, &before) {
            return Err(Stop::Failed(Failure::VersionChanged));
        }
        self.at += (before.len() + bytes.len()) as u64;
        Ok(bytes)
    }

    /// Asks for what is left, of this version and no other.
    async fn resume(&mut self) -> Result<(), Failure> {
        let head = &self.growing.head;
        // Without a strong validator nothing can say that more bytes belong to the same version.
        let etag = head.strong_etag().ok_or(Failure::VersionChanged)?;
        let range = ByteRange {
            first: self.received,
            last: ByteRange::OPEN,
        };
        let fetch = Fetch {
            object: head.name.clone(),
            range: (self.received > 0).then_some(range),
            condition: Some(Condition::IfMatch(etag.into())),
            carried: head.selection.carried.clone(),
            demand: Demand::Any,
            at: message::now(),
        };
        self.inner.metrics.fills.inc();
        let response = self.inner.upstream.fetch(fetch).await;
        let response = response.map_err(Failure::Upstream)?;
        let Rest { first, total } = resume::read(&response, etag, range)?;
        (self.at, self.total) = (first, total);
        self.body = response.into_body();
        Ok(())
    }

    async fn append(&mut self, mut bytes: Bytes) -> Result<(), Failure> {
        let after = self.received + bytes.len() as u64;
        if self.total.is_some_and(|total| after > total) {
            let detail = "more bytes than the object has".to_owned();
            return Err(failed(Kind::HttpProtocolError, detail));
        }
        if after > GROWING_BYTES_MAX {
            // From now on its answers go from upstream to each viewer alone.
            let passed = self
                .inner
                .pass_for_now(&self.question, StatusCode::OK, self.stamp);
            let detail =
                format!("{passed:?}: more than {GROWING_BYTES_MAX} bytes without a length");
            return Err(failed(Kind::HttpProtocolError, detail));
        }
        self.inner.metrics.fill_bytes.inc_by(bytes.len() as u64);
        while !bytes.is_empty() {
            if self.growing.room.lock().is_none() {
                let room = self.inner.room(SLICE_BYTES).await?;
                *self.growing.room.lock() = Some(room);
            }
            let begun = self.received % SLICE_BYTES;
            let left = usize::try_from(SLICE_BYTES - begun).unwrap_or(usize::MAX);
            let part = bytes.split_to(left.min(bytes.len()));
            self.received += part.len() as u64;
            // A copy, because it may be a corner of a large read buffer, and is not to keep it alive.
            self.growing.filling.append(Bytes::copy_from_slice(&part));
            if self.received.is_multiple_of(SLICE_BYTES) {
                self.settle(self.received - SLICE_BYTES).await?;
            }
        }
        Ok(())
    }

    /// Joins the pieces from `start` on, for the store and for who reads on.
    async fn settle(&mut self, start: u64) -> Result<(), Failure> {
        let room = self.inner.room(self.received - start).await?;
        let filling = &self.growing.filling;
        filling.settle(start, room.hold(filling.joined_from(start)));
        Ok(())
    }

    /// Stores it as what it has turned out to be: the slices first, so that nobody who sees the
    /// head asks upstream again. What there is no memory for is read to its end, and not stored.
    async fn store(&mut self) {
        let total = self.received;
        // Up to 4 MiB it is one slice.
        let unjoined = if total <= WHOLE_BYTES_MAX {
            0
        } else {
            total - total % SLICE_BYTES
        };
        if unjoined < total && self.settle(unjoined).await.is_err() {
            return;
        }
        *self.growing.room.lock() = None;
        // Nobody has tried whether ranges of it can be had, so the answer is not said to have
        // carried all of it: a large one is stored if it has a strong validator.
        let (question, fields, carried) = (&self.question, &self.fields, 0..0);
        let head = self
            .inner
            .head(question, fields, total, &carried, self.stamp);
        let Some(head) = head else { return };
        let slices = self.growing.filling.pieces_from(0);
        for (index, slice) in head.geometry.covering(&(0..total)).zip(slices) {
            let key = head.version.slice_key(index);
            self.inner.keep_slice(&head, key, slice);
        }
        self.inner.keep(&head);
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
