//! Asking upstream what an object is, and keeping what it says.
//!
//! The question already carries the first slice's range, so that a cold object costs one read. Its
//! slices are in flight before its head is published, so that nobody who sees the head asks again.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode, header, response::Parts};
use message::{Body, ByteRange, Demand, Error, Fetch, Kind, Response};
use store::{Epoch, Reservation};
use tokio::time::timeout;

use crate::{
    Inner,
    confirm::Prior,
    fill::{Claim, Leg, Run},
    filling::{Failure, Filling},
    flights::Joined,
    geometry::{Geometry, SLICE_BYTES, WHOLE_BYTES_MAX, first_question},
    head::{Checked, Entry, Head, Told, version_of},
    id::Identity,
    live::Growth,
    question::{Lesson, Own, Question},
    reply::{self, Reply},
    terms::{Terms, own_fields},
};

/// What each of the slices of a first answer takes besides its bytes, and rounding: see
/// [`store::Budget`].
const FIRST_OVERHEAD_BYTES: u64 = 512 * WHOLE_BYTES_MAX.div_ceil(SLICE_BYTES);

/// What came of a question.
pub(crate) struct Answered {
    pub(crate) lesson: Lesson,
    /// What the answer's body is to fill.
    pub(crate) fill: Option<Feed>,
    /// What of it is for who asked alone.
    pub(crate) own: Option<Own>,
}

/// What an upstream body goes into.
pub(crate) enum Feed {
    /// Slices of known length.
    Slices(Run, Body),
    /// An object whose end nobody knows yet.
    Growth(Growth),
}

impl From<Lesson> for Answered {
    fn from(lesson: Lesson) -> Self {
        Self {
            lesson,
            fill: None,
            own: None,
        }
    }
}

impl Inner {
    /// Asks. An error leaves all that is held as it is.
    pub(crate) async fn ask(self: &Arc<Self>, question: &Question) -> Result<Answered, Error> {
        let stamp = self.store.epoch();
        if question.alone {
            let answered = self.attempt(question, None, stamp).await?;
            return answered.ok_or_else(unsatisfied);
        }
        // A question beyond the end, or in the middle of what upstream can only send whole, is
        // asked again from the start; and an empty object's without a range, because no range of
        // it can be satisfied.
        let middle = first_question(question.offset);
        let middle = (middle.first > 0).then_some(Some(middle));
        let attempts = middle.into_iter().chain([Some(first_question(0)), None]);
        for asked in attempts {
            match self.attempt(question, asked, stamp).await {
                Ok(Some(answered)) => return Ok(answered),
                Ok(None) => {}
                Err(error) if is_odd(&error) && asked.is_some_and(|range| range.first > 0) => {}
                Err(error) => return Err(error),
            }
        }
        Err(unsatisfied())
    }

    /// Asks for one range; `None` when the object has no such bytes.
    async fn attempt(
        self: &Arc<Self>,
        question: &Question,
        asked: Option<ByteRange>,
        stamp: Epoch,
    ) -> Result<Option<Answered>, Error> {
        let response = self.fetch_unheld(question, asked).await?;
        let reply = reply::read(&response, asked)?;
        let (parts, body) = response.into_parts();
        let answered = match reply {
            Reply::PastEnd => return Ok(None),
            Reply::Unchanged => self.confirm(question, &parts.headers, stamp)?.into(),
            Reply::Absent(_) | Reply::Other(_) => {
                self.answer(question, (parts, body), None, stamp).await?
            }
            Reply::Part(part) => self.less(question, (parts, body), part, stamp).await?,
            Reply::Unsized if question.rules.streams(&question.name.path) => {
                match self.head(question, &parts.headers, 0, &(0..0), stamp) {
                    Some(head) => {
                        let received = (parts.status, parts.headers);
                        self.grow(question, head, received, body, stamp)
                    }
                    None => self.hand_over(question, parts, body, stamp),
                }
            }
            Reply::Unsized => self.unsized_object(question, parts, body, stamp).await?,
            Reply::Object {
                total_bytes,
                carried,
            } => match self.head(question, &parts.headers, total_bytes, &carried, stamp) {
                Some(head) => {
                    let room = self.room_for(&head, carried.start).await?;
                    self.publish(question, head, &parts, carried.start, (body, room))
                }
                None if carried == (0..total_bytes) => {
                    self.hand_over(question, whole(parts), body, stamp)
                }
                None => self.pass_for_now(question, parts.status, stamp).into(),
            },
        };
        Ok(Some(answered))
    }

