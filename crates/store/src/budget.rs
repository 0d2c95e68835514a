//! How much memory slices may take together, wherever they are: in the RAM tier, on their way to a
//! disk, on their way in, or in the hands of a viewer who takes his time.
//!
//! A slice lives as long as anybody refers to its bytes, and the RAM tier's capacity says nothing
//! of slices that it has let go and a viewer has not. So room is reserved *before* a slice comes
//! into being, and the reservation goes with the bytes themselves: it ends with their last
//! reference, and each slice counts once, whoever holds it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// What is counted together; small, so that a head of some hundred bytes is not counted dearly.
const UNIT_BYTES: u64 = 256;
/// What a slice takes besides its bytes: the record, its key, its links, the reservation.
const OVERHEAD_UNITS: u64 = 1;

/// The memory of slices. A clone is the same budget.
///
/// Those who wait are served in the order in which they came. Nobody who waits holds anything
/// that another waits for, so waiting ends.
#[derive(Debug, Clone)]
pub struct Budget {
    units: Arc<Semaphore>,
    units_max: u64,
    /// So much is left to those who wait by those who do not.
    reserve_units: u64,
}

/// There was no room in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no memory for another slice")]
pub struct Exhausted;

/// Room for a slice that is yet to come. Dropped, it is free again.
#[derive(Debug)]
pub struct Reservation {
    permit: OwnedSemaphorePermit,
}

impl Budget {
    /// A budget of `bytes_max`, of which [`Self::spare`] leaves `reserve_bytes` alone.
    pub fn new(bytes_max: u64, reserve_bytes: u64) -> Self {
        let most = Semaphore::MAX_PERMITS;
        let units_max = usize::try_from(bytes_max / UNIT_BYTES)
            .unwrap_or(most)
            .min(most);
        Self {
            units: Arc::new(Semaphore::new(units_max)),
            units_max: units_max as u64,
            reserve_units: reserve_bytes / UNIT_BYTES,
        }
    }

    /// Waits for room for `bytes`, for so long at most. Cancel safe.
    ///
    /// # Errors
    /// When there was none in time, or never can be.
    pub async fn reserve(&self, bytes: u64, patience: Duration) -> Result<Reservation, Exhausted> {
        let units = self.units_for(bytes)?;
        let waiting = Arc::clone(&self.units).acquire_many_owned(units);
        match timeout(patience, waiting).await {
            Ok(Ok(permit)) => Ok(Reservation { permit }),
            Ok(Err(_)) | Err(_) => Err(Exhausted),
        }
    }

    /// Room for `bytes` if there is some now.
    pub fn try_reserve(&self, bytes: u64) -> Option<Reservation> {
        let units = self.units_for(bytes).ok()?;
        let permit = Arc::clone(&self.units).try_acquire_many_owned(units).ok()?;
        Some(Reservation { permit })
    }

    /// Room for `bytes` that nobody waits for yet, if there is plenty.
    pub fn spare(&self, bytes: u64) -> Option<Reservation> {
        (!self.is_short()).then(|| self.try_reserve(bytes))?
    }

    /// Whether what is left is kept for those who wait.
    pub fn is_short(&self) -> bool {
        (self.units.available_permits() as u64) < self.reserve_units
    }

    /// What is reserved or held now.
    pub fn used_bytes(&self) -> u64 {
        let left = self.units.available_permits() as u64;
        self.units_max.saturating_sub(left) * UNIT_BYTES
    }

    /// All there is.
    pub fn bytes_max(&self) -> u64 {
        self.units_max * UNIT_BYTES
    }

    fn units_for(&self, bytes: u64) -> Result<u32, Exhausted> {
        let units = bytes.div_ceil(UNIT_BYTES) + OVERHEAD_UNITS;
        let fits = units <= self.units_max;
        u32::try_from(units).ok().filter(|_| fits).ok_or(Exhausted)
    }
}

impl Reservation {
    /// The bytes, with this reservation until their last reference is dropped. Nothing is copied.
    pub fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held {
            bytes,
            _permit: self.permit,
        })
    }

    /// Takes room for `bytes` out of this one; `None` when it has less.
    pub fn split(&mut self, bytes: u64) -> Option<Self> {
        let units = bytes.div_ceil(UNIT_BYTES) + OVERHEAD_UNITS;
        let permit = self.permit.split(usize::try_from(units).ok()?)?;
        Some(Self { permit })
    }
}

struct Held {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;
    const BRIEFLY: Duration = Duration::from_millis(10);

    #[tokio::test(start_paused = true)]
    async fn bytes_keep_their_room_until_the_last_reference_is_gone() {
        let budget = Budget::new(10 * KIB, 0);
        let reservation = budget.reserve(9 * KIB, BRIEFLY).await.unwrap();
        let bytes = reservation.hold(vec![7; 9 * 1024].into());
        let part = bytes.slice(5..9);
        drop(bytes);
        assert_eq!(
            budget.reserve(9 * KIB, BRIEFLY).await.err(),
            Some(Exhausted)
        );
        assert_eq!(part, [7; 4][..]);
        drop(part);
        assert_eq!(budget.used_bytes(), 0);
        assert!(budget.reserve(9 * KIB, BRIEFLY).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_has_the_room_that_becomes_free() {
        let budget = Budget::new(10 * KIB, 0);
        let held = budget.try_reserve(9 * KIB).unwrap();
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.reserve(9 * KIB, Duration::from_secs(9)).await }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_fits_is_refused_at_once() {
        let budget = Budget::new(10 * KIB, 0);
        let before = tokio::time::Instant::now();
        let refused = budget.reserve(11 * KIB, Duration::from_secs(9)).await;
        assert_eq!(refused.err(), Some(Exhausted));
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[test]
    fn what_nobody_waits_for_leaves_a_reserve() {
        let budget = Budget::new(100 * KIB, 50 * KIB);
        let taken: Vec<_> = std::iter::from_fn(|| budget.spare(10 * KIB)).collect();
        assert!((5..=6).contains(&taken.len()), "{}", taken.len());
        assert!(
            budget.try_reserve(10 * KIB).is_some(),
            "the reserve is there"
        );
    }

    #[test]
    fn a_split_gives_back_what_is_not_needed() {
        let budget = Budget::new(100 * KIB, 0);
        let mut all = budget.try_reserve(90 * KIB).unwrap();
        let part = all.split(10 * KIB).unwrap();
        assert!(all.split(90 * KIB).is_none());
        drop(all);
        assert!(budget.used_bytes() <= 11 * KIB);
        drop(part);
        assert_eq!(budget.used_bytes(), 0);
    }
}
