//! Objects that are wanted by name, beside any manifest.

use std::time::Duration;

use preposition::{Errand, Reach, Undone, Why};

use crate::support::{Bench, NIGHT, NOON, Origin, object};

fn errand(n: usize) -> Errand {
    Errand {
        name: object(n),
        size: None,
        is_urgent: false,
        priority: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_errand_waits_for_the_window_and_an_urgent_one_does_not() {
    let origin = Origin::with(3, 200_000);
    let bench = Bench::start(NOON, &[(Reach::Shield, &origin)]).await;
    let urgent = Errand {
        is_urgent: true,
        ..errand(0)
    };
    bench.room.run(urgent).await.unwrap();
    assert!(bench.has(&object(0), &origin.content(0)).await);
    let reads = origin.reads();
    let patient = bench.room.run(errand(1));
    let closed = async {
        bench.until(|status| status.why == Why::WindowClosed).await;
        assert_eq!(origin.reads(), reads);
        bench.set_time(NIGHT);
    };
    let (done, ()) = tokio::join!(patient, closed);
    done.unwrap();
    assert!(bench.has(&object(1), &origin.content(1)).await);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_errand_that_cannot_be_done_says_why() {
    let origin = Origin::with(2, 200_000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    let absent = bench.room.run(errand(7)).await;
    assert_eq!(absent, Err(Undone::Absent));
    let other = Errand {
        size: Some(200_001),
        ..errand(1)
    };
    assert_eq!(bench.room.run(other).await, Err(Undone::Mismatch));
    let known = Errand {
        size: Some(200_000),
        ..errand(1)
    };
    assert_eq!(bench.room.run(known).await, Ok(()));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_errand_that_nobody_waits_for_is_given_up() {
    let origin = Origin::with(1, 200_000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    origin.stall(true);
    let abandoned = tokio::time::timeout(Duration::from_millis(500), bench.room.run(errand(0)));
    assert!(abandoned.await.is_err());
    bench.until(|status| status.running == 0).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_errands_bring_in_is_of_the_windows_bytes() {
    let origin = Origin::with(2, 1_000_000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    let (one, two) = tokio::join!(bench.room.run(errand(0)), bench.room.run(errand(1)));
    one.and(two).unwrap();
    let status = bench.until(|status| status.window_bytes >= 2_000_000).await;
    assert!(status.window_bytes < 2_100_000, "{}", status.window_bytes);
    bench.end().await;
}
