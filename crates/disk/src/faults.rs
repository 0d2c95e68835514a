//! A device that fails on command: for tests of every room that lives on one.

use std::{fmt, io, ops::Range, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Error, Operation};

/// How an operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The system answers with this error number, and nothing was done: `libc::EIO`, `ENOSPC`,
    /// `EROFS`.
    Errno(i32),
    /// Only the first half of the blocks is moved, and the device says so: a torn write, or the
    /// end of a truncated file.
    Short,
    /// The byte at this offset of the device is xored with the mask, on its way in or out.
    Flip {
        /// Offset on the device.
        at: u64,
        /// Which bits to flip.
        mask: u8,
    },
    /// A write is acknowledged and never done.
    Lost,
    /// The operation takes this much longer.
    Delay(Duration),
    /// The operation waits until [`Faults::clear`].
    Hang,
}

/// When a fault strikes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which operation. [`Operation::Open`] never fails by a rule.
    pub on: Operation,
    /// How.
    pub fault: Fault,
    /// Which offsets it strikes: an operation that touches any of them. Ignored for a sync.
    pub within: Range<u64>,
    /// How many times it strikes before it is used up.
    pub times: u32,
}

impl Rule {
    /// A rule that strikes everywhere, until it is cleared.
    pub fn always(on: Operation, fault: Fault) -> Self {
        Self {
            on,
            fault,
            within: 0..u64::MAX,
            times: u32::MAX,
        }
    }

    /// A rule that strikes `times` times.
    pub fn times(on: Operation, fault: Fault, times: u32) -> Self {
        Self {
            times,
            ..Self::always(on, fault)
        }
    }
}

/// The handle that tells a device when to fail, and counts what it was asked. A clone is the same
/// handle.
#[derive(Clone)]
pub struct Faults(Arc<State>);

struct State {
    script: Mutex<Script>,
    cleared: watch::Sender<u64>,
}

#[derive(Default)]
struct Script {
    rules: Vec<Rule>,
    reads: u64,
    writes: u64,
    syncs: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self(Arc::new(State {
            script: Mutex::default(),
            cleared: watch::Sender::new(0),
        }))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faults({:?})", self.0.script.lock().rules)
    }
}

impl Faults {
    /// No faults yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule, after those that are there: the first that fits strikes.
    pub fn add(&self, rule: Rule) {
        self.0.script.lock().rules.push(rule);
    }

    /// Forgets all rules and lets go of what hangs.
    pub fn clear(&self) {
        self.0.script.lock().rules.clear();
        self.0.cleared.send_modify(|times| *times += 1);
    }

    /// How many operations of this kind the device was asked for, failed ones included.
    pub fn count(&self, operation: Operation) -> u64 {
        let script = self.0.script.lock();
        match operation {
            Operation::Open => 0,
            Operation::Read => script.reads,
            Operation::Write => script.writes,
            Operation::Sync => script.syncs,
        }
    }

    /// Counts an operation on `range`, and says which fault strikes it once the delays are over.
    pub(crate) async fn strike(&self, operation: Operation, range: Range<u64>) -> Option<Fault> {
        let cleared = self.0.cleared.subscribe();
        let fault = self.0.script.lock().next(operation, &range)?;
        match fault {
            Fault::Delay(time) => {
                tokio::time::sleep(time).await;
                None
            }
            Fault::Hang => {
                let mut cleared = cleared;
                // The sender lives as long as `self`.
                let _ = cleared.changed().await;
                None
            }
            Fault::Errno(_) | Fault::Short | Fault::Flip { .. } | Fault::Lost => Some(fault),
        }
    }
}

impl Script {
    fn next(&mut self, operation: Operation, range: &Range<u64>) -> Option<Fault> {
        match operation {
            Operation::Open => return None,
            Operation::Read => self.reads += 1,
            Operation::Write => self.writes += 1,
            Operation::Sync => self.syncs += 1,
        }
        let strikes = |rule: &Rule| {
            let touches = rule.within.start < range.end && range.start < rule.within.end;
            rule.on == operation && rule.times > 0 && (touches || operation == Operation::Sync)
        };
        let rule = self.rules.iter_mut().find(|rule| strikes(rule))?;
        rule.times = if rule.times == u32::MAX {
            u32::MAX
        } else {
            rule.times - 1
        };
        Some(rule.fault)
    }
}

impl Fault {
    /// The error that the device reports for this fault, if it reports one.
    pub(crate) fn error(self, operation: Operation, offset: u64, wanted: usize) -> Option<Error> {
        match self {
            Self::Errno(number) => Some(Error::io(
                operation,
                offset,
                io::Error::from_raw_os_error(number),
            )),
            Self::Short => Some(Error::Short {
                operation,
                offset,
                wanted,
                done: wanted / 2,
            }),
            Self::Flip { .. } | Self::Lost | Self::Delay(_) | Self::Hang => None,
        }
    }

    /// Flips the byte that this fault names, if `blocks` at `offset` hold it.
    pub(crate) fn flip(self, offset: u64, blocks: &mut [u8]) {
        if let Self::Flip { at, mask } = self
            && let Some(distance) = at.checked_sub(offset)
            && let Ok(index) = usize::try_from(distance)
            && let Some(byte) = blocks.get_mut(index)
        {
            *byte ^= mask;
        }
    }
}
