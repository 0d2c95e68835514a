//! For whom it is, and when.

use manifest::{Digest, Head, Kind, Label, Limits, Refused};

use crate::{
    refused,
    world::{NOW_S, World, head, objects},
};

#[test]
fn a_manifest_for_another_node_is_refused() {
    let world = World::new();
    let other = Head {
        audience: Label::parse("edge-2").unwrap(),
        ..head(1)
    };
    let told = refused(&world, &world.signed(other, &objects(1)), 403).to_string();
    assert_eq!(told, "the manifest is for edge-2; this node is edge-1");
}

/// Hardening row M02: replay.
#[test]
fn a_generation_that_is_not_above_the_present_one_is_a_replay() {
    let mut world = World::new();
    let first = world.signed(head(7), &objects(2));
    world.apply(&first);
    assert!(matches!(
        refused(&world, &first, 409),
        Refused::Replayed { .. }
    ));
    refused(&world, &world.signed(head(6), &objects(9)), 409);
    assert!(world.accept(&world.signed(head(8), &objects(9))).is_ok());
}

/// Hardening row M02: replay.
#[test]
fn what_was_withdrawn_is_not_accepted_again() {
    let mut world = World::new();
    let first = world.signed(head(7), &objects(2));
    world.apply(&first);
    world.state = world.state.clone().withdrawn();
    assert!(matches!(
        refused(&world, &first, 409),
        Refused::Replayed { .. }
    ));
}

/// Hardening row M02: a skipped or another predecessor.
#[test]
fn a_manifest_that_follows_another_one_is_refused() {
    let mut world = World::new();
    world.apply(&world.signed(head(1), &objects(2)));
    let follows = |previous, kind| Head {
        previous,
        kind,
        ..head(3)
    };
    let elsewhere = Some(Digest::of(b"another"));
    let here = world.state.digest;
    for kind in [Kind::Full, Kind::Delta { base: 1 }] {
        let bad = world.signed(follows(elsewhere, kind), &objects(2));
        assert!(matches!(
            refused(&world, &bad, 409),
            Refused::OtherPrevious { .. }
        ));
        assert!(
            world
                .accept(&world.signed(follows(here, kind), &objects(2)))
                .is_ok()
        );
    }
    let skipped = world.signed(follows(here, Kind::Delta { base: 2 }), &objects(2));
    assert!(matches!(
        refused(&world, &skipped, 409),
        Refused::OtherBase { .. }
    ));
}

/// Hardening row M02: a delta needs what it is a delta of.
#[test]
fn a_delta_needs_the_plan_that_it_changes() {
    let mut world = World::new();
    let delta = Head {
        previous: Some(Digest::of(b"the first")),
        kind: Kind::Delta { base: 1 },
        ..head(2)
    };
    refused(&world, &world.signed(delta.clone(), &objects(1)), 409);
    world.apply(&world.signed(head(1), &objects(2)));
    let follows = Head {
        previous: world.state.digest,
        ..delta
    };
    world.state = world.state.clone().withdrawn();
    refused(&world, &world.signed(follows, &objects(1)), 409);
}

/// Hardening row M03.
#[test]
fn an_expired_manifest_is_refused() {
    let world = World::new();
    for (expires_s, good) in [(NOW_S - 1, false), (NOW_S, false), (NOW_S + 1, true)] {
        let head = Head {
            expires_s,
            ..head(1)
        };
        assert_eq!(
            world
                .accept(&world.signed(head.clone(), &objects(1)))
                .is_ok(),
            good
        );
        if !good {
            refused(&world, &world.signed(head, &objects(1)), 409);
        }
    }
}

/// Hardening row M03.
#[test]
fn a_manifest_from_the_future_is_refused_beyond_the_skew() {
    let world = World::new();
    let skew_s = Limits::default().skew_s;
    for (issued_s, good) in [(NOW_S + skew_s, true), (NOW_S + skew_s + 1, false)] {
        let head = Head {
            issued_s,
            ..head(1)
        };
        let file = world.signed(head, &objects(1));
        assert_eq!(world.accept(&file).is_ok(), good);
        if !good {
            assert!(matches!(
                refused(&world, &file, 409),
                Refused::FromTheFuture { .. }
            ));
        }
    }
}

#[test]
fn a_manifest_that_would_be_good_for_ever_is_refused() {
    let world = World::new();
    let head = Head {
        expires_s: u64::MAX,
        ..head(1)
    };
    refused(&world, &world.signed(head, &objects(1)), 422);
}
