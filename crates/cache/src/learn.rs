//! Learning what an object is: one question upstream per object, whoever asks.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use message::{Carried, Error, Kind, ObjectName, Response, Timestamp};
use parking_lot::Mutex;
use semantics::freshness::{self, State};
use store::Epoch;
use tokio::{sync::watch, time::Instant};

use crate::{
    Inner, SiteRules,
    ask::{Answered, Feed},
    confirm::Prior,
    flights::{Flight, Joined, Lease},
    head::{Entry, Head},
    id::{Identity, ObjectId},
    live::Growing,
    place::Place,
    tags::{self, Tags},
};

/// What a question is about: an object, and the purge that it comes after. A viewer who comes
/// after a purge must not be given an answer that was asked for before it.
pub(crate) type Subject = (ObjectId, Epoch);

/// What a question to upstream taught.
#[derive(Debug, Clone)]
pub(crate) enum Lesson {
    /// A version that was not held before, or is held anew; the status that upstream answered.
    Learned(Entry, StatusCode),
    /// The version that was held is confirmed.
    Confirmed(Arc<Head>),
    /// It is coming, and nobody knows how long it will be; the status that upstream answered.
    Growing(Arc<Growing>, StatusCode),
    /// Upstream failed, and what is held may stand in for it.
    Stale(Prior),
    /// Upstream failed.
    Failed(Error),
}

/// What of an answer is for the one who asked, and for nobody who waits along.
#[derive(Debug)]
pub(crate) enum Own {
    /// Fields that are not stored with the rest.
    Fields(HeaderMap),
    /// All of it, because it may not be stored.
    Answer(Box<Handed>),
}

/// An answer on its way to one viewer, with its place among those.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) response: Response,
    pub(crate) place: Place,
}

/// What came of a question, for one of those who wait.
pub(crate) struct Taught {
    pub(crate) lesson: Lesson,
    /// Whether this one asked.
    pub(crate) led: bool,
    pub(crate) own: Option<Own>,
}

/// A question in flight.
pub(crate) struct Learning {
    lesson: watch::Sender<Option<Lesson>>,
    /// For its leader.
    own: Mutex<Option<Own>>,
}

