//! The doer: obeys the schedule, one object at a time for each place that there is.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use message::Timestamp;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    active::Active,
    attempt::{Attempts, Outcome},
    entry::Entry,
    keeper::Order,
    lanes::Lanes,
    ledger::{Allowance, Ledger},
    ledger_file,
    pace::Pace,
    repair::{self, Repaired},
    schedule::{Facts, Lane, Step, Why},
    shared::{Planned, Pulse, Shared},
    underway::{Ended, Underway},
    window::At,
    yielding::Share,
};

/// How often it looks at the clock, the window and the viewers' needs while something is going on.
const TICK: Duration = Duration::from_millis(250);
/// How often what viewers need is measured.
const MEASURED: Duration = Duration::from_secs(1);
/// How often what was spent is written down.
const WRITTEN: Duration = Duration::from_secs(20);
/// What is under way goes on at so much of the rate, even when nothing new may begin: a read that
/// is left hanging holds a place at its source.
const LEAST_SHARE: u64 = 16;

pub(crate) struct Engine {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    attempts: Arc<Attempts>,
    active: Arc<Active>,
    lanes: Lanes,
    underway: Underway,
    repairs: JoinSet<Repaired>,
    ledger: Ledger,
    share: Share,
    /// Since when the plan in force has been worked at: farther sources wait from then on.
    wanted_since: Option<Duration>,
    seen: Seen,
}

/// What was seen at the last look.
struct Seen {
    come_bytes: u64,
    spent_bytes: u64,
    measured: Instant,
    written: Instant,
    repaired: Instant,
    bytes_per_s: u64,
}

impl Engine {
    pub(crate) fn new(shared: Arc<Shared>, orders: mpsc::Sender<Order>) -> Self {
        let pace = Arc::new(Pace::new(shared.config.bytes_per_s));
        let attempts = Attempts::new(shared.parts.clone(), pace, shared.config.escalation);
        let attempts = Arc::new(attempts);
        let now = Instant::now();
        Self {
            active: shared.active.load_full(),
            underway: Underway::new(Arc::clone(&attempts)),
            attempts,
            lanes: Lanes::default(),
            repairs: JoinSet::new(),
            ledger: ledger_file::load(&shared.config.folder),
            share: Share::FULL,
            wanted_since: None,
            seen: Seen {
                come_bytes: 0,
                spent_bytes: 0,
                measured: now,
                written: now,
                repaired: now,
                bytes_per_s: 0,
            },
            shared,
            orders,
        }
    }

