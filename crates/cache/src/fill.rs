//! Filling: one upstream body feeds a run of consecutive slices.
//!
//! A fill belongs to no client. It stalls, breaks and resumes on its own, from its last byte and
//! under `If-Match`, so that what follows belongs to the same version or does not come at all.

use std::{collections::VecDeque, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use http::StatusCode;
use message::{
    Body, ByteRange, Condition, Demand, Error, Fetch, Kind, Response, Timestamp, Upstream,
};
use parking_lot::Mutex;
use semantics::content_range::{self, ContentRange};
use store::{Key, Reservation};
use tokio::time::timeout;

use crate::{
    Inner,
    filling::{Failure, Filling},
    flights::Lease,
    head::Head,
    part::CONTINUED_BYTES_MIN,
    reply,
};

/// One slice of a run. Without a claim its bytes are already held, or somebody else fills them,
/// and they are passed over.
pub(crate) struct Leg {
    pub(crate) extent: Range<u64>,
    pub(crate) claim: Option<Claim>,
}

/// The right to fill a slice, and the memory for it.
pub(crate) struct Claim {
    pub(crate) lease: Lease<Key, Filling>,
    pub(crate) room: Reservation,
}

/// How a body ended that did not break.
enum Ended {
    /// Every leg is full.
    Full,
    /// There was less in it than was asked for.
    Early,
}

/// What becomes of the slices of a run.
pub(crate) enum Kept {
    /// The store has them at once: a viewer waits.
    OnDemand,
    /// They are handed to who fills by plan, and judged before the store has them.
    Apart(Arc<Mutex<Vec<Bytes>>>),
}

/// Slices that one upstream body feeds in order.
pub(crate) struct Run {
    inner: Arc<Inner>,
    source: Arc<dyn Upstream>,
    kept: Kept,
    /// Without a byte for so long the body is given up.
    stall: Duration,
    head: Arc<Head>,
    at: Timestamp,
    legs: VecDeque<Leg>,
    /// The object's byte that comes next.
    offset: u64,
}

impl Run {
    /// A run over `legs`, which are consecutive; a first leg that is entered in its middle (never
    /// the case for aligned reads) is not supported.
    pub(crate) fn new(inner: Arc<Inner>, head: Arc<Head>, at: Timestamp, legs: Vec<Leg>) -> Self {
        let offset = legs.first().map_or(0, |leg| leg.extent.start);
        Self {
            source: Arc::clone(&inner.upstream),
            kept: Kept::OnDemand,
            stall: inner.config.stall,
            inner,
            head,
            at,
            legs: legs.into(),
            offset,
        }
    }

    /// The same run from another source, at its pace, and kept otherwise.
    pub(crate) fn by_plan(
        self,
        source: Arc<dyn Upstream>,
        kept: Arc<Mutex<Vec<Bytes>>>,
        stall: Duration,
    ) -> Self {
        let kept = Kept::Apart(kept);
        Self {
            source,
            kept,
            stall,
            ..self
        }
    }

    /// Fills every leg, or fails those that are left. `body` is the upstream body when it is
    /// already open; otherwise it is asked for. `question` is let go before a leg fails: whoever
    /// learns of the failure and asks anew must not be told the same again.
    ///
    /// Not cancel safe for the followers' sake: when it is dropped, the leases fail the legs.
    pub(crate) async fn drive<Q: Send>(mut self, body: Option<Body>, question: Q) {
        if let Err(failure) = self.fill(body).await {
            drop(question);
            self.fail(&failure);
        }
    }

    /// As [`Self::drive`], and tells how it ended.
    pub(crate) async fn finish(mut self, body: Option<Body>) -> Result<(), Failure> {
        let filled = self.fill(body).await;
        if let Err(failure) = &filled {
            self.fail(failure);
        }
        filled
    }

    async fn fill(&mut self, mut body: Option<Body>) -> Result<(), Failure> {
        let mut resumes = 0;
        loop {
            let open = match body.take() {
                Some(body) => Ok(body),
                None => self.ask().await,
            };
            // What could not be opened has been tried again by the upstream room, within its
            // budget; here only a body that broke is gone on with.
            let from = self.offset;
            let error = match self.read(open?).await {
                Ok(Ended::Full) => return Ok(()),
                // RFC 9110 section 15.3.7: a part at a time, as far as each is worth a question.
                Ok(Ended::Early) if self.offset - from >= CONTINUED_BYTES_MIN => continue,
                Ok(Ended::Early) => {
                    let detail = format!("upstream ended at byte {}", self.offset);
                    Error::new(Kind::HttpResponseIncomplete, detail)
                }
                Err(error) => error,
            };
            if self.head.strong_etag().is_none() || resumes == self.inner.config.resumes_max {
                return Err(Failure::Upstream(error));
            }
            resumes += 1;
            self.inner.metrics.fill_resumes.inc();
            tracing::debug!(object = %self.head.name, at = self.offset, %error, "resuming a fill");
        }
    }

    fn end(&self) -> u64 {
        self.legs.back().map_or(self.offset, |leg| leg.extent.end)
    }

    /// Reads until every leg is full, or to the body's end.
    async fn read(&mut self, mut body: Body) -> Result<Ended, Error> {
        while !self.legs.is_empty() {
            let Ok(item) = timeout(self.stall, body.next()).await else {
                let detail = format!("upstream stalled at byte {}", self.offset);
                return Err(Error::new(Kind::ConnectionReadTimeout, detail));
            };
            let Some(bytes) = item else {
                return Ok(Ended::Early);
            };
            self.feed(bytes?);
        }
        // Reading the end lets the connection be used again; a surplus is not ours to keep.
        let _end = timeout(self.stall, body.next()).await;
        Ok(Ended::Full)
    }

    /// Asks for what is left of the run, of this version and no other.
    async fn ask(&self) -> Result<Body, Failure> {
        // Without a strong validator nothing can say that more bytes belong to the same version.
        let etag = self.head.strong_etag().ok_or(Failure::VersionChanged)?;
        let range = ByteRange {
            first: self.offset,
            last: self.end() - 1,
        };
        let fetch = Fetch {
            object: self.head.name.clone(),
            range: Some(range),
            condition: Some(Condition::IfMatch(etag.into())),
            carried: self.head.selection.carried.clone(),
            demand: Demand::Any,
            at: self.at,
        };
        self.inner.metrics.fills.inc();
        let response = self.source.fetch(fetch).await;
        let response = response.map_err(|error| self.unanswered(error))?;
        reply::same_version(&response, etag)?;
        self.right_bytes(&response, range)?;
        Ok(response.into_body())
    }

    /// An answer that does not fit the question is one of an upstream that does no ranges, or no
    /// more. The head goes, so that whoever asks next is handed the whole instead of being cut at
    /// this slice until its time is over; the slices stay, if it comes back under the same tag.
    fn unanswered(&self, error: Error) -> Failure {
        match self.kept {
            Kept::OnDemand if error.kind() == Kind::HttpProtocolError => Failure::VersionChanged,
            Kept::OnDemand | Kept::Apart(_) => Failure::Upstream(error),
        }
    }

    fn right_bytes(&self, response: &Response, asked: ByteRange) -> Result<(), Failure> {
        let total = self.head.geometry.total_bytes();
        let length = response.body().length();
        let told = content_range::parse(response.headers());
        if let Ok(Some(ContentRange::Part {
            total: Some(other), ..
        })) = told
            && other != total
        {
            // One of the two answers lied, under the tag of the other. The head goes, or every
            // reader would be cut at the same place until its time is over.
            return Err(Failure::VersionChanged);
        }
        let right = match response.status() {
            StatusCode::PARTIAL_CONTENT => match told {
                Ok(Some(ContentRange::Part {
                    first,
                    last,
                    total: Some(of),
                })) => {
                    let is_enough = last == asked.last || last - first >= CONTINUED_BYTES_MIN - 1;
                    let is_asked = first == asked.first && last <= asked.last && of == total;
                    let carried = last + 1 - first;
                    is_asked && is_enough && length.is_none_or(|length| length == carried)
                }
                Ok(Some(ContentRange::Part { .. } | ContentRange::Unsatisfied { .. }) | None)
                | Err(_) => false,
            },
            // The whole object is as good as the range, where the range is the whole object.
            StatusCode::OK => asked.length() == total && length == Some(total),
            _ => false,
        };
        if right {
            return Ok(());
        }
        let detail = format!("asked for {}-{}, got other bytes", asked.first, asked.last);
        let error = Error::new(Kind::HttpProtocolError, detail);
        Err(self.unanswered(error))
    }

    /// Hands bytes to the legs that they belong to, and completes each leg that is full.
    fn feed(&mut self, mut bytes: Bytes) {
        self.inner.metrics.fill_bytes.inc_by(bytes.len() as u64);
        while let (Some(leg), false) = (self.legs.front(), bytes.is_empty()) {
            let room = usize::try_from(leg.extent.end - self.offset).unwrap_or(usize::MAX);
            let part = bytes.split_to(room.min(bytes.len()));
            self.offset += part.len() as u64;
            let is_last = self.offset == leg.extent.end;
            if !is_last {
                if let Some(claim) = &leg.claim {
                    claim.lease.flight().append(part);
                }
            } else if let Some(claim) = self.legs.pop_front().and_then(|leg| leg.claim) {
                self.complete(claim, &part);
            }
        }
    }

    /// The slice goes to the store before its readers see its last part and before its key is
    /// free: whoever comes next finds it in one place or the other, and whoever has read it to its
    /// end finds it in the store.
    fn complete(&self, claim: Claim, last: &Bytes) {
        let Claim { lease, room } = claim;
        let filling = lease.flight();
        let bytes = filling.joined_with(last);
        if bytes.len() as u64 != filling.expected_bytes() {
            let detail = format!(
                "a slice of {} bytes has {}",
                filling.expected_bytes(),
                bytes.len()
            );
            return filling.end(Err(upstream(Kind::ProxyInternalError, detail)));
        }
        let bytes = room.hold(bytes);
        match &self.kept {
            Kept::OnDemand => self
                .inner
                .keep_slice(&self.head, lease.key(), bytes.clone()),
            Kept::Apart(landed) => landed.lock().push(bytes.clone()),
        }
        filling.complete(bytes);
    }

    fn fail(&mut self, failure: &Failure) {
        if matches!(failure, Failure::VersionChanged) {
            self.inner.forget(&self.head);
        }
        self.inner.metrics.fill_failures.inc();
        tracing::debug!(object = %self.head.name, ?failure, "a fill failed");
        for leg in self.legs.drain(..) {
            if let Some(claim) = leg.claim {
                claim.lease.flight().end(Err(failure.clone()));
            }
        }
    }
}

fn upstream(kind: Kind, detail: String) -> Failure {
    Failure::Upstream(Error::new(kind, detail))
}
