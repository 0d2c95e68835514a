//! The doer: obeys the schedule, one object at a time for each place that there is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use message::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    active::Active,
    attempt::{Attempts, Outcome},
    entry::Entry,
    errands::{Asked, Errands},
    lanes::Lanes,
    ledger::{Allowance, Ledger},
    ledger_file,
    orders::Orders,
    pace::Pace,
    repair::{self, Repaired},
    schedule::{Facts, Lane, Step, Why},
    seen::Seen,
    shared::{Planned, Pulse, Shared},
    underway::{Ended, Underway},
    upkeep::Upkeep,
    window::At,
    yielding::Share,
};

/// How often it looks at the clock, the window and the viewers' needs while something is going on.
const TICK: Duration = Duration::from_millis(250);
/// What is under way goes on at so much of the rate, even when nothing new may begin: a read that
/// is left hanging holds a place at its source.
const LEAST_SHARE: u64 = 16;
/// From one walk over the plan to the next that a loss calls for.
const AFTER_LOSS: Duration = Duration::from_secs(5);

pub(crate) struct Engine {
    shared: Arc<Shared>,
    orders: Orders,
    attempts: Arc<Attempts>,
    active: Arc<Active>,
    lanes: Lanes,
    underway: Underway,
    errands: Errands,
    upkeep: Upkeep,
    ledger: Ledger,
    share: Share,
    /// What it may use now.
    rate_bytes_per_s: u64,
    /// What the last look at the clock showed, for those who have none.
    now_s: Arc<AtomicU64>,
    /// Since when the plan in force has been worked at: farther sources wait from then on.
    wanted_since: Option<Duration>,
    seen: Seen,
}

