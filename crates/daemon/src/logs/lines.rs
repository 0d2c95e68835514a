//! A bounded queue of lines with one writing thread.
//!
//! The queue is in shards, so that threads of different cores do not meet on one lock for each
//! line: a thread pushes into its own shard, and the writer collects from all. Lines of one thread
//! stay in order; those of different threads may swap places within a batch.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Bytes that wait to be written in one shard, at most: some ten thousand lines, 32 MiB in all.
const PENDING_BYTES_MAX: usize = 4 << 20;

/// A shard for each core, up to so many.
const SHARDS_MAX: usize = 8;

/// With so much at hand in a shard the writer does not wait for more.
const BATCH_BYTES: usize = 64 << 10;

/// How long the first line of a batch waits for others: one wake and one write for all of them.
const GATHER: Duration = Duration::from_millis(100);

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, created with mode 640 and appended to.
    File(PathBuf),
}

/// Counters of all logs.
#[derive(Debug, Clone)]
pub struct LogMetrics {
    dropped: IntCounterVec,
    failures: IntCounterVec,
}

impl LogMetrics {
    /// Registers them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help| {
            let counter = IntCounterVec::new(Opts::new(name, help), &["log"])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            dropped: counter(
                "millpond_daemon_log_lines_dropped_total",
                "Log lines lost because their queue or their sink was full.",
            )?,
            failures: counter(
                "millpond_daemon_log_failures_total",
                "Failed writes to a log, and failed attempts to open it again.",
            )?,
        })
    }
}

/// A log: clones write to the same one. When the last clone is dropped, the writer writes what is
/// left and ends.
#[derive(Debug, Clone)]
pub struct Lines(Arc<Owner>);

#[derive(Debug)]
struct Owner(Arc<Queue>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.state.lock().haste = Haste::Close;
        self.0.wake.notify_one();
    }
}

#[derive(Debug)]
struct Queue {
    shards: Box<[Shard]>,
    state: Mutex<State>,
    wake: Condvar,
    idle: Condvar,
    dropped: IntCounter,
    failures: IntCounter,
}

/// Lines of some threads. On a cache line of its own, or its lock would be shared all the same.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Vec<u8>>);

#[derive(Debug, Default)]
struct State {
    load: Load,
    reopen: bool,
    writing: bool,
    haste: Haste,
}

/// What there is in the shards, all together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Load {
    #[default]
    Nothing,
    /// Lines, which wait for others.
    Lines,
    /// A batch.
    Batch,
}

impl State {
    fn is_busy(&self) -> bool {
        self.load > Load::Nothing || self.writing || self.reopen
    }
}

/// How the writer treats what is pending.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Haste {
    /// It gathers a batch.
    #[default]
    None,
    /// Somebody waits for it to be written.
    Flush,
    /// It writes what is left, and ends.
    Close,
}

impl Lines {
    /// Opens the target and starts its writer. `log` names it in metrics.
    pub fn start(log: &'static str, target: Target, metrics: &LogMetrics) -> io::Result<Self> {
        let sink = Sink::open(target)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let queue = Arc::new(Queue {
            shards: (0..cores.min(SHARDS_MAX))
                .map(|_| Shard::default())
                .collect(),
            state: Mutex::default(),
            wake: Condvar::new(),
            idle: Condvar::new(),
            dropped: metrics.dropped.with_label_values(&[log]),
            failures: metrics.failures.with_label_values(&[log]),
        });
        let owner = Owner(queue.clone());
        let thread = thread::Builder::new().name(format!("log-{log}"));
        thread.spawn(move || write_lines(&queue, sink))?;
        Ok(Self(Arc::new(owner)))
    }

