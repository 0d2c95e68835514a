//! What a manifest may not ask for.

use std::ops::Range;

use manifest::{Accepted, Digest, Head, Keys, Kind, Names, Object, Refused, Role, State, accept};

use crate::{
    refused,
    world::{NOW_S, World, head, key, line, manifest, object, objects, planner, sign, signed_text},
};

/// Hardening row M07.
#[test]
fn one_bad_path_refuses_the_whole_manifest() {
    let world = World::new();
    let longest = format!("/{}", "a".repeat(1_023));
    let longer = format!("/{}", "a".repeat(1_024));
    let good = |path: &str| {
        let file = signed_text(&world, |text| text.replacen("/f/1.m4s", path, 1));
        world.accept(&file).map(|accepted| accepted.plan().len())
    };
    assert_eq!(good(&longest).unwrap(), 2);
    for bad in [
        &longer,
        "",
        "a",
        "/../etc/passwd",
        "/a/../b",
        "/a/./b",
        "//etc",
        "/a//b",
        "/a/..",
        "/%2e%2e/a",
        "/a\\\\b",
        "/a\\u0000b",
        "/a\\u000ab",
        "/a b",
        "/a?b=c",
        "/a#b",
        "/a;b",
        "/\\u00e4",
        "/~token/a",
        "C:\\\\a",
        "file:///etc/passwd",
    ] {
        assert_eq!(good(bad).unwrap_err().status(), 422, "{bad}");
    }
    for bad in ["", "a b", "../films", "films/x", "\\u0000"] {
        let site = format!(r#""site":"{bad}""#);
        let file = signed_text(&world, |text| text.replacen(r#""site":"films""#, &site, 1));
        refused(&world, &file, 422);
    }
}

/// Hardening row M07: a name that is wanted twice, or wanted and removed.
#[test]
fn a_name_that_is_there_twice_refuses_the_whole_manifest() {
    let world = World::new();
    let file = signed_text(&world, |text| text.replacen("/f/1.m4s", "/f/0.m4s", 1));
    refused(&world, &file, 422);
    let file = signed_text(&world, |text| {
        let text = text.replacen(r#""removed":0"#, r#""removed":1"#, 1);
        text + r#"{"site":"films","path":"/f/0.m4s"}"# + "\n"
    });
    refused(&world, &file, 422);
}

/// Hardening row M09: there is nothing to follow, so nothing can go round.
#[test]
fn a_manifest_cannot_include_another() {
    let world = World::new();
    for member in [r#""include":"other.manifest""#, r#""includes":[]"#] {
        let file = signed_text(&world, |text| {
            text.replacen(
                r#""generation":1"#,
                &format!(r#""generation":1,{member}"#),
                1,
            )
        });
        assert!(matches!(
            refused(&world, &file, 422),
            Refused::NamesHosts { line: 2, .. }
        ));
    }
}

/// Hardening row M10.
#[test]
fn one_bad_digest_refuses_the_whole_manifest() {
    let world = World::new();
    let good = object(0).digest.unwrap().to_string();
    for bad in [
        format!("md5:{}", &good[7..]),
        good[7..].to_owned(),
        good[..70].to_owned(),
        format!("{good}0"),
        format!("sha256:{}", "0".repeat(64)),
        String::new(),
    ] {
        let file = signed_text(&world, |text| text.replacen(&good, &bad, 1));
        refused(&world, &file, 422);
    }
    let none = format!(r#","digest":"{good}""#);
    let file = signed_text(&world, |text| text.replacen(&none, "", 1));
    let told = refused(&world, &file, 422).to_string();
    assert!(
        told.contains("digest") && told.contains("missing"),
        "{told}"
    );
}

/// Hardening row M12: sizes. (More than the disk is planned by order: see `order.rs`.)
#[test]
fn sizes_that_cannot_be_refuse_the_whole_manifest() {
    let world = World::new();
    let half = (1_u64 << 63).to_string();
    for (size, count, status) in [
        ("0", 1, 422),
        ("-1", 1, 400),
        (&*half, 1, 0),
        (&half, 2, 422),
    ] {
        let file = signed_text(&world, |text| {
            text.replacen(r#""size":1000"#, &format!(r#""size":{size}"#), count)
        });
        match status {
            0 => assert!(world.accept(&file).is_ok()),
            status => drop(refused(&world, &file, status)),
        }
    }
    for first in ["0", "1001"] {
        let file = signed_text(&world, |text| {
            text.replacen(
                r#""size":1000"#,
                &format!(r#""size":1000,"first_bytes":{first}"#),
                1,
            )
        });
        refused(&world, &file, 422);
    }
}

/// Hardening row M13.
#[test]
fn a_manifest_that_drops_more_than_30_percent_of_the_bytes_needs_a_second_flag() {
    let mut world = World::new();
    world.apply(&world.signed(head(1), &objects(10)));
    assert!(world.accept(&world.signed(head(2), &objects(7))).is_ok());
    let drop_four = world.signed(head(2), &objects(6));
    let told = refused(&world, &drop_four, 409).to_string();
    assert!(
        told.contains("4000 of 10000") && told.contains("allow_mass_eviction"),
        "{told}"
    );
    let meant = Head {
        allow_mass_eviction: true,
        ..head(2)
    };
    assert!(world.accept(&world.signed(meant, &objects(6))).is_ok());
}

/// Hardening row M13: other ways to empty a node.
#[test]
fn replacing_forgetting_all_and_deltas_count_as_dropping() {
    let mut world = World::new();
    world.apply(&world.signed(head(1), &objects(10)));
    let other = Digest::of(b"other content");
    let replaced = (0..10).map(|n| Object::fill("films", object(n).path, 1_000, other));
    let replaced_by_seeds = (0..10).map(|n| Object::seed("films", object(n).path, 999, 1));
    let cut_short = seeds(0..6);
    for less in [
        replaced.collect::<Vec<_>>(),
        replaced_by_seeds.collect(),
        cut_short.collect(),
        Vec::new(),
    ] {
        assert_eq!(
            refused(&world, &world.signed(head(2), &less), 409).label(),
            "mass_eviction"
        );
    }
    let removes_four = delta(&world, seeds(4..10), 0..4);
    assert_eq!(refused(&world, &removes_four, 409).label(), "mass_eviction");
}

/// Hardening row M13: an ordinary night, in which others are worth the budget.
#[test]
fn what_becomes_a_seed_or_is_wanted_in_part_is_not_dropped() {
    let mut world = World::new();
    world.apply(&world.signed(head(1), &objects(10)));
    let in_part = |n| Object {
        first_bytes: Some(1),
        ..object(n)
    };
    for listed in [seeds(0..10).collect(), (0..10).map(in_part).collect()] {
        let listed: Vec<_> = listed;
        let accepted = world.accept(&world.signed(head(2), &listed)).unwrap();
        assert_eq!(
            (accepted.diff.changed.len(), accepted.diff.dropped_bytes),
            (10, 0)
        );
    }
    assert!(world.accept(&delta(&world, seeds(3..10), 0..3)).is_ok());
}

/// As a planner's budget leaves them: with their digests.
fn seeds(of: Range<usize>) -> impl Iterator<Item = Object<'static>> {
    of.map(|n| Object {
        digest: object(n).digest,
        ..Object::seed("films", object(n).path, 1_000, 1)
    })
}

/// A signed delta of the plan that `world` has.
fn delta(
    world: &World,
    changed: impl Iterator<Item = Object<'static>>,
    removed: Range<usize>,
) -> Vec<u8> {
    let head = Head {
        previous: world.state.digest,
        kind: Kind::Delta { base: 1 },
        ..head(2)
    };
    let removed = Names::collect(removed.map(|n| ("films", object(n).path))).unwrap();
    let changed = manifest::Objects::collect(changed).unwrap();
    let delta = manifest::Manifest::new(head, changed, removed).unwrap();
    sign(&delta, &[&world.signer])
}

/// Hardening row M13: the second flag takes the keys that may give it.
#[test]
fn the_second_flag_takes_a_key_with_the_role_evict() {
    let (plan, evict) = (key("planner"), key("operator"));
    let keys = [
        planner(&plan, &[Role::Plan]),
        planner(&evict, &[Role::Evict]),
    ];
    let world = World::with(Keys::new(keys.into(), []).unwrap());
    let meant = Head {
        allow_mass_eviction: true,
        ..head(1)
    };
    let manifest = manifest(meant, &objects(1));
    let told = refused(&world, &sign(&manifest, &[&plan]), 403).to_string();
    assert!(told.contains("role `evict`"), "{told}");
    assert!(world.accept(&sign(&manifest, &[&plan, &evict])).is_ok());
}

/// Hardening row M15: a manifest names no origin, so none has to be allowed.
#[test]
fn a_manifest_cannot_name_an_origin() {
    let world = World::new();
    for member in [
        r#""origin":"https://user:pw@origin.example/""#,
        r#""source":"file:///etc/passwd""#,
        r#""sources":["http://169.254.169.254/latest"]"#,
        r#""url":"https://origin.example/a""#,
        r#""host":"[fe80::1]""#,
    ] {
        for place in [r#""size":1000"#, r#""generation":1"#] {
            let file = signed_text(&world, |text| {
                text.replacen(place, &format!("{place},{member}"), 1)
            });
            assert!(
                matches!(refused(&world, &file, 422), Refused::NamesHosts { .. }),
                "{member}"
            );
        }
    }
}

/// Hardening row M17: the decision does not depend on who came first, the state does.
#[test]
fn of_two_manifests_of_one_generation_the_second_is_a_conflict() {
    let mut world = World::new();
    let (one, two) = (
        world.signed(head(1), &objects(1)),
        world.signed(head(1), &objects(2)),
    );
    let [first, second]: [Accepted; 2] = [&one, &two].map(|file| world.accept(file).unwrap());
    assert_eq!(
        first.manifest.head.generation,
        second.manifest.head.generation
    );
    world.state = first.into_state();
    refused(&world, &two, 409);
}

/// Hardening row M20: an unknown member.
#[test]
fn an_unknown_member_is_ignored_and_told() {
    let world = World::new();
    let file = signed_text(&world, |text| {
        let text = text.replacen(r#""generation":1"#, r#""generation":1,"colour":"red""#, 1);
        text.replace(r#""size":1000"#, r#""size":1000,"codec":{"name":["av1"]}"#)
    });
    let accepted = world.accept(&file).unwrap();
    assert_eq!(accepted.ignored, ["codec", "colour"]);
    assert_eq!(accepted.plan().len(), 2);
}

/// Hardening row M20: what is ignored is bounded.
#[test]
fn endless_unknown_members_are_refused_and_few_are_told() {
    let world = World::new();
    let many = (0..17).fold(String::new(), |text, n| text + &format!(r#","new{n}":0"#));
    let file = signed_text(&world, |text| {
        text.replacen(r#""size":1000"#, &format!(r#""size":1000{many}"#), 1)
    });
    refused(&world, &file, 400);
    let file = world.sign_payload(
        &(0..40)
            .fold(line(&head(1), 40), |text, n| {
                text + &format!(
                    r#"{{"site":"a","path":"/{n}","size":1,"action":"seed","new{n}":0}}"#
                ) + "\n"
            })
            .into_bytes(),
    );
    assert_eq!(world.accept(&file).unwrap().ignored.len(), 16);
}

/// Hardening row M20: an unknown critical member.
#[test]
fn an_unknown_critical_member_is_refused() {
    let world = World::new();
    let with = |critical: &str| {
        signed_text(&world, |text| {
            let critical = format!(r#""generation":1,"encrypted":true,"critical":{critical}"#);
            text.replacen(r#""generation":1"#, &critical, 1)
        })
    };
    let told = refused(&world, &with(r#"["pinned","encrypted"]"#), 422);
    assert_eq!(told, Refused::CriticalUnknown("encrypted".to_owned()));
    assert!(world.accept(&with(r#"["pinned","generation"]"#)).is_ok());
    refused(&world, &with(r#""encrypted""#), 400);
}

/// Hardening row M20: a newer schema, even one in which everything else has another shape.
#[test]
fn a_newer_schema_is_refused_and_a_newer_minor_is_not() {
    let world = World::new();
    let with =
        |schema: &str| signed_text(&world, |text| text.replacen(r#""schema":"1.0""#, schema, 1));
    assert!(world.accept(&with(r#""schema":"1.7""#)).is_ok());
    for (newer, status) in [
        (r#""schema":"2.0""#, 422),
        (r#""schema":"0.9""#, 422),
        (r#""schema":"1""#, 400),
        (r#""schema":1"#, 400),
        (r#""schema":"one""#, 400),
    ] {
        refused(&world, &with(newer), status);
    }
    let strange = world.sign_payload(b"{\"schema\":\"2.0\",\"audience\":[1],\"objects\":{}}\n");
    assert_eq!(refused(&world, &strange, 422).label(), "newer_schema");
}

/// Whoever verifies must not need the clock of who signs: now is an argument.
#[test]
fn the_same_file_at_the_same_time_is_always_the_same_decision() {
    let world = World::new();
    let file = world.signed(head(1), &objects(3));
    let [one, two] =
        [(); 2].map(|()| accept(&world.state, &file, NOW_S, &world.keys, &world.limits).unwrap());
    assert_eq!(one.into_state(), two.into_state());
    let later = accept(&world.state, &file, u64::MAX, &world.keys, &world.limits);
    assert!(matches!(later, Err(Refused::Expired { .. })));
    let _unused: State = State::new(world.state.audience);
}