    /// Works until it is stopped; what is under way is left as it is then, to be gone on with.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.shared.parts.cache.recovered().await;
        self.take_over();
        while !stop.is_cancelled() {
            let now = (self.shared.parts.clock)();
            self.look(&now);
            let why = self.begin_all(&now);
            self.tell(&now, why);
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                Some(ended) = self.underway.next() => self.ended(ended),
                Some(repaired) = self.repairs.join_next() => {
                    self.repaired(repaired.unwrap_or_default());
                }
                () = self.shared.changed.notified() => self.take_over(),
                () = sleep(TICK) => {}
            }
        }
        self.underway.end().await;
        self.repairs.shutdown().await;
        ledger_file::save(&self.shared.config.folder, self.ledger).await;
    }

    /// Takes a new plan into work: what is here of it is looked for first.
    fn take_over(&mut self) {
        let active = self.shared.active.load_full();
        let is_new = !Arc::ptr_eq(&active, &self.active) || self.wanted_since.is_none();
        let now = (self.shared.parts.clock)();
        if is_new {
            self.stop_all(|_| true);
            self.lanes = Lanes::default();
            let old = std::mem::replace(&mut self.active, Arc::clone(&active));
            self.wanted_since = Some(now.wall);
            let now_s = now.unix_s();
            let planned: Box<dyn cache::Plan> = Box::new(Planned { active, now_s });
            self.shared.parts.cache.replace_plan(Some(planned));
            self.repairs = JoinSet::new();
            self.repair(Some(old));
        } else if self.shared.is_repair_wanted.swap(false, Ordering::Relaxed) {
            self.repair(None);
        }
    }

    /// Looks for what should be here, in the background.
    fn repair(&mut self, old: Option<Arc<Active>>) {
        self.seen.repaired = Instant::now();
        if self.repairs.is_empty() {
            let (active, shared) = (Arc::clone(&self.active), Arc::clone(&self.shared));
            self.repairs.spawn(repair::repair(shared, active, old));
        }
    }

    fn repaired(&mut self, repaired: Repaired) {
        self.shared.metrics.repaired.inc_by(repaired.lost);
        if repaired.is_released {
            self.active.is_released.store(true, Ordering::Relaxed);
            // If the keeper has too much to do, they go once more after a restart.
            let _full = self
                .orders
                .try_send(Order::Released(Arc::clone(&self.active)));
        }
        self.lanes.requeue(&self.active);
    }

    /// What time and viewers have changed.
    fn look(&mut self, now: &Timestamp) {
        let at = At::of(&self.shared.config.windows, now.wall);
        self.spend(now, at);
        if matches!(at, At::Closed(_)) {
            self.stop_all(|lane| lane == Lane::Window);
        }
        if self.shared.is_draining.load(Ordering::Relaxed) {
            self.stop_all(|_| true);
        }
        self.lanes.due(&self.active, now.wall);
        let elapsed = self.seen.measured.elapsed();
        if elapsed >= MEASURED {
            let come = self.attempts.pace.come_bytes();
            let bytes = come - self.seen.come_bytes;
            let ms = u64::try_from(elapsed.as_millis())
                .unwrap_or(u64::MAX)
                .max(1);
            // A moving average over some ten seconds.
            self.seen.bytes_per_s = (self.seen.bytes_per_s * 7 + bytes * 1000 / ms) / 8;
            (self.seen.come_bytes, self.seen.measured) = (come, Instant::now());
            let load = (self.shared.parts.load)();
            self.share = self.share.next(&load, &self.shared.config.yields);
            self.shared.metrics.show(&self.active);
        }
        if self.seen.written.elapsed() >= WRITTEN {
            self.seen.written = Instant::now();
            tokio::spawn(ledger_file::save_owned(
                self.shared.config.folder.clone(),
                self.ledger,
            ));
        }
        let is_due = self.seen.repaired.elapsed() >= self.shared.config.reconcile;
        if is_due {
            repair::forget_failures(&self.active);
        }
        if is_due || self.active.is_to_be_released() {
            self.repair(None);
        }
    }

    fn spend(&mut self, now: &Timestamp, at: At) {
        let come = self.attempts.pace.come_bytes();
        let bytes = come - self.seen.spent_bytes;
        self.seen.spent_bytes = come;
        self.shared.metrics.bytes.inc_by(bytes);
        self.ledger.spend(bytes, opened(at), now.wall);
    }

    /// Begins what may begin, and says why no more does.
    fn begin_all(&mut self, now: &Timestamp) -> Why {
        loop {
            match self.step(now) {
                Step::Start(lane) => self.begin(lane, now),
                Step::Wait(why) => return why,
            }
        }
    }

    fn step(&self, now: &Timestamp) -> Step {
        let clamped = self.shared.clamped(&self.active, now.unix_s());
        let allowance = Allowance {
            window_bytes: clamped.bytes_per_window,
            ..self.shared.config.allowance
        };
        self.attempts.pace.set_rate(
            self.share
                .of(clamped.bytes_per_s)
                .max(clamped.bytes_per_s / LEAST_SHARE),
        );
        let facts = Facts {
            now: now.wall,
            at: At::of(&self.shared.config.windows, now.wall),
            is_draining: self.shared.is_draining.load(Ordering::Relaxed),
            ledger: &self.ledger,
            allowance: &allowance,
            reserved_bytes: self.underway.reserved_bytes(),
            running: self.underway.len(),
            concurrency: usize::try_from(clamped.concurrency).unwrap_or(1),
            share: self.share,
            next_fast: self.lanes.next_bytes(&self.active, Lane::Fast),
            next_window: self.lanes.next_bytes(&self.active, Lane::Window),
        };
        facts.step()
    }

    fn begin(&mut self, lane: Lane, now: &Timestamp) {
        let Some(place) = self.lanes.take(lane) else {
            return;
        };
        if self.active.entry(place) == Entry::Waiting {
            self.active.set(place, Entry::Filling);
            let since = self.wanted_since.unwrap_or(now.wall);
            let waited = now.wall.saturating_sub(since);
            self.underway.begin(&self.active, place, lane, waited);
        }
    }

    /// Cuts what is under way in these lanes.
    fn stop_all(&mut self, lane: impl Fn(Lane) -> bool) {
        for place in self.underway.cut(lane) {
            self.active.set(place, Entry::Waiting);
            self.lanes.put_back(&self.active, place);
        }
    }

    fn ended(&mut self, ended: Ended) {
        let Some((place, outcome)) = self.underway.ended(ended) else {
            return;
        };
        let now = (self.shared.parts.clock)().wall;
        match outcome {
            Outcome::Held(_, reach) => {
                self.active.set(place, Entry::Held);
                self.lanes.succeed(place);
                let source = reach.map_or("here", |reach| reach.name());
                self.shared
                    .metrics
                    .filled
                    .with_label_values(&[source])
                    .inc();
            }
            Outcome::Failed(entry) => {
                self.active.set(place, entry);
                let reason = entry.name();
                self.shared
                    .metrics
                    .failed
                    .with_label_values(&[reason])
                    .inc();
                let attempts = self.shared.config.attempts;
                self.lanes.fail(place, now, attempts);
            }
            Outcome::Later(entry, pause) => {
                self.active.set(place, entry);
                self.lanes.put_off(place, now, pause);
            }
        }
    }

    fn tell(&self, now: &Timestamp, why: Why) {
        let at = At::of(&self.shared.config.windows, now.wall);
        let rate = self.share.of(self.shared.config.bytes_per_s);
        self.shared.metrics.rate.set(crate::metrics::signed(rate));
        *self.shared.pulse.lock() = Pulse {
            at,
            why,
            share: self.share,
            rate_bytes_per_s: rate,
            measured_bytes_per_s: self.seen.bytes_per_s,
            window_bytes: opened(at).map_or(0, |start| self.ledger.window_bytes(start)),
            running: self.underway.len(),
            told_at: now.wall,
        };
    }
}

fn opened(at: At) -> Option<Duration> {
    match at {
        At::Open(opening) => Some(opening.start),
        At::Closed(_) => None,
    }
}
