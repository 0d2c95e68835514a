//! What is new of a manifest is tried in a child process, which limits itself.

use std::{env, hint, path::PathBuf};

use manifest::{Label, Pin};
use preposition::{Bounds, rehearse};

use crate::support::{Bench, Origin, Wishes};

/// Hardening row M22.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_on_which_a_child_dies_never_comes_into_force() {
    let origin = Origin::with(2, 100_000);
    let bench = Bench::rehearsing("false").await;
    let refused = bench.push(1, &origin).await.unwrap_err();
    assert_eq!((refused.status(), refused.label()), (422, "unfit"));
    assert!(bench.room.progress().is_none());
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_tried_is_not_taken_and_what_was_tried_comes_into_force() {
    let origin = Origin::with(2, 100_000);
    let bench = Bench::rehearsing("/nonexistent/program").await;
    let refused = bench.push(1, &origin).await.unwrap_err();
    assert_eq!((refused.status(), refused.label()), (500, "unrehearsed"));
    bench.end().await;
    let bench = Bench::rehearsing("true").await;
    bench.push(1, &origin).await.unwrap();
    bench.end().await;
}

/// What the keeper has told a child: where its manifest lies, and what it may take. Nothing where it is
/// no child.
fn told() -> Option<(PathBuf, Label, Bounds)> {
    let arguments: Vec<String> = env::args().collect();
    let [.., folder, audience, memory_bytes, cpu_s] = &*arguments else {
        return None;
    };
    let bounds = Bounds {
        memory_bytes: memory_bytes.parse().ok()?,
        cpu_s: cpu_s.parse().ok()?,
    };
    Some((folder.into(), Label::parse(audience).ok()?, bounds))
}

/// Gets through the first manifest, as the node's own program does, and then runs away in the second.
fn rehearse_then(run_away: impl FnOnce(Bounds)) {
    let Some((folder, audience, bounds)) = told() else {
        return;
    };
    let is_first = !folder.join("applied").exists();
    rehearse(&folder, &audience, bounds).unwrap();
    if !is_first {
        run_away(bounds);
    }
}

#[test]
#[ignore = "a child process of the tests below, not a test"]
fn child_that_takes_more_memory_than_it_may() {
    rehearse_then(|bounds| {
        let much = usize::try_from(bounds.memory_bytes * 2).unwrap();
        hint::black_box(vec![1_u8; much]);
    });
}

#[test]
#[ignore = "a child process of the tests below, not a test"]
fn child_that_never_ends() {
    rehearse_then(|_bounds| {
        loop {
            hint::spin_loop();
        }
    });
}

/// The second manifest, on which the child ends by a signal, is refused, and the first stays in force.
async fn refuses_the_second(child: &str, signal: &str) {
    let origin = Origin::with(2, 100_000);
    let bench = Bench::rehearsing_by(&format!("rehearsal::{child}")).await;
    bench.push(1, &origin).await.unwrap();
    let pinned = || Wishes {
        pin: Some(Pin::WhilePlanned),
        ..Wishes::default()
    };
    let refused = bench.push_as(2, &origin, pinned()).await.unwrap_err();
    assert_eq!((refused.status(), refused.label()), (422, "unfit"));
    assert!(refused.to_string().contains(signal), "{refused}");
    assert_eq!(bench.room.progress().unwrap().generation, 1);
    // Nothing is new of this one.
    bench.push(3, &origin).await.unwrap();
    bench.end().await;
}

/// Hardening row M22.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_takes_more_memory_than_a_child_may_have_is_refused() {
    refuses_the_second("child_that_takes_more_memory_than_it_may", "SIGABRT").await;
}

/// Hardening row M22.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_takes_more_of_the_cpu_than_a_child_may_have_is_refused() {
    refuses_the_second("child_that_never_ends", "SIGXCPU").await;
}
