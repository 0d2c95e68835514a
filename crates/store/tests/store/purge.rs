//! What is purged stays purged.

use std::fs;

use store::{DiskState, Epoch, Error};

use crate::oracle::{Place, body, key};

#[tokio::test]
async fn an_epoch_is_as_late_as_is_wished_for_and_never_earlier_than_one_before() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    let at = Epoch::of_time(std::time::Duration::from_secs(1_000));
    let late = opened.store.purge_from(1, at).await.unwrap();
    assert_eq!(late, at);
    let early = Epoch::new(7);
    let next = opened.store.purge_from(2, early).await.unwrap();
    assert!(
        next > late,
        "a clock that is set back does not bring a purge back"
    );
    assert_eq!(opened.store.purged_at(2), next);
}

#[tokio::test]
async fn a_purge_makes_older_records_dead_and_newer_ones_live() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    let store = &opened.store;
    assert_eq!(store.purged_at(7), Epoch::ZERO);
    let before = store.epoch();
    store.put(key(1), before, body(1));
    let purged = store.purge(7).await.unwrap();
    assert_eq!(
        (store.purged_at(7), store.purged_at(8)),
        (purged, Epoch::ZERO)
    );
    assert!(store.get(&key(1)).await.unwrap().0.stamp < store.purged_at(7));
    store.put(key(2), store.epoch(), body(2));
    assert!(store.get(&key(2)).await.unwrap().0.stamp >= store.purged_at(7));
}

#[tokio::test]
async fn a_purge_survives_a_crash_right_behind_it_and_many_restarts() {
    let mut place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..10).await;
    let purged = opened.store.purge(7).await.unwrap();
    for _ in 0..3 {
        place = place.crashed();
        let opened = place.open().await;
        assert_eq!(opened.store.purged_at(7), purged);
        assert_eq!(opened.store.epoch(), purged);
        assert!(opened.get(1).await.unwrap().0.stamp < purged);
        opened.close().await;
    }
}

#[tokio::test]
async fn purges_that_come_together_are_each_durable() {
    let mut place = Place::new(4 << 20);
    place.config.purge_scopes_max = 10_000;
    let opened = place.open().await;
    let purges: Vec<_> = (0..2_000_u64)
        .map(|scope| {
            let store = opened.store.clone();
            tokio::spawn(async move {
                let before = store.epoch();
                let at = store.purge(scope).await.unwrap();
                assert!(at > before && store.purged_at(scope) >= at && store.epoch() >= at);
                at
            })
        })
        .collect();
    let mut epochs = Vec::new();
    for purge in purges {
        epochs.push(purge.await.unwrap());
    }
    let again = place.crashed().open().await;
    for (scope, at) in (0..).zip(epochs) {
        assert_eq!(again.store.purged_at(scope), at);
    }
}

#[tokio::test]
async fn a_purge_works_without_disks() {
    let opened = crate::oracle::open(store::Config::default()).await;
    let purged = opened.store.purge(1).await.unwrap();
    assert_eq!(opened.store.purged_at(1), purged);
}

#[tokio::test]
async fn without_a_journal_the_disks_are_left_out_and_no_purge_is_acknowledged() {
    let mut place = Place::new(4 << 20);
    place.config.ram_bytes = 1 << 20;
    fs::write(place.path("state"), "a file where a folder should be").unwrap();
    let opened = place.open().await;
    assert!(matches!(
        opened.store.stats().disks[0].state,
        DiskState::Absent(_)
    ));
    opened.put(1);
    assert!(opened.holds(1).await, "RAM goes on");
    assert!(matches!(
        opened.store.purge(7).await,
        Err(Error::Journal { .. })
    ));
    assert!(
        opened.store.purged_at(7) > Epoch::ZERO,
        "what is in RAM is purged at least"
    );
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_fails_the_purge() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.store.purge(1).await.unwrap();
    // Closing lets go of the journal: nobody can write it any more.
    opened.store.close().await;
    assert!(matches!(
        opened.store.purge(2).await,
        Err(Error::JournalClosed)
    ));
    assert_eq!(opened.store.purged_at(2), Epoch::ZERO, "not in force");
}
