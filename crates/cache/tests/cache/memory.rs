//! Slices in viewers' hands: counted, bounded, and never a reason to send less than was said.

use std::time::Duration;

use futures_util::StreamExt;
use message::Kind;

use crate::support::{Bench, PIECE, read, rules};

const MIB: usize = 1 << 20;

/// Room for five slices of a mebibyte beyond a RAM tier that keeps none.
async fn small() -> Bench {
    Bench::with_memory(0, 5 * MIB as u64, |config| {
        config.fill_queue_wait = Duration::from_millis(100);
        config.read_ahead_slices = 0;
    })
    .await
}

#[tokio::test]
async fn a_fill_without_memory_is_refused_and_goes_on_once_a_viewer_lets_go() {
    let bench = small().await;
    let mut held = Vec::new();
    for n in 0..5 {
        let path = format!("/{n}.m4s");
        bench.origin.put(&path, 1, MIB - 4 * PIECE);
        held.push(bench.ask(&path, &[]).await.unwrap());
        // The fill has ended, and its slice is held by this viewer alone.
        while bench.cache.fills_in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    }
    let bytes = bench.origin.put("/late.m4s", 1, 2 * MIB);
    let error = bench.ask("/late.m4s", &[]).await.expect_err("no memory");
    assert_eq!(error.kind(), Kind::ConnectionLimitReached);
    assert_eq!(error.kind().status(), 503);
    for response in held {
        assert_eq!(read(response).await.body.unwrap().len(), MIB - 4 * PIECE);
    }
    assert_eq!(bench.get("/late.m4s").await.body.unwrap(), bytes);
}

#[tokio::test]
async fn a_body_that_has_begun_waits_for_memory_longer_than_a_request() {
    let bench = small().await;
    let bytes = bench.origin.put("/film.mp4", 1, 6 * MIB);
    let response = bench
        .ask("/film.mp4", &[("range", "bytes=4194304-6291455")])
        .await
        .unwrap();
    let mut body = response.into_body();
    let mut got = body.next().await.unwrap().unwrap().to_vec();
    // From here on time goes by only while everybody waits.
    tokio::time::pause();
    // All memory is gone for longer than one wait.
    let budget = bench.store.budget().clone();
    let hoard = tokio::spawn(async move {
        let mut hoard = Vec::new();
        while let Some(room) = budget.try_reserve(64 << 10) {
            hoard.push(room);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    });
    while let Some(piece) = body.next().await {
        got.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(got, bytes.slice(4 * MIB..));
    hoard.await.unwrap();
}

#[tokio::test]
async fn bodies_of_unknown_length_have_a_total_as_well() {
    let bench = Bench::with_memory(MIB as u64, 8 * MIB as u64, |config| {
        config.fill_queue_wait = Duration::from_millis(100);
        config.stall = Duration::from_secs(30);
    })
    .await;
    let gate = bench.origin.gate();
    for path in ["/1.m3u8", "/2.m3u8"] {
        bench.origin.put(path, 1, 200_000);
        bench.origin.change(path, |object| object.sized = false);
    }
    let first = bench.ask("/1.m3u8", &[]);
    let second = async {
        bench.origin.asked(1).await;
        let refused = bench.ask("/2.m3u8", &[]).await;
        gate.add_permits(100);
        refused
    };
    let (first, second) = tokio::join!(first, second);
    let whole = read(first.unwrap()).await.body.unwrap();
    assert_eq!(whole, crate::support::content("/1.m3u8", 1, 200_000));
    assert_eq!(second.unwrap_err().kind(), Kind::ConnectionLimitReached);
}

#[tokio::test]
async fn a_cache_that_nobody_reads_from_holds_what_its_ram_tier_holds() {
    let bench = Bench::with(rules(), |_| {}).await;
    for n in 0..40 {
        let path = format!("/{n}.m4s");
        bench.origin.put(&path, 1, 3 * MIB);
        bench.get(&path).await;
    }
    bench.store.flush().await;
    let (ram, used) = (
        bench.store.stats().ram_bytes,
        bench.store.budget().used_bytes(),
    );
    assert!(ram > 30 << 20, "{ram}");
    assert!(used <= ram + ram / 16, "{used} of {ram}");
}
