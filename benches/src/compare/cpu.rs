//! CPU time of a server: all threads of all its processes, user and system.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Linux tells times in `/proc/PID/stat` in hundredths of a second on every architecture that we
/// run on.
const TICK_NS: u64 = 10_000_000;

/// What each process had used at a moment.
#[derive(Debug)]
pub(crate) struct Usage(BTreeMap<u32, Process>);

#[derive(Debug, Default)]
struct Process {
    /// Whole ticks, of all threads that it ever had.
    ticks_ns: u64,
    /// Nanoseconds of each thread that lives.
    threads: BTreeMap<u32, u64>,
}

impl Usage {
    pub(crate) fn now(pids: &BTreeSet<u32>) -> Self {
        let process = |pid: &u32| Some((*pid, Process::now(*pid)?));
        Self(pids.iter().filter_map(process).collect())
    }

    /// Seconds that were used since `earlier`.
    pub(crate) fn since_s(&self, earlier: &Self) -> f64 {
        let new = Process::default();
        let used_ns: u64 = self
            .0
            .iter()
            .map(|(pid, process)| process.since_ns(earlier.0.get(pid).unwrap_or(&new)))
            .sum();
        std::time::Duration::from_nanos(used_ns).as_secs_f64()
    }
}

impl Process {
    /// Nothing when it has ended.
    fn now(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let thread = |entry: fs::DirEntry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(entry.path().join("schedstat")).ok()?;
            let ns = text.split_ascii_whitespace().next()?.parse().ok()?;
            Some((id, ns))
        };
        Some(Self {
            ticks_ns: ticks(&stat)? * TICK_NS,
            threads: threads.flatten().filter_map(thread).collect(),
        })
    }

    /// By the threads' own clocks, which are exact; by ticks when a thread has ended meanwhile and
    /// taken its clock along, or the kernel keeps none.
    fn since_ns(&self, earlier: &Self) -> u64 {
        let ended = |id| !self.threads.contains_key(id);
        if self.threads.is_empty() || earlier.threads.keys().any(ended) {
            return self.ticks_ns.saturating_sub(earlier.ticks_ns);
        }
        let used = |(id, ns): (&u32, &u64)| ns - earlier.threads.get(id).copied().unwrap_or(0);
        self.threads.iter().map(used).sum()
    }
}

/// utime and stime, the 14th and 15th field; the second is a name in brackets that may hold
/// anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let stat = "17 (a) b (c) R 1 17 17 0 -1 4194304 90 0 0 0 250 31 7 9 20 0 1 0 100 0";
        assert_eq!(ticks(stat), Some(281));
        assert_eq!(ticks("17 (cut"), None);
    }

    #[test]
    fn a_thread_that_ended_takes_nothing_away() {
        let process = |ticks_ns, threads: &[(u32, u64)]| Process {
            ticks_ns,
            threads: threads.iter().copied().collect(),
        };
        let earlier = process(20, &[(1, 7), (2, 9)]);
        assert_eq!(process(50, &[(1, 8), (2, 9), (3, 5)]).since_ns(&earlier), 6);
        assert_eq!(process(50, &[(1, 8)]).since_ns(&earlier), 30);
    }
}
