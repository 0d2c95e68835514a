//! A question to upstream: what it is about, and what came of it, for all who wait for the answer.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use message::{Carried, Error, Kind, ObjectName, Response, Timestamp};
use parking_lot::Mutex;
use store::Epoch;
use tokio::sync::watch;

use crate::{
    SiteRules,
    confirm::Prior,
    flights::Flight,
    head::{Entry, Head},
    id::{Identity, ObjectId},
    live::Growing,
    place::Place,
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
    pub(crate) own: Mutex<Option<Own>>,
}

impl Learning {
    pub(crate) fn new() -> Self {
        Self {
            lesson: watch::Sender::new(None),
            own: Mutex::default(),
        }
    }

    pub(crate) fn teach(&self, lesson: Lesson) {
        self.lesson.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(lesson);
            }
            first
        });
    }

    pub(crate) async fn lesson(&self) -> Lesson {
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

fn abandoned() -> Error {
    Error::new(
        Kind::ProxyInternalError,
        "the question to upstream was abandoned",
    )
}