    async fn fetch_unheld(
        &self,
        question: &Question,
        range: Option<ByteRange>,
    ) -> Result<Response, Error> {
        let condition = question.prior.as_ref().and_then(Prior::condition);
        self.metrics.fills.inc();
        let fetch = Fetch {
            object: question.name.clone(),
            range,
            condition,
            carried: question.carried.clone(),
            demand: if question.end_to_end {
                Demand::EndToEnd
            } else {
                Demand::Any
            },
            at: question.at,
        };
        let (id, rules) = (question.id.object, &question.rules);
        let ask = async |fetch| {
            self.fetch_after_purges(&*self.upstream, fetch, id, rules)
                .await
        };
        match ask(fetch.clone()).await {
            // RFC 9111 section 4.3.4: a 304 about another version updates nothing. It is asked
            // again as if nothing were held.
            Err(error) if is_odd(&error) && fetch.condition.is_some() => {
                let condition = None;
                ask(Fetch { condition, ..fetch }).await
            }
            response => response,
        }
    }

    /// A body of unknown length (a chunked playlist, mostly) is read to its end before anybody
    /// sees it: only then is it known to be complete, and how long it is. What may not be stored,
    /// or is too long to be held, goes on as it comes.
    async fn unsized_object(
        self: &Arc<Self>,
        question: &Question,
        parts: Parts,
        body: Body,
        stamp: Epoch,
    ) -> Result<Answered, Error> {
        if self.terms(question, parts.status, &parts.headers).is_none() {
            return Ok(self.hand_over(question, parts, body, stamp));
        }
        // Twice, for what grows is copied. What turns out not to be needed is given back soon.
        let room = 2 * WHOLE_BYTES_MAX + FIRST_OVERHEAD_BYTES;
        let room = self.room(room).await?;
        let bytes = match self.gather(body, WHOLE_BYTES_MAX).await? {
            Gathered::Whole(bytes) => bytes,
            Gathered::Part(body) => return Ok(self.hand_over(question, parts, body, stamp)),
        };
        let total = bytes.len() as u64;
        let head = self.head(question, &parts.headers, total, &(0..total), stamp);
        let whole = Body::from(bytes);
        Ok(match head {
            Some(head) => self.publish(question, head, &parts, 0, (whole, room)),
            None => self.hand_over(question, parts, whole, stamp),
        })
    }

    pub(crate) async fn gather(&self, mut body: Body, most: u64) -> Result<Gathered, Error> {
        let mut whole = BytesMut::new();
        loop {
            let Ok(item) = timeout(self.config.stall, body.next()).await else {
                let detail = format!("upstream stalled at byte {}", whole.len());
                return Err(Error::new(Kind::ConnectionReadTimeout, detail));
            };
            let Some(bytes) = item else {
                return Ok(Gathered::Whole(whole.freeze()));
            };
            whole.extend_from_slice(&bytes?);
            if whole.len() as u64 > most {
                return Ok(Gathered::Part(continued(whole.freeze(), body)));
            }
        }
    }

