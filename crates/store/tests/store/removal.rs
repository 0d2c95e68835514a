//! What is removed stays away, whatever was under way.

use disk::{Fault, Operation, Rule};

use crate::oracle::{Place, STAMP, body, content, key, until};

#[tokio::test]
async fn a_removal_beats_a_write_that_is_queued() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Hang));
    for number in 0..20 {
        opened.put(number);
        opened.store.remove(&key(number));
    }
    assert_eq!(opened.count_held(0..20).await, 0);
    place.faults.clear();
    opened.store.flush().await;
    assert_eq!(opened.count_held(0..20).await, 0);
    assert_eq!(place.crashed().open().await.count_held(0..20).await, 0);
}

#[tokio::test]
async fn a_removal_beats_a_write_that_is_under_way() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(100..101).await;
    let writes = place.faults.count(Operation::Write);
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Hang));
    opened.put(1);
    until("the write", || {
        place.faults.count(Operation::Write) > writes
    })
    .await;
    opened.store.remove(&key(1));
    place.faults.clear();
    opened.store.flush().await;
    assert!(!opened.holds(1).await);
    assert_eq!(place.crashed().open().await.count_held(0..2).await, 0);
}

#[tokio::test]
async fn a_removal_beats_a_read_that_is_under_way() {
    let mut place = Place::new(4 << 20);
    place.open().await.put_all(0..10).await;
    place.config.ram_bytes = 1 << 20;
    let place = place.crashed();
    let opened = place.open().await;
    let reads = place.faults.count(Operation::Read);
    place.faults.add(Rule::always(Operation::Read, Fault::Hang));
    let get = tokio::spawn({
        let store = opened.store.clone();
        async move { store.get(&key(1)).await }
    });
    until("the read", || place.faults.count(Operation::Read) > reads).await;
    opened.store.remove(&key(1));
    place.faults.clear();
    assert_eq!(get.await.unwrap(), None);
    assert_eq!(
        opened.store.get_ram(&key(1)),
        None,
        "the read did not bring it back into RAM"
    );
    assert!(!opened.holds(1).await);
}

#[tokio::test]
async fn a_put_beats_a_read_of_the_older_version_that_is_under_way() {
    let mut place = Place::new(4 << 20);
    place.open().await.put_all(0..10).await;
    place.config.ram_bytes = 1 << 20;
    let place = place.crashed();
    let opened = place.open().await;
    let reads = place.faults.count(Operation::Read);
    place.faults.add(Rule::always(Operation::Read, Fault::Hang));
    let get = tokio::spawn({
        let store = opened.store.clone();
        async move { store.get(&key(1)).await }
    });
    until("the read", || place.faults.count(Operation::Read) > reads).await;
    let newer = content(&key(1), 1, 777);
    opened.store.put(key(1), STAMP, newer.clone());
    place.faults.clear();
    assert_eq!(get.await.unwrap().unwrap().0.bytes, newer);
    assert_eq!(opened.store.get_ram(&key(1)).unwrap().bytes, newer);
}

#[tokio::test]
async fn what_was_removed_does_not_come_back_after_restarts() {
    let mut place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..300).await;
    for number in 0..150 {
        opened.store.remove(&key(number));
    }
    opened.store.flush().await;
    for _ in 0..4 {
        place = place.crashed();
        let opened = place.open().await;
        assert_eq!(opened.count_held(0..150).await, 0);
        assert_eq!(opened.count_held(150..300).await, 150);
        opened.store.remove(&key(9_999));
        opened.close().await;
    }
}

#[tokio::test]
async fn what_is_put_after_its_removal_is_there_after_a_restart() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    for _ in 0..3 {
        opened.put(1);
        opened.store.remove(&key(1));
        opened.put(1);
        opened.store.flush().await;
        assert!(opened.holds(1).await);
        assert!(place.crashed().open().await.holds(1).await);
    }
}

#[tokio::test]
async fn a_removal_that_cannot_be_written_has_the_disk_s_past_forgotten() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..100).await;
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Errno(libc::EIO)));
    opened.store.remove(&key(1));
    opened.store.flush().await;
    assert!(!opened.holds(1).await);
    assert_eq!(
        opened.count_held(50..100).await,
        50,
        "until then all else is served"
    );
    let place = place.crashed();
    let again = place.open().await;
    assert_eq!(again.count_held(0..100).await, 0);
    again.put_all(0..10).await;
    drop(again);
    let place = place.crashed();
    assert_eq!(
        place.open().await.count_held(0..100).await,
        10,
        "what came later is remembered"
    );
}

#[tokio::test]
async fn a_removal_whose_sync_fails_has_the_disk_s_past_forgotten() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..100).await;
    place
        .faults
        .add(Rule::always(Operation::Sync, Fault::Errno(libc::EIO)));
    opened.store.remove(&key(1));
    opened.store.flush().await;
    assert_eq!(place.crashed().open().await.count_held(0..100).await, 0);
}

#[tokio::test]
async fn a_removal_on_its_own_is_synced_soon() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..10).await;
    let syncs = place.faults.count(Operation::Sync);
    opened.store.remove(&key(1));
    until("a sync", || place.faults.count(Operation::Sync) > syncs).await;
    assert_eq!(opened.store.get(&key(2)).await.unwrap().0.bytes, body(2));
}
