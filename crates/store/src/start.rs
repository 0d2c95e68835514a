//! Opening a store: the journal, then the disks, then what lies on them.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
};

use prometheus::Registry;

use crate::{
    Config, DiskState, Error, Key, Memory, Record,
    config::DISKS_MAX,
    directory::Directory,
    ejection::Ejections,
    fetch::Fetcher,
    format::record::Kind,
    index::Place,
    journal::{
        file::Found,
        keeper::{Keeper, Past},
    },
    log::{
        Disk,
        open::{Wish, open},
        recover::{Contents, Recovered, recover},
        writer::Writer,
    },
    metrics::Metrics,
    random,
    store::{Inner, Slot, longest_payload},
};

/// A RAM shard holds at least this much, so that the largest slice (4 MiB) takes an eighth of one
/// at most.
const RAM_SHARD_BYTES: u64 = 32 << 20;
/// What a record takes in RAM besides its payload: the cache's own record, its key, its links.
const RAM_RECORD_BYTES: usize = 256;
/// Bits of a sequence number that count within a session: a trillion puts.
const SESSION_SHIFT: u32 = 40;

/// The newest of what was found under one tag.
struct Newest {
    sequence: u64,
    place: Place,
    length: u32,
    kind: Kind,
}

pub(crate) async fn start(config: Config, registry: &Registry) -> Result<Inner, Error> {
    config.check()?;
    let metrics = Arc::new(Metrics::new(registry)?);
    let weigh = |_: &Key, record: &Record| record.bytes.len() + RAM_RECORD_BYTES;
    let ram = Memory::with_shard_bytes(config.ram_bytes, RAM_SHARD_BYTES, weigh);
    let (keeper, past) = open_journal(&config).await;
    let session = past.as_ref().map_or(0, |past| past.session);
    let directory = Arc::new(Directory::new(ram, session << SESSION_SHIFT));
    let (disks, mut found) = open_disks(&config, past.as_ref()).await;
    index(&directory, &found, past.as_ref(), &metrics);
    for (disk, recovered) in found.drain(..) {
        let writer = Writer::new(
            disk,
            Arc::clone(&directory),
            keeper.clone(),
            Arc::clone(&metrics),
            config.write_batch_bytes,
            &recovered.contents,
        );
        let unsealed = recovered
            .contents
            .into_iter()
            .filter(|contents| !contents.sealed);
        tokio::spawn(writer.run(unsealed.collect()));
    }
    let fetcher = Fetcher {
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
        payload_bytes_max: longest_payload(config.segment_bytes),
        directory,
        disks,
        keeper,
        metrics,
        fetcher,
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

/// Opens and recovers every disk, all at the same time.
async fn open_disks(
    config: &Config,
    past: Option<&Past>,
) -> (Vec<Slot>, Vec<(Arc<Disk>, Recovered)>) {
    let mut opening = Vec::new();
    for (number, disk) in (0_u8..).zip(&config.disks) {
        let (settings, disk) = (config.clone(), disk.clone());
        let store = past.map(|past| past.store);
        opening.push(tokio::spawn(async move {
            let Some(store) = store else {
                return Err(DiskState::Absent("without a purge journal".into()));
            };
            let wish = Wish {
                number,
                config: &disk,
                store,
                settings: &settings,
            };
            let disk = Arc::new(open(wish).await.map_err(|refusal| refusal.state())?);
            let recovered = recover(&disk).await;
            Ok((disk, recovered))
        }));
    }
    let (mut slots, mut found) = (Vec::new(), Vec::new());
    for (opening, disk) in opening.into_iter().zip(&config.disks) {
        let lost = |error: tokio::task::JoinError| DiskState::Absent(error.to_string().into());
        let opened = opening.await.unwrap_or_else(|error| Err(lost(error)));
        match opened {
            Ok((disk, recovered)) => {
                slots.push(Slot::Open(Arc::clone(&disk)));
                found.push((disk, recovered));
            }
            Err(state) => slots.push(left_out(disk.path.clone(), state)),
        }
    }
    (slots, found)
}

fn left_out(path: PathBuf, state: DiskState) -> Slot {
    tracing::error!(disk = %path.display(), %state, "disk is left out");
    Slot::LeftOut { path, state }
}

/// Enters the newest of each key into the index, over all disks.
fn index(
    directory: &Directory,
    found: &[(Arc<Disk>, Recovered)],
    past: Option<&Past>,
    metrics: &Metrics,
) {
    let mut newest = HashMap::new();
    for (disk, recovered) in found {
        metrics.skipped_segments.inc_by(recovered.failed);
        let forgotten = past.and_then(|past| past.forgotten.get(&disk.id)).copied();
        for contents in &recovered.contents {
            collect(directory, disk, contents, forgotten, &mut newest);
        }
    }
    for (
        tag,
        Newest {
            sequence,
            place,
            length,
            kind,
        },
    ) in newest
    {
        if kind == Kind::Payload {
            directory.recovered(tag, place, sequence, length);
            metrics.recovered_records.inc();
        }
    }
}

fn collect(
    directory: &Directory,
    disk: &Disk,
    contents: &Contents,
    forgotten: Option<u64>,
    newest: &mut HashMap<u64, Newest>,
) {
    for entry in &contents.entries {
        if forgotten.is_some_and(|upto| entry.sequence <= upto) {
            continue;
        }
        let tag = directory.tag(&entry.key);
        let known = newest.get(&tag);
        // A record that was kept lies in two places: the later use of a segment is the better.
        if known.is_none_or(|known| known.sequence <= entry.sequence) {
            let (sequence, length, kind) = (entry.sequence, entry.length, entry.kind);
            let place = disk.place(contents.segment, entry.start);
            newest.insert(
                tag,
                Newest {
                    sequence,
                    place,
                    length,
                    kind,
                },
            );
        }
    }
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
