//! What can be set, with defaults and reasons.

use std::{path::PathBuf, time::Duration};

use crate::{Clock, Error};

/// The largest number of disks: the index has four bits for them.
pub const DISKS_MAX: usize = 16;
/// The smallest segment: a header, a footer and room for one slice of a few KiB.
pub const SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// The largest segment.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// A disk has at least this many segments: one open, one kept empty ahead, two with content.
pub const SEGMENTS_MIN: u64 = 4;
/// What the index takes for a record at most: just after its table has doubled.
pub const INDEX_RECORD_BYTES: u64 = 48;

/// Settings of a [`crate::Store`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Capacity of the RAM tier in bytes, with what it takes to keep a record counted in.
    /// Default: 256 MiB.
    pub ram_bytes: u64,
    /// What slices may take beyond the RAM tier: those that a disk or upstream is being asked for,
    /// those that wait to be written, and those that the RAM tier has let go and a viewer has not.
    /// Default: 1 GiB.
    pub held_bytes: u64,
    /// How long a disk read may wait for memory before it is refused. Default: 2 s.
    pub memory_wait: Duration,
    /// How many records the disks may hold together: their index is in RAM, up to
    /// [`INDEX_RECORD_BYTES`] for each. What comes in beyond that stays in RAM only. Default: no
    /// limit but what fits on the disks.
    pub disk_records_max: u64,
    /// The disks, at most [`DISKS_MAX`]. Each is a failure domain of its own. Default: none.
    pub disks: Vec<DiskConfig>,
    /// Folder of the purge journal, created if absent. Needed as soon as there is a disk: without
    /// the journal what lies on a disk cannot be trusted. Default: none.
    pub state_dir: Option<PathBuf>,
    /// What gets onto the disks. Default: what has proven itself.
    pub admit: Admit,
    /// The clock of those decisions. Default: the time since the store was configured.
    pub clock: Clock,
    /// Size of a segment, the unit of eviction: a multiple of 4 KiB. Larger segments mean fewer
    /// syncs; smaller ones evict more finely. Changing it empties the disks. Default: 64 MiB.
    pub segment_bytes: u64,
    /// How many bytes may wait for each disk's writer. What comes in beyond that stays in RAM
    /// only. Default: 64 MiB.
    pub write_queue_bytes: u64,
    /// About how many bytes go to a disk in one write. Default: 2 MiB.
    pub write_batch_bytes: u64,
    /// How long a disk read may take, the wait for its turn included, before the store answers
    /// that it has nothing. Default: 1 s.
    pub read_timeout: Duration,
    /// How many different records may be read from disk at one time; more are misses.
    /// Default: 1024.
    pub reads_in_flight_max: usize,
    /// How many reads each disk works on at one time. Default: 64, as flash is quickest with many:
    /// what lies on a disk is found in three quarters of the time that it takes with 16.
    pub reads_per_disk: usize,
    /// Who moves the blocks of the disks. Default: `io_uring` where the kernel grants it, threads
    /// that block elsewhere; `crates/disk/README.md` has what each was measured to cost.
    pub engine: disk::Engine,
    /// Whether buffers that much is read into are registered with the kernel, where it grants that.
    /// Default: they are; `crates/disk/README.md` has what it was measured to save.
    pub registered_buffers: bool,
    /// How long a disk that failed is left alone before it is tried again. Default: 5 s.
    pub retry_after: Duration,
    /// How long [`crate::Store::open`] waits for what lies on the disks to be found. What takes
    /// longer is found while the store serves already. Default: 1 s.
    pub recovery_wait: Duration,
    /// How long a disk may go without a single good read, while it is tried, before it is ejected:
    /// left out for good, also after a restart. A disk that is suspended five times within an hour
    /// is ejected as well. Default: 1 min.
    pub eject_after: Duration,
    /// How many scopes the purge journal remembers one by one. Beyond that the older half is
    /// folded into one purge of everything of that age. Default: 131,072 (about 5 MiB of RAM).
    pub purge_scopes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ram_bytes: 256 << 20,
            held_bytes: 1 << 30,
            memory_wait: Duration::from_secs(2),
            disk_records_max: u64::MAX,
            disks: Vec::new(),
            state_dir: None,
            admit: Admit::Proven,
            clock: Clock::default(),
            segment_bytes: 64 << 20,
            write_queue_bytes: 64 << 20,
            write_batch_bytes: 2 << 20,
            read_timeout: Duration::from_secs(1),
            reads_in_flight_max: 1024,
            reads_per_disk: 64,
            engine: disk::Engine::Auto,
            registered_buffers: true,
            retry_after: Duration::from_secs(5),
            recovery_wait: Duration::from_secs(1),
            eject_after: Duration::from_mins(1),
            purge_scopes_max: 1 << 17,
        }
    }
}

