//! Purges by pattern, purges that keep what is held, and both after a restart.

use cache::{Expression, Pattern, Reach};

use crate::support::{Bench, Fault, PATIENCE, PIECE, name};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text, true, false).unwrap()
}

async fn is_hit(bench: &Bench, path: &str) -> bool {
    bench.get(path).await.cache_status().contains("; hit")
}

#[tokio::test]
async fn a_pattern_purges_what_matches_and_nothing_else() {
    let bench = Bench::new().await;
    for path in ["/a/1.m4s", "/a/2.m4s", "/b/1.m4s"] {
        bench.origin.put(path, 1, PIECE);
        bench.get(path).await;
    }
    let purge = bench
        .cache
        .purge_matching("tv", pattern("/a/*"), Reach::Forget);
    purge.await.unwrap();
    let new = bench.origin.put("/a/1.m4s", 2, PIECE);
    let got = bench.get("/a/1.m4s").await;
    assert!(
        got.cache_status().contains("fwd=uri-miss"),
        "{}",
        got.cache_status()
    );
    assert_eq!(got.body.unwrap(), new);
    assert!(!is_hit(&bench, "/a/2.m4s").await);
    assert!(is_hit(&bench, "/b/1.m4s").await);
    assert!(
        is_hit(&bench, "/a/1.m4s").await,
        "what came after the purge stays"
    );
}

#[tokio::test]
async fn a_purge_by_pattern_also_reaches_content_that_comes_back_under_its_entity_tag() {
    let bench = Bench::new().await;
    bench.origin.put("/a/1.m4s", 1, PIECE);
    bench.get("/a/1.m4s").await;
    let fresh = crate::support::content("/other", 9, PIECE);
    bench
        .origin
        .change("/a/1.m4s", |object| object.bytes = fresh.clone());
    let purge = bench
        .cache
        .purge_matching("tv", pattern("/a/*"), Reach::Forget);
    purge.await.unwrap();
    assert_eq!(bench.get("/a/1.m4s").await.body.unwrap(), fresh);
}

#[tokio::test]
async fn a_purge_by_pattern_outlives_a_restart() {
    let bench = Bench::new().await;
    bench.origin.put("/a/1.m4s", 1, PIECE);
    bench.get("/a/1.m4s").await;
    // So that the head is in the store before the purge is.
    bench.store.flush().await;
    let purge = bench
        .cache
        .purge_matching("tv", pattern("/a/*"), Reach::Forget);
    purge.await.unwrap();
    let bench = bench.restarted().await;
    let asked = bench.origin.fetches().len();
    let new = bench.origin.put("/a/1.m4s", 2, PIECE);
    assert_eq!(bench.get("/a/1.m4s").await.body.unwrap(), new);
    assert!(bench.origin.fetches().len() > asked);
}

#[tokio::test]
async fn a_lost_or_damaged_list_of_patterns_purges_everything() {
    for damage in [None, Some(45)] {
        let bench = Bench::new().await;
        bench.origin.put("/a/1.m4s", 1, PIECE);
        bench.origin.put("/b/1.m4s", 1, PIECE);
        bench.get("/a/1.m4s").await;
        bench.get("/b/1.m4s").await;
        bench.store.flush().await;
        let purge = bench
            .cache
            .purge_matching("tv", pattern("/a/*"), Reach::Forget);
        purge.await.unwrap();
        let file = bench.folder.path().join("state/patterns");
        match damage {
            None => std::fs::remove_file(&file).unwrap(),
            Some(at) => {
                let mut bytes = std::fs::read(&file).unwrap();
                bytes[at] ^= 1;
                std::fs::write(&file, bytes).unwrap();
            }
        }
        let bench = bench.restarted().await;
        let new = bench.origin.put("/a/1.m4s", 2, PIECE);
        assert_eq!(bench.get("/a/1.m4s").await.body.unwrap(), new);
        assert!(!is_hit(&bench, "/b/1.m4s").await);
        assert!(is_hit(&bench, "/b/1.m4s").await);
    }
}

