//! What the API may take: half for bodies on their way in, half for triggers that are kept.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Reason, Refused};

/// What is counted: a semaphore has 32 bits for what is taken of it at once.
const UNIT_BYTES: u64 = 1 << 10;

/// Memory for bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    units: u64,
    free: Arc<Semaphore>,
}

/// Memory that a body may take, until this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    /// The longest body that fits.
    pub(crate) bytes_max: usize,
    _units: OwnedSemaphorePermit,
}

/// Memory for an answer.
#[derive(Debug)]
pub(crate) struct Lent(OwnedSemaphorePermit);

impl Lent {
    /// The answer, which has its memory for as long as it is there.
    pub(crate) fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held {
            bytes,
            _units: self.0,
        })
    }
}

struct Held {
    bytes: Bytes,
    _units: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Bodies {
    pub(crate) fn new(bytes: u64) -> Self {
        // As many as a semaphore may have; 4 TiB of bodies are more than enough.
        let units = (bytes / UNIT_BYTES).min(u64::from(u32::MAX));
        let permits = usize::try_from(units).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            units,
            free: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Sets memory aside for an answer of up to `bytes_max`, until the answer is gone.
    ///
    /// # Errors
    /// When others have it.
    pub(crate) fn lend(&self, bytes_max: usize) -> Result<Lent, Refused> {
        let units = (bytes_max as u64 / UNIT_BYTES).min(self.units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.free).try_acquire_many_owned(units);
        free.map(Lent)
            .map_err(|_taken| Refused::new(Reason::Busy, "other bodies take the memory"))
    }

    /// The longest body that can be taken, where a byte of it takes `weight` bytes.
    pub(crate) fn bytes_max(&self, route_max: usize, weight: u64) -> usize {
        let most = self.units.saturating_mul(UNIT_BYTES) / weight.max(1);
        route_max.min(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// Sets memory aside for a body of which a byte takes `weight` bytes: for as much as it says that
    /// it has, or for the longest.
    ///
    /// # Errors
    /// When others have it.
    pub(crate) fn room(
        &self,
        headers: &HeaderMap,
        route_max: usize,
        weight: u64,
    ) -> Result<Room, Refused> {
        let bytes_max = self.bytes_max(route_max, weight);
        let told = headers.get(header::CONTENT_LENGTH);
        let told = told.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let bytes_max = told.unwrap_or(bytes_max).min(bytes_max);
        let units = (bytes_max as u64).saturating_mul(weight) / UNIT_BYTES;
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.free).try_acquire_many_owned(units);
        let units =
            free.map_err(|_taken| Refused::new(Reason::Busy, "other bodies take the memory"))?;
        Ok(Room {
            bytes_max,
            _units: units,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn told(bytes: usize) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from(bytes))])
    }

    #[test]
    fn bodies_together_take_what_they_may_and_no_more() {
        let bodies = Bodies::new(8 << 20);
        let one = bodies.room(&told(3 << 20), 64 << 20, 2).unwrap();
        assert_eq!(one.bytes_max, 3 << 20);
        let busy = bodies.room(&told(3 << 20), 64 << 20, 2).unwrap_err();
        assert_eq!(busy.reason, Reason::Busy);
        let small = bodies.room(&told(1 << 20), 64 << 20, 2).unwrap();
        drop((one, small));
        let unknown = bodies.room(&HeaderMap::new(), 64 << 20, 2).unwrap();
        assert_eq!(unknown.bytes_max, 4 << 20, "all that there is");
    }

    #[test]
    fn where_there_is_plenty_the_route_has_the_last_word() {
        let bodies = Bodies::new(1 << 40);
        assert_eq!(bodies.bytes_max(64 << 20, 2), 64 << 20);
    }
}
