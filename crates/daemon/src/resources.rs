//! What the kernel says of this process and its bounds, read from `/proc` when asked.

use std::{fs, path::Path};

use parking_lot::Mutex;
use prometheus::{
    Counter, Gauge, IntGauge, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// Clock ticks in a second as `/proc` counts them: fixed for user space on our architectures.
const TICKS_PER_SECOND: f64 = 100.0;

/// Levels of control groups that are looked through for a memory limit.
const GROUPS_MAX: usize = 32;

/// What this process may use; to hold budgets of a config against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Memory: the machine's, or the least of its control groups' limits. `None` when
    /// it cannot be read.
    pub memory_bytes: Option<u64>,
    /// Open files. `None` when there is no limit.
    pub open_files: Option<u64>,
}

impl Bounds {
    /// Reads them. Blocks on `/proc` and `/sys`, which answer at once.
    pub fn of_this_process() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let machine = memory_of_machine(&read("/proc/meminfo"));
        let group = memory_of_group(&read("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
        Self {
            memory_bytes: machine.into_iter().chain(group).min(),
            open_files: open_files_max(&read("/proc/self/limits")),
        }
    }
}

/// Registers `process_*` metrics under the names that every Prometheus dashboard knows, and
/// `millpond_daemon_build_info`. They are read at each scrape.
pub fn register_process_metrics(registry: &Registry) -> Result<(), prometheus::Error> {
    registry.register(Box::new(ProcessMetrics::new()?))
}

struct ProcessMetrics {
    memory: IntGauge,
    open_files: IntGauge,
    open_files_max: IntGauge,
    threads: IntGauge,
    start: Gauge,
    build: IntGauge,
    cpu: CpuSeconds,
}

/// A counter that follows what the kernel has counted.
struct CpuSeconds {
    counter: Counter,
    adding: Mutex<()>,
}

impl CpuSeconds {
    fn follow(&self, seconds: f64) {
        // A counter has no `set`. The lock keeps two scrapes from adding the same seconds twice.
        let _adding = self.adding.lock();
        self.counter.inc_by((seconds - self.counter.get()).max(0.0));
    }
}

impl ProcessMetrics {
    fn new() -> Result<Self, prometheus::Error> {
        let build = Opts::new("millpond_daemon_build_info", "What is running; always 1.")
            .const_label("version", env!("CARGO_PKG_VERSION"));
        Ok(Self {
            memory: IntGauge::new("process_resident_memory_bytes", "Resident memory.")?,
            open_files: IntGauge::new("process_open_fds", "Open file descriptors.")?,
            open_files_max: IntGauge::new("process_max_fds", "Limit of open file descriptors.")?,
            threads: IntGauge::new("process_threads", "Threads.")?,
            start: Gauge::new(
                "process_start_time_seconds",
                "Start, in seconds since 1970.",
            )?,
            build: IntGauge::with_opts(build)?,
            cpu: CpuSeconds {
                counter: Counter::new("process_cpu_seconds_total", "CPU time, user and system.")?,
                adding: Mutex::new(()),
            },
        })
    }

    fn all(&self) -> [&dyn Collector; 7] {
        let Self {
            memory,
            open_files,
            open_files_max,
            threads,
            start,
            build,
            cpu,
        } = self;
        [
            memory,
            open_files,
            open_files_max,
            threads,
            start,
            build,
            &cpu.counter,
        ]
    }

    /// What cannot be read keeps its last value.
    fn refresh(&self) {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        if let Some(stat) = Stat::parse(&read("/proc/self/stat")) {
            self.cpu.follow(stat.cpu_seconds);
            self.threads.set(stat.threads);
            if let Some(boot) = boot_seconds(&read("/proc/stat")) {
                self.start.set(boot + stat.start_seconds);
            }
        }
        if let Some(kib) = field_kib(&read("/proc/self/status"), "VmRSS:") {
            self.memory.set(signed(kib * 1024));
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // One of them is the directory itself.
            self.open_files
                .set(signed(files.count().saturating_sub(1) as u64));
        }
        if let Some(max) = open_files_max(&read("/proc/self/limits")) {
            self.open_files_max.set(signed(max));
        }
        self.build.set(1);
    }
}

impl Collector for ProcessMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.refresh();
        self.all()
            .into_iter()
            .flat_map(Collector::collect)
            .collect()
    }
}

