//! What viewers have needed of late, measured where they are answered.

use std::time::Duration;

use cache::Cache;
use daemon::access::RequestMetrics;
use parking_lot::Mutex;
use preposition::Load;
use tokio::time::Instant;

/// Fewer waits than this say nothing of their slowest hundredth.
const WAITS_MIN: u64 = 20;

/// Measures from one look to the next.
pub(crate) struct Gauge {
    requests: RequestMetrics,
    cache: Cache,
    write_queue_bytes: u64,
    last: Mutex<Seen>,
}

#[derive(Clone)]
struct Seen {
    at: Instant,
    body_bytes: u64,
    disk_waits: Vec<(f64, u64)>,
}

impl Gauge {
    pub(crate) fn new(requests: RequestMetrics, cache: Cache, write_queue_bytes: u64) -> Self {
        let last = Mutex::new(Seen::now(&requests));
        Self {
            requests,
            cache,
            write_queue_bytes,
            last,
        }
    }

    /// What viewers have needed since the last look.
    pub(crate) fn look(&self) -> Load {
        let now = Seen::now(&self.requests);
        let queued = self.cache.write_queue_bytes();
        let queue = queued * 1000 / self.write_queue_bytes.max(1);
        let before = std::mem::replace(&mut *self.last.lock(), now.clone());
        let elapsed = now.at.saturating_duration_since(before.at).as_millis();
        let bytes = u128::from(now.body_bytes.saturating_sub(before.body_bytes));
        Load {
            egress_bytes_per_s: u64::try_from(bytes * 1000 / elapsed.max(1)).unwrap_or(u64::MAX),
            disk_p99: slowest_hundredth(&before.disk_waits, &now.disk_waits),
            write_queue: u32::try_from(queue).unwrap_or(u32::MAX),
        }
    }
}

impl Seen {
    fn now(requests: &RequestMetrics) -> Self {
        Self {
            at: Instant::now(),
            body_bytes: requests.body_bytes(),
            disk_waits: requests.disk_waits(),
        }
    }
}

/// The bound within which 99 of 100 waits ended between two looks at how many ended within each.
fn slowest_hundredth(before: &[(f64, u64)], now: &[(f64, u64)]) -> Option<Duration> {
    let counts = before.iter().zip(now);
    let counts = counts.map(|((_, before), (bound, now))| (bound, now.saturating_sub(*before)));
    let counts: Vec<_> = counts.collect();
    let all = counts.last().map_or(0, |(_, all)| *all);
    if all < WAITS_MIN {
        return None;
    }
    let within = |(_, count): &&(&f64, u64)| count * 100 >= all * 99;
    let bound = counts
        .iter()
        .find(within)
        .map_or(f64::INFINITY, |(bound, _)| **bound);
    // What is beyond the last bound took longer than anybody allows.
    Some(Duration::try_from_secs_f64(bound).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_hundredth_is_told_by_what_came_since_the_last_look() {
        let before = [(0.001, 1000), (0.01, 1000), (f64::INFINITY, 1000)];
        let waits = |fast, slow, all| [(0.001, fast), (0.01, slow), (f64::INFINITY, all)];
        let p99 = |now: [(f64, u64); 3]| slowest_hundredth(&before, &now);
        assert_eq!(p99(waits(1099, 1100, 1100)), Some(Duration::from_millis(1)));
        assert_eq!(
            p99(waits(1098, 1100, 1100)),
            Some(Duration::from_millis(10))
        );
        assert_eq!(p99(waits(1000, 1050, 1100)), Some(Duration::MAX));
        assert_eq!(p99(waits(1000, 1000, 1019)), None, "too few");
    }
}
