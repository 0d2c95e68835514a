//! Errands: objects that are wanted here by name, beside any manifest.
//!
//! ```text
//! run ──▶ urgent: the fast track ─┐
//!     └─▶ others: the window ─────┴─▶ schedule ──▶ an attempt, at the pace of all ──▶ told
//! ```
//!
//! The same windows, rate, allowances, sources and viewers' needs hold for them as for a plan. In a lane
//! those with a priority of 0 or more go before the plan, the others after it. Whoever waits for one
//! keeps it alive: nothing of them is kept over a restart.

use std::{cmp::Reverse, collections::HashMap, sync::Arc, time::Duration};

use message::ObjectName;
use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, Id, JoinError, JoinSet},
};

use crate::{
    attempt::{Attempts, Outcome},
    entry::Entry,
    schedule::{Lane, pause_after},
};

/// Errands that wait at a time.
pub(crate) const WAITING_MAX: usize = 1024;

/// What an object takes of an allowance before anybody knows its size.
const SIZE_UNKNOWN: u64 = 4 << 20;

/// An object that is to be here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    /// Its name.
    pub name: ObjectName,
    /// What it measures, if that is known: another size is a mismatch.
    pub size: Option<u64>,
    /// At any time, not only in the window. Where there is no window, all are.
    pub is_urgent: bool,
    /// Highest first, -100 to 100.
    pub priority: i8,
}

/// Why an errand was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undone {
    /// No source has it.
    #[error("no source has it")]
    Absent,
    /// It has another size than was named, or changed while it was fetched.
    #[error("it has another size than was named")]
    Mismatch,
    /// Its site is not known here, or its answers may not be stored.
    #[error("its answers may not be stored")]
    Refused,
    /// Its source does not say how long it is.
    #[error("its source does not say how long it is")]
    Unsized,
    /// Its sources failed, each time.
    #[error("its sources failed")]
    SourceFailed,
    /// The disks did not take it.
    #[error("the disks did not take it")]
    Unwritten,
    /// Too many wait.
    #[error("too many objects wait to be fetched")]
    Busy,
    /// The node is ending.
    #[error("the node is ending")]
    Ending,
}

/// How an attempt at an errand ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// It is here.
    Done,
    /// It is not.
    Undone(Undone),
    /// There was no room, or no source may be asked yet: again after so long, and nobody failed.
    Later(Duration),
}

impl From<Outcome> for Met {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Held(..) => Self::Done,
            // Nobody asks what an errand is worth.
            Outcome::Outbid => Self::Undone(Undone::Unwritten),
            Outcome::Later(_, pause) => Self::Later(pause),
            Outcome::Failed(entry) => Self::Undone(undone(entry)),
        }
    }
}

type Ended = Result<(Id, Met), JoinError>;

/// Something that happens to errands.
pub(crate) enum Event {
    /// One is asked for.
    Asked(Asked),
    /// An attempt has ended.
    Ended(Ended),
}

/// An errand, and whom to tell.
pub(crate) struct Asked {
    pub(crate) errand: Errand,
    pub(crate) reply: oneshot::Sender<Result<(), Undone>>,
}

/// One that waits, or is under way.
struct Wanted {
    asked: Asked,
    number: u64,
    /// Since the Unix epoch.
    not_before: Duration,
    failures: u8,
}

struct Running {
    wanted: Wanted,
    handle: AbortHandle,
}

/// All errands of the engine. Dropped, those under way are cut.
pub(crate) struct Errands {
    attempts: Arc<Attempts>,
    inbox: mpsc::Receiver<Asked>,
    has_windows: bool,
    numbers: u64,
    waiting: Vec<Wanted>,
    running: HashMap<Id, Running>,
    tasks: JoinSet<Met>,
}

