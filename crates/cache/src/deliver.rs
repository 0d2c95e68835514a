//! Delivering: the slices of a range, in order, from wherever each of them is.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use message::{Body, BodyStream, Error, Timestamp};

use crate::{
    Inner, Viewer,
    audience::Served,
    filling::{Failure, Follower},
    head::Head,
    id::ObjectId,
    metrics::Source,
    slice::Slice,
};

/// How often a body that has begun asks for memory again before it breaks off: a request can be
/// refused with a status, and what is half sent should rather be late than lost.
const TRIES_FOR_MEMORY: u32 = 5;

/// How the first byte of a delivery comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstByte {
    Held(Source),
    Filled { led: bool },
}

/// A reader's way through a range.
pub(crate) struct Delivery {
    inner: Arc<Inner>,
    viewer: Viewer,
    id: ObjectId,
    head: Arc<Head>,
    at: Timestamp,
    wanted: Range<u64>,
    /// The first byte that the audience was not told of.
    first: u64,
    current: Option<(Follower, u64)>,
}

impl Drop for Delivery {
    /// Tells of a delivery that is cut.
    fn drop(&mut self) {
        self.tell();
    }
}

impl Delivery {
    pub(crate) fn new(
        inner: Arc<Inner>,
        (viewer, id): (Viewer, ObjectId),
        head: Arc<Head>,
        at: Timestamp,
        wanted: Range<u64>,
    ) -> Self {
        Self {
            inner,
            viewer,
            id,
            head,
            at,
            first: wanted.start,
            wanted,
            current: None,
        }
    }

    /// Opens the first slice, waits for its first bytes, and makes the body of it and the rest.
    ///
    /// A failure here comes before any byte was sent, so it can still become an honest status.
    pub(crate) async fn start(mut self) -> Result<(Body, FirstByte), Failure> {
        let length = self.wanted.end - self.wanted.start;
        if self.wanted.is_empty() {
            return Ok((Body::empty(), FirstByte::Held(Source::Ram)));
        }
        let slice = self.open().await?;
        let first_byte = match &slice {
            Slice::Held(_, source) => FirstByte::Held(*source),
            Slice::Coming { led, .. } => FirstByte::Filled { led: *led },
        };
        let first = self.enter(slice).await?;
        let body = if self.wanted.is_empty() {
            Body::from(first)
        } else {
            Body::sized(self.stream(first), length)
        };
        Ok((body, first_byte))
    }

    fn stream(self, first: Bytes) -> BodyStream {
        let rest = stream::unfold(Some(self), |delivery| async move {
            let mut delivery = delivery?;
            match delivery.next().await {
                Ok(bytes) => bytes.map(|bytes| (Ok(bytes), Some(delivery))),
                Err(failure) => Some((Err(Error::from(failure)), None)),
            }
        });
        stream::iter([Ok(first)]).chain(rest).boxed()
    }

    /// The next bytes of the range; `None` after its last.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.wanted.is_empty() {
            return Ok(None);
        }
        for _ in 1..TRIES_FOR_MEMORY {
            match self.go_on().await {
                Err(Failure::NoMemory) => {}
                outcome => return outcome.map(Some),
            }
        }
        self.go_on().await.map(Some)
    }

    /// Goes on with the slice at hand, or with the one of the next byte.
    async fn go_on(&mut self) -> Result<Bytes, Failure> {
        if let Some((follower, end)) = self.current.take() {
            return self.follow(follower, end).await;
        }
        let slice = self.open().await?;
        self.enter(slice).await
    }

    /// Takes the first bytes out of a slice that was just opened.
    async fn enter(&mut self, slice: Slice) -> Result<Bytes, Failure> {
        let extent = self.extent();
        let end = extent.end.min(self.wanted.end);
        match slice {
            Slice::Held(record, source) => {
                let from = index(self.wanted.start - extent.start);
                let part = record.bytes.slice(from..index(end - extent.start));
                if record.by_plan && !self.viewer.is_node() {
                    let served = &self.inner.metrics.prefilled_served_bytes;
                    served.inc_by(part.len() as u64);
                }
                Ok(self.hand_over(part, source))
            }
            Slice::Coming { follower, .. } => self.follow(follower, end).await,
        }
    }

    async fn follow(&mut self, mut follower: Follower, end: u64) -> Result<Bytes, Failure> {
        let Some(mut bytes) = follower.next().await? else {
            let detail = format!("a slice ended at byte {} of the object", self.wanted.start);
            let error = Error::new(message::Kind::HttpResponseIncomplete, detail);
            return Err(Failure::Upstream(error));
        };
        bytes.truncate(index(end - self.wanted.start).min(bytes.len()));
        let bytes = self.hand_over(bytes, Source::Upstream);
        if self.wanted.start < end {
            self.current = Some((follower, end));
        }
        Ok(bytes)
    }

    fn hand_over(&mut self, bytes: Bytes, source: Source) -> Bytes {
        self.wanted.start += bytes.len() as u64;
        self.inner.metrics.body_bytes(source, bytes.len() as u64);
        if self.wanted.is_empty() {
            self.tell();
        }
        bytes
    }

    /// Tells what was handed over: before its last byte can have arrived, so that who has seen the end finds
    /// it counted.
    fn tell(&mut self) {
        let range = self.first..self.wanted.start;
        self.first = self.wanted.start;
        let Some(audience) = self.inner.audience.get() else {
            return;
        };
        if !range.is_empty() && !self.viewer.is_node() {
            audience.served(&Served {
                object: &self.id.0,
                name: &self.head.name,
                size: self.head.geometry.total_bytes(),
                range,
                viewer: self.viewer,
                at: self.at,
            });
        }
    }

    fn slice(&self) -> u32 {
        self.head.geometry.slice_at(self.wanted.start)
    }

    fn extent(&self) -> Range<u64> {
        self.head.geometry.extent(self.slice())
    }

    /// Finds the slice that comes next, or begins its fill, and the fills of those behind it.
    async fn open(&self) -> Result<Slice, Failure> {
        let slice = self.slice();
        let key = self.head.version.slice_key(slice);
        self.inner.store.reference(&key, Some(self.viewer.number()));
        let opened = self
            .inner
            .open(&self.head, slice, self.offset_in_slice(), self.at)
            .await?;
        let covered = self.head.geometry.covering(&self.wanted);
        let ahead = slice + 1
            ..covered
                .end
                .min(slice + 1 + self.inner.config.read_ahead_slices);
        for index in ahead {
            self.inner.begin(&self.head, index, self.at);
        }
        Ok(opened)
    }

    fn offset_in_slice(&self) -> u64 {
        self.wanted.start - self.extent().start
    }
}

/// A length within one slice, which is at most 4 MiB.
fn index(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
