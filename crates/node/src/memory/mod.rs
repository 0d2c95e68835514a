//! `[memory]`: one budget, and how it is split. Pure: what the machine has is an argument.
//!
//! ```text
//! budget = process + disk buffers + index + heads + connections + ciphertext
//!        + datagrams + write queues + in flight + popularity + steering + plans + RAM tier
//! ```
//!
//! The RAM tier has what the others leave. Each part can be set where it belongs; what is not set
//! follows from the budget. The kernel's own memory (socket buffers above all) is not in it.

mod show;

use store::{INDEX_RECORD_BYTES, policy::Policy};

use show::show;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The budget's share of what the process may use, unless it is set: three quarters. The rest is
/// for the kernel's socket buffers and page tables, and for what else runs on the machine.
pub(crate) const SHARE: (u64, u64) = (3, 4);
/// Without a word from the system about its memory.
pub(crate) const BUDGET_UNKNOWN: u64 = 2 * GIB;
/// Code, threads, runtime, metrics, logs, and what recovery remembers: an idle edge measures 30 to
/// 50 MiB.
const PROCESS_BYTES: u64 = 96 * MIB;
/// Of each disk: unused buffers of its pool (32 MiB), and two write batches.
const DISK_BUFFER_BYTES: u64 = 40 * MIB;
/// A connection that sends or is idle, its share of handshakes included.
const CONNECTION_BYTES: u64 = 64 * KIB;
/// What rustls may hold of records that a client does not take, where the records are its own.
const RUSTLS_BYTES: u64 = 256 * KIB;
/// Records of a slice on disk: itself, and for a segment its object's head.
const RECORDS_PER_SLICE: u64 = 2;
/// A small disk may hold many small records: 6 MiB of index are not worth a surprise.
const INDEX_RECORDS_MIN: u64 = 1 << 17;
/// Two manifests of 64 MiB on their way in, and as much for triggers: more is never needed.
const STEERING_BYTES_MAX: u64 = 256 * MIB;
/// Manifests of 4 MiB, which is some 50,000 objects.
const STEERING_BYTES_MIN: u64 = 16 * MIB;
/// Two plans of a million objects, and both once more in the child that tries the second.
const PLANS_BYTES_MAX: u64 = 2 * GIB;
/// Plans of some 10,000 objects.
const PLANS_BYTES_MIN: u64 = 16 * MIB;
/// Less is no cache.
const RAM_BYTES_MIN: u64 = 8 * MIB;
/// Connections, where neither the budget nor a key allows less.
const CONNECTIONS_MAX: u64 = 50_000;

/// What was set of the parts, and what they depend on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) ram: Option<u64>,
    pub(crate) in_flight: Option<u64>,
    pub(crate) heads: Option<u64>,
    /// Of each disk.
    pub(crate) write_queue: Option<u64>,
    pub(crate) connections: Option<u64>,
    pub(crate) ciphertext: Option<u64>,
    /// What a slice on disk measures on average.
    pub(crate) slice: u64,
    /// Each disk's size.
    pub(crate) disks: Vec<u64>,
    /// The record layer is ours, with its pool of ciphertext.
    pub(crate) own_records: bool,
    /// The popularity of objects is counted.
    pub(crate) counts: bool,
    pub(crate) popularity: Option<u64>,
    /// The node is steered.
    pub(crate) steered: bool,
    pub(crate) steering: Option<u64>,
    pub(crate) plans: Plans,
    /// What the process may have open.
    pub(crate) open_files: Option<u64>,
}

/// Whether a node fills by plan, and what plans may take of its memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Plans {
    /// It does not.
    #[default]
    None,
    /// It does: so many bytes, or what follows from the budget.
    Some(Option<u64>),
}

/// One part of the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name in metrics.
    pub name: &'static str,
    /// At most so many bytes.
    pub bytes_max: u64,
    /// How that comes about.
    pub how: String,
}

/// The budget and its parts. [`Display`](std::fmt::Display) is a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// All of it.
    pub budget_bytes: u64,
    /// The parts, largest first. They do not exceed the budget.
    pub parts: Vec<Part>,
    /// Capacity of the RAM tier.
    pub(crate) ram_bytes: u64,
    pub(crate) heads_bytes: u64,
    /// Of each disk.
    pub(crate) write_queue_bytes: u64,
    /// What slices may take beyond the RAM tier, without those that wait for a disk.
    pub(crate) in_flight_bytes: u64,
    pub(crate) ciphertext_bytes: u64,
    pub(crate) connections: u64,
    pub(crate) index_records: u64,
    pub(crate) popularity_bytes: u64,
    pub(crate) steering_bytes: u64,
    pub(crate) plans_bytes: u64,
}

