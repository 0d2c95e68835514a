//! Learning what an object is: one question upstream per object, whoever asks.
//!
//! The question already carries the first slice's range, so that a cold object costs one read. Its
//! slices are in flight before its head is published, so that nobody who sees the head asks again.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, header};
use message::{Body, ByteRange, Condition, Error, Fetch, Kind, ObjectName, Response, Timestamp};
use semantics::{fields, freshness, media};
use store::Epoch;
use tokio::sync::watch;

use crate::{
    Inner, SiteRules,
    fill::{Leg, Run},
    filling::Filling,
    flights::{Flight, Joined, Lease},
    geometry::{Geometry, WHOLE_BYTES_MAX, first_question},
    head::{Entry, Head, version_of},
    id::ObjectId,
    reply::{self, Reply},
};

/// What a question to upstream taught.
#[derive(Debug, Clone)]
pub(crate) enum Lesson {
    /// A version that was not held before, or is held anew; the status that upstream answered.
    Learned(Entry, StatusCode),
    /// The version that was held is confirmed.
    Confirmed(Arc<Head>),
    /// Upstream failed, and the stale version may stand in for it.
    Stale(Arc<Head>),
    /// Upstream failed.
    Failed(Error),
}

/// A question in flight.
pub(crate) struct Learning {
    lesson: watch::Sender<Option<Lesson>>,
}

impl Learning {
    fn new() -> Self {
        Self {
            lesson: watch::Sender::new(None),
        }
    }

    fn teach(&self, lesson: Lesson) {
        self.lesson.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(lesson);
            }
            first
        });
    }

    async fn lesson(&self) -> Lesson {
        let mut receiver = self.lesson.subscribe();
        let lesson = receiver
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|slot| slot.clone());
        lesson.unwrap_or_else(|| Lesson::Failed(abandoned()))
    }
}

impl Flight for Learning {
    fn abandon(&self) {
        self.teach(Lesson::Failed(abandoned()));
    }
}

/// What to learn, and for whom.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) name: ObjectName,
    pub(crate) id: ObjectId,
    pub(crate) rules: Arc<SiteRules>,
    /// The stale version that is held, to be confirmed.
    pub(crate) prior: Option<Arc<Head>>,
    /// The byte that the first viewer wants first.
    pub(crate) offset: u64,
    pub(crate) at: Timestamp,
}

impl Inner {
    /// Learns about an object; whether this caller led the question comes beside the lesson.
    ///
    /// Cancel safe: the question goes on in a task of its own.
    pub(crate) async fn learn(self: &Arc<Self>, question: Question) -> (Lesson, bool) {
        match self.learning.join(question.id, Learning::new) {
            Joined::Follower(learning) => {
                self.metrics.collapsed.inc();
                (learning.lesson().await, false)
            }
            Joined::Leader(lease) => {
                let learning = Arc::clone(lease.flight());
                let inner = Arc::clone(self);
                self.tasks
                    .spawn(async move { inner.lead(question, &lease).await });
                (learning.lesson().await, true)
            }
        }
    }

    /// Refreshes a stale head behind the viewer's back, unless somebody does already.
    pub(crate) fn refresh(self: &Arc<Self>, question: Question) {
        if let Joined::Leader(lease) = self.learning.join(question.id, Learning::new) {
            let inner = Arc::clone(self);
            self.tasks
                .spawn(async move { inner.lead(question, &lease).await });
        }
    }

    async fn lead(self: Arc<Self>, question: Question, lease: &Lease<ObjectId, Learning>) {
        // Between a viewer's lookup and its lead, another leader may have come and gone.
        if let Some(lesson) = self.learned_meanwhile(&question) {
            return lease.flight().teach(lesson);
        }
        let _place = match self.place().await {
            Ok(place) => place,
            Err(error) => return lease.flight().teach(in_spite_of(error, &question)),
        };
        match self.ask(&question).await {
            Ok((lesson, None)) => lease.flight().teach(lesson),
            Ok((lesson, Some((run, body)))) => {
                lease.flight().teach(lesson);
                run.drive(Some(body)).await;
            }
            Err(error) => lease.flight().teach(in_spite_of(error, &question)),
        }
    }