/// What gets onto the disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// What [`crate::policy`] admits, within the disks' write budgets.
    Proven,
    /// Whatever is put, and what was read from disk stays: for tests of the log, and where wear is
    /// nobody's concern.
    Everything,
}

/// How much may be written to a disk on a day; a week of it may be written at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WritesPerDay {
    /// So many bytes.
    Bytes(u64),
    /// So many times what it holds: as makers rate it, in drive writes per day.
    Drives(f64),
}

impl WritesPerDay {
    /// In bytes, for a disk that holds so many.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a budget to the nearest kilobyte is near enough; what is negative counts as none"
    )]
    pub fn bytes(self, capacity_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Drives(drives) => (capacity_bytes as f64 * drives) as u64,
        }
    }
}

/// One disk: a file, or a whole partition.
#[derive(Debug, Clone)]
pub struct DiskConfig {
    /// A file, created if absent, or a block device. Something that is neither blank nor ours is
    /// refused and left untouched.
    pub path: PathBuf,
    /// How much of it to use, rounded down to whole segments; changing it empties the disk. For a
    /// block device zero means all of it.
    pub bytes: u64,
    /// How much may be written to it. Default: one drive write per day, which read-intensive flash
    /// is rated for.
    pub writes_per_day: WritesPerDay,
    /// Faults to inject, for tests of how a node lives with a bad disk. Default: none.
    pub faults: Option<disk::Faults>,
}

impl DiskConfig {
    /// Whether its filesystem has no room for it.
    ///
    /// # Errors
    /// When nobody can say, such as where its folder is not there.
    pub fn shortage(&self) -> std::io::Result<Option<disk::Shortage>> {
        disk::shortage(&self.path, self.bytes)
    }

    /// A disk without injected faults.
    pub fn new(path: impl Into<PathBuf>, bytes: u64) -> Self {
        Self {
            path: path.into(),
            bytes,
            writes_per_day: WritesPerDay::Drives(1.0),
            faults: None,
        }
    }
}

impl Config {
    /// What slices may take together, wherever they are. A buffer that a slice was read from disk
    /// into is up to a sixteenth larger than the slice, for which the RAM tier does not ask.
    pub(crate) fn slices_bytes_max(&self) -> u64 {
        let ram = self.ram_bytes.saturating_add(self.ram_bytes / 16);
        ram.saturating_add(self.held_bytes)
    }

    /// Refuses what could not work, with the offending value.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Config(what));
        if self.disks.len() > DISKS_MAX {
            return refuse(format!("{} disks: at most {DISKS_MAX}", self.disks.len()));
        }
        if !self.disks.is_empty() && self.state_dir.is_none() {
            return refuse("disks without a state_dir for the purge journal".to_owned());
        }
        let segment = self.segment_bytes;
        let fits = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&segment);
        if !fits || !segment.is_multiple_of(disk::BLOCK as u64) {
            return refuse(format!(
                "segment_bytes {segment}: a multiple of 4096 in 64 KiB..1 GiB"
            ));
        }
        for one in &self.disks {
            let segments = one.bytes / segment;
            if one.bytes != 0 && segments < SEGMENTS_MIN {
                let path = one.path.display();
                return refuse(format!(
                    "{path}: {segments} segments: at least {SEGMENTS_MIN}"
                ));
            }
            if self
                .disks
                .iter()
                .filter(|other| other.path == one.path)
                .count()
                > 1
            {
                return refuse(format!("{}: named twice", one.path.display()));
            }
        }
        let nothing = [
            self.reads_in_flight_max,
            self.reads_per_disk,
            self.purge_scopes_max,
        ];
        if nothing.contains(&0) || self.write_batch_bytes == 0 {
            return refuse("a limit of zero".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_disk(bytes: u64) -> Config {
        let disks = vec![DiskConfig::new("/nowhere/disk", bytes)];
        Config {
            disks,
            state_dir: Some("/nowhere".into()),
            ..Config::default()
        }
    }

    #[test]
    fn defaults_are_legal() {
        assert!(Config::default().check().is_ok());
        assert!(with_disk(1 << 30).check().is_ok());
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_value() {
        let odd = Config {
            segment_bytes: 100_000,
            ..Config::default()
        };
        assert!(odd.check().unwrap_err().to_string().contains("100000"));
        let small = with_disk(100 << 20);
        assert!(
            small
                .check()
                .unwrap_err()
                .to_string()
                .contains("1 segments")
        );
        let stateless = Config {
            state_dir: None,
            ..with_disk(1 << 30)
        };
        assert!(
            stateless
                .check()
                .unwrap_err()
                .to_string()
                .contains("state_dir")
        );
        let twice = Config {
            disks: [with_disk(1 << 30).disks, with_disk(1 << 30).disks].concat(),
            ..with_disk(0)
        };
        assert!(
            twice
                .check()
                .unwrap_err()
                .to_string()
                .contains("named twice")
        );
    }
}
