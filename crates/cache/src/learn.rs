//! Learning what an object is: one question upstream per object, whoever asks.

use std::sync::Arc;

use http::StatusCode;
use message::Error;
use semantics::freshness::{self, State};
use tokio::time::Instant;

use crate::{
    Inner,
    ask::{Answered, Feed},
    confirm::Prior,
    flights::{Joined, Lease},
    head::Entry,
    place::Place,
    question::{Learning, Lesson, Question, Subject, Taught},
    tags::{self, Tags},
};

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