    fn learned_meanwhile(&self, question: &Question) -> Option<Lesson> {
        let entry = self.remembered(question.id, &question.name)?;
        match (&entry, &question.prior) {
            (Entry::Object(head), Some(prior)) if Arc::ptr_eq(head, prior) => None,
            (Entry::Object(head), Some(prior)) if head.version == prior.version => {
                Some(Lesson::Confirmed(Arc::clone(head)))
            }
            (Entry::Absent { until, .. } | Entry::Pass { until, .. }, _)
                if *until <= question.at.mono =>
            {
                None
            }
            _ => Some(Lesson::Learned(entry, StatusCode::OK)),
        }
    }

    async fn ask(
        self: &Arc<Self>,
        question: &Question,
    ) -> Result<(Lesson, Option<(Run, Body)>), Error> {
        let stamp = self.store.epoch();
        // A question beyond the end is asked again from the start, and an empty object's without
        // a range: no range of it can be satisfied.
        let attempts = [
            Some(first_question(question.offset)),
            Some(first_question(0)),
            None::<ByteRange>,
        ];
        let first = usize::from(question.offset < WHOLE_BYTES_MAX);
        for asked in &attempts[first..] {
            let response = self.fetch_unheld(question, *asked).await?;
            match reply::read(&response, *asked)? {
                Reply::PastEnd => {}
                Reply::Unchanged => return self.confirm(question, response.headers(), stamp),
                Reply::Absent(status) => return Ok((self.absent(question, status, stamp), None)),
                Reply::Unsized => return self.gather(question, response, stamp).await,
                Reply::Object {
                    total_bytes,
                    carried,
                } => {
                    let (head, body) = response.into_parts();
                    let entry = self.entry(question, &head.headers, total_bytes, &carried, stamp);
                    return Ok(self.publish(question, entry, head.status, carried.start, body));
                }
            }
        }
        Err(Error::new(
            Kind::HttpProtocolError,
            "upstream answered 416 to a plain request",
        ))
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
    ) -> Result<(Lesson, Option<(Run, Body)>), Error> {
        let unasked = || Error::new(Kind::HttpProtocolError, "a 304 to a plain request");
        let prior = question.prior.as_ref().ok_or_else(unasked)?;
        // The slices were filled under the older stamp: a purge since then still counts.
        let stamp = stamp.min(prior.stamp);
        let head = Arc::new(prior.confirmed(update, &question.rules.ttl, &question.at, stamp));
        self.keep(question.id, &head);
        Ok((Lesson::Confirmed(head), None))
    }

    fn absent(&self, question: &Question, status: StatusCode, stamp: Epoch) -> Lesson {
        let until = question.at.mono + question.rules.ttl.negative;
        let entry = Entry::Absent {
            status,
            until,
            stamp,
        };
        self.heads.insert(question.id, entry.clone());
        Lesson::Learned(entry, status)
    }

    /// A body of unknown length (a chunked playlist, mostly) is read to its end before anybody
    /// sees it: only then is it known to be complete, and how long it is.
    async fn gather(
        self: &Arc<Self>,
        question: &Question,
        response: Response,
        stamp: Epoch,
    ) -> Result<(Lesson, Option<(Run, Body)>), Error> {
        let (head, mut body) = response.into_parts();
        let mut whole = BytesMut::new();
        while let Some(bytes) = body.next().await {
            whole.extend_from_slice(&bytes?);
            if whole.len() as u64 > WHOLE_BYTES_MAX {
                return Ok((self.pass(question, stamp), None));
            }
        }
        let total_bytes = whole.len() as u64;
        let entry = self.entry(
            question,
            &head.headers,
            total_bytes,
            &(0..total_bytes),
            stamp,
        );
        Ok(self.publish(question, entry, head.status, 0, Body::from(whole.freeze())))
    }

    fn pass(&self, question: &Question, stamp: Epoch) -> Lesson {
        let entry = Entry::Pass {
            until: question.at.mono + self.config.pass_ttl,
            stamp,
        };
        self.heads.insert(question.id, entry.clone());
        Lesson::Learned(entry, StatusCode::OK)
    }

