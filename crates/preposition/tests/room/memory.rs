//! What plans may take of the memory.

use crate::support::{Bench, NOON, Origin};

/// Hardening row M06: on a small node.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_there_is_no_memory_for_is_refused_and_the_last_good_one_stays() {
    let (few, many) = (Origin::with(20, 10), Origin::with(1000, 10));
    let bench = Bench::with(NOON, &[], |config| config.memory_bytes = 1 << 20).await;
    bench.push(1, &few).await.unwrap();
    let refused = bench.push(2, &many).await.unwrap_err();
    assert_eq!((refused.status(), refused.label()), (413, "too_large"));
    assert!(refused.to_string().contains("bytes of memory"), "{refused}");
    assert_eq!(bench.room.progress().unwrap().generation, 1);
    bench.push(2, &few).await.unwrap();
    bench.end().await;
    let bench = Bench::with(NOON, &[], |config| config.memory_bytes = 4 << 20).await;
    bench.push(1, &many).await.unwrap();
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_always_has_room_beside_another_of_its_size() {
    let many = Origin::with(1000, 10);
    let bench = Bench::with(NOON, &[], |config| config.memory_bytes = 4 << 20).await;
    for generation in 1..=10 {
        bench.push(generation, &many).await.unwrap();
    }
    bench.end().await;
}
