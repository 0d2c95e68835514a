//! Known content for every key, a store in a temporary folder, and what its counters say.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use disk::Faults;
use prometheus::Registry;
use store::{Admit, Config, DiskConfig, Epoch, Key, Record, Store, Tier};

/// A key that no other number has.
pub(crate) fn key(number: u64) -> Key {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mix(number).to_le_bytes());
    id[8..].copy_from_slice(&number.to_le_bytes());
    if number.is_multiple_of(5) {
        Key::head(id)
    } else {
        Key::slice(id, 7)
    }
}

/// The content of a key's `version`: every byte depends on all of key, version, offset and length,
/// and the first eight (if there are so many) are the version.
pub(crate) fn content(key: &Key, version: u64, length: usize) -> Bytes {
    let number = u64::from_le_bytes(key.id[8..].try_into().unwrap());
    let seed = mix(number ^ mix(version ^ mix(length as u64)));
    let words = (0..length.div_ceil(8) as u64).map(|at| mix(seed ^ at).to_le_bytes());
    let mut bytes: Vec<u8> = version
        .to_le_bytes()
        .into_iter()
        .chain(words.flatten())
        .collect();
    bytes.truncate(length);
    bytes.into()
}

/// A length between nothing and 20,000 bytes, most of them small.
pub(crate) fn length(number: u64) -> usize {
    let draw = mix(number ^ 0x5eed);
    let most = [0, 300, 3_000, 20_000][usize::try_from(draw % 4).unwrap()];
    usize::try_from((draw >> 8) % (most + 1)).unwrap()
}

/// The content of key `number`.
pub(crate) fn body(number: u64) -> Bytes {
    content(&key(number), 0, length(number))
}

fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A folder with a store's disk and journal.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: Config,
    pub(crate) faults: Faults,
}

impl Place {
    /// One small disk with many segments, and no RAM: every get is a disk read.
    pub(crate) fn new(disk_bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let faults = Faults::new();
        let mut place = Self {
            folder,
            config: Config::default(),
            faults,
        };
        place.config = Config {
            ram_bytes: 0,
            disks: vec![place.disk("disk", disk_bytes)],
            state_dir: Some(place.path("state")),
            segment_bytes: 128 << 10,
            // The machine may be busy: only a test of slowness is about time.
            read_timeout: std::time::Duration::from_mins(1),
            write_batch_bytes: 32 << 10,
            recovery_wait: std::time::Duration::from_mins(1),
            engine: crate::ENGINE,
            // These tests are of the log; `policy` tests what gets into it.
            admit: Admit::Everything,
            ..Config::default()
        };
        place
    }

    pub(crate) fn disk(&self, name: &str, bytes: u64) -> DiskConfig {
        let faults = Some(self.faults.clone());
        DiskConfig {
            faults,
            ..DiskConfig::new(self.path(name), bytes)
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn open(&self) -> Opened {
        open(self.config.clone()).await
    }

    /// What a crash at this moment would leave: a copy of the disk and the state folder.
    pub(crate) fn crashed(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let faults = Faults::new();
        let mut config = self.config.clone();
        config.state_dir = Some(folder.path().join("state"));
        for file in std::fs::read_dir(self.path("state")).unwrap() {
            let file = file.unwrap();
            let to = folder.path().join("state").join(file.file_name());
            copy(&file.path(), &to);
        }
        for disk in &mut config.disks {
            let to = folder.path().join(disk.path.file_name().unwrap());
            copy(&disk.path, &to);
            disk.path = to;
            disk.faults = Some(faults.clone());
        }
        Self {
            folder,
            config,
            faults,
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
}

pub(crate) async fn open(config: Config) -> Opened {
    let registry = Registry::new();
    let store = Store::open(config, &registry).await.unwrap();
    Opened { store, registry }
}

impl Opened {
    /// Puts the content of key `number`.
    pub(crate) fn put(&self, number: u64) {
        self.store
            .put(key(number), self.store.epoch(), body(number));
    }

    /// Puts a range of keys, and waits for the disk so often that its queue never is full.
    pub(crate) async fn put_all(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.put(number);
            if number % 256 == 0 {
                self.store.flush().await;
            }
        }
        self.store.flush().await;
    }

    /// Whether key `number` is there; if so, every byte of it is right.
    pub(crate) async fn holds(&self, number: u64) -> bool {
        let Some((record, _)) = self.store.get(&key(number)).await else {
            return false;
        };
        assert_eq!(record.bytes, body(number), "WRONG BYTES for key {number}");
        true
    }

    pub(crate) async fn count_held(&self, numbers: std::ops::Range<u64>) -> u64 {
        let mut held = 0;
        for number in numbers {
            held += u64::from(self.holds(number).await);
        }
        held
    }

    pub(crate) async fn get(&self, number: u64) -> Option<(Record, Tier)> {
        self.store.get(&key(number)).await
    }

    /// A counter's value, summed over all labels, or of the one label value.
    pub(crate) fn counter(&self, name: &str, label: Option<&str>) -> u64 {
        let families = self.registry.gather();
        let name = format!("millpond_store_{name}");
        let family = families.iter().find(|family| family.name() == name);
        let metrics = family.map_or(&[][..], |family| family.get_metric());
        let fits = |metric: &&prometheus::proto::Metric| {
            let mut values = metric
                .get_label()
                .iter()
                .map(prometheus::proto::LabelPair::value);
            label.is_none_or(|label| values.any(|value| value == label))
        };
        let values = metrics
            .iter()
            .filter(fits)
            .map(|metric| metric.get_counter().get_value());
        #[expect(clippy::cast_possible_truncation, reason = "counts are small")]
        #[expect(clippy::cast_sign_loss, reason = "counters count up")]
        values.map(|value| value as u64).sum()
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}

/// The stamp that a put takes where purges do not matter.
pub(crate) const STAMP: Epoch = Epoch::ZERO;

/// Waits for something that another task does, for a minute at most.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    let waited = tokio::time::timeout(std::time::Duration::from_mins(1), async {
        while !done() {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not happen");
}
