//! What a player announces is fetched ahead for those who read on.

use cache::Announcement;

use crate::support::{Bench, name, request};

/// A viewer asks for an object and announces another.
async fn ask(bench: &Bench, object: u32, next: u32) {
    let path = |n| format!("/v/s{n}.m4s");
    let (object, next) = (path(object), path(next));
    let request = request("GET", &object, &[]);
    bench.cache.announced(Announcement {
        viewer: bench.cache.viewer(&request, Some("s1")),
        track: "v",
        object: &name(&object),
        next: Some((name(&next), 0)),
        rules: &bench.rules,
        at: request.at,
    });
    assert_eq!(bench.get(&object).await.status, 200);
}

async fn bench() -> Bench {
    let bench = Bench::new().await;
    for n in 1..20 {
        bench.origin.put(&format!("/v/s{n}.m4s"), 1, 5_000);
    }
    bench
}

fn was_asked_for(bench: &Bench, object: u32) -> usize {
    let path = format!("/v/s{object}.m4s");
    let fetches = bench.origin.fetches();
    fetches
        .iter()
        .filter(|fetch| *fetch.object.path == path)
        .count()
}

#[tokio::test]
async fn who_reads_on_finds_the_next_object_there() {
    let bench = bench().await;
    for n in 1..=3 {
        ask(&bench, n, n + 1).await;
    }
    bench.origin.asked(4).await;
    assert_eq!(was_asked_for(&bench, 4), 1, "before he asked");
    // Whoever asks meanwhile shares what is coming, and it is read once.
    ask(&bench, 4, 5).await;
    assert_eq!(was_asked_for(&bench, 4), 1);
}

#[tokio::test]
async fn for_who_jumps_nothing_is_fetched_ahead() {
    let bench = bench().await;
    for n in [1, 7, 3, 12, 5] {
        ask(&bench, n, n + 1).await;
    }
    bench.cache.drained().await;
    assert_eq!(bench.origin.fetches().len(), 5);
}

#[tokio::test]
async fn what_is_held_is_not_fetched_again() {
    let bench = bench().await;
    for n in 1..=6 {
        assert_eq!(bench.get(&format!("/v/s{n}.m4s")).await.status, 200);
    }
    for n in 1..=4 {
        ask(&bench, n, n + 1).await;
    }
    bench.cache.drained().await;
    assert_eq!(bench.origin.fetches().len(), 6);
}