    /// Queues a line, which ends in its newline; never waits for the sink.
    pub fn push(&self, line: &[u8]) {
        let queue = &self.0.0;
        let mut pending = queue.shard().lock();
        let before = pending.len();
        if before + line.len() > PENDING_BYTES_MAX {
            drop(pending);
            queue.dropped.inc();
            return;
        }
        pending.extend_from_slice(line);
        let full = pending.len() >= BATCH_BYTES && before < BATCH_BYTES;
        drop(pending);
        if before == 0 || full {
            let load = if full { Load::Batch } else { Load::Lines };
            let mut state = queue.state.lock();
            state.load = state.load.max(load);
            drop(state);
            queue.wake.notify_one();
        }
    }

    /// Opens a file again, so that a rotated one is let go. Done by the writer, soon.
    pub fn reopen(&self) {
        self.0.0.state.lock().reopen = true;
        self.0.0.wake.notify_one();
    }

    /// Waits until all that was pushed is written, or for `patience`. Blocks the thread.
    ///
    /// Returns whether all is written: a blocked sink is not waited for any longer.
    pub fn flush(&self, patience: Duration) -> bool {
        let queue = &self.0.0;
        let mut state = queue.state.lock();
        state.haste = Haste::Flush;
        // Whoever pushed last may not have come to say so yet.
        state.load = Load::Batch;
        queue.wake.notify_one();
        !queue
            .idle
            .wait_while_for(&mut state, |state| state.is_busy(), patience)
            .timed_out()
    }
}

impl Queue {
    /// The shard of this thread.
    fn shard(&self) -> &Mutex<Vec<u8>> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        // A thread that logs while it ends shares the first one's.
        let number = NUMBER.try_with(|number| *number).unwrap_or_default();
        &self.shards[number % self.shards.len()].0
    }

    fn collect(&self, batch: &mut Vec<u8>) {
        for Shard(pending) in &self.shards {
            let mut pending = pending.lock();
            if batch.is_empty() {
                std::mem::swap(batch, &mut pending);
            } else {
                batch.append(&mut pending);
                pending.shrink_to(BATCH_BYTES);
            }
        }
    }
}

/// The writer: sleeps until there is a line, gathers, writes, and starts over.
fn write_lines(queue: &Queue, mut sink: Sink) {
    let mut batch = Vec::new();
    loop {
        let mut state = queue.state.lock();
        state.writing = false;
        if state.load == Load::Nothing {
            if state.haste == Haste::Flush {
                state.haste = Haste::None;
            }
            queue.idle.notify_all();
        }
        queue.wake.wait_while(&mut state, |state| {
            state.load == Load::Nothing && !state.reopen && state.haste != Haste::Close
        });
        let gathers = |state: &mut State| {
            state.load < Load::Batch && !state.reopen && state.haste == Haste::None
        };
        queue.wake.wait_while_for(&mut state, gathers, GATHER);
        state.writing = true;
        // Before the shards are emptied: what comes into an emptied one sets it again.
        state.load = Load::Nothing;
        let (haste, reopen) = (state.haste, std::mem::take(&mut state.reopen));
        drop(state);
        batch.clear();
        batch.shrink_to(BATCH_BYTES);
        queue.collect(&mut batch);

        // What came before the request to open again belongs to the old file.
        sink.write(&batch, queue);
        if reopen && sink.reopen().is_err() {
            queue.failures.inc();
        }
        if haste == Haste::Close {
            return;
        }
    }
}

struct Sink {
    file: File,
    path: Option<PathBuf>,
    /// The last write broke off within a line.
    torn: bool,
}

impl Sink {
    fn open(target: Target) -> io::Result<Self> {
        // The streams of the standard library are locked and buffered: a blocked writer would
        // hold that lock against everybody.
        let (file, path) = match target {
            Target::Stderr => (io::stderr().as_fd().try_clone_to_owned()?.into(), None),
            Target::Stdout => (io::stdout().as_fd().try_clone_to_owned()?.into(), None),
            Target::File(path) => (append_to(&path)?, Some(path)),
        };
        Ok(Self {
            file,
            path,
            torn: false,
        })
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Some(path) = &self.path {
            self.file = append_to(path)?;
            self.torn = false;
        }
        Ok(())
    }

