//! The records of the file of what is in force.

use manifest::{Action, Digest, Object, Pin, Tier};
use serde::{Deserialize, Serialize};

use crate::applied::Told;

pub(crate) const DIGEST_BYTES: usize = 32;

#[derive(Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) audience: String,
    pub(crate) generation: u64,
    pub(crate) digest: Option<[u8; DIGEST_BYTES]>,
    pub(crate) told: Option<Told>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Written<'a> {
    site: &'a str,
    path: &'a str,
    size: u64,
    digest: Option<[u8; DIGEST_BYTES]>,
    is_fill: bool,
    expected: u64,
    priority: u8,
    /// 0 for none, 1 for as long as it is planned, otherwise 2 more than the second.
    pin: u64,
    live_at_s: Option<u64>,
    first_bytes: Option<u64>,
    tier: u8,
    fast_track: bool,
}

impl<'a> Written<'a> {
    pub(crate) fn of(object: &Object<'a>) -> Self {
        Self {
            site: object.site,
            path: object.path,
            size: object.size,
            digest: object.digest.map(|digest| *digest.as_bytes()),
            is_fill: object.action == Action::Fill,
            expected: object.expected,
            priority: object.priority,
            pin: match object.pin {
                Pin::Unpinned => 0,
                Pin::WhilePlanned => 1,
                Pin::Until(end_s) => end_s.saturating_add(2),
            },
            live_at_s: object.live_at_s,
            first_bytes: object.first_bytes,
            tier: match object.tier {
                Tier::Any => 0,
                Tier::Ram => 1,
                Tier::Disk => 2,
            },
            fast_track: object.fast_track,
        }
    }

    pub(crate) fn object(&self) -> Object<'_> {
        Object {
            site: self.site,
            path: self.path,
            size: self.size,
            digest: self.digest.and_then(Digest::from_bytes),
            action: if self.is_fill {
                Action::Fill
            } else {
                Action::Seed
            },
            expected: self.expected,
            priority: self.priority,
            pin: match self.pin {
                0 => Pin::Unpinned,
                1 => Pin::WhilePlanned,
                end_s => Pin::Until(end_s - 2),
            },
            live_at_s: self.live_at_s,
            first_bytes: self.first_bytes,
            tier: match self.tier {
                1 => Tier::Ram,
                2 => Tier::Disk,
                _ => Tier::Any,
            },
            fast_track: self.fast_track,
        }
    }
}
