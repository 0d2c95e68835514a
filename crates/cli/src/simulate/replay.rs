//! The second pass: every plan reads the trace for itself, as many at a time as there are cores.

use std::{
    path::Path,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use forecast::model::{Access, Appliance, Lru, Served, Sizes};
use traces::Reader;

use super::{Policy, access::Cut, optimum::Optimum, scan::Scan, tally::Tally};
use crate::{Error, output};

/// One cache to be simulated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) policy: Policy,
    pub(crate) sizes: Sizes,
}

/// How it went.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) tally: Tally,
    /// Of what was evicted last; nothing if all fits, or if there is no such thing.
    pub(crate) eviction_age: Option<Duration>,
}

enum Cache<'a> {
    Millpond(Box<Appliance>),
    Lru(Lru),
    Optimum(Optimum<'a>),
}

impl<'a> Cache<'a> {
    fn new(plan: &Plan, scan: &'a Scan) -> Self {
        let all = plan.sizes.ram_bytes + plan.sizes.disk_bytes;
        match plan.policy {
            Policy::Millpond => Self::Millpond(Box::new(Appliance::new(&plan.sizes))),
            Policy::Lru => Self::Lru(Lru::new(all)),
            Policy::Optimum => Self::Optimum(Optimum::new(all, scan)),
        }
    }

    fn eviction_age(&self) -> Option<Duration> {
        match self {
            Self::Millpond(cache) => cache.eviction_age(),
            Self::Lru(cache) => cache.eviction_age(),
            Self::Optimum(_) => None,
        }
    }

    fn access(&mut self, access: &Access) -> Served {
        match self {
            Self::Millpond(cache) => cache.access(access),
            Self::Lru(cache) => cache.access(access),
            Self::Optimum(cache) => cache.access(access),
        }
    }
}

/// Requests between two signs of life.
const STRIDE: u64 = 1 << 18;

/// Runs all plans, and tells on the way how far they are.
pub(crate) fn replay(
    path: &Path,
    cut: Cut,
    scan: &Scan,
    plans: &[Plan],
    warmup_days: u64,
) -> Result<Vec<Run>, Error> {
    let warmup = Duration::from_hours(24 * warmup_days);
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(plans.len());
    let (tell, told) = mpsc::sync_channel(workers.max(1));
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..workers {
            let (tell, next) = (tell.clone(), &next);
            scope.spawn(move || {
                while let Some((number, plan)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    plans.get(number).map(|plan| (number, plan))
                } {
                    let run = run(path, cut, scan, plan, warmup, || {
                        drop(tell.send(Told::Stride));
                    });
                    // Whoever listens has gone only if another plan failed.
                    let _gone = tell.send(Told::Done(number, run));
                }
            });
        }
        drop(tell);
        collect(&told, scan, plans)
    })
}

enum Told {
    Stride,
    Done(usize, Result<Run, Error>),
}

fn collect(told: &mpsc::Receiver<Told>, scan: &Scan, plans: &[Plan]) -> Result<Vec<Run>, Error> {
    let all = (scan.requests / STRIDE).max(1) * plans.len() as u64;
    let (mut strides, mut done, mut failed) = (0, Vec::new(), None);
    for told in told {
        match told {
            Told::Stride => {
                strides += 1;
                output::progress(&bar(strides, all));
            }
            Told::Done(number, Ok(run)) => done.push((number, run)),
            Told::Done(_, Err(error)) => failed = Some(error),
        }
    }
    output::progress("");
    if let Some(error) = failed {
        return Err(error);
    }
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, run)| run).collect())
}

fn bar(done: u64, all: u64) -> String {
    const WIDTH: u64 = 40;
    let filled = usize::try_from(done.min(all) * WIDTH / all).unwrap_or_default();
    let percent = done.min(all) * 100 / all;
    format!("simulating [{:<40}] {percent:>3} %", "#".repeat(filled))
}

/// One plan over the whole trace.
pub(crate) fn run(
    path: &Path,
    cut: Cut,
    scan: &Scan,
    plan: &Plan,
    warmup: Duration,
    mut stride: impl FnMut(),
) -> Result<Run, Error> {
    let (mut cache, mut tally) = (Cache::new(plan, scan), Tally::default());
    let wrong = Error::of_trace(path);
    for (number, request) in (1_u64..).zip(Reader::open(path).map_err(&wrong)?) {
        let request = request.map_err(&wrong)?;
        for access in cut.accesses(&request, scan.start_ms) {
            let served = cache.access(&access);
            tally.count(&access, served, warmup);
        }
        if number.is_multiple_of(STRIDE) {
            stride();
        }
    }
    Ok(Run {
        plan: *plan,
        tally,
        eviction_age: cache.eviction_age(),
    })
}