    fn entry(
        &self,
        question: &Question,
        headers: &HeaderMap,
        total_bytes: u64,
        carried: &std::ops::Range<u64>,
        stamp: Epoch,
    ) -> Entry {
        let mut fields = fields::stored(headers);
        fields.remove(header::CONTENT_RANGE);
        fields.remove(header::CONTENT_LENGTH);
        media::correct(&mut fields, &question.name.path);
        // Counted from when it was asked for, so that the response's delay counts as age.
        let received = question.at.wall;
        // All fields as they came: the age that the next hop tells is no stored field, and counts.
        let freshness = freshness::assess(StatusCode::OK, headers, received, &question.rules.ttl);
        let geometry = Geometry::of(total_bytes);
        // A purge since the fill began makes this head dead on arrival; its slices must not be
        // taken for those of the fill that follows.
        let generation = self.purged_at(question.id, &question.name).min(stamp);
        let version = version_of(
            question.id,
            &fields,
            total_bytes,
            generation,
            &message::now(),
        );
        let name = question.name.clone();
        let head = Head {
            name,
            version,
            geometry,
            fields,
            freshness,
            received,
            stamp,
        };
        // Slices of one version are put together under a strong validator only, and an origin
        // that sends a large object whole does not do ranges: both are passed through.
        let whole = carried.start == 0 && carried.end == total_bytes;
        let sliceable = total_bytes <= WHOLE_BYTES_MAX || (head.strong_etag().is_some() && !whole);
        if head.freshness.storable && sliceable {
            Entry::Object(Arc::new(head))
        } else {
            Entry::Pass {
                until: question.at.mono + self.config.pass_ttl,
                stamp,
            }
        }
    }

    fn publish(
        self: &Arc<Self>,
        question: &Question,
        entry: Entry,
        status: StatusCode,
        start: u64,
        body: Body,
    ) -> (Lesson, Option<(Run, Body)>) {
        let Entry::Object(head) = &entry else {
            self.heads.insert(question.id, entry.clone());
            return (Lesson::Learned(entry, status), None);
        };
        let legs = self.legs(head, start);
        self.keep(question.id, head);
        let run = legs.iter().any(|leg| leg.lease.is_some()).then(|| {
            let run = Run::new(Arc::clone(self), Arc::clone(head), question.at, legs);
            (run, body)
        });
        (Lesson::Learned(entry, status), run)
    }

    /// The slices that the first answer carries: those from `start` to the question's end.
    fn legs(&self, head: &Arc<Head>, start: u64) -> Vec<Leg> {
        let end = (first_question(start).last + 1).min(head.geometry.total_bytes());
        let covered = head.geometry.covering(&(start..end));
        covered
            .map(|index| {
                let extent = head.geometry.extent(index);
                let key = head.version.slice_key(index);
                let expected = extent.end - extent.start;
                let lease = match self.slices.join(key, || Filling::of(expected)) {
                    Joined::Leader(lease) if !self.holds(head, index) => Some(lease),
                    Joined::Leader(_) | Joined::Follower(_) => None,
                };
                Leg { extent, lease }
            })
            .collect()
    }
}

/// How long a place among the fills may be waited for is the config's; this is its error.
pub(crate) fn no_place(waited: Duration) -> Error {
    Error::new(
        Kind::ConnectionLimitReached,
        format!("no free fill after {waited:?}"),
    )
}

fn abandoned() -> Error {
    Error::new(
        Kind::ProxyInternalError,
        "the question to upstream was abandoned",
    )
}

/// RFC 5861 section 4: on an error a stale response may be served, within its bound.
fn in_spite_of(error: Error, question: &Question) -> Lesson {
    match &question.prior {
        Some(prior)
            if freshness::may_serve_on_error(
                &prior.freshness,
                prior.received,
                question.at.wall,
            ) =>
        {
            Lesson::Stale(Arc::clone(prior))
        }
        _ => Lesson::Failed(error),
    }
}
