//! Filling by plan: what counts was compared with its digest, and what was not is seen by nobody.

use std::{os::unix::fs::FileExt as _, sync::Arc, time::Duration};

use bytes::Bytes;
use cache::{Ending, Expected, Held, Holding, ObjectId, Plan, Reach, SiteRules, Unfilled, Wanted};
use message::Upstream;
use ring::digest::{SHA256, digest};
use store::Checked;

use crate::support::{Bench, Fault, Origin, PIECE, name};

const MIB: usize = 1 << 20;
const EXPECTED: Expected = Expected {
    requests_per_day: 5_000,
    is_pinned: false,
};

fn wanted(bytes: &Bytes) -> Wanted {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, bytes).as_ref());
    let size = bytes.len() as u64;
    Wanted {
        size,
        sha256: Some(sha256),
        first_bytes: size,
        expected: EXPECTED,
    }
}

impl Bench {
    async fn prefill_from(
        &self,
        origin: &Arc<Origin>,
        path: &str,
        wanted: &Wanted,
    ) -> Result<Held, Unfilled> {
        let source = Arc::clone(origin) as Arc<dyn Upstream>;
        let (name, now) = (name(path), message::now());
        let prefill = self.cache.prefill(&name, wanted, source, &self.rules, now);
        prefill.await
    }

    async fn prefill(&self, path: &str, wanted: &Wanted) -> Result<Held, Unfilled> {
        self.prefill_from(&self.origin, path, wanted).await
    }

    async fn holding(&self, path: &str, wanted: &Wanted) -> Holding {
        self.cache.holding(&name(path), wanted, &self.rules).await
    }
}

#[tokio::test]
async fn what_was_filled_by_plan_is_served_without_upstream_also_after_a_restart() {
    let bench = Bench::new().await;
    let small = bench.origin.put("/segment.m4s", 1, 3 * MIB);
    let large = bench.origin.put("/film.mp4", 1, 9 * MIB + 17);
    for (path, bytes) in [("/segment.m4s", &small), ("/film.mp4", &large)] {
        let wanted = wanted(bytes);
        assert_eq!(bench.holding(path, &wanted).await, Holding::Lacking);
        let held = bench.prefill(path, &wanted).await.unwrap();
        assert_eq!(held.fetched_bytes, bytes.len() as u64);
        assert_eq!(held.written_bytes, bytes.len() as u64);
        assert_eq!(bench.holding(path, &wanted).await, Holding::Whole);
    }
    let asked = bench.origin.fetches().len();
    for _ in 0..2 {
        assert_eq!(bench.get("/segment.m4s").await.body.unwrap(), small);
        assert_eq!(bench.get("/film.mp4").await.body.unwrap(), large);
    }
    let bench = bench.restarted().await;
    assert_eq!(bench.get("/film.mp4").await.body.unwrap(), large);
    let again = bench.prefill("/film.mp4", &wanted(&large)).await.unwrap();
    assert_eq!(again.fetched_bytes, 0);
    assert_eq!(bench.origin.fetches().len(), asked);
}

#[tokio::test]
async fn bytes_that_viewers_have_of_what_was_filled_by_plan_are_counted_and_no_others() {
    let bench = Bench::new().await;
    let planned = bench.origin.put("/film.mp4", 1, 5 * MIB);
    bench.origin.put("/other.mp4", 1, 5 * MIB);
    bench.prefill("/film.mp4", &wanted(&planned)).await.unwrap();
    for _ in 0..2 {
        bench.get("/film.mp4").await.body.unwrap();
        bench.get("/other.mp4").await.body.unwrap();
    }
    let ranged = [("range", "bytes=1048570-1048579")];
    bench.get_with("/film.mp4", &ranged).await.body.unwrap();
    let served = 10 * MIB as u64 + 10;
    assert_eq!(bench.cache.prefilled_served_bytes(), served);

    // What its viewers bring in again is theirs.
    bench.cache.purge_site("tv", Reach::Forget).await.unwrap();
    for _ in 0..2 {
        bench.get("/film.mp4").await.body.unwrap();
    }
    assert_eq!(bench.cache.prefilled_served_bytes(), served);
}