    /// The version that an answer describes, if it can be kept.
    pub(crate) fn head(
        &self,
        question: &Question,
        headers: &HeaderMap,
        total_bytes: u64,
        carried: &Range<u64>,
        stamp: Epoch,
    ) -> Option<Arc<Head>> {
        let Terms {
            freshness,
            fields,
            selection,
            tags,
        } = self.terms(question, StatusCode::OK, headers)?;
        let geometry = Geometry::of(total_bytes);
        let id = Identity {
            key: selection.key(),
            ..question.id
        };
        // A purge since the fill began makes this head dead on arrival; its slices must not be
        // taken for those of the fill that follows.
        let purged = self.purged(id.object, &question.name, &tags);
        let generation = purged.forgotten.min(stamp);
        let version = version_of(id.key, &fields, geometry, generation, &self.unique);
        let head = Head {
            name: question.name.clone(),
            id,
            selection,
            version,
            geometry,
            fields,
            freshness,
            received: question.at.wall,
            stamp,
            confirmed: stamp,
            tags,
            failed_at: None,
            checked: Checked::default(),
            told: Told::default(),
        };
        // Slices of one version are put together under a strong validator only, and an origin
        // that sends a large object whole does not do ranges: both are passed through.
        let whole = carried.start == 0 && carried.end == total_bytes;
        let sliceable = total_bytes <= WHOLE_BYTES_MAX || (head.strong_etag().is_some() && !whole);
        sliceable.then(|| Arc::new(head))
    }

    pub(crate) fn publish(
        self: &Arc<Self>,
        question: &Question,
        head: Arc<Head>,
        parts: &Parts,
        start: u64,
        (body, room): (Body, Reservation),
    ) -> Answered {
        let legs = self.legs(&head, start, room);
        self.keep(&head);
        let own = own_fields(question, &parts.headers, &head.fields);
        let fill = legs.iter().any(|leg| leg.claim.is_some()).then(|| {
            let run = Run::new(Arc::clone(self), Arc::clone(&head), question.at, legs);
            Feed::Slices(run, body)
        });
        Answered {
            lesson: Lesson::Learned(Entry::Object(head), parts.status),
            fill,
            own,
        }
    }

    /// The memory for the slices that the first answer carries.
    pub(crate) async fn room_for(&self, head: &Head, start: u64) -> Result<Reservation, Failure> {
        let carried = carried(head, start);
        let bytes = carried.end.saturating_sub(carried.start);
        self.room(bytes + FIRST_OVERHEAD_BYTES).await
    }

    /// The slices that the first answer carries. Room that they do not need is free again.
    fn legs(&self, head: &Arc<Head>, start: u64, mut room: Reservation) -> Vec<Leg> {
        let covered = head.geometry.covering(&carried(head, start));
        covered
            .map(|index| {
                let extent = head.geometry.extent(index);
                let key = head.version.slice_key(index);
                let filling = || Filling::of(extent.end - extent.start);
                let held = || self.holds(head, index);
                let lease = match self.slices.join_unless(key, held, filling) {
                    Some(Joined::Leader(lease)) => Some(lease),
                    Some(Joined::Follower(_)) | None => None,
                };
                let bytes = extent.end - extent.start;
                let claim = lease.and_then(|lease| {
                    let room = room.split(bytes)?;
                    Some(Claim { lease, room })
                });
                Leg { extent, claim }
            })
            .collect()
    }
}

/// What the first answer carries: from `start` to the question's end.
fn carried(head: &Head, start: u64) -> Range<u64> {
    start..(first_question(start).last + 1).min(head.geometry.total_bytes())
}

/// How much of a body came within a bound.
pub(crate) enum Gathered {
    Whole(Bytes),
    /// The bound, and what comes after it.
    Part(Body),
}

/// What was read of a body, and the rest as it comes.
fn continued(read: Bytes, rest: Body) -> Body {
    let length = rest.length().map(|rest| rest + read.len() as u64);
    let stream = stream::iter([Ok(read)]).chain(rest).boxed();
    match length {
        Some(length) => Body::sized(stream, length),
        None => Body::of_unknown_length(stream),
    }
}

/// RFC 9110 section 15.3.7: a part that is everything is the whole.
fn whole(mut parts: Parts) -> Parts {
    parts.status = StatusCode::OK;
    parts.headers.remove(header::CONTENT_RANGE);
    parts
}

fn unsatisfied() -> Error {
    let detail = "upstream answered 416 to a plain request";
    Error::new(Kind::HttpProtocolError, detail)
}

/// Whether upstream made no sense of the question, or we none of its answer.
fn is_odd(error: &Error) -> bool {
    error.kind() == Kind::HttpProtocolError
}