/// Splits a budget.
///
/// # Errors
/// What does not fit, with the sum and the largest parts.
pub(crate) fn split(budget: u64, wishes: &Wishes) -> Result<Split, String> {
    let disks = wishes.disks.len() as u64;
    let connection = connection_bytes(wishes);
    let files = wishes.open_files.map_or(u64::MAX, |files| files / 5 * 4);
    let fits = (budget / 4 / connection).min(CONNECTIONS_MAX);
    let connections = fits.min(files).max(16);
    let heads = (budget / 64).clamp(4 * MIB, GIB);
    let ciphertext = (budget / 16).min(256 * MIB);
    let write_queue = (budget / 32 / disks.max(1)).clamp(MIB, 64 * MIB);
    let in_flight = (budget / 8).max(16 * MIB);
    let popularity = (budget / 32).clamp(2 * MIB, 32 * MIB);
    let steering = (budget / 16).clamp(STEERING_BYTES_MIN, STEERING_BYTES_MAX);
    let plans = (budget / 16).clamp(PLANS_BYTES_MIN, PLANS_BYTES_MAX);
    let mut split = Split {
        budget_bytes: budget,
        parts: Vec::new(),
        ram_bytes: 0,
        heads_bytes: wishes.heads.unwrap_or(heads),
        write_queue_bytes: wishes.write_queue.unwrap_or(write_queue),
        in_flight_bytes: wishes.in_flight.unwrap_or(in_flight),
        ciphertext_bytes: if wishes.own_records {
            wishes.ciphertext.unwrap_or(ciphertext)
        } else {
            0
        },
        connections: wishes.connections.unwrap_or(connections),
        popularity_bytes: if wishes.counts {
            wishes.popularity.unwrap_or(popularity)
        } else {
            0
        },
        steering_bytes: if wishes.steered {
            wishes.steering.unwrap_or(steering)
        } else {
            0
        },
        plans_bytes: match wishes.plans {
            Plans::None => 0,
            Plans::Some(bytes) => bytes.unwrap_or(plans),
        },
        index_records: match slices(wishes) {
            0 => 0,
            some => some
                .saturating_mul(RECORDS_PER_SLICE)
                .max(INDEX_RECORDS_MIN),
        },
    };
    split.parts = split.parts_beside_ram(wishes);
    // Slices that were read from disk lie in buffers up to a sixteenth larger.
    let left = budget.saturating_sub(sum(&split.parts)) / 17 * 16;
    let ram = wishes.ram.unwrap_or_else(|| left.max(RAM_BYTES_MIN));
    split.ram_bytes = ram;
    split.parts.push(part(
        "ram",
        ram.saturating_add(ram / 16),
        format!("[cache] ram of {}, and what rounding costs", show(ram)),
    ));
    split
        .parts
        .sort_by_key(|part| std::cmp::Reverse(part.bytes_max));
    split.check()
}

fn connection_bytes(wishes: &Wishes) -> u64 {
    if wishes.own_records {
        CONNECTION_BYTES
    } else {
        CONNECTION_BYTES + RUSTLS_BYTES
    }
}

/// How many slices the disks can hold.
fn slices(wishes: &Wishes) -> u64 {
    let disks = wishes.disks.iter();
    disks.map(|bytes| bytes / wishes.slice.max(1)).sum()
}

/// What the store takes to tell what is worth a disk.
fn policy_bytes(wishes: &Wishes) -> u64 {
    if wishes.disks.is_empty() {
        return 0;
    }
    Policy::memory_bytes(wishes.disks.iter().sum())
}

fn part(name: &'static str, bytes_max: u64, how: impl Into<String>) -> Part {
    Part {
        name,
        bytes_max,
        how: how.into(),
    }
}

fn sum(parts: &[Part]) -> u64 {
    let all = parts.iter().map(|part| part.bytes_max);
    all.fold(0, u64::saturating_add)
}

impl Split {
    /// What plans may take; nothing where there are none.
    pub fn plans_bytes(&self) -> u64 {
        self.plans_bytes
    }

    fn parts_beside_ram(&self, wishes: &Wishes) -> Vec<Part> {
        let (disks, connection) = (wishes.disks.len() as u64, connection_bytes(wishes));
        let per_disk = |bytes| format!("{disks} disks of {}", show(bytes));
        vec![
            part("process", PROCESS_BYTES, "code, threads, logs"),
            part(
                "datagrams",
                downstream::KEPT_BYTES_MAX as u64,
                "what full UDP sockets did not take yet",
            ),
            part(
                "disk_buffers",
                disks * DISK_BUFFER_BYTES,
                per_disk(DISK_BUFFER_BYTES),
            ),
            part(
                "index",
                self.index_records.saturating_mul(INDEX_RECORD_BYTES),
                format!(
                    "{} slices on disk of {} on average",
                    slices(wishes),
                    show(wishes.slice)
                ),
            ),
            part(
                "policy",
                policy_bytes(wishes),
                "how often was asked for what is on disk, and what is not",
            ),
            part("heads", self.heads_bytes, "[cache] heads"),
            part(
                "connections",
                self.connections.saturating_mul(connection),
                format!("{} of {}", self.connections, show(connection)),
            ),
            part("ciphertext", self.ciphertext_bytes, "[tls] record_buffers"),
            part(
                "write_queue",
                disks.saturating_mul(self.write_queue_bytes),
                per_disk(self.write_queue_bytes),
            ),
            part("in_flight", self.in_flight_bytes, "[memory] in_flight"),
            part("popularity", self.popularity_bytes, "[popularity] memory"),
            part("steering", self.steering_bytes, "[steering] memory"),
            part("plans", self.plans_bytes, "[fill] memory"),
        ]
    }
}

#[cfg(test)]
mod tests;