#[tokio::test]
async fn more_patterns_than_are_told_apart_purge_too_much_and_never_too_little() {
    let bench = Bench::with_memory(64 << 20, 64 << 20, |_| {}).await;
    for at in 0..1_100 {
        let path = format!("/{at}/1.m4s");
        bench.origin.put(&path, 1, 1_000);
        bench.get(&path).await;
        let purge = bench
            .cache
            .purge_matching("tv", pattern(&format!("/{at}/*")), Reach::Forget);
        purge.await.unwrap();
    }
    for at in (0..1_100).step_by(100) {
        assert!(!is_hit(&bench, &format!("/{at}/1.m4s")).await, "{at}");
    }
}

#[tokio::test]
async fn what_is_to_be_confirmed_is_asked_for_once_and_keeps_its_slices() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, PIECE);
    bench.get("/a.m4s").await;
    let asked = bench.origin.fetches().len();
    bench
        .cache
        .purge(&name("/a.m4s"), Reach::Confirm)
        .await
        .unwrap();
    let got = bench.get("/a.m4s").await;
    assert_eq!(got.body.unwrap(), bytes);
    let fetches = bench.origin.fetches();
    assert_eq!(fetches.len(), asked + 1);
    assert!(fetches[asked].condition.is_some(), "{:?}", fetches[asked]);
    assert!(is_hit(&bench, "/a.m4s").await);
}

#[tokio::test]
async fn what_is_to_be_confirmed_is_never_served_in_place_of_an_error() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, PIECE);
    bench.get("/a.m4s").await;
    bench.cache.purge_site("tv", Reach::Confirm).await.unwrap();
    for _ in 0..2 {
        bench.origin.fail_next(Fault::Refuse);
        assert!(bench.ask("/a.m4s", &[]).await.is_err());
    }
}

#[tokio::test]
async fn what_is_to_be_confirmed_stays_so_over_a_restart_and_is_new_where_it_changed() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, PIECE);
    bench.get("/a.m4s").await;
    bench.store.flush().await;
    let purge = bench
        .cache
        .purge_matching("tv", pattern("*.m4s"), Reach::Confirm);
    purge.await.unwrap();
    let bench = bench.restarted().await;
    let new = bench.origin.put("/a.m4s", 2, PIECE);
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), new);
    let bench = bench.restarted().await;
    assert!(
        is_hit(&bench, "/a.m4s").await,
        "once confirmed, it is fresh again"
    );
}

#[tokio::test]
async fn an_absence_is_asked_about_again_after_either_purge() {
    for reach in [Reach::Forget, Reach::Confirm] {
        let bench = Bench::new().await;
        assert_eq!(bench.get("/late.m4s").await.status, 404);
        let bytes = bench.origin.put("/late.m4s", 1, PIECE);
        let purge = bench.cache.purge_matching("tv", pattern("/late*"), reach);
        tokio::time::timeout(PATIENCE, purge)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(bench.get("/late.m4s").await.body.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_regular_expression_purges_what_it_matches_also_after_a_restart() {
    let bench = Bench::new().await;
    for path in ["/a/1.m4s", "/a/10.m4s", "/b/1.m4s"] {
        bench.origin.put(path, 1, PIECE);
        bench.get(path).await;
    }
    bench.store.flush().await;
    let hosts = ["tv.example".to_owned()];
    let one = Expression::parse(r"^https://tv\.example/a/\d\.m4s$", &hosts, true, false);
    let one = one.unwrap().unwrap();
    let purge = bench.cache.purge_matching("tv", one, Reach::Forget);
    purge.await.unwrap();
    assert!(!is_hit(&bench, "/a/1.m4s").await);
    assert!(is_hit(&bench, "/a/10.m4s").await);
    bench.store.flush().await;
    let bench = bench.restarted().await;
    assert!(is_hit(&bench, "/b/1.m4s").await, "its list is whole");
    assert!(is_hit(&bench, "/a/10.m4s").await);
}

#[tokio::test]
async fn more_expressions_than_are_told_apart_purge_too_much_and_never_too_little() {
    let bench = Bench::new().await;
    let hosts = ["tv.example".to_owned()];
    for at in 0..70 {
        let path = format!("/{at}/1.m4s");
        bench.origin.put(&path, 1, 1_000);
        bench.get(&path).await;
        let one = Expression::parse(&format!("/{at}/"), &hosts, true, false).unwrap();
        let purge = bench
            .cache
            .purge_matching("tv", one.unwrap(), Reach::Forget);
        purge.await.unwrap();
    }
    for at in 0..70 {
        assert!(!is_hit(&bench, &format!("/{at}/1.m4s")).await, "{at}");
    }
}
