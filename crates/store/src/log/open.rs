//! Taking a disk into use: its superblock, and whether it is ours to write to.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize},
    time::Duration,
};

use disk::{Device, Options, Pool, Registration};
use parking_lot::Mutex;

use super::{Disk, health::Health, queue::Queue};
use crate::{
    Config, DiskConfig, DiskState,
    config::SEGMENTS_MIN,
    ejection::Ejections,
    format::{
        BLOCK, Secret, VERSION,
        superblock::{BLANK_BYTES, Judge, SUPERBLOCKS_BYTES, Superblock, Verdict},
    },
    index::DISK_BYTES_MAX,
    random,
};

/// Unused buffers that a disk keeps: those of a write batch and of thirty reads of 1 MiB. More are
/// in flight at a peak only, and go when it is over.
const POOL_BYTES: usize = 32 << 20;
/// How long a disk may take to answer at start before it is left out.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long any read may take: those of recovery and of the writer. Who serves waits less.
const READ_DEADLINE: Duration = Duration::from_secs(30);

/// What a disk must know of the store that opens it.
pub(crate) struct Wish<'a> {
    pub(crate) number: u8,
    pub(crate) config: &'a DiskConfig,
    pub(crate) store: [u8; 16],
    /// Whether the store began just now: its journal is new, or was lost.
    pub(crate) store_is_new: bool,
    pub(crate) settings: &'a Config,
}

/// Why a disk is left out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Device(#[from] disk::Error),
    #[error("it holds something that is not ours: blank it, or name another")]
    Foreign,
    #[error(
        "it belongs to another store: put it back there, or, to give up what it holds, delete the \
         file or overwrite the partition's first MiB with zeros"
    )]
    AnotherStore,
    #[error(
        "its format is version {0}, this program's is {VERSION}: to give up what it holds, delete \
         the file or overwrite the partition's first MiB with zeros"
    )]
    AnotherVersion(u8),
    #[error("room for {0} segments: at least {SEGMENTS_MIN} are needed")]
    Small(u64),
    #[error("{0}")]
    Ejected(String),
    #[error("no answer for {} s", OPEN_TIMEOUT.as_secs())]
    Timeout,
}

impl Refusal {
    /// How the disk is shown.
    pub(crate) fn state(&self) -> DiskState {
        match self {
            Self::Ejected(why) => DiskState::Ejected(why.as_str().into()),
            Self::Device(_)
            | Self::Foreign
            | Self::AnotherStore
            | Self::AnotherVersion(_)
            | Self::Small(_)
            | Self::Timeout => DiskState::Absent(self.to_string().into()),
        }
    }
}

/// Opens a disk, which is emptied if it is ours but of no use. Recovery is for the caller.
pub(crate) async fn open(wish: Wish<'_>) -> Result<Disk, Refusal> {
    match tokio::time::timeout(OPEN_TIMEOUT, open_device(wish)).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(Refusal::Timeout),
    }
}

async fn open_device(wish: Wish<'_>) -> Result<Disk, Refusal> {
    let settings = wish.settings;
    let device = Device::open(&wish.config.path, options(wish.config, settings)).await?;
    tell_engine(&device);
    let segments = segments(&device, wish.config.bytes, settings.segment_bytes)?;
    let start = read_start(&device).await?;
    let judge = Judge {
        store: wish.store,
        is_new: wish.store_is_new,
        segment_bytes: settings.segment_bytes,
        segments,
    };
    let fresh = || Superblock {
        disk: random::id(),
        store: wish.store,
        secret: Secret(random::id()),
        segment_bytes: settings.segment_bytes,
        segments,
    };
    let path = wish.config.path.display();
    let (superblock, write) = match judge.judge(&start) {
        Verdict::Ours(superblock) => {
            let ejections = Ejections::new(settings.state_dir.clone());
            if let Some(why) = ejections.remembered(id(&superblock)).await {
                return Err(Refusal::Ejected(why));
            }
            (superblock, false)
        }
        Verdict::Blank => (fresh(), true),
        Verdict::Stale(why) => {
            tracing::warn!(disk = %path, why, "disk is emptied");
            (fresh(), true)
        }
        Verdict::AnotherStore => return Err(Refusal::AnotherStore),
        Verdict::AnotherVersion(version) => return Err(Refusal::AnotherVersion(version)),
        Verdict::Foreign => return Err(Refusal::Foreign),
    };
    drop(start);
    if !device.is_partition() {
        // Also where the file is as it should be: it may have been cut short, or have holes.
        device
            .resize(SUPERBLOCKS_BYTES + segments * settings.segment_bytes)
            .await?;
    }
    if write {
        let mut blocks = device.pool().take(2 * disk::BLOCK);
        superblock.encode(&mut blocks);
        device.write_at(0, blocks).await?;
        device.sync().await?;
    }
    Ok(assemble(&wish, device, &superblock))
}

