//! Presenting an object that is still growing.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use message::{Body, BodyStream, Error, Response, Timestamp, Trail};
use semantics::{
    conditional::Verdict,
    content_range::{self, ContentRange},
    range::{self, Resolved, Wanted},
};

use super::growing::{GROWING_BYTES_MAX, Growing};
use crate::{
    Inner, Viewer,
    answer::Visit,
    audience::Served,
    filling::{Failure, Follower},
    geometry::WHOLE_BYTES_MAX,
    id::ObjectId,
    metrics::Source,
    told::{Told, Way},
};

/// What of it is sent.
enum Part {
    /// All of it, as it comes.
    Whole,
    /// These bytes, which are there.
    Bytes {
        range: Range<u64>,
        /// Of how many, once that is known.
        total: Option<u64>,
    },
    /// What comes from a byte on, until it ends; asked for up to another that is far beyond.
    Tail { first: u64, last: u64 },
    /// There are no such bytes among so many.
    Unsatisfiable(u64),
}

impl Visit<'_> {
    pub(crate) async fn present_growing(
        &self,
        growing: Arc<Growing>,
        way: Way,
    ) -> Result<Response, Failure> {
        match self.preconditions(&growing.head) {
            Verdict::Proceed => {}
            Verdict::NotModified => return Ok(self.unchanged(&growing.head, None, way)),
            Verdict::Failed => {
                return Ok(self.refused(StatusCode::PRECONDITION_FAILED, &growing.head, way));
            }
        }
        let part = self.part_of(&growing).await?;
        let mut fields = self.fields(&growing.head, None, way);
        // Its ranges are answered while it grows, but for what they are of nobody knows.
        fields.remove(header::CONTENT_LENGTH);
        let (status, body) = match part {
            Part::Whole => (StatusCode::OK, self.follow(&growing, 0, None).await?),
            Part::Tail { first, last } => {
                let total = None;
                let told = content_range::format(ContentRange::Part { first, last, total });
                fields.insert(header::CONTENT_RANGE, told);
                let body = self.follow(&growing, first, None).await?;
                (StatusCode::PARTIAL_CONTENT, body)
            }
            Part::Bytes { range, total } => {
                let (first, last) = (range.start, range.end - 1);
                let told = content_range::format(ContentRange::Part { first, last, total });
                fields.insert(header::CONTENT_RANGE, told);
                fields.insert(
                    header::CONTENT_LENGTH,
                    HeaderValue::from(range.end - range.start),
                );
                let body = self.follow(&growing, first, Some(range.end)).await?;
                (StatusCode::PARTIAL_CONTENT, body)
            }
            Part::Unsatisfiable(total) => {
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                let mut response = self.refused(status, &growing.head, way);
                let unsatisfied = content_range::format(ContentRange::Unsatisfied { total });
                let fields = response.headers_mut();
                fields.insert(header::CONTENT_RANGE, unsatisfied);
                return Ok(response);
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        let mut response = self.sign_off(response, Told::of_answer(way, None));
        if let Some(trail) = response.extensions_mut().get_mut::<Trail>() {
            trail.source = Some(Source::Upstream.name());
        }
        Ok(response)
    }

    /// Which part is sent, once that can be told.
    ///
    /// RFC 9110 section 14.2: a server may ignore a range. The one that begins at 0 and is as long
    /// as our own first question is ignored, because it is one: the tier that asks is to hand on
    /// what comes. The bytes of any other closed range (a part of low-latency HLS) are waited for.
    /// A range without an end would need one to be answered, so the end is waited for; an unknown
    /// end is told to nobody. RFC 8673 section 2.2: one whose end is beyond anything that can come
    /// is how to ask for it as it comes, and is answered with that end and no length.
    async fn part_of(&self, growing: &Growing) -> Result<Part, Failure> {
        let wanted = self.wanted_of(&growing.head);
        let total = match wanted {
            Wanted::Whole | Wanted::From { first: 0 } => return Ok(Part::Whole),
            Wanted::FromTo { first: 0, last } if last >= WHOLE_BYTES_MAX - 1 => {
                return Ok(Part::Whole);
            }
            Wanted::FromTo { first, last } if last >= GROWING_BYTES_MAX - 1 => {
                match growing.beyond(first).await? {
                    None => return Ok(Part::Tail { first, last }),
                    Some(total) => total,
                }
            }
            Wanted::FromTo { first, last } => match growing.beyond(last).await? {
                None => {
                    let range = first..last + 1;
                    return Ok(Part::Bytes { range, total: None });
                }
                Some(total) => total,
            },
            Wanted::From { .. } | Wanted::Suffix { .. } | Wanted::Empty => growing.whole().await?,
        };
        Ok(match range::resolve(wanted, total) {
            Resolved::Whole => Part::Whole,
            Resolved::Unsatisfiable => Part::Unsatisfiable(total),
            Resolved::Partial { first, last } => Part::Bytes {
                range: first..last + 1,
                total: Some(total),
            },
        })
    }

    /// What comes from `first` on, to `end` or to the object's. Waits for its first bytes: what
    /// fails before them can still become an honest status.
    async fn follow(
        &self,
        growing: &Growing,
        first: u64,
        end: Option<u64>,
    ) -> Result<Body, Failure> {
        if self.is_head() {
            // No bytes, and no length of none: the answer to HEAD says nothing of the body's length.
            return Ok(end.map_or_else(
                || Body::of_unknown_length(stream::empty().boxed()),
                |_end| Body::empty(),
            ));
        }
        let mut reading = Reading {
            inner: Arc::clone(self.inner),
            viewer: self.viewer,
            id: self.id,
            growing: growing.head.name.clone(),
            at: self.request.at,
            follower: growing.follow(first),
            handed_over: first..first,
            end,
        };
        let Some(begin) = reading.next().await? else {
            return Ok(Body::empty());
        };
        let stream = reading.stream(begin);
        Ok(match end {
            Some(end) => Body::sized(stream, end - first),
            None => Body::of_unknown_length(stream),
        })
    }
}

/// A reader's way through it.
struct Reading {
    inner: Arc<Inner>,
    viewer: Viewer,
    id: ObjectId,
    growing: message::ObjectName,
    at: Timestamp,
    follower: Follower,
    handed_over: Range<u64>,
    end: Option<u64>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let left = self.end.map(|end| end - self.handed_over.end);
        if left == Some(0) {
            return Ok(None);
        }
        let Some(mut bytes) = self.follower.next().await? else {
            return Ok(None);
        };
        let most = left.and_then(|left| usize::try_from(left).ok());
        bytes.truncate(most.unwrap_or(usize::MAX).min(bytes.len()));
        let count = bytes.len() as u64;
        self.handed_over.end += count;
        self.inner.metrics.body_bytes(Source::Upstream, count);
        Ok(Some(bytes))
    }

    fn stream(self, first: Bytes) -> BodyStream {
        let rest = stream::unfold(Some(self), |reading| async move {
            let mut reading = reading?;
            match reading.next().await {
                Ok(bytes) => bytes.map(|bytes| (Ok(bytes), Some(reading))),
                Err(failure) => Some((Err(Error::from(failure)), None)),
            }
        });
        stream::iter([Ok(first)]).chain(rest).boxed()
    }
}

impl Drop for Reading {
    /// Tells what was handed over. Its size is what there was of it then.
    fn drop(&mut self) {
        let Some(audience) = self.inner.audience.get() else {
            return;
        };
        if !self.handed_over.is_empty() && !self.viewer.is_node() {
            audience.served(&Served {
                object: &self.id.0,
                name: &self.growing,
                size: self.handed_over.end,
                range: self.handed_over.clone(),
                viewer: self.viewer,
                at: self.at,
            });
        }
    }
}