#[tokio::test]
async fn what_was_filled_by_plan_lies_on_disk() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/segment.m4s", 1, MIB);
    bench
        .prefill("/segment.m4s", &wanted(&bytes))
        .await
        .unwrap();
    bench.store.flush().await;
    assert!(
        bench
            .get("/segment.m4s")
            .await
            .cache_status()
            .contains("NVME")
    );
}

#[tokio::test]
async fn bytes_of_another_digest_are_seen_by_nobody_and_not_gone_on_with() {
    let bench = Bench::new().await;
    let liar = Arc::new(Origin::default());
    let right = bench.origin.put("/film.mp4", 1, 9 * MIB);
    liar.put("/film.mp4", 2, 9 * MIB);
    let wanted = wanted(&right);
    let refused = bench.prefill_from(&liar, "/film.mp4", &wanted).await;
    assert!(matches!(refused, Err(Unfilled::OtherDigest)), "{refused:?}");
    assert_eq!(bench.holding("/film.mp4", &wanted).await, Holding::Lacking);
    assert_eq!(bench.get("/film.mp4").await.body.unwrap(), right);
    let honest = bench.prefill("/film.mp4", &wanted).await.unwrap();
    assert_eq!(honest.fetched_bytes, 0, "what the viewer brought is right");
}

#[tokio::test]
async fn while_it_is_filled_viewers_meet_only_what_they_fetched_themselves() {
    let bench = Bench::new().await;
    let liar = Arc::new(Origin::default());
    let right = bench.origin.put("/film.mp4", 1, 6 * MIB);
    // The same entity tag, other bytes.
    let wrong = liar.put("/film.mp4", 1, 6 * MIB);
    liar.change("/film.mp4", |object| {
        object.bytes = wrong.iter().map(|byte| !byte).collect();
    });
    let gate = liar.gate();
    gate.add_permits(5 * MIB / PIECE);
    let wanted = wanted(&right);
    let filling = bench.prefill_from(&liar, "/film.mp4", &wanted);
    let viewing = async {
        liar.asked(2).await;
        assert_eq!(bench.get("/film.mp4").await.body.unwrap(), right);
        gate.add_permits(MIB / PIECE);
    };
    let (refused, ()) = tokio::join!(filling, viewing);
    assert!(matches!(refused, Err(Unfilled::OtherDigest)), "{refused:?}");
    assert_eq!(bench.get("/film.mp4").await.body.unwrap(), right);
}

#[tokio::test]
async fn a_fill_that_broke_off_goes_on_where_it_was() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/film.mp4", 1, 12 * MIB);
    let wanted = wanted(&bytes);
    let gate = bench.origin.gate();
    gate.add_permits(9 * MIB / PIECE);
    {
        let filling = bench.prefill("/film.mp4", &wanted);
        tokio::select! {
            _ = filling => panic!("it cannot end"),
            () = bench.origin.asked(3) => {}
        }
    }
    gate.add_permits(100_000);
    let bench = bench.restarted().await;
    assert_eq!(bench.holding("/film.mp4", &wanted).await, Holding::Lacking);
    let held = bench.prefill("/film.mp4", &wanted).await.unwrap();
    assert_eq!(
        held.fetched_bytes,
        4 * MIB as u64,
        "two runs of 4 MiB were here"
    );
    assert_eq!(bench.get("/film.mp4").await.body.unwrap(), bytes);
}

#[tokio::test]
async fn an_object_of_another_size_is_not_taken() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, 100_000);
    for size in [99_999, 100_001, 10_000_000] {
        let wanted = Wanted {
            size,
            first_bytes: size,
            ..wanted(&bytes)
        };
        let refused = bench.prefill("/a.m4s", &wanted).await;
        let Err(Unfilled::OtherSize { found, .. }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(found, 100_000);
    }
}

#[tokio::test]
async fn what_viewers_brought_is_compared_where_it_lies() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, 300_000);
    let (right, mut other) = (wanted(&bytes), wanted(&bytes));
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), bytes);
    assert_eq!(bench.holding("/a.m4s", &right).await, Holding::Unverified);
    let held = bench.prefill("/a.m4s", &right).await.unwrap();
    assert_eq!(held.fetched_bytes, 0);
    other.sha256 = Some([7; 32]);
    let refused = bench.prefill("/a.m4s", &other).await;
    assert!(matches!(refused, Err(Unfilled::OtherDigest)), "{refused:?}");
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), bytes);
}

