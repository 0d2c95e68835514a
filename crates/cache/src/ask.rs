//! Asking upstream what an object is, and keeping what it says.
//!
//! The question already carries the first slice's range, so that a cold object costs one read. Its
//! slices are in flight before its head is published, so that nobody who sees the head asks again.

use std::{ops::Range, sync::Arc};

use bytes::BytesMut;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, header};
use message::{Body, ByteRange, Condition, Error, Fetch, Kind, Response};
use semantics::{cache_status, fields, freshness, media};
use store::{Epoch, Reservation};
use tokio::time::timeout;

use crate::{
    Inner,
    fill::{Claim, Leg, Run},
    filling::{Failure, Filling},
    flights::Joined,
    geometry::{Geometry, SLICE_BYTES, WHOLE_BYTES_MAX, first_question},
    head::{Checked, Entry, Head, version_of},
    learn::{Lesson, Question},
    live::Growth,
    reply::{self, Reply},
    tags::Tags,
};

/// What each of the slices of a first answer takes besides its bytes, and rounding: see
/// [`store::Budget`].
const FIRST_OVERHEAD_BYTES: u64 = 512 * WHOLE_BYTES_MAX.div_ceil(SLICE_BYTES);

/// What came of a question.
pub(crate) struct Answered {
    pub(crate) lesson: Lesson,
    /// What the answer's body is to fill.
    pub(crate) fill: Option<Feed>,
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
        Self { lesson, fill: None }
    }
}

