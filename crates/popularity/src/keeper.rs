//! The sketch over time: loaded at the start, reported and saved every hour and at the end.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    Config, Error, Hour, Popularity, StateError,
    metrics::Metrics,
    spool::{Spool, Waiting, sync},
};

/// Tells the time since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Object storage did not take a report: it is asked again after so long, then twice as long.
const RETRY_MIN: Duration = Duration::from_mins(1);
const RETRY_MAX: Duration = Duration::from_hours(1);
/// What is left of a node's life when it ends, for the last report. If that is too short, the report
/// waits for the next start.
const LAST_DELIVERY: Duration = Duration::from_secs(5);

/// Where reports go.
pub trait Shelf: Send + Sync + 'static {
    /// Puts a report there, in place of one with the same key. Cancelled, it may have been put.
    ///
    /// # Errors
    /// Why it may not be there, for the log.
    fn put(
        &self,
        key: String,
        report: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
}

/// What a [`Keeper`] needs beside the sketch's config.
#[derive(Clone)]
pub struct Keeping {
    /// A folder of its own.
    pub folder: PathBuf,
    /// This node's name, in the keys of reports.
    pub node: Arc<str>,
    /// Without one, no reports are made.
    pub shelf: Option<Arc<dyn Shelf>>,
    /// The clock.
    pub clock: Clock,
    /// How often it is looked at, at least: it may be set.
    pub look: Duration,
}

/// Keeps a sketch.
pub struct Keeper {
    popularity: Arc<Popularity>,
    keeping: Keeping,
    spool: Spool,
    metrics: Metrics,
}

impl Keeper {
    /// Loads the sketch. One that is damaged or foreign is told of in the log and counted, and an
    /// empty one takes its place.
    ///
    /// # Errors
    /// When the folder cannot be made, or a metric's name is taken.
    pub async fn open(
        config: Config,
        keeping: Keeping,
        registry: &prometheus::Registry,
    ) -> Result<Self, Error> {
        let metrics = Metrics::new(registry)?;
        metrics
            .memory
            .set(i64::try_from(config.memory_bytes).unwrap_or(i64::MAX));
        let (folder, now) = (keeping.folder.clone(), (keeping.clock)());
        let opening = tokio::task::spawn_blocking(move || {
            let spool = Spool::open(folder.join("reports"))?;
            Ok::<_, io::Error>((spool, load(config, &folder, now)))
        });
        let (spool, (popularity, refused)) = opening.await.map_err(io::Error::other)??;
        if let Some(error) = refused {
            metrics.refused.inc();
            let file = sketch(&keeping.folder);
            tracing::warn!(?file, %error, "the popularity of objects is counted anew");
        }
        Ok(Self {
            popularity: Arc::new(popularity),
            keeping,
            spool,
            metrics,
        })
    }

    /// The sketch that it keeps.
    pub fn popularity(&self) -> &Arc<Popularity> {
        &self.popularity
    }

    /// Reports and saves, every hour, until `stop`, and then once more. Dropped earlier, it leaves
    /// the disk as a crash would: with what was saved last.
    pub async fn run(self, stop: CancellationToken) {
        let mut hour = Hour::of(self.now());
        let mut retry = Retry::at_once();
        while stop
            .run_until_cancelled(self.pause(hour, &retry))
            .await
            .is_some()
        {
            let now = self.now();
            if Hour::of(now) > hour {
                self.end(hour, now).await;
                hour = Hour::of(now);
                retry = Retry::at_once();
            }
            if retry.at.is_some_and(|at| at <= now) {
                let Some(delivered) = stop.run_until_cancelled(self.deliver()).await else {
                    break;
                };
                retry = retry.after(delivered, now);
            }
        }
        self.end(hour, self.now()).await;
        // What is not delivered now is delivered after the next start.
        let _in_time = timeout(LAST_DELIVERY, self.deliver()).await;
    }

    fn now(&self) -> Duration {
        (self.keeping.clock)()
    }

    async fn pause(&self, hour: Hour, retry: &Retry) {
        let end = hour.next().begin();
        let until = retry.at.map_or(end, |at| at.min(end));
        let left = until.saturating_sub(self.now());
        tokio::time::sleep(left.min(self.keeping.look)).await;
    }