fn options(disk: &DiskConfig, settings: &Config) -> Options {
    Options {
        engine: settings.engine,
        read_deadline: READ_DEADLINE,
        reads_in_flight: settings.reads_per_disk,
        batch_max: Options::BATCH_MAX,
        registration: if settings.registered_buffers {
            Registration::Auto
        } else {
            Registration::Off
        },
        pool: Pool::new(POOL_BYTES),
        faults: disk.faults.clone(),
    }
}

/// A disk on a file that is larger than there is room for, as it is.
#[cfg(test)]
pub(crate) async fn sparse(
    config: &DiskConfig,
    settings: &Config,
    superblock: &Superblock,
) -> Result<Disk, disk::Error> {
    let device = Device::open(&config.path, options(config, settings)).await?;
    let wish = Wish {
        number: 0,
        config,
        store: superblock.store,
        store_is_new: false,
        settings,
    };
    Ok(assemble(&wish, device, superblock))
}

fn tell_engine(device: &Device) {
    let (disk, engine) = (device.path().display(), device.engine().as_str());
    if let Some(why) = device.fallback() {
        tracing::warn!(%disk, engine, why, "disk is used without io_uring");
    } else {
        tracing::info!(%disk, engine, "disk is open");
    }
    if let Some(why) = device.unregistered() {
        tracing::info!(%disk, why, "disk is read without registered buffers");
    }
}

/// A disk's name in the journal.
fn id(superblock: &Superblock) -> u64 {
    let id = superblock.disk.first_chunk().unwrap_or(&[0; 8]);
    u64::from_le_bytes(*id)
}

fn assemble(wish: &Wish<'_>, device: Device, superblock: &Superblock) -> Disk {
    let settings = wish.settings;
    Disk {
        number: wish.number,
        path: wish.config.path.clone(),
        id: id(superblock),
        device,
        secret: superblock.secret,
        segment_bytes: superblock.segment_bytes,
        generations: (0..superblock.segments)
            .map(|_| AtomicU64::new(0))
            .collect(),
        unused: AtomicUsize::new(usize::try_from(superblock.segments).unwrap_or(usize::MAX)),
        queue: Queue::new(settings.write_queue_bytes),
        health: Mutex::new(Health::new(settings.retry_after, settings.eject_after)),
    }
}

/// How many segments fit into what was asked for, and what there is.
fn segments(device: &Device, bytes: u64, segment_bytes: u64) -> Result<u64, Refusal> {
    let room = device.bytes().saturating_sub(SUPERBLOCKS_BYTES);
    let bytes = match (device.is_partition(), bytes) {
        (true, 0) => room,
        (true, bytes) => bytes.min(room),
        (false, bytes) => bytes,
    };
    let segments = bytes.min(DISK_BYTES_MAX - SUPERBLOCKS_BYTES) / segment_bytes;
    if segments < SEGMENTS_MIN {
        Err(Refusal::Small(segments))
    } else {
        Ok(segments)
    }
}

/// The first bytes, as far as they are there. A last part of a block counts as foreign content
/// would: it is read as a block of something else.
async fn read_start(device: &Device) -> Result<Vec<u8>, Refusal> {
    let there = device.bytes().min(BLANK_BYTES);
    let whole = there - there % BLOCK;
    let mut start = Vec::new();
    if whole > 0 {
        let length = usize::try_from(whole).unwrap_or(usize::MAX);
        start.extend_from_slice(&device.read_at(0, length).await?);
    }
    if whole < there {
        // We make files of whole blocks only. This one was made by somebody else, or cut short.
        start.resize(start.len() + disk::BLOCK, 0xff);
    }
    Ok(start)
}
