//! The first pass over a trace: how much there is of it, and when each slice is asked for again.

use std::{collections::hash_map, path::Path, time::Duration};

use forecast::model::{Access, Tags};
use traces::Reader;

use super::access::Cut;
use crate::{Error, output};

/// What the first pass found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) start_ms: u64,
    pub(crate) length: Duration,
    pub(crate) requests: u64,
    pub(crate) accesses: u64,
    pub(crate) slices: u64,
    /// Bytes of all slices.
    pub(crate) footprint_bytes: u64,
    pub(crate) largest_bytes: u64,
    pub(crate) wanted_bytes: u64,
    /// For each access the number of the next one to its slice, [`Self::NEVER`] if there is none;
    /// nothing if it was not asked for.
    pub(crate) next: Vec<u32>,
}

impl Scan {
    pub(crate) const NEVER: u32 = u32::MAX;

    fn note(
        &mut self,
        access: &Access,
        last: &mut Tags<u32>,
        knows_future: bool,
    ) -> Result<(), Error> {
        let number = u32::try_from(self.accesses)
            .ok()
            .filter(|number| *number != Self::NEVER);
        let number = match (number, knows_future) {
            (Some(number), _) => number,
            (None, false) => 0,
            (None, true) => {
                let what = "more than four billion accesses: leave the optimum out";
                return Err(Error::Argument(what.to_owned()));
            }
        };
        self.accesses += 1;
        self.wanted_bytes += access.wanted;
        self.length = access.at;
        if knows_future {
            self.next.push(Self::NEVER);
        }
        match last.entry(access.tag) {
            hash_map::Entry::Occupied(mut before) => {
                let before = before.insert(number);
                let before = usize::try_from(before).unwrap_or(usize::MAX);
                if let Some(next) = self.next.get_mut(before) {
                    *next = number;
                }
            }
            hash_map::Entry::Vacant(place) => {
                place.insert(number);
                self.slices += 1;
                self.footprint_bytes += access.bytes;
                self.largest_bytes = self.largest_bytes.max(access.bytes);
            }
        }
        Ok(())
    }
}

/// Reads a trace once. It takes 12 to 24 bytes of memory a slice, and 4 an access if the future is
/// to be known.
pub(crate) fn scan(path: &Path, cut: Cut, knows_future: bool) -> Result<Scan, Error> {
    let (mut scan, mut last) = (Scan::default(), Tags::default());
    let wrong = Error::of_trace(path);
    for request in Reader::open(path).map_err(&wrong)? {
        let request = request.map_err(&wrong)?;
        if scan.requests == 0 {
            scan.start_ms = request.unix_ms;
        }
        for access in cut.accesses(&request, scan.start_ms) {
            scan.note(&access, &mut last, knows_future)?;
        }
        scan.requests += 1;
        if scan.requests.is_multiple_of(1 << 22) {
            output::progress(&format!(
                "reading: {} million requests",
                scan.requests / 1_000_000
            ));
        }
    }
    if scan.requests == 0 {
        return Err(Error::Argument(format!(
            "{}: an empty trace",
            path.display()
        )));
    }
    Ok(scan)
}