impl Inner {
    /// Asks. An error leaves all that is held as it is.
    pub(crate) async fn ask(self: &Arc<Self>, question: &Question) -> Result<Answered, Error> {
        let stamp = self.store.epoch();
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
        let detail = "upstream answered 416 to a plain request";
        Err(Error::new(Kind::HttpProtocolError, detail))
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
            Reply::Absent(status) => self.absent(question, status, &parts.headers, stamp).into(),
            Reply::Unsized if question.rules.streams(&question.name.path) => {
                match self.head(question, &parts.headers, 0, &(0..0), stamp) {
                    Some(head) => {
                        let received = (parts.status, parts.headers);
                        self.grow(question, head, received, body, stamp)
                    }
                    None => self.pass_for_now(question, parts.status, stamp).into(),
                }
            }
            Reply::Unsized => match self.gather(body).await? {
                Some((whole, room)) => {
                    let carried = 0..whole.length().unwrap_or(0);
                    match self.head(question, &parts.headers, carried.end, &carried, stamp) {
                        Some(head) => self.publish(question, head, parts.status, 0, (whole, room)),
                        None => self.pass_for_now(question, parts.status, stamp).into(),
                    }
                }
                None => self.pass_for_now(question, parts.status, stamp).into(),
            },
            Reply::Object {
                total_bytes,
                carried,
            } => match self.head(question, &parts.headers, total_bytes, &carried, stamp) {
                Some(head) => {
                    let room = self.room_for(&head, carried.start).await?;
                    self.publish(question, head, parts.status, carried.start, (body, room))
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
        let condition = question.prior.as_ref().and_then(|prior| {
            let etag = prior.etag().map(|etag| Condition::IfNoneMatch(etag.into()));
            etag.or_else(|| {
                prior
                    .last_modified()
                    .map(|at| Condition::IfModifiedSince(at.into()))
            })
        });
        self.metrics.fills.inc();
        let object = question.name.clone();
        self.upstream
            .fetch(Fetch {
                object,
                range,
                condition,
                at: question.at,
            })
            .await
    }

    fn confirm(
        &self,
        question: &Question,
        update: &HeaderMap,
        stamp: Epoch,
    ) -> Result<Lesson, Error> {
        let unasked = || Error::new(Kind::HttpProtocolError, "a 304 to a plain request");
        let prior = question.prior.as_ref().ok_or_else(unasked)?;
        let head = Arc::new(prior.confirmed(update, &question.rules, &question.at, stamp));
        self.keep(question.id, &head);
        Ok(Lesson::Confirmed(head))
    }

    fn absent(
        &self,
        question: &Question,
        status: StatusCode,
        headers: &HeaderMap,
        stamp: Epoch,
    ) -> Lesson {
        let (at, rules) = (&question.at, &question.rules.ttl);
        let allowed = freshness::assess(status, headers, at.wall, rules);
        // A tier behind this one that has believed it for a while leaves less to this one.
        let until = at.mono + allowed.lifetime.saturating_sub(allowed.initial_age);
        let entry = Entry::Absent {
            status,
            until,
            stamp,
        };
        self.keep_none(question.id, &question.name, entry.clone());
        Lesson::Learned(entry, status)
    }

    /// A body of unknown length (a chunked playlist, mostly) is read to its end before anybody
    /// sees it: only then is it known to be complete, and how long it is. `None` if it is too long
    /// to be held.
    async fn gather(&self, mut body: Body) -> Result<Option<(Body, Reservation)>, Error> {
        // Twice, for what grows is copied. What turns out not to be needed is given back soon.
        let room = self
            .room(2 * WHOLE_BYTES_MAX + FIRST_OVERHEAD_BYTES)
            .await?;
        let mut whole = BytesMut::new();
        loop {
            let Ok(item) = timeout(self.config.stall, body.next()).await else {
                let detail = format!("upstream stalled at byte {}", whole.len());
                return Err(Error::new(Kind::ConnectionReadTimeout, detail));
            };
            let Some(bytes) = item else {
                return Ok(Some((Body::from(whole.freeze()), room)));
            };
            whole.extend_from_slice(&bytes?);
            if whole.len() as u64 > WHOLE_BYTES_MAX {
                return Ok(None);
            }
        }
    }

    pub(crate) fn pass_for_now(
        &self,
        question: &Question,
        status: StatusCode,
        stamp: Epoch,
    ) -> Lesson {
        let until = question.at.mono + self.config.pass_ttl;
        let entry = Entry::Pass { until, stamp };
        self.keep_none(question.id, &question.name, entry.clone());
        Lesson::Learned(entry, status)
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
        let mut fields = fields::stored(headers);
        cache_status::settle(&mut fields);
        fields.remove(header::CONTENT_RANGE);
        fields.remove(header::CONTENT_LENGTH);
        media::correct(&mut fields, &question.name.path);
        let tags = Tags::take(&question.name.site, &question.rules.tags, &mut fields);
        let tags = tags.unwrap_or_default();
        // Counted from when it was asked for, so that the response's delay counts as age.
        let received = question.at.wall;
        // All fields as they came: the age that the next hop tells is no stored field, and counts.
        let freshness = freshness::assess(StatusCode::OK, headers, received, &question.rules.ttl);
        let geometry = Geometry::of(total_bytes);
        // A purge since the fill began makes this head dead on arrival; its slices must not be
        // taken for those of the fill that follows.
        let purged = self.purged(question.id, &question.name, &tags);
        let generation = purged.forgotten.min(stamp);
        let version = version_of(question.id, &fields, geometry, generation, &self.unique);
        let head = Head {
            name: question.name.clone(),
            version,
            geometry,
            fields,
            freshness,
            received,
            stamp,
            confirmed: stamp,
            tags,
            failed_at: None,
            checked: Checked::default(),
        };
        // Slices of one version are put together under a strong validator only, and an origin
        // that sends a large object whole does not do ranges: both are passed through.
        let whole = carried.start == 0 && carried.end == total_bytes;
        let sliceable = total_bytes <= WHOLE_BYTES_MAX || (head.strong_etag().is_some() && !whole);
        (freshness.storable && sliceable).then(|| Arc::new(head))
    }

    fn publish(
        self: &Arc<Self>,
        question: &Question,
        head: Arc<Head>,
        status: StatusCode,
        start: u64,
        (body, room): (Body, Reservation),
    ) -> Answered {
        let legs = self.legs(&head, start, room);
        self.keep(question.id, &head);
        let fill = legs.iter().any(|leg| leg.claim.is_some()).then(|| {
            let run = Run::new(Arc::clone(self), Arc::clone(&head), question.at, legs);
            Feed::Slices(run, body)
        });
        Answered {
            lesson: Lesson::Learned(Entry::Object(head), status),
            fill,
        }
    }

    /// The memory for the slices that the first answer carries.
    async fn room_for(&self, head: &Head, start: u64) -> Result<Reservation, Failure> {
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

/// Whether upstream made no sense of the question, or we none of its answer.
fn is_odd(error: &Error) -> bool {
    error.kind() == Kind::HttpProtocolError
}