/// The fields of `/proc/self/stat` (proc(5)) that are asked for.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: i64,
    start_seconds: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the name in brackets, which may hold brackets and spaces.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |from_third: usize| fields.get(from_third)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (number(11)? + number(12)?) / TICKS_PER_SECOND,
            threads: fields.get(17)?.parse().ok()?,
            start_seconds: number(19)? / TICKS_PER_SECOND,
        })
    }
}

fn boot_seconds(stat: &str) -> Option<f64> {
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

fn field_kib(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

fn open_files_max(limits: &str) -> Option<u64> {
    let value = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

fn memory_of_machine(meminfo: &str) -> Option<u64> {
    field_kib(meminfo, "MemTotal:").map(|kib| kib * 1024)
}

/// The least limit on the way from this process's group to the root: `memory.max` of version 2,
/// and of version 1, which some containers still have, `memory.limit_in_bytes`.
fn memory_of_group(cgroup: &str, root: &Path) -> Option<u64> {
    let groups = cgroup.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(":/")?;
        if controllers.is_empty() {
            return least(&root.join(path), root, "memory.max");
        }
        let is_memory = controllers.split(',').any(|name| name == "memory");
        let root = root.join("memory");
        is_memory.then(|| least(&root.join(path), &root, "memory.limit_in_bytes"))?
    });
    groups.min()
}

fn least(group: &Path, root: &Path, file: &str) -> Option<u64> {
    let limits = group
        .ancestors()
        .take(GROUPS_MAX)
        .take_while(|folder| folder.starts_with(root));
    limits
        .filter_map(|folder| fs::read_to_string(folder.join(file)).ok())
        .filter_map(|limit| limit.trim().parse().ok())
        .min()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_tells_of_this_process() {
        let registry = Registry::new();
        register_process_metrics(&registry).unwrap();
        let families = registry.gather();
        let value = |name: &str| {
            let family = families
                .iter()
                .find(|family| family.name() == name)
                .unwrap();
            let metric = &family.get_metric()[0];
            metric.get_gauge().get_value() + metric.get_counter().get_value()
        };
        assert!(value("process_resident_memory_bytes") > f64::from(1 << 20));
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        assert!(value("process_threads") >= 2.0);
        let age = message::now().wall.as_secs_f64() - value("process_start_time_seconds");
        assert!((-2.0..86_400.0).contains(&age), "{age}");
    }

    #[test]
    fn a_process_name_with_brackets_does_not_shift_the_fields() {
        let text = "7 (a) (b 1) 2) S 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0 9 0 6000 1 1";
        let stat = Stat {
            cpu_seconds: 3.0,
            threads: 9,
            start_seconds: 60.0,
        };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("rubbish"), None);
    }

    #[test]
    fn the_least_limit_of_all_groups_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("system.slice/millpond.service");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("memory.max"), "max\n").unwrap();
        fs::write(group.parent().unwrap().join("memory.max"), "1048576\n").unwrap();
        let cgroup = "4:memory:/x\n0::/system.slice/millpond.service\n";
        assert_eq!(memory_of_group(cgroup, root.path()), Some(1 << 20));
        assert_eq!(memory_of_group("", root.path()), None);
        let first = root.path().join("memory/x");
        fs::create_dir_all(&first).unwrap();
        fs::write(first.join("memory.limit_in_bytes"), "65536\n").unwrap();
        assert_eq!(memory_of_group(cgroup, root.path()), Some(1 << 16));
    }

    #[test]
    fn this_process_knows_its_bounds() {
        let bounds = Bounds::of_this_process();
        assert!(bounds.memory_bytes > Some(64 << 20), "{bounds:?}");
        assert!(bounds.open_files > Some(16), "{bounds:?}");
    }
}
