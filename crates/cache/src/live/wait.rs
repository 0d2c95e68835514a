//! Waiting for what is not there yet: any number of requests, one question upstream at a time.

use std::{sync::Arc, time::Duration};

use message::{ObjectName, Timestamp};
use semantics::live::{Playlist, Position};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::{LiveRules, windows};
use crate::{
    Inner, SiteRules,
    answer::Visit,
    confirm::Prior,
    flights::{Flight, Joined, Lease},
    head::Entry,
    id::ObjectId,
    question::{Lesson, Question},
};

/// What was seen of what is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is there; a playlist goes so far.
    There(Option<Position>),
    /// Its answers may not be stored, so nobody can share them.
    Unknowable,
}

/// An object that somebody waits for.
pub(super) struct Awaited {
    seen: watch::Sender<Look>,
}

/// The last look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    NotYet,
    Seen(Seen),
    /// Nobody looks any more.
    Over,
}

impl Awaited {
    fn new() -> Self {
        Self {
            seen: watch::Sender::new(Look::NotYet),
        }
    }
}

impl Flight for Awaited {
    fn abandon(&self) {
        // What was seen stays: those who wait may not have looked at it yet.
        self.seen.send_if_modified(|look| {
            let is_news = *look == Look::NotYet;
            if is_news {
                *look = Look::Over;
            }
            is_news
        });
    }
}

impl Visit<'_> {
    /// Waits until what is seen of this object settles the matter; `None` after the site's bound.
    ///
    /// Cancel safe: who polls goes on while anybody waits.
    pub(super) async fn wait(
        &self,
        rules: &LiveRules,
        settles: impl Fn(&Seen) -> bool,
    ) -> Option<Seen> {
        let deadline = self.request.at.mono + rules.hold;
        let seen = timeout_at(deadline, self.see(rules, settles)).await.ok();
        let end = if seen.is_some() { "published" } else { "late" };
        self.inner.live.held.ended(end);
        seen
    }

    async fn see(&self, rules: &LiveRules, settles: impl Fn(&Seen) -> bool) -> Seen {
        loop {
            let joined = self.inner.live.awaited.join(self.id, Awaited::new);
            let mut looks = match joined {
                Joined::Follower(awaited) => {
                    self.inner.metrics.collapsed.inc();
                    awaited.seen.subscribe()
                }
                Joined::Leader(lease) => {
                    let looks = lease.flight().seen.subscribe();
                    let poll = Poll {
                        inner: Arc::clone(self.inner),
                        name: self.name.clone(),
                        id: self.id,
                        rules: windows::polling(self.rules),
                        is_playlist: rules.is_playlist(crate::site::plain(&self.name.path)),
                        every: rules.poll,
                        at: self.request.at,
                    };
                    self.inner.tasks.spawn(poll.run(lease));
                    looks
                }
            };
            let mut found = None;
            let settled = looks.wait_for(|look| match look {
                Look::NotYet => false,
                Look::Seen(seen) => {
                    found = Some(*seen);
                    settles(seen)
                }
                Look::Over => true,
            });
            drop(settled.await);
            if let Some(seen) = found.filter(|seen| settles(seen)) {
                return seen;
            }
            // Who polled has stopped just as this one came, or is gone: another begins.
            tokio::task::yield_now().await;
        }
    }
}

/// Who asks upstream, for all who wait.
struct Poll {
    inner: Arc<Inner>,
    name: ObjectName,
    id: ObjectId,
    rules: Arc<SiteRules>,
    is_playlist: bool,
    every: Duration,
    at: Timestamp,
}

impl Poll {
    /// Asks until it is there, or nobody waits any more. The lease ends the wait of whoever is left.
    async fn run(mut self, lease: Lease<ObjectId, Awaited>) {
        loop {
            let begun = Instant::now();
            if let Some(seen) = self.look().await {
                lease.flight().seen.send_replace(Look::Seen(seen));
                if !self.is_playlist || seen == Seen::Unknowable {
                    return;
                }
            }
            if lease.flight().seen.receiver_count() == 0 {
                return;
            }
            sleep_until(begun + self.every).await;
            self.at = message::now();
        }
    }

    async fn look(&self) -> Option<Seen> {
        let prior = self.inner.held_version(self.id, &self.name);
        let (name, rules) = (self.name.clone(), Arc::clone(&self.rules));
        let question = Question {
            prior: prior.map(Prior::Object),
            ..Question::of_nobody(name, self.id, rules, self.at)
        };
        let head = match self.inner.learn_polling(question).await? {
            Lesson::Learned(Entry::Object(head), _) | Lesson::Confirmed(head) => head,
            Lesson::Learned(Entry::Pass { .. }, _) => return Some(Seen::Unknowable),
            Lesson::Growing(..) => return Some(Seen::There(None)),
            Lesson::Learned(Entry::Kept(_) | Entry::Varies(_), _)
            | Lesson::Stale(_)
            | Lesson::Failed(_) => {
                return None;
            }
        };
        if !self.is_playlist {
            return Some(Seen::There(None));
        }
        let text = self.inner.read_whole(&head, self.at).await?;
        let playlist = std::str::from_utf8(&text).ok().and_then(Playlist::read);
        Some(Seen::There(playlist.map(|playlist| playlist.position)))
    }
}