impl Learning {
    pub(crate) fn new() -> Self {
        Self {
            lesson: watch::Sender::new(None),
            own: Mutex::default(),
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
    pub(crate) id: Identity,
    /// Where what has one response is, or the note of those of what has several.
    pub(crate) base: ObjectId,
    /// What goes upstream of the viewer's request.
    pub(crate) carried: Carried,
    pub(crate) rules: Arc<SiteRules>,
    /// What is held, to be confirmed.
    pub(crate) prior: Option<Prior>,
    /// The byte that the first viewer wants first.
    pub(crate) offset: u64,
    /// The viewer wants it confirmed by the origin itself, fresh or not.
    pub(crate) end_to_end: bool,
    /// It is asked for one viewer alone, and for the whole.
    pub(crate) alone: bool,
    pub(crate) at: Timestamp,
}

impl Question {
    /// The question of no viewer: nothing is carried, nothing held.
    pub(crate) fn of_nobody(
        name: ObjectName,
        id: ObjectId,
        rules: Arc<SiteRules>,
        at: Timestamp,
    ) -> Self {
        Self {
            name,
            id: id.into(),
            base: id,
            carried: Carried::default(),
            rules,
            prior: None,
            offset: 0,
            end_to_end: false,
            alone: false,
            at,
        }
    }
}

impl Inner {
    /// Learns about an object; whether this caller led the question comes beside the lesson.
    ///
    /// Cancel safe: the question goes on in a task of its own.
    pub(crate) async fn learn(self: &Arc<Self>, question: Question) -> Taught {
        let joined = self.learning.join(self.subject(&question), Learning::new);
        let (learning, led) = match joined {
            Joined::Follower(learning) => {
                self.metrics.collapsed.inc();
                (learning, false)
            }
            Joined::Leader(lease) => {
                let learning = Arc::clone(lease.flight());
                self.spawn_lead(question.clone(), lease, None);
                (learning, true)
            }
        };
        let lesson = match learning.lesson().await {
            // The leader is gone without a word, or its stale version was older than ours.
            Lesson::Failed(error) => self.in_spite_of(error, &question),
            lesson @ (Lesson::Learned(..)
            | Lesson::Confirmed(_)
            | Lesson::Growing(..)
            | Lesson::Stale(_)) => lesson,
        };
        let own = if led {
            learning.own.lock().take()
        } else {
            None
        };
        Taught { lesson, led, own }
    }

    /// Asks for one viewer alone, because the last answer might not be shared. What may be stored
    /// after all is.
    ///
    /// Cancel safe: what is filled goes on, and what is passed ends with its viewer.
    pub(crate) async fn learn_alone(self: &Arc<Self>, question: &Question) -> Taught {
        let place = self.places.fill().await;
        let answered = match &place {
            Ok(_place) => self.ask(question).await,
            Err(error) => Err(error.clone()),
        };
        let (lesson, own) = match answered {
            Ok(Answered { lesson, fill, own }) => {
                match fill {
                    Some(Feed::Slices(run, body)) => {
                        drop(self.tasks.spawn(run.drive(Some(body), place)));
                    }
                    Some(Feed::Growth(growth)) => drop(self.tasks.spawn(growth.drive(place))),
                    None => {}
                }
                (lesson, own)
            }
            Err(error) => (self.in_spite_of(error, question), None),
        };
        Taught {
            lesson,
            led: true,
            own,
        }
    }

    /// Learns for those who wait for what is not there yet, in a place for such questions; `None`
    /// if there was none. Cancel safe, as [`Self::learn`].
    pub(crate) async fn learn_polling(self: &Arc<Self>, question: Question) -> Option<Lesson> {
        let learning = match self.learning.join(self.subject(&question), Learning::new) {
            Joined::Follower(learning) => learning,
            Joined::Leader(lease) => {
                let place = self.places.poll().await.ok()?;
                let learning = Arc::clone(lease.flight());
                self.spawn_lead(question, lease, Some(place));
                learning
            }
        };
        Some(learning.lesson().await)
    }

    /// Refreshes a stale head behind the viewer's back, unless somebody does already or there are
    /// more urgent things to do: the next viewer will ask for it again.
    pub(crate) fn refresh(self: &Arc<Self>, question: Question) {
        let Some(place) = self.places.spare() else {
            return;
        };
        if let Joined::Leader(lease) = self.learning.join(self.subject(&question), Learning::new) {
            self.spawn_lead(question, lease, Some(place));
        }
    }

    pub(crate) fn subject(&self, question: &Question) -> Subject {
        let (id, name) = (question.id, &question.name);
        let purged = self.purged(id.object, name, &Tags::default()).last();
        // Which tags the answer will have is not known: a purge by any tag may reach it.
        let by_any = tags::purged_by_any(&self.store, &name.site);
        (id.key, purged.max(by_any))
    }

    fn spawn_lead(
        self: &Arc<Self>,
        question: Question,
        lease: Lease<Subject, Learning>,
        place: Option<Place>,
    ) {
        let inner = Arc::clone(self);
        self.tasks.spawn(inner.lead(question, lease, place));
    }

    pub(crate) async fn lead(
        self: Arc<Self>,
        question: Question,
        lease: Lease<Subject, Learning>,
        place: Option<Place>,
    ) {
        // Between a viewer's lookup and its lead, another leader may have come and gone.
        if let Some(lesson) = self.learned_meanwhile(&question) {
            return lease.flight().teach(lesson);
        }
        let place = match place {
            Some(place) => Ok(place),
            None => self.places.fill().await,
        };
        let answered = match &place {
            Ok(_place) => self.ask(&question).await,
            Err(error) => Err(error.clone()),
        };
        match answered {
            Ok(Answered {
                lesson,
                fill: None,
                own,
            }) => {
                *lease.flight().own.lock() = own;
                lease.flight().teach(lesson);
            }
            Ok(Answered {
                lesson,
                fill: Some(feed),
                own,
            }) => {
                *lease.flight().own.lock() = own;
                lease.flight().teach(lesson);
                // Until the bytes are here, whoever asks is told the same.
                match feed {
                    Feed::Slices(run, body) => run.drive(Some(body), lease).await,
                    Feed::Growth(growth) => growth.drive(lease).await,
                }
            }
            Err(error) => lease.flight().teach(self.in_spite_of(error, &question)),
        }
    }

    fn learned_meanwhile(&self, question: &Question) -> Option<Lesson> {
        if question.end_to_end {
            return None;
        }
        let entry = self.remembered(question.id, &question.name)?;
        let now = &question.at;
        match &entry {
            Entry::Object(head) => {
                let state = freshness::state(&head.freshness, head.received, now.wall);
                let fresh = matches!(state, State::Fresh { .. }) && !head.is_from_the_future(now);
                match &question.prior {
                    // What two viewers read from disk at the same time is not news.
                    Some(Prior::Object(prior)) if head.is_same_as(prior) => None,
                    Some(Prior::Object(prior)) if head.version == prior.version && fresh => {
                        Some(Lesson::Confirmed(Arc::clone(head)))
                    }
                    Some(_) | None => fresh.then_some(Lesson::Learned(entry, StatusCode::OK)),
                }
            }
            // Who polls does not believe in absence.
            Entry::Kept(_) if question.rules.ttl.negative.is_zero() => None,
            // What there is of it is not what is asked for.
            Entry::Kept(kept) if kept.part.is_some() => None,
            Entry::Kept(kept) => {
                let status = kept.status;
                kept.ttl(now).map(|_ttl| Lesson::Learned(entry, status))
            }
            Entry::Pass { until, .. } => {
                (*until > now.mono).then_some(Lesson::Learned(entry, StatusCode::OK))
            }
            Entry::Varies(_) => None,
        }
    }

    /// RFC 5861 section 4: on an error a stale response may be served, within its bound.
    fn in_spite_of(&self, error: Error, question: &Question) -> Lesson {
        match &question.prior {
            Some(prior) if prior.stands_in(&question.at) => {
                tracing::debug!(object = %question.name, %error, "stale stands in");
                if let Prior::Object(head) = prior {
                    // From now, not from when it was asked: a timeout may be longer than the pause.
                    self.keep_failed(head, Instant::now());
                }
                Lesson::Stale(prior.clone())
            }
            Some(_) | None => Lesson::Failed(error),
        }
    }
}

fn abandoned() -> Error {
    Error::new(
        Kind::ProxyInternalError,
        "the question to upstream was abandoned",
    )
}