#[tokio::test]
async fn only_the_first_bytes_are_fetched_where_only_they_are_wanted() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/film.mp4", 1, 20 * MIB);
    let wanted = Wanted {
        first_bytes: 2 * MIB as u64 - 5,
        ..wanted(&bytes)
    };
    let held = bench.prefill("/film.mp4", &wanted).await.unwrap();
    assert_eq!(held.fetched_bytes, 2 * MIB as u64);
    assert_eq!(bench.holding("/film.mp4", &wanted).await, Holding::Whole);
    assert_eq!(bench.get("/film.mp4").await.body.unwrap(), bytes);
}

#[tokio::test]
async fn a_source_without_the_object_or_that_fails_is_told_apart() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, 1000);
    let wanted = wanted(&bytes);
    bench.origin.fail_next(Fault::Status(404));
    let absent = bench.prefill("/a.m4s", &wanted).await;
    assert!(matches!(absent, Err(Unfilled::Absent(_))), "{absent:?}");
    bench.origin.fail_next(Fault::Refuse);
    let failed = bench.prefill("/a.m4s", &wanted).await;
    assert!(matches!(failed, Err(Unfilled::Source(_))), "{failed:?}");
    bench.origin.fail_next(Fault::DieAfter(500));
    assert!(bench.prefill("/a.m4s", &wanted).await.is_ok(), "it resumes");
}

#[tokio::test]
async fn a_purge_wins_against_a_fill_by_plan() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, 1000);
    let wanted = wanted(&bytes);
    let held = bench.origin.hold_next();
    let filling = bench.prefill("/a.m4s", &wanted);
    let purging = async {
        bench.origin.asked(1).await;
        bench
            .cache
            .purge(&name("/a.m4s"), Reach::Forget)
            .await
            .unwrap();
        held.add_permits(1);
    };
    let (filled, ()) = tokio::join!(filling, purging);
    filled.unwrap();
    assert_eq!(bench.holding("/a.m4s", &wanted).await, Holding::Lacking);
}

#[tokio::test]
async fn what_is_released_is_gone() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, 5 * MIB);
    let wanted = wanted(&bytes);
    bench.prefill("/a.m4s", &wanted).await.unwrap();
    let (name, asked) = (name("/a.m4s"), bench.origin.fetches().len());
    bench.cache.release(&name, &wanted, &bench.rules).await;
    assert_eq!(bench.holding("/a.m4s", &wanted).await, Holding::Lacking);
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), bytes);
    assert!(bench.origin.fetches().len() > asked);
}

/// Expects a thousand requests a day of one object.
struct One(ObjectId);

impl Plan for One {
    fn of(&self, object: ObjectId) -> Option<Expected> {
        let expected = Expected {
            requests_per_day: 1_000_000,
            is_pinned: false,
        };
        (object == self.0).then_some(expected)
    }
}

#[tokio::test]
async fn what_is_expected_is_written_at_its_first_miss_on_a_disk_with_a_choice_to_make() {
    let bench = Bench::new().await;
    // The disk is full of what nobody wants again, its first rush is over, and a day asks for four times
    // what it holds.
    for n in 0..260 {
        let path = format!("/filler{n}.m4s");
        bench.origin.put(&path, 1, 4 * MIB);
        bench.get(&path).await.body.unwrap();
        bench.store.flush().await;
        bench.pass(Duration::from_mins(6));
    }
    bench.origin.put("/seeded.m4s", 1, MIB);
    bench.origin.put("/other.m4s", 1, MIB);
    let plan = One(ObjectId::of(&name("/seeded.m4s")));
    bench.cache.replace_plan(Some(Box::new(plan)));
    for path in ["/seeded.m4s", "/other.m4s"] {
        bench.get(path).await.body.unwrap();
    }
    let bench = bench.restarted().await;
    let asked = bench.origin.fetches().len();
    let tier = bench.get("/seeded.m4s").await;
    assert!(
        tier.cache_status().contains("NVME"),
        "{}",
        tier.cache_status()
    );
    assert_eq!(bench.origin.fetches().len(), asked);
    bench.get("/other.m4s").await.body.unwrap();
    assert!(bench.origin.fetches().len() > asked, "nobody expected it");
}

