//! Fetching ahead what a player says that it will ask for next, if it has kept its word so far.
//!
//! [`semantics::reading`] says who is worth it. What is fetched ahead is bounded three ways: one
//! object at a time for each track of a viewer, so many for the node, and nothing while places or
//! memory run short. It is one question upstream like any other, so whoever asks meanwhile shares
//! it, and it takes a place only while a quarter of them is free.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, Weak},
};

use message::{ObjectName, Timestamp};
use parking_lot::Mutex;
use prometheus::{IntCounterVec, Opts, Registry};
use semantics::reading::{Advice, Reading};
use tokio::sync::Semaphore;

use crate::{
    Cache, Inner, SiteRules, Viewer,
    flights::Joined,
    head::Entry,
    id::ObjectId,
    lookup::Found,
    question::{Learning, Question},
};

/// Tracks of viewers that are remembered, in a table of fixed size: 64 bytes each. One that comes
/// to another's place takes it, and that one's reading begins anew.
const TRACKS: usize = 1 << 16;
/// Enough that two cores rarely meet on one lock.
const SHARDS: usize = 64;

/// What a viewer asks for, and says that it will ask for next.
#[derive(Debug, Clone)]
pub struct Announcement<'a> {
    /// Who.
    pub viewer: Viewer,
    /// Which of its tracks, if it tells: video and audio are read side by side.
    pub track: &'a str,
    /// What it asks for.
    pub object: &'a ObjectName,
    /// What it will ask for next, and the first byte of that.
    pub next: Option<(ObjectName, u64)>,
    /// The rules of the site.
    pub rules: &'a Arc<SiteRules>,
    /// When.
    pub at: Timestamp,
}

/// Who reads how, and what is being fetched ahead.
pub(crate) struct Ahead {
    shards: Box<[Mutex<Vec<Track>>]>,
    hasher: RandomState,
    places: Arc<Semaphore>,
    outcomes: IntCounterVec,
}

#[derive(Clone, Default)]
struct Track {
    /// Whose it is.
    tag: u64,
    reading: Reading,
    /// Alive while an object is being fetched for it.
    running: Weak<()>,
}

impl Ahead {
    /// At most `running_max` objects at a time.
    pub(crate) fn register(
        running_max: usize,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let outcomes = IntCounterVec::new(
            Opts::new(
                "millpond_ahead_total",
                "Objects that players announced: fetched ahead, held already, left to wait because \
                 the viewer jumps (sparse), or because of the budget.",
            ),
            &["outcome"],
        )?;
        registry.register(Box::new(outcomes.clone()))?;
        let shard = || Mutex::new(vec![Track::default(); TRACKS / SHARDS]);
        Ok(Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            places: Arc::new(Semaphore::new(running_max)),
            outcomes,
        })
    }

    /// Notes what a viewer does; the right to fetch, if it is to be fetched for.
    fn note(&self, announcement: &Announcement<'_>, next: Option<ObjectId>) -> Option<Arc<()>> {
        let tag = self
            .hasher
            .hash_one((announcement.viewer.number(), announcement.track));
        let place = usize::try_from(tag % TRACKS as u64).unwrap_or(0);
        let mut shard = self.shards[place % SHARDS].lock();
        let track = &mut shard[place / SHARDS];
        if track.tag != tag {
            *track = Track {
                tag,
                ..Track::default()
            };
        }
        let object = ObjectId::of(announcement.object).spread();
        let next = next.map(|next| next.spread());
        let advice = track.reading.note(object, next);
        let is_busy = track.running.strong_count() > 0;
        match advice {
            Advice::Wait => {
                if next.is_some() {
                    self.count("sparse");
                }
                None
            }
            Advice::Fetch if is_busy => {
                self.count("budget");
                None
            }
            Advice::Fetch => {
                let running = Arc::new(());
                track.running = Arc::downgrade(&running);
                Some(running)
            }
        }
    }

    fn count(&self, outcome: &str) {
        self.outcomes.with_label_values(&[outcome]).inc();
    }
}

impl Cache {
    /// Takes note of what a viewer announces, and fetches it ahead if that is worth it. The gate
    /// has decided that the viewer may have both. Returns at once.
    pub fn announced(&self, announcement: Announcement<'_>) {
        let inner = &self.inner;
        let next = announcement.next.as_ref();
        let id = next.map(|(name, _)| ObjectId::of(name));
        let running = inner.ahead.note(&announcement, id);
        if let (Some(running), Some(id), Some((name, offset))) = (running, id, announcement.next) {
            let rules = Arc::clone(announcement.rules.of(&name.path));
            let question = Question {
                offset,
                ..Question::of_nobody(name, id, rules, announcement.at)
            };
            inner.fetch_ahead(question, running);
        }
    }
}

impl Inner {
    fn fetch_ahead(self: &Arc<Self>, question: Question, running: Arc<()>) {
        let place = Arc::clone(&self.ahead.places).try_acquire_owned();
        let (Ok(place), false) = (place, self.is_short()) else {
            return self.ahead.count("budget");
        };
        let inner = Arc::clone(self);
        self.tasks.spawn(async move {
            let outcome = inner.fetch_if_absent(question).await;
            inner.ahead.count(outcome);
            drop((place, running));
        });
    }

    /// Asks for an object of which nothing is known; tells what became of it.
    async fn fetch_if_absent(self: &Arc<Self>, question: Question) -> &'static str {
        let entry = self
            .find(question.id, &question.name, &question.rules)
            .await;
        // Of what has several responses nobody knows which one he will ask for.
        if matches!(entry, Some(Entry::Varies(_))) {
            return "held";
        }
        let pause = self.config.revalidation_pause;
        match Found::judge(entry, &question.at, pause) {
            Found::KeptStale(_) | Found::Nothing => {}
            Found::Fresh(_)
            | Found::StaleUsable { .. }
            | Found::Stale(_)
            | Found::Kept(_)
            | Found::Pass => return "held",
        }
        let Some(place) = self.places.spare() else {
            return "budget";
        };
        match self.learning.join(self.subject(&question), Learning::new) {
            Joined::Leader(lease) => {
                Arc::clone(self).lead(question, lease, Some(place)).await;
                "fetched"
            }
            Joined::Follower(_) => "held",
        }
    }
}
