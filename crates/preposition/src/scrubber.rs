//! The scrub: what the plan has brought here is read again and again, and checked, whether anybody asks
//! for it or not. What is not what was written is forgotten, looked for, and filled again.

use std::{fs, io, path::Path, sync::Arc, sync::atomic::Ordering, time::Duration};

use cache::Wanted;
use message::ObjectName;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use store::Checked;
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    applied::put_in_place,
    scrub::{Cursor, Due, LOOK, Scrub, Slice},
    shared::Shared,
    wanted::{name, wanted},
};

const FILE: &str = "scrubbed.json";
/// How often it is written down how far a pass has come, at most.
const WRITTEN: Duration = Duration::from_mins(1);

/// Goes over what is here, one slice at a time.
pub(crate) struct Scrubber {
    shared: Arc<Shared>,
    metrics: Metrics,
    /// How long a pass takes.
    pass: Duration,
    cursor: Cursor,
    /// When the slice before was begun, and how large it was.
    begun: Instant,
    last_bytes: u64,
    /// When it was last looked whether to write down how far it has come, and what was.
    written: Instant,
    kept: Cursor,
}

/// What is read next.
struct Next {
    name: ObjectName,
    wanted: Wanted,
    slice: Slice,
}

struct Metrics {
    /// By what reading them has shown.
    slices: IntCounterVec,
    bytes: IntCounter,
    passes: IntCounter,
}

impl Metrics {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let name = |name| format!("millpond_fill_{name}");
        let slices = Opts::new(
            name("scrubbed_slices_total"),
            "Slices that were read to be checked.",
        );
        let slices = IntCounterVec::new(slices, &["outcome"])?;
        // There from the start: the first of a kind is the one to be seen.
        for outcome in ["sound", "corrupt", "unread"] {
            slices.with_label_values(&[outcome]);
        }
        let bytes = "Bytes of slices that were read to be checked.";
        let passes = "Times that all that is here was gone through.";
        let metrics = Self {
            slices,
            bytes: IntCounter::new(name("scrubbed_bytes_total"), bytes)?,
            passes: IntCounter::new(name("scrub_passes_total"), passes)?,
        };
        registry.register(Box::new(metrics.slices.clone()))?;
        registry.register(Box::new(metrics.bytes.clone()))?;
        registry.register(Box::new(metrics.passes.clone()))?;
        Ok(metrics)
    }
}

impl Scrubber {
    /// One that goes on where the one before it was.
    pub(crate) fn new(
        shared: Arc<Shared>,
        pass: Duration,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let cursor = load(&shared.config.folder);
        Ok(Self {
            metrics: Metrics::register(registry)?,
            kept: cursor.clone(),
            cursor,
            pass,
            begun: Instant::now(),
            last_bytes: 0,
            written: Instant::now(),
            shared,
        })
    }

    /// Works until it is stopped.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.go_on(&stop).await;
        self.write().await;
    }

    async fn go_on(&mut self, stop: &CancellationToken) {
        let recovered = self.shared.parts.cache.recovered();
        stop.run_until_cancelled(recovered).await;
        while !stop.is_cancelled() {
            stop.run_until_cancelled(self.turn()).await;
            if self.written.elapsed() >= WRITTEN {
                self.write().await;
            }
        }
    }

    /// Cancel safe: a slice that was not checked to its end is checked again.
    async fn turn(&mut self) {
        let rest = match self.facts().due() {
            Due::Later(rest) => rest,
            Due::Now => match self.next() {
                Some(next) => return self.check(next).await,
                // What was here is gone just now.
                None => LOOK,
            },
        };
        sleep(rest).await;
    }

    fn facts(&self) -> Scrub {
        let shared = &self.shared;
        Scrub {
            pass: self.pass,
            bytes_per_s: shared.config.bytes_per_s,
            share: shared.pulse.lock().share,
            is_draining: shared.is_draining.load(Ordering::Relaxed),
            held_bytes: shared.active.load().bytes().1,
            last_bytes: self.last_bytes,
            since: self.begun.elapsed(),
        }
    }

    /// The next slice. It holds on to no plan: another one comes into force while a disk hangs.
    fn next(&mut self) -> Option<Next> {
        let active = self.shared.active.load_full();
        let mut slice = self.cursor.next(&active);
        if slice.is_none() && self.cursor != Cursor::default() {
            self.metrics.passes.inc();
            self.cursor = Cursor::default();
            slice = self.cursor.next(&active);
        }
        let slice = slice?;
        let (object, _) = active.at(slice.place)?;
        Some(Next {
            name: name(&object),
            wanted: wanted(&object, 0),
            slice,
        })
    }

    async fn check(&mut self, next: Next) {
        let Next {
            name,
            wanted,
            slice,
        } = next;
        (self.begun, self.last_bytes) = (Instant::now(), slice.bytes);
        let parts = &self.shared.parts;
        let checked = match (parts.rules)(&name.site) {
            Some(rules) => parts.cache.check(&name, &wanted, &rules, slice.index).await,
            None => Checked::Absent,
        };
        self.note(&name, slice, checked);
        // Others needed the memory: its turn comes again.
        if checked != Checked::Busy {
            self.cursor = Cursor::behind(&name, slice.index);
        }
        // Of what lies on no disk nothing was waited for.
        yield_now().await;
    }

    fn note(&self, name: &ObjectName, slice: Slice, checked: Checked) {
        let outcome = match checked {
            Checked::Sound => "sound",
            Checked::Lost => "corrupt",
            Checked::Unread => "unread",
            // Nothing was read.
            Checked::Absent | Checked::Busy => return,
        };
        self.metrics.slices.with_label_values(&[outcome]).inc();
        self.metrics.bytes.inc_by(slice.bytes);
        if checked == Checked::Lost {
            let index = slice.index;
            tracing::error!(object = %name, index, "a slice on disk is not what was written");
            self.shared.is_some_lost.store(true, Ordering::Relaxed);
        }
    }

    /// Writes down how far the pass has come. Failures cost a part of a pass.
    async fn write(&mut self) {
        self.written = Instant::now();
        if self.cursor == self.kept {
            return;
        }
        self.kept = self.cursor.clone();
        let (folder, cursor) = (self.shared.config.folder.clone(), self.cursor.clone());
        let written = tokio::task::spawn_blocking(move || save(&folder, &cursor)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "how far the scrub has come could not be written down");
        }
    }
}

/// How far it had come. What cannot be read is the beginning.
fn load(folder: &Path) -> Cursor {
    let read = fs::read(folder.join(FILE)).ok();
    let cursor = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    cursor.unwrap_or_default()
}

fn save(folder: &Path, cursor: &Cursor) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let new = folder.join("scrubbed.new");
    fs::write(&new, serde_json::to_vec(cursor)?)?;
    put_in_place(&new, &folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_to_what_was_written_down_is_the_beginning() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()), Cursor::default());
        save(folder.path(), &Cursor::default()).unwrap();
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(load(folder.path()), Cursor::default());
    }
}