impl Engine {
    pub(crate) fn new(shared: Arc<Shared>, orders: Orders, errands: mpsc::Receiver<Asked>) -> Self {
        let pace = Arc::new(Pace::new(shared.config.bytes_per_s));
        let attempts = Attempts::new(shared.parts.clone(), pace, shared.config.escalation);
        let attempts = Arc::new(attempts);
        Self {
            active: shared.active.load_full(),
            underway: Underway::new(Arc::clone(&attempts)),
            errands: Errands::new(
                Arc::clone(&attempts),
                errands,
                !shared.config.windows.is_empty(),
            ),
            attempts,
            lanes: Lanes::default(),
            upkeep: Upkeep::new(Arc::clone(&shared)),
            now_s: Arc::default(),
            rate_bytes_per_s: shared.config.bytes_per_s,
            ledger: ledger_file::load(&shared.config.folder),
            share: Share::FULL,
            wanted_since: None,
            seen: Seen::new(Instant::now()),
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
                Some(event) = self.errands.next() => {
                    let attempts = self.shared.config.attempts;
                    self.errands.take_in(event, now.wall, attempts);
                }
                Some(repaired) = self.upkeep.next() => self.repaired(repaired),
                () = self.shared.changed.notified() => self.take_over(),
                () = sleep(message::nap(TICK)) => {}
            }
        }
        self.underway.end().await;
        self.errands.end().await;
        // A ledger that is being written is not written over.
        self.upkeep.end().await;
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
            self.shared.failures.lock().clear();
            self.active = Arc::clone(&active);
            self.wanted_since = Some(now.wall);
            self.now_s.store(now.unix_s(), Ordering::Relaxed);
            self.upkeep.take_over(&active, now.unix_s());
            let now_s = Arc::clone(&self.now_s);
            let planned: Box<dyn cache::Plan> = Box::new(Planned { active, now_s });
            self.shared.parts.cache.replace_plan(Some(planned));
            self.repair(&now);
        }
        self.repair_if_wanted(&now);
    }

    /// An operator's wish waits for a walk that is under way: that may have passed what he means.
    fn repair_if_wanted(&mut self, now: &Timestamp) {
        let wanted = &self.shared.is_repair_wanted;
        if !self.upkeep.is_repairing() && wanted.swap(false, Ordering::Relaxed) {
            repair::forget_failures(&self.active);
            self.repair(now);
        }
    }

    /// Looks for what should be here, in the background.
    fn repair(&mut self, now: &Timestamp) {
        self.seen.repaired = Instant::now();
        self.upkeep.repair(&self.active, now.unix_s());
    }

    fn repaired(&mut self, repaired: Repaired) {
        self.shared.metrics.repaired.inc_by(repaired.lost);
        self.active.is_walked.store(true, Ordering::Relaxed);
        if repaired.is_released {
            self.active.is_released.store(true, Ordering::Relaxed);
            // If the keeper has too much to do, they go once more after a restart.
            let _is_full = self.orders.released(Arc::downgrade(&self.active));
        }
        self.lanes.requeue(&self.active);
        self.upkeep.look_at_seeds(&self.active, repaired.has_told);
        self.repair_if_wanted(&(self.shared.parts.clock)());
    }

    /// What time and viewers have changed.
    fn look(&mut self, now: &Timestamp) {
        let at = At::of(&self.shared.config.windows, now.wall);
        self.spend(now, at);
        self.now_s.store(now.unix_s(), Ordering::Relaxed);
        self.upkeep.unpin_due(&self.active, now.unix_s());
        self.errands.forget_abandoned();
        if matches!(at, At::Closed(_)) {
            let has_fast_track = self.shared.config.has_fast_track;
            let is_cut = |lane| lane == Lane::Window || !has_fast_track;
            self.stop_all(is_cut);
            self.errands.cut(is_cut);
        }
        if self.shared.is_draining.load(Ordering::Relaxed) {
            self.stop_all(|_| true);
            self.errands.cut(|_| true);
        }
        self.lanes.due(&self.active, now.wall);
        self.active.note_put_off(self.lanes.put_off_count());
        if self.seen.measure(self.attempts.pace.come_bytes()) {
            let load = (self.shared.parts.load)();
            self.share = self.share.next(&load, &self.shared.config.yields);
            self.shared.metrics.show(&self.active);
        }
        if self.seen.is_to_be_written() {
            self.upkeep.write(self.ledger);
        }
        let is_due = self.seen.repaired.elapsed() >= self.shared.config.reconcile;
        if is_due {
            repair::forget_failures(&self.active);
        }
        if is_due || self.active.is_to_be_released() || self.is_loss_due() {
            self.repair(now);
        }
    }

    /// Whether a purge or damage has taken what the plan wants, since the last walk began and not too shortly
    /// ago: it may be one of many.
    fn is_loss_due(&self) -> bool {
        let may_walk = !self.upkeep.is_repairing() && self.seen.repaired.elapsed() >= AFTER_LOSS;
        may_walk && self.shared.is_some_lost.swap(false, Ordering::Relaxed)
    }

    fn spend(&mut self, now: &Timestamp, at: At) {
        let bytes = self.seen.come_since(self.attempts.pace.come_bytes());
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

    fn step(&mut self, now: &Timestamp) -> Step {
        let clamped = self.shared.clamped(&self.active, now.unix_s());
        let allowance = Allowance {
            window_bytes: clamped.bytes_per_window,
            ..self.shared.config.allowance
        };
        self.rate_bytes_per_s = self.share.of(clamped.bytes_per_s);
        let least = clamped.bytes_per_s / LEAST_SHARE;
        let pace = &self.attempts.pace;
        pace.set_rate(self.rate_bytes_per_s.max(least));
        let facts = Facts {
            now: now.wall,
            at: At::of(&self.shared.config.windows, now.wall),
            is_draining: self.shared.is_draining.load(Ordering::Relaxed),
            has_fast_track: self.shared.config.has_fast_track,
            ledger: &self.ledger,
            allowance: &allowance,
            reserved_bytes: self.underway.reserved_bytes() + self.errands.reserved_bytes(),
            running: self.underway.len() + self.errands.len(),
            concurrency: usize::try_from(clamped.concurrency).unwrap_or(1),
            share: self.share,
            is_reachable: self.attempts.is_any_usable(now.wall),
            next_fast: self.next_bytes(Lane::Fast, now.wall),
            next_window: self.next_bytes(Lane::Window, now.wall),
        };
        facts.step()
    }

    /// What the next of a lane would bring in: an errand, an object of the plan, a late errand.
    fn next_bytes(&self, lane: Lane, now: Duration) -> Option<u64> {
        let errand = |before| self.errands.next_bytes(lane, before, now);
        let planned = || self.lanes.next_bytes(&self.active, lane);
        errand(true).or_else(planned).or_else(|| errand(false))
    }

    fn begin(&mut self, lane: Lane, now: &Timestamp) {
        if self.errands.begin(lane, true, now.wall) {
            return;
        }
        let Some(place) = self.lanes.take(lane) else {
            self.errands.begin(lane, false, now.wall);
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
                let failures = self.lanes.fail(place, now, attempts);
                self.shared.failures.lock().note(place, failures);
            }
            Outcome::Outbid => {
                self.active.set(place, Entry::Outbid);
                self.lanes.succeed(place);
            }
            Outcome::Later(entry, pause) => {
                self.active.set(place, entry);
                self.lanes.put_off(place, now, pause);
            }
        }
        self.active.note_put_off(self.lanes.put_off_count());
    }

    fn tell(&self, now: &Timestamp, why: Why) {
        let at = At::of(&self.shared.config.windows, now.wall);
        let rate = self.rate_bytes_per_s;
        let pulse = Pulse {
            at,
            why,
            share: self.share,
            rate_bytes_per_s: rate,
            measured_bytes_per_s: self.seen.bytes_per_s,
            window_bytes: opened(at).map_or(0, |start| self.ledger.window_bytes(start)),
            running: self.underway.len() + self.errands.len(),
            told_at: now.wall,
        };
        self.shared.metrics.tell(&pulse);
        *self.shared.pulse.lock() = pulse;
    }
}

fn opened(at: At) -> Option<Duration> {
    match at {
        At::Open(opening) => Some(opening.start),
        At::Closed(_) => None,
    }
}
