//! `[fill.inventory]`: what is held of the plan, written where planners read it, for a node that nobody can
//! ask.

use std::{sync::Arc, time::Duration};

use daemon::config::Section;
use manifest::Digest;
use message::Timestamp;
use node::Reports;
use preposition::{Preposition, next_pull};
use prometheus::{IntCounterVec, Opts, Registry};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use upstream::Writer;

/// `[fill.inventory]`.
#[derive(Debug, Clone)]
pub(crate) struct Inventory {
    place: Reports,
    interval: Duration,
}

/// The task that writes it. Dropped, it ends; what is on its way may arrive.
pub(crate) struct Telling {
    stop: DropGuard,
    task: JoinHandle<()>,
}

struct Teller {
    room: Preposition,
    writer: Writer,
    key: String,
    interval: Duration,
    /// By which nodes of a fleet are told apart.
    node: u64,
    outcomes: IntCounterVec,
    /// What lies there.
    last: Option<Digest>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Written,
    /// It lies there already, or it is not known yet what is held.
    Unchanged,
    Failed,
}

impl Inventory {
    /// Reads the section; nothing if it says that nothing is written.
    #[expect(
        clippy::option_option,
        reason = "a problem that was told, and a place that is none"
    )]
    pub(crate) fn read(section: &mut Section) -> Option<Option<Self>> {
        let intervals = Duration::from_secs(10)..=Duration::from_hours(24 * 7);
        let interval = section.duration("interval", intervals);
        let interval = interval.or(Duration::from_hours(1));
        let place = Reports::read(section)?;
        Some(place.map(|place| Self { place, interval }))
    }

    /// Writes it from now on. Must run in a tokio runtime.
    pub(crate) fn start(
        &self,
        room: &Preposition,
        node: &Arc<str>,
        registry: &Registry,
        now: &Timestamp,
    ) -> Result<Telling, node::Error> {
        let what = "Inventories by their outcome.";
        let options = Opts::new("millpond_fill_inventories_total", what);
        let outcomes = IntCounterVec::new(options, &["outcome"])?;
        registry.register(Box::new(outcomes.clone()))?;
        let teller = Teller {
            room: room.clone(),
            writer: self.place.writer(now)?,
            key: format!("inventory/{node}.ndjson.zst"),
            interval: self.interval,
            node: Digest::of(node.as_bytes()).as_bytes()[0].into(),
            outcomes,
            last: None,
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(teller.run(stop.clone()));
        let stop = stop.drop_guard();
        Ok(Telling { stop, task })
    }
}

impl Telling {
    /// Ends it.
    pub(crate) async fn end(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the task that writes the inventory failed");
        }
    }
}

impl Teller {
    async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0_u32;
        loop {
            let pause = next_pull(self.interval, failures, self.node);
            let told = async {
                sleep(pause).await;
                self.tell().await
            };
            let Some(told) = stop.run_until_cancelled(told).await else {
                return;
            };
            let outcome = match told {
                Told::Written => "written",
                Told::Unchanged => "unchanged",
                Told::Failed => "failed",
            };
            failures = match told {
                Told::Written | Told::Unchanged => 0,
                Told::Failed => failures.saturating_add(1),
            };
            self.outcomes.with_label_values(&[outcome]).inc();
        }
    }

    async fn tell(&mut self) -> Told {
        match self.try_tell().await {
            Ok(told) => told,
            Err(error) => {
                tracing::warn!(%error, key = self.key, "the inventory was not written");
                Told::Failed
            }
        }
    }

    async fn try_tell(&mut self) -> Result<Told, daemon::process::BoxError> {
        let room = self.room.clone();
        let file = tokio::task::spawn_blocking(move || room.held_file()).await??;
        let Some(file) = file else {
            return Ok(Told::Unchanged);
        };
        let digest = Digest::of(&file);
        if self.last == Some(digest) {
            return Ok(Told::Unchanged);
        }
        self.writer.put(&self.key, file.into()).await?;
        self.last = Some(digest);
        Ok(Told::Written)
    }
}
