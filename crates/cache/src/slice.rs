//! Finding a slice, in RAM, on its way or on disk, and beginning its fill where it is nowhere.

use std::{ops::Range, sync::Arc};

use message::Timestamp;
use store::{Key, Record, Reservation};

use crate::{
    Inner,
    fill::{Claim, Leg, Run},
    filling::{Failure, Filling, Follower},
    flights::{Joined, Lease},
    head::Head,
    metrics::Source,
    place::Place,
};

/// Where a slice is.
pub(crate) enum Slice {
    Held(Record, Source),
    /// On its way in; `led` when this reader's wish began the fill.
    Coming {
        follower: Follower,
        led: bool,
    },
}

impl Slice {
    fn following(filling: Arc<Filling>, offset: u64) -> Self {
        Self::Coming {
            follower: Follower::new(filling, offset),
            led: false,
        }
    }
}

impl Inner {
    /// Finds a slice, or begins its fill.
    pub(crate) async fn open(
        self: &Arc<Self>,
        head: &Arc<Head>,
        slice: u32,
        offset: u64,
        at: Timestamp,
    ) -> Result<Slice, Failure> {
        let key = head.version.slice_key(slice);
        let extent = head.geometry.extent(slice);
        let expected = extent.end - extent.start;
        // In this order: a fill puts its slice into the store before it leaves the flights.
        if let Some(record) = self.in_ram(&key, expected) {
            return Ok(Slice::Held(record, Source::Ram));
        }
        if let Some(filling) = self.slices.follow(&key) {
            return Ok(Slice::following(filling, offset));
        }
        let stored = self.store.fetch(&key).await;
        if let Some((record, tier)) = stored.map_err(|_exhausted| Failure::NoMemory)? {
            if record.bytes.len() as u64 == expected {
                return Ok(Slice::Held(record, tier.into()));
            }
            self.store.remove(&key);
        }
        // A disk that did not answer still has the slice, so only memory makes a fill needless.
        let mut held = None;
        let needless = || {
            held = self.in_ram(&key, expected);
            held.is_some()
        };
        let filling = || Filling::of(expected);
        match self.slices.join_unless(key, needless, filling) {
            Some(Joined::Follower(filling)) => Ok(Slice::following(filling, offset)),
            Some(Joined::Leader(lease)) => {
                let follower = Follower::new(Arc::clone(lease.flight()), offset);
                self.spawn_fill(head, (extent, lease), at, None);
                Ok(Slice::Coming {
                    follower,
                    led: true,
                })
            }
            // It is needless because it was found.
            None => match held {
                Some(record) => Ok(Slice::Held(record, Source::Ram)),
                None => Err(Failure::NoMemory),
            },
        }
    }

    fn in_ram(&self, key: &Key, expected: u64) -> Option<Record> {
        let record = self.store.get_ram(key)?;
        (record.bytes.len() as u64 == expected).then_some(record)
    }

    /// Begins the fill of a slice that is neither held nor coming, and that nobody waits for yet.
    pub(crate) fn begin(self: &Arc<Self>, head: &Arc<Head>, slice: u32, at: Timestamp) {
        if self.holds(head, slice) {
            return;
        }
        let extent = head.geometry.extent(slice);
        let Some(place) = self.places.spare() else {
            return;
        };
        let Some(room) = self.store.budget().spare(extent.end - extent.start) else {
            return;
        };
        let filling = || Filling::of(extent.end - extent.start);
        let key = head.version.slice_key(slice);
        let held = || self.holds(head, slice);
        if let Some(Joined::Leader(lease)) = self.slices.join_unless(key, held, filling) {
            self.spawn_fill(head, (extent, lease), at, Some((place, room)));
        }
    }

    fn spawn_fill(
        self: &Arc<Self>,
        head: &Arc<Head>,
        (extent, lease): (Range<u64>, Lease<Key, Filling>),
        at: Timestamp,
        admitted: Option<(Place, Reservation)>,
    ) {
        let (inner, head) = (Arc::clone(self), Arc::clone(head));
        self.tasks.spawn(async move {
            let admitted = match admitted {
                Some(admitted) => Ok(admitted),
                None => inner.admit(extent.end - extent.start).await,
            };
            match admitted {
                Ok((_place, room)) => {
                    let claim = Some(Claim { lease, room });
                    let run = Run::new(inner, head, at, vec![Leg { extent, claim }]);
                    run.drive(None, ()).await;
                }
                Err(failure) => {
                    inner.metrics.fill_failures.inc();
                    tracing::debug!(object = %head.name, ?failure, "a fill was not admitted");
                    lease.flight().end(Err(failure));
                }
            }
        });
    }

    /// A place to fill, and the memory for what comes.
    async fn admit(&self, bytes: u64) -> Result<(Place, Reservation), Failure> {
        let place = self.places.fill().await.map_err(Failure::Upstream)?;
        Ok((place, self.room(bytes).await?))
    }

    /// Waits, within bounds, for memory. Cancel safe.
    pub(crate) async fn room(&self, bytes: u64) -> Result<Reservation, Failure> {
        let patience = self.config.fill_queue_wait;
        let room = self.store.budget().reserve(bytes, patience).await;
        room.map_err(|_exhausted| Failure::NoMemory)
    }
}
