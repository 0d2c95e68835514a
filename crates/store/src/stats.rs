//! A picture of the store for admin pages and reports.

use std::{fmt, path::PathBuf, sync::Arc};

use crate::store::{Inner, Slot};

/// What the store holds at one moment.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Bytes that the RAM tier accounts for.
    pub ram_bytes: u64,
    /// Records in the RAM tier.
    pub ram_records: u64,
    /// Capacity of the RAM tier.
    pub ram_bytes_max: u64,
    /// Bytes of RAM that the index of the disks takes.
    pub index_bytes: u64,
    /// Bytes of RAM that the policy of what gets onto the disks takes.
    pub policy_bytes: u64,
    /// Bytes that may be written to the disks just now.
    pub write_budget_bytes: u64,
    /// Bytes of what is kept whatever the traffic, held or not.
    pub pinned_bytes: u64,
    /// Each configured disk, in the order of the configuration.
    pub disks: Vec<DiskStats>,
}

/// What one disk holds, and how it is.
#[derive(Debug, Clone)]
pub struct DiskStats {
    /// As configured.
    pub path: PathBuf,
    /// How it is.
    pub state: DiskState,
    /// Who moves its blocks; nothing for an absent disk.
    pub engine: Option<disk::Engine>,
    /// Bytes of its buffers, those of slices in RAM among them, that are registered with the kernel.
    pub registered_bytes: u64,
    /// Whether what lies on it is still being found: lookups may miss, writes wait.
    pub recovering: bool,
    /// Bytes in use by the log, its own structures included; 0 for an absent disk.
    pub capacity_bytes: u64,
    /// Payload bytes of records that can be read.
    pub bytes: u64,
    /// Records that can be read.
    pub records: u64,
    /// Payload bytes that wait to be written.
    pub queued_bytes: u64,
}

/// How a disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskState {
    /// Reads and writes.
    Serving,
    /// Reads; writes failed and are retried after a while.
    ReadOnly,
    /// Does neither; reads failed in a row and are retried after a while.
    Suspended,
    /// Failed for good, with the reason, in this run or an earlier one: the node goes on without it
    /// until an operator has it used again.
    Ejected(Arc<str>),
    /// Could not be opened at start, with the reason: the node goes on without it.
    Absent(Arc<str>),
    /// Reads; the store was closed.
    Closed,
}

impl DiskState {
    /// Every word that [`Self::as_str`] says.
    pub(crate) const LABELS: [&'static str; 6] = [
        "serving",
        "read_only",
        "suspended",
        "ejected",
        "absent",
        "closed",
    ];

    /// The word for a metric label.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::ReadOnly => "read_only",
            Self::Suspended => "suspended",
            Self::Ejected(_) => "ejected",
            Self::Absent(_) => "absent",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for DiskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(reason) | Self::Ejected(reason) => {
                write!(f, "{}: {reason}", self.as_str())
            }
            Self::Serving | Self::ReadOnly | Self::Suspended | Self::Closed => {
                f.write_str(self.as_str())
            }
        }
    }
}

impl Inner {
    pub(crate) fn stats(&self) -> Stats {
        let ram = self.directory.ram();
        Stats {
            ram_bytes: ram.bytes(),
            ram_records: ram.records(),
            ram_bytes_max: self.ram_bytes_max,
            index_bytes: self.directory.index_bytes(),
            policy_bytes: self.admission.judge.memory_bytes(),
            write_budget_bytes: self.admission.judge.budget_left_bytes(),
            pinned_bytes: self.admission.judge.pinned_bytes(),
            disks: self
                .disks
                .iter()
                .map(|slot| self.disk_stats(slot))
                .collect(),
        }
    }

    fn disk_stats(&self, slot: &Slot) -> DiskStats {
        match slot {
            Slot::Open(disk) => {
                let (records, bytes) = self.directory.usage(disk.number);
                DiskStats {
                    path: disk.path.clone(),
                    state: disk.state(),
                    engine: Some(disk.device.engine()),
                    registered_bytes: disk.device.registered_bytes(),
                    recovering: self.recovery.is_running(),
                    capacity_bytes: disk.capacity_bytes(),
                    bytes,
                    records,
                    queued_bytes: disk.queue.bytes(),
                }
            }
            Slot::LeftOut { path, state } => DiskStats {
                path: path.clone(),
                state: state.clone(),
                engine: None,
                registered_bytes: 0,
                recovering: false,
                capacity_bytes: 0,
                bytes: 0,
                records: 0,
                queued_bytes: 0,
            },
        }
    }
}