impl Errands {
    pub(crate) fn new(
        attempts: Arc<Attempts>,
        inbox: mpsc::Receiver<Asked>,
        has_windows: bool,
    ) -> Self {
        Self {
            attempts,
            inbox,
            has_windows,
            numbers: 0,
            waiting: Vec::new(),
            running: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// What happens next; nothing while nothing can. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let has_room = self.waiting.len() < WAITING_MAX;
        tokio::select! {
            Some(ended) = self.tasks.join_next_with_id() => Some(Event::Ended(ended)),
            Some(asked) = self.inbox.recv(), if has_room => Some(Event::Asked(asked)),
            else => None,
        }
    }

    /// Takes in what happened.
    pub(crate) fn take_in(&mut self, event: Event, now: Duration, attempts: u8) {
        match event {
            Event::Asked(asked) => self.wait(asked),
            Event::Ended(ended) => self.settle(ended, now, attempts),
        }
    }

    fn wait(&mut self, asked: Asked) {
        self.numbers += 1;
        self.waiting.push(Wanted {
            asked,
            number: self.numbers,
            not_before: Duration::ZERO,
            failures: 0,
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// What those under way may bring in.
    pub(crate) fn reserved_bytes(&self) -> u64 {
        let running = self.running.values();
        running.map(|running| running.wanted.bytes()).sum()
    }

    /// What the next of a lane would bring in; `before` says whether those that go before the plan are
    /// asked about, or those behind it.
    pub(crate) fn next_bytes(&self, lane: Lane, before: bool, now: Duration) -> Option<u64> {
        let place = self.first(lane, before, now)?;
        self.waiting.get(place).map(Wanted::bytes)
    }

    /// Begins the next of a lane; whether there was one.
    pub(crate) fn begin(&mut self, lane: Lane, before: bool, now: Duration) -> bool {
        let Some(place) = self.first(lane, before, now) else {
            return false;
        };
        let wanted = self.waiting.swap_remove(place);
        let (attempts, errand) = (Arc::clone(&self.attempts), wanted.asked.errand.clone());
        let handle = self
            .tasks
            .spawn(async move { attempts.errand(&errand).await });
        let id = handle.id();
        self.running.insert(id, Running { wanted, handle });
        true
    }

    /// Cuts those of these lanes; what has come of them is gone on with.
    pub(crate) fn cut(&mut self, lane: impl Fn(Lane) -> bool) {
        let has_windows = self.has_windows;
        let cut = self
            .running
            .extract_if(|_, running| lane(running.wanted.lane(has_windows)));
        for (_, Running { wanted, handle }) in cut {
            handle.abort();
            self.waiting.push(wanted);
        }
    }

    /// Forgets those for which nobody waits any more.
    pub(crate) fn forget_abandoned(&mut self) {
        self.waiting
            .retain(|wanted| !wanted.asked.reply.is_closed());
        let gone = self
            .running
            .extract_if(|_, running| running.wanted.asked.reply.is_closed());
        for (_, running) in gone {
            running.handle.abort();
        }
    }

    /// Tells how one ended, or has it tried again: up to `attempts` times where a source or a disk
    /// failed.
    fn settle(&mut self, ended: Ended, now: Duration, attempts: u8) {
        let (id, met) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_cancelled() => return,
            Err(error) => {
                tracing::error!(%error, "an errand panicked");
                (error.id(), Met::Undone(Undone::SourceFailed))
            }
        };
        // What was cut in its last moment waits again already.
        let Some(Running { mut wanted, .. }) = self.running.remove(&id) else {
            return;
        };
        let undone = match met {
            Met::Done => return wanted.tell(Ok(())),
            Met::Later(pause) => {
                wanted.not_before = now + pause;
                return self.waiting.push(wanted);
            }
            Met::Undone(undone) => undone,
        };
        wanted.failures = wanted.failures.saturating_add(1);
        let again = match undone {
            Undone::SourceFailed | Undone::Unwritten => wanted.failures < attempts,
            Undone::Absent
            | Undone::Mismatch
            | Undone::Refused
            | Undone::Unsized
            | Undone::Busy
            | Undone::Ending => false,
        };
        if again {
            wanted.not_before = now + pause_after(wanted.failures);
            return self.waiting.push(wanted);
        }
        wanted.tell(Err(undone));
    }

    /// Cuts all and waits until they are gone.
    pub(crate) async fn end(&mut self) {
        self.tasks.shutdown().await;
    }

    fn first(&self, lane: Lane, before: bool, now: Duration) -> Option<usize> {
        let waiting = self.waiting.iter().enumerate();
        let due = waiting.filter(|(_, wanted)| {
            let is_before = wanted.asked.errand.priority >= 0;
            wanted.not_before <= now && is_before == before && wanted.lane(self.has_windows) == lane
        });
        let best =
            due.min_by_key(|(_, wanted)| (Reverse(wanted.asked.errand.priority), wanted.number));
        best.map(|(place, _)| place)
    }
}

impl Wanted {
    fn lane(&self, has_windows: bool) -> Lane {
        if self.asked.errand.is_urgent || !has_windows {
            Lane::Fast
        } else {
            Lane::Window
        }
    }

    fn bytes(&self) -> u64 {
        self.asked.errand.size.unwrap_or(SIZE_UNKNOWN)
    }

    fn tell(self, outcome: Result<(), Undone>) {
        // Who does not wait any more does not hear of it.
        let _gone = self.asked.reply.send(outcome);
    }
}

fn undone(entry: Entry) -> Undone {
    match entry {
        Entry::Absent => Undone::Absent,
        Entry::Mismatch => Undone::Mismatch,
        Entry::Refused => Undone::Refused,
        Entry::Unwritten => Undone::Unwritten,
        // The others are no ends of an attempt.
        Entry::SourceFailed
        | Entry::Waiting
        | Entry::Filling
        | Entry::Held
        | Entry::Seeded
        | Entry::Unreached
        | Entry::Outbid
        | Entry::Brought => Undone::SourceFailed,
    }
}