#[tokio::test]
async fn what_is_filled_by_plan_lives_as_long_as_the_rules_for_its_path_say() {
    let mut bench = Bench::new().await;
    let long = semantics::freshness::TtlRules {
        default: Duration::from_hours(48),
        ..crate::support::rules()
    };
    let mut rules = SiteRules::clone(&bench.rules);
    rules.endings = vec![Ending {
        ending: ".m4s".to_owned(),
        rules: Arc::new(SiteRules::new(long)),
    }];
    bench.rules = Arc::new(rules);
    let bytes = bench.origin.put("/segment.m4s", 1, MIB);
    bench
        .prefill("/segment.m4s", &wanted(&bytes))
        .await
        .unwrap();
    let ttl_s = async |bench: &Bench| -> u64 {
        let got = bench.get("/segment.m4s").await;
        let (_, ttl) = got.cache_status().split_once("ttl=").unwrap();
        ttl.split(';').next().unwrap().trim().parse().unwrap()
    };
    assert!(ttl_s(&bench).await > 47 * 3600);
    // After a restart it is whoever repairs that reads the head first.
    let rules = Arc::clone(&bench.rules);
    let mut bench = bench.restarted().await;
    bench.rules = rules;
    let held = bench.holding("/segment.m4s", &wanted(&bytes)).await;
    assert_eq!(held, Holding::Whole);
    let (name, wanted) = (name("/segment.m4s"), wanted(&bytes));
    bench.cache.unpin(&name, &wanted, &bench.rules).await;
    assert!(ttl_s(&bench).await > 47 * 3600);
}

/// Flips a byte of what lies on the disk, where these bytes lie.
fn flip_on_disk(bench: &Bench, found: &[u8]) {
    let path = bench.folder.path().join("slices");
    // What comes first lies first.
    let mut disk = vec![0; 16 * MIB];
    let mut file = std::fs::File::options();
    let file = file.read(true).write(true).open(&path).unwrap();
    file.read_exact_at(&mut disk, 0).unwrap();
    let at = disk.windows(found.len()).position(|there| there == found);
    let at = at.unwrap() + found.len() / 2;
    file.write_all_at(&[!disk[at]], at as u64).unwrap();
    file.sync_all().unwrap();
}

#[tokio::test]
async fn a_slice_that_rots_on_disk_is_found_by_who_looks_and_the_object_is_lacking_then() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/film.mp4", 1, 5 * MIB);
    let wanted = wanted(&bytes);
    bench.prefill("/film.mp4", &wanted).await.unwrap();
    bench.store.flush().await;
    let name = name("/film.mp4");
    let check = |index| bench.cache.check(&name, &wanted, &bench.rules, index);
    flip_on_disk(&bench, &bytes[2 * MIB + 100..2 * MIB + 164]);
    assert_eq!(bench.holding("/film.mp4", &wanted).await, Holding::Whole);
    for (index, checked) in [
        (0, Checked::Sound),
        (1, Checked::Sound),
        (2, Checked::Lost),
        (3, Checked::Sound),
        (4, Checked::Sound),
        (5, Checked::Absent),
    ] {
        assert_eq!(check(index).await, checked, "slice {index}");
    }
    assert_eq!(bench.holding("/film.mp4", &wanted).await, Holding::Lacking);
    let again = bench.prefill("/film.mp4", &wanted).await.unwrap();
    assert_eq!(again.fetched_bytes, MIB as u64, "the one slice");
    bench.store.flush().await;
    assert_eq!(check(2).await, Checked::Sound);
}

#[tokio::test]
async fn a_head_that_rots_on_disk_is_found_with_the_first_slice_and_had_anew() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/segment.m4s", 1, MIB);
    let wanted = wanted(&bytes);
    bench.prefill("/segment.m4s", &wanted).await.unwrap();
    bench.store.flush().await;
    flip_on_disk(&bench, b"/segment.m4s");
    let name = name("/segment.m4s");
    let check = || bench.cache.check(&name, &wanted, &bench.rules, 0);
    assert_eq!(check().await, Checked::Lost);
    bench.prefill("/segment.m4s", &wanted).await.unwrap();
    bench.store.flush().await;
    assert_eq!(check().await, Checked::Sound);
    assert_eq!(bench.get("/segment.m4s").await.body.unwrap(), bytes);
}
