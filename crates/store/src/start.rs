//! Opening a store: the journal, then the disks, then what lies on them.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
};

use prometheus::Registry;

use crate::{
    Budget, Config, DiskState, Error, Key, Record,
    admission::Admission,
    config::DISKS_MAX,
    directory::Directory,
    ejection::Ejections,
    fetch::Fetcher,
    journal::{
        file::Found,
        keeper::{Keeper, Past},
    },
    judge::Judge,
    leaving,
    log::{
        Disk,
        open::{Wish, open},
    },
    metrics::Metrics,
    placement::Tags,
    random,
    recency::Recency,
    recovery::{self, Crew},
    store::{Inner, Slot, longest_payload},
};

/// A RAM shard holds at least this much, so that the largest slice (4 MiB) takes an eighth of one
/// at most.
const RAM_SHARD_BYTES: u64 = 32 << 20;
/// What a record takes in RAM besides its payload: the cache's own record, its key, its links.
pub const RAM_RECORD_BYTES: usize = 256;
/// Bits of a sequence number that count within a session: a trillion puts.
const SESSION_SHIFT: u32 = 40;

pub(crate) async fn start(config: Config, registry: &Registry) -> Result<Inner, Error> {
    config.check()?;
    let metrics = Arc::new(Metrics::new(registry)?);
    let weigh = |_: &Key, record: &Record| record.bytes.len() + RAM_RECORD_BYTES;
    let ram = leaving::ram(config.ram_bytes, RAM_SHARD_BYTES, weigh);
    let (keeper, past) = open_journal(&config).await;
    let session = past.as_ref().map_or(0, |past| past.session);
    let store = past.as_ref().map_or_else(random::id, |past| past.store);
    let directory = Directory::new(ram, Tags::new(&store), session << SESSION_SHIFT);
    let directory = Arc::new(directory.with_records_max(config.disk_records_max));
    let disks = open_disks(&config, past.as_ref()).await;
    let recency = Recency::new(config.state_dir.clone(), store);
    let judge = Arc::new(judge(&config, &disks));
    let forgotten = past.map(|past| past.forgotten).unwrap_or_default();
    let recovery = recovery::start(
        &disks,
        forgotten,
        Crew {
            directory: Arc::clone(&directory),
            keeper: keeper.clone(),
            metrics: Arc::clone(&metrics),
            recency: recency.clone(),
            judge: Arc::clone(&judge),
            batch_bytes: config.write_batch_bytes,
        },
    );
    let saving = recency.keep_saving(&open_ones(&disks), &directory, &judge, recovery.clone());
    // What takes longer goes on in the background.
    let _ = tokio::time::timeout(config.recovery_wait, recovery.done()).await;
    let budget = Budget::new(config.slices_bytes_max(), config.held_bytes / 2);
    let admission = Arc::new(Admission {
        directory: Arc::clone(&directory),
        judge,
        disks: open_ones(&disks),
        wanted: !disks.is_empty(),
        payload_bytes_max: longest_payload(config.segment_bytes),
        metrics: Arc::clone(&metrics),
    });
    let fetcher = Fetcher {
        admission: Arc::clone(&admission),
        budget: budget.clone(),
        memory_wait: config.memory_wait,
        directory: Arc::clone(&directory),
        disks: by_number(&disks),
        metrics: Arc::clone(&metrics),
        timeout: config.read_timeout,
        reads_max: config.reads_in_flight_max,
        reads: Arc::new(AtomicUsize::new(0)),
        ejections: Ejections::new(config.state_dir.clone()),
    };
    Ok(Inner {
        ram_bytes_max: config.ram_bytes,
        budget,
        directory,
        admission,
        disks,
        keeper,
        metrics,
        fetcher,
        recovery,
        recency,
        _saving: saving,
    })
}

/// The journal, and what it said; nothing if there is none, or it cannot be had.
async fn open_journal(config: &Config) -> (Keeper, Option<Past>) {
    let scopes_max = config.purge_scopes_max;
    let Some(folder) = &config.state_dir else {
        return (Keeper::volatile(scopes_max), None);
    };
    match Keeper::open(folder.clone(), random::id(), scopes_max).await {
        Ok((keeper, past)) => {
            if past.found == Found::Damaged {
                let folder = folder.display();
                tracing::error!(%folder, "the purge journal is damaged: the disks are emptied");
            }
            (keeper, Some(past))
        }
        Err(error) => {
            let path = folder.display();
            tracing::error!(folder = %path, %error, "no purge journal: the disks are left out");
            (Keeper::unwritable(folder, &error, scopes_max), None)
        }
    }
}

/// Opens every disk, all at the same time.
async fn open_disks(config: &Config, past: Option<&Past>) -> Vec<Slot> {
    let mut opening = Vec::new();
    for (number, disk) in (0_u8..).zip(&config.disks) {
        let (settings, disk) = (config.clone(), disk.clone());
        let store = past.map(|past| (past.store, past.found != Found::Whole));
        opening.push(tokio::spawn(async move {
            let Some((store, store_is_new)) = store else {
                return Err(DiskState::Absent("without a purge journal".into()));
            };
            let wish = Wish {
                number,
                config: &disk,
                store,
                store_is_new,
                settings: &settings,
            };
            open(wish).await.map_err(|refusal| refusal.state())
        }));
    }
    let mut slots = Vec::new();
    for (opening, disk) in opening.into_iter().zip(&config.disks) {
        let lost = |error: tokio::task::JoinError| DiskState::Absent(error.to_string().into());
        let opened = opening.await.unwrap_or_else(|error| Err(lost(error)));
        slots.push(match opened {
            Ok(disk) => Slot::Open(Arc::new(disk)),
            Err(state) => left_out(disk.path.clone(), state),
        });
    }
    slots
}

fn open_ones(slots: &[Slot]) -> Vec<Arc<Disk>> {
    let disks = slots.iter().filter_map(|slot| match slot {
        Slot::Open(disk) => Some(Arc::clone(disk)),
        Slot::LeftOut { .. } => None,
    });
    disks.collect()
}

/// The policy of all disks that could be opened.
fn judge(config: &Config, slots: &[Slot]) -> Judge {
    let (mut capacity, mut writes) = (0, 0_u64);
    for (slot, disk) in slots.iter().zip(&config.disks) {
        if let Slot::Open(open) = slot {
            let bytes = open.capacity_bytes();
            capacity += bytes;
            writes = writes.saturating_add(disk.writes_per_day.bytes(bytes));
        }
    }
    Judge::new(capacity, writes, config.clock.clone(), config.admit)
}

fn left_out(path: PathBuf, state: DiskState) -> Slot {
    tracing::error!(disk = %path.display(), %state, "disk is left out");
    Slot::LeftOut { path, state }
}

fn by_number(slots: &[Slot]) -> [Option<Arc<Disk>>; DISKS_MAX] {
    let mut disks = [const { None }; DISKS_MAX];
    for slot in slots {
        if let Slot::Open(disk) = slot {
            disks[usize::from(disk.number)] = Some(Arc::clone(disk));
        }
    }
    disks
}
