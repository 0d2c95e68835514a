//! Purges by tag.

use cache::{Reach, TAGS_MAX, Tag};

use crate::support::{Bench, PIECE, content};

async fn purge(bench: &Bench, site: &str, tag: &str, reach: Reach) {
    let tag = Tag::parse(tag).unwrap();
    bench.cache.purge_tag(site, &tag, reach).await.unwrap();
}

async fn tagged(bench: &Bench, path: &str, field: &'static str, tags: &'static str) {
    bench.origin.put(path, 1, PIECE);
    bench
        .origin
        .change(path, |object| object.fields.push((field, tags)));
    assert_eq!(bench.get(path).await.status, 200);
}

async fn is_hit(bench: &Bench, path: &str) -> bool {
    bench.get(path).await.cache_status().contains("; hit")
}

#[tokio::test]
async fn a_tag_purges_what_has_it_and_nothing_else() {
    let bench = Bench::new().await;
    tagged(&bench, "/1", "cache-tag", "film-7, poster").await;
    tagged(&bench, "/2", "surrogate-key", "film-7 teaser").await;
    tagged(&bench, "/3", "cache-tag", "film-8, poster").await;
    purge(&bench, "tv", "Film-7", Reach::Forget).await;
    let new = bench.origin.put("/1", 2, PIECE);
    assert_eq!(bench.get("/1").await.body.unwrap(), new);
    assert!(!is_hit(&bench, "/2").await);
    assert!(is_hit(&bench, "/3").await);
    assert!(
        is_hit(&bench, "/1").await,
        "what came after the purge stays"
    );
    purge(&bench, "radio", "film-8", Reach::Forget).await;
    assert!(is_hit(&bench, "/3").await, "another site's tag");
}

#[tokio::test]
async fn viewers_are_not_told_tags() {
    let bench = Bench::new().await;
    tagged(&bench, "/1", "surrogate-key", "film-7").await;
    for _ in 0..2 {
        assert!(!bench.get("/1").await.headers.contains_key("surrogate-key"));
    }
}

#[tokio::test]
async fn a_purge_by_tag_also_reaches_content_that_comes_back_under_its_entity_tag() {
    let bench = Bench::new().await;
    tagged(&bench, "/1", "cache-tag", "film-7").await;
    let fresh = content("/other", 9, PIECE);
    bench
        .origin
        .change("/1", |object| object.bytes = fresh.clone());
    purge(&bench, "tv", "film-7", Reach::Forget).await;
    assert_eq!(bench.get("/1").await.body.unwrap(), fresh);
}

#[tokio::test]
async fn tags_and_purges_by_them_outlive_a_restart() {
    let bench = Bench::new().await;
    tagged(&bench, "/1", "cache-tag", "film-7").await;
    tagged(&bench, "/2", "cache-tag", "film-7").await;
    bench.store.flush().await;
    let bench = bench.restarted().await;
    assert!(is_hit(&bench, "/2").await);
    purge(&bench, "tv", "film-7", Reach::Forget).await;
    assert!(!is_hit(&bench, "/2").await, "its tags were read from disk");
    let bench = bench.restarted().await;
    let new = bench.origin.put("/1", 2, PIECE);
    assert_eq!(bench.get("/1").await.body.unwrap(), new);
}

#[tokio::test]
async fn an_object_with_too_many_tags_is_reached_by_every_purge_by_tag() {
    let bench = Bench::new().await;
    let many: Vec<String> = (0..=TAGS_MAX).map(|tag| format!("t{tag}")).collect();
    tagged(&bench, "/1", "cache-tag", many.join(",").leak()).await;
    purge(&bench, "tv", "t64", Reach::Forget).await;
    assert!(!is_hit(&bench, "/1").await);
    purge(&bench, "tv", "other", Reach::Forget).await;
    assert!(!is_hit(&bench, "/1").await);
}

#[tokio::test]
async fn a_soft_purge_by_tag_is_confirmed_once_however_many_ask() {
    let bench = Bench::new().await;
    tagged(&bench, "/1", "cache-tag", "film-7").await;
    purge(&bench, "tv", "film-7", Reach::Confirm).await;
    let asked = bench.origin.fetches().len();
    let held = bench.origin.hold_next();
    let all = futures_util::future::join_all((0..50).map(|_| bench.get("/1")));
    let (all, ()) = tokio::join!(all, async {
        bench.origin.asked(asked + 1).await;
        held.add_permits(1);
    });
    assert!(all.iter().all(|got| got.status == 200));
    let fetches = bench.origin.fetches();
    assert_eq!(fetches.len(), asked + 1, "one question for all");
    assert!(fetches[asked].condition.is_some());
    assert!(is_hit(&bench, "/1").await);
}

#[tokio::test]
async fn who_comes_after_a_purge_by_tag_is_not_given_what_was_asked_for_before() {
    let bench = Bench::new().await;
    let old = bench.origin.put("/1", 1, PIECE);
    bench.origin.change("/1", |object| {
        object.fields.push(("cache-tag", "film-7"));
    });
    // The answer is made before the purge and comes after it.
    let held = bench.origin.hold_next();
    let before = bench.get("/1");
    let after = async {
        bench.origin.asked(1).await;
        let new = bench.origin.put("/1", 2, PIECE);
        purge(&bench, "tv", "film-7", Reach::Forget).await;
        let got = bench.get("/1").await.body.unwrap();
        held.add_permits(1);
        (got, new)
    };
    let (before, (after, new)) = tokio::join!(before, after);
    assert_eq!(before.body.unwrap(), old);
    assert_eq!(after, new);
    assert_eq!(bench.get("/1").await.body.unwrap(), new);
}