    fn write(&mut self, batch: &[u8], queue: &Queue) {
        if batch.is_empty() {
            return;
        }
        if self.torn && self.file.write_all(b"\n").is_ok() {
            self.torn = false;
        }
        let mut left = batch;
        while !left.is_empty() {
            match self.file.write(left) {
                Ok(count) if count > 0 => left = &left[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        if !left.is_empty() {
            self.torn |= left.len() < batch.len();
            queue.failures.inc();
            let lines = left.split_inclusive(|byte| *byte == b'\n').count();
            queue.dropped.inc_by(lines as u64);
        }
    }
}

fn append_to(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn metrics() -> LogMetrics {
        LogMetrics::new(&Registry::new()).unwrap()
    }

    #[test]
    fn lines_are_written_in_order_and_a_rotated_file_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let metrics = metrics();
        let lines = Lines::start("access", Target::File(path.clone()), &metrics).unwrap();
        lines.push(b"one\n");
        lines.push(b"two\n");
        assert!(lines.flush(PATIENCE));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");

        let rotated = folder.path().join("access.log.1");
        fs::rename(&path, &rotated).unwrap();
        lines.push(b"three\n");
        lines.reopen();
        assert!(lines.flush(PATIENCE));
        lines.push(b"four\n");
        assert!(lines.flush(PATIENCE));
        assert_eq!(fs::read_to_string(&rotated).unwrap(), "one\ntwo\nthree\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
    }

    #[test]
    fn a_blocked_sink_drops_and_counts_lines_and_blocks_nobody() {
        // A pipe that nobody reads from, reached through the path of its descriptor.
        let (mut reader, writer) = io::pipe().unwrap();
        let path = PathBuf::from(format!(
            "/proc/self/fd/{}",
            std::os::fd::AsRawFd::as_raw_fd(&writer)
        ));
        let metrics = metrics();
        let lines = Lines::start("access", Target::File(path), &metrics).unwrap();
        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        let sent = 3 * PENDING_BYTES_MAX / line.len();
        for _ in 0..sent {
            lines.push(&line);
        }
        assert!(!lines.flush(Duration::from_millis(10)));
        let dropped = metrics.dropped.with_label_values(&["access"]).get();
        assert!(dropped > 0);

        // Once somebody reads, all that was kept comes through, in whole lines.
        drop(lines);
        drop(writer);
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        assert_eq!(
            text.len(),
            (sent - usize::try_from(dropped).unwrap()) * line.len()
        );
    }

    #[test]
    fn a_full_disk_drops_and_counts_lines() {
        let metrics = metrics();
        let target = Target::File(PathBuf::from("/dev/full"));
        let lines = Lines::start("access", target, &metrics).unwrap();
        lines.push(b"one\n");
        lines.push(b"two\n");
        assert!(lines.flush(PATIENCE));
        assert_eq!(metrics.dropped.with_label_values(&["access"]).get(), 2);
        assert!(metrics.failures.with_label_values(&["access"]).get() > 0);
    }

    #[test]
    fn a_log_that_cannot_be_opened_again_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("log");
        fs::create_dir(&inner).unwrap();
        let metrics = metrics();
        let lines = Lines::start("access", Target::File(inner.join("a")), &metrics).unwrap();
        fs::rename(&inner, folder.path().join("moved")).unwrap();
        lines.reopen();
        lines.push(b"one\n");
        assert!(lines.flush(PATIENCE));
        lines.push(b"two\n");
        assert!(lines.flush(PATIENCE));
        let text = fs::read_to_string(folder.path().join("moved/a")).unwrap();
        assert_eq!(
            (
                text.as_str(),
                metrics.failures.with_label_values(&["access"]).get()
            ),
            ("one\ntwo\n", 1)
        );
    }
}