    /// Ends an hour, or the part of it that there was.
    async fn end(&self, hour: Hour, now: Duration) {
        let (popularity, spool) = (Arc::clone(&self.popularity), self.spool.clone());
        let (folder, reports) = (self.keeping.folder.clone(), self.keeping.shelf.is_some());
        let ended = tokio::task::spawn_blocking(move || {
            let rows = popularity.end_hour(hour);
            let reported = if reports {
                spool.write(rows, hour, now)
            } else {
                rows.for_each(drop);
                Ok(())
            };
            (reported, save(&popularity, &folder, now), spool.trim())
        });
        let Ok((reported, saved, trimmed)) = ended.await else {
            tracing::error!("ending an hour of popularity panicked");
            return;
        };
        if let Err(error) = reported {
            self.metrics.dropped.inc();
            tracing::error!(error = %chain(&error), "no report of the last hour's popularity");
        }
        if let Err(error) = saved {
            self.metrics.unsaved.inc();
            tracing::error!(%error, "the popularity of objects was not saved");
        }
        match trimmed {
            Ok(0) => {}
            Ok(dropped) => {
                self.metrics.dropped.inc_by(dropped);
                tracing::error!(
                    dropped,
                    "reports that object storage did not take for a week"
                );
            }
            Err(error) => tracing::error!(%error, "the folder of reports cannot be read"),
        }
    }

    /// Delivers what waits, the oldest first, until one is refused; tells whether all were taken.
    /// Cancel safe: what was not confirmed waits on.
    async fn deliver(&self) -> bool {
        let Some(shelf) = &self.keeping.shelf else {
            return true;
        };
        let spool = self.spool.clone();
        let waiting = tokio::task::spawn_blocking(move || spool.waiting()).await;
        let waiting = waiting
            .map_err(io::Error::other)
            .flatten()
            .unwrap_or_default();
        let mut left = waiting.len();
        for report in waiting {
            self.metrics
                .waiting
                .set(i64::try_from(left).unwrap_or(i64::MAX));
            if let Err(error) = self.deliver_one(&**shelf, &report).await {
                self.metrics.failed.inc();
                tracing::warn!(left, error, "object storage did not take a report");
                return false;
            }
            self.metrics.delivered.inc();
            left -= 1;
        }
        self.metrics.waiting.set(0);
        true
    }

    async fn deliver_one(&self, shelf: &dyn Shelf, report: &Waiting) -> Result<(), String> {
        let content = tokio::fs::read(&report.file).await;
        let content = content.map_err(|error| error.to_string())?;
        shelf
            .put(report.key(&self.keeping.node), content.into())
            .await?;
        let removed = tokio::fs::remove_file(&report.file).await;
        removed.map_err(|error| error.to_string())
    }
}

/// When object storage is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Retry {
    /// `None` where nothing waits.
    at: Option<Duration>,
    pause: Duration,
}

impl Retry {
    fn at_once() -> Self {
        Self {
            at: Some(Duration::ZERO),
            pause: RETRY_MIN,
        }
    }

    fn after(self, delivered: bool, now: Duration) -> Self {
        Self {
            at: (!delivered).then(|| now.saturating_add(self.pause)),
            pause: self.pause.saturating_mul(2).min(RETRY_MAX),
        }
    }
}

fn sketch(folder: &Path) -> PathBuf {
    folder.join("sketch")
}

/// The sketch in a folder, or an empty one and why it is.
fn load(config: Config, folder: &Path, now: Duration) -> (Popularity, Option<StateError>) {
    let file = match File::open(sketch(folder)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return (Popularity::new(config), None);
        }
        Err(error) => return (Popularity::new(config), Some(error.into())),
    };
    match Popularity::load(config.clone(), now, BufReader::new(file)) {
        Ok(popularity) => (popularity, None),
        Err(error) => (Popularity::new(config), Some(error)),
    }
}

/// Whoever crashes meanwhile finds the sketch that was saved before.
fn save(popularity: &Popularity, folder: &Path, now: Duration) -> io::Result<()> {
    let unfinished = folder.join("sketch.unfinished");
    let mut options = File::options();
    // It has the secret by which objects find their places.
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = BufWriter::new(options.open(&unfinished)?);
    popularity.save(now, &mut file)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    fs::rename(unfinished, sketch(folder))?;
    sync(folder)
}

fn chain(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
