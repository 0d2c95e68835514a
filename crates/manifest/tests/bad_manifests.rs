//! Bad manifests: each is refused with the status that belongs to it, and changes nothing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use manifest::{
    Accepted, Digest, Encoding, Head, Keys, Kind, Label, Limits, Names, Object, Refused, Role,
    Signed, State, accept,
};
use world::{NOW_S, World, head, key, line, manifest, object, objects, planner, sign, signed_text};

/// What is refused has a status and leaves the state alone: `accept` cannot change it, and
/// whoever applies needs what only `accept` makes.
fn refused(world: &World, file: &[u8], status: u16) -> Refused {
    let before = world.state.clone();
    let refused = world.accept(file).unwrap_err();
    assert_eq!(refused.status(), status, "{refused}");
    assert_eq!(world.state, before);
    refused
}

/// Hardening row M01: signatures.
#[test]
fn an_unsigned_manifest_is_refused() {
    let world = World::new();
    for encoding in [Encoding::Plain, Encoding::Zstd] {
        let payload = manifest(head(1), &objects(3)).to_payload(encoding);
        assert_eq!(refused(&world, &payload, 403), Refused::Unsigned);
        let none = Signed::draft(&payload).to_bytes();
        assert_eq!(refused(&world, &none, 403), Refused::Unsigned);
    }
}

/// Hardening row M01: signatures.
#[test]
fn one_flipped_bit_anywhere_is_never_accepted() {
    let world = World::new();
    let good = world.signed(head(1), &objects(2));
    assert!(world.accept(&good).is_ok());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        let refused = world.accept(&bad).unwrap_err();
        assert!(matches!(refused.status(), 400 | 403), "{at}: {refused}");
    }
}

/// Hardening row M01: an unknown key.
#[test]
fn a_manifest_of_an_unknown_key_is_refused_and_the_key_is_told() {
    let world = World::new();
    let file = sign(&manifest(head(1), &objects(2)), &[&key("stranger")]);
    let told = refused(&world, &file, 403).to_string();
    assert!(
        told.contains("0 of 1") && told.contains("stranger"),
        "{told}"
    );
}

/// Hardening row M01: another key under a known id.
#[test]
fn a_stranger_cannot_borrow_the_id_of_a_planner() {
    let world = World::new();
    let file = sign(&manifest(head(1), &objects(2)), &[&key("planner")]);
    assert!(matches!(
        refused(&world, &file, 403),
        Refused::BadSignature(_)
    ));
}

/// Hardening row M01: a key without the role.
#[test]
fn a_key_without_the_role_does_not_count() {
    let evictor = key("evictor");
    let keys = [
        planner(&key("planner"), &[Role::Plan]),
        planner(&evictor, &[Role::Evict]),
    ];
    let world = World::with(Keys::new(keys.into(), []).unwrap());
    let file = sign(&manifest(head(1), &objects(2)), &[&evictor]);
    let told = refused(&world, &file, 403).to_string();
    assert!(
        told.contains("role `plan`") && told.contains("evictor"),
        "{told}"
    );
}

/// Hardening row M01: below the threshold.
#[test]
fn fewer_keys_than_the_threshold_are_not_enough() {
    let (one, two) = (key("one"), key("two"));
    let keys = [planner(&one, &[Role::Plan]), planner(&two, &[Role::Plan])];
    let world = World::with(Keys::new(keys.into(), [(Role::Plan, 2)]).unwrap());
    let manifest = manifest(head(1), &objects(2));
    refused(&world, &sign(&manifest, &[&one]), 403);
    assert!(world.accept(&sign(&manifest, &[&one, &two])).is_ok());
}

/// Hardening row M01: one key is one signature, however often it signs.
#[test]
fn a_key_that_signs_twice_is_no_second_key() {
    let world = World::new();
    let file = String::from_utf8(world.signed(head(1), &objects(1))).unwrap();
    let (line, payload) = file.split_once('\n').unwrap();
    let signature = line.split_once('[').unwrap().1.strip_suffix("]}").unwrap();
    let twice = line.replace(signature, &format!("{signature},{signature}"));
    refused(&world, format!("{twice}\n{payload}").as_bytes(), 400);
}

/// Hardening row M01: a key outside its time.
#[test]
fn a_key_before_and_after_its_time_does_not_sign() {
    let signer = key("planner");
    let file = sign(&manifest(head(1), &objects(1)), &[&signer]);
    for (from_s, until_s, good) in [
        (NOW_S + 1, None, false),
        (0, Some(NOW_S), false),
        (NOW_S, Some(NOW_S + 1), true),
    ] {
        let mut planner = planner(&signer, &[Role::Plan]);
        (planner.key.not_before_s, planner.key.not_after_s) = (from_s, until_s);
        let world = World::with(Keys::new(vec![planner], []).unwrap());
        assert_eq!(world.accept(&file).is_ok(), good);
    }
}

/// Hardening row M01: what is signed for one purpose is nothing elsewhere.
#[test]
fn a_signature_of_the_payload_alone_is_none_of_the_manifest() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let world = World::new();
    let payload = manifest(head(1), &objects(1)).to_payload(Encoding::Plain);
    let signature = URL_SAFE_NO_PAD.encode(world.signer.signature(&payload));
    let good = sign(&manifest(head(1), &objects(1)), &[&world.signer]);
    let good = String::from_utf8(good).unwrap();
    let known = good.split('"').find(|part| part.len() == 86).unwrap();
    let bad = good.replace(known, &signature);
    assert!(matches!(
        refused(&world, bad.as_bytes(), 403),
        Refused::BadSignature(_)
    ));
}

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

/// Hardening row M05: truncated.
#[test]
fn a_manifest_that_is_cut_off_anywhere_is_refused() {
    let world = World::new();
    for encoding in [Encoding::Plain, Encoding::Zstd] {
        let payload = manifest(head(1), &objects(3)).to_payload(encoding);
        for length in 0..payload.len() {
            let file = world.sign_payload(&payload[..length]);
            refused(&world, &file, 400);
        }
    }
    let file = world.signed(head(1), &objects(3));
    for length in 0..file.len() {
        assert!(matches!(
            world.accept(&file[..length]).unwrap_err().status(),
            400 | 403
        ));
    }
}

/// Hardening row M05: trailing garbage.
#[test]
fn a_manifest_with_something_after_it_is_refused() {
    let world = World::new();
    for encoding in [Encoding::Plain, Encoding::Zstd] {
        let payload = manifest(head(1), &objects(3)).to_payload(encoding);
        for more in [&b"\n"[..], b"x", b"{}\n", &[0], &payload] {
            let file = world.sign_payload(&[&payload, more].concat());
            refused(&world, &file, 400);
        }
    }
    let text = signed_text(&world, |text| text.replacen("}\n", "} {}\n", 1));
    refused(&world, &text, 400);
}

/// Hardening row M05: duplicate keys, in every line and at every depth.
#[test]
fn a_member_that_is_there_twice_is_refused() {
    let world = World::new();
    for (from, to) in [
        (r#""generation":1"#, r#""generation":1,"generation":1"#),
        (r#""generation":1"#, r#""generation":1,"gener\u0061tion":1"#),
        (r#""size":1000"#, r#""size":1000,"size":1000"#),
        (r#""site":"films""#, r#""site":"films","site":"films""#),
        (r#""size":1000"#, r#""size":1000,"new":1,"new":2"#),
        (
            r#""size":1000"#,
            r#""size":1000,"new":{"a":[{"b":1,"b":2}]}"#,
        ),
        (r#""generation":1"#, r#""generation":1,"new":{"a":1,"a":1}"#),
        (
            r#""generation":1"#,
            r#""generation":1,"hints":{"concurrency":1,"concurrency":1}"#,
        ),
    ] {
        let file = signed_text(&world, |text| {
            assert!(text.contains(from), "{text}");
            text.replacen(from, to, 1)
        });
        let told = refused(&world, &file, 400).to_string();
        assert!(told.contains("duplicate field"), "{told}");
    }
}

/// Hardening row M05: depth.
#[test]
fn a_text_a_hundred_thousand_deep_is_refused() {
    let world = World::new();
    for depth in [200, 7_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let file = signed_text(&world, |text| {
                text.replacen(r#""size":1000"#, &format!(r#""size":1000,"new":{deep}"#), 1)
            });
            refused(&world, &file, 400);
        }
    }
}

/// Hardening row M05: numbers that JSON or we do not have.
#[test]
fn a_number_that_is_none_is_refused() {
    let world = World::new();
    for number in [
        "NaN",
        "Infinity",
        "-1",
        "-0",
        "1.5",
        "1e3",
        "1e999",
        "18446744073709551616",
        "0x10",
        "01",
        "+1",
        "\"1\"",
        "null",
        "true",
        "[]",
        "",
    ] {
        for member in ["\"size\":1000", "\"generation\":1"] {
            let name = member.split_once(':').unwrap().0;
            let file = signed_text(&world, |text| {
                text.replacen(member, &format!("{name}:{number}"), 1)
            });
            refused(&world, &file, 400);
        }
    }
}

/// Hardening row M05: invalid UTF-8, also where nothing is read.
#[test]
fn bytes_that_are_no_utf_8_are_refused() {
    let world = World::new();
    for member in ["path", "new"] {
        for bytes in [
            &b"\xff"[..],
            b"\xc0\xaf",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xe2\x82",
        ] {
            let line = [
                format!(r#"{{"site":"films","size":1000,"{member}":"/a"#).as_bytes(),
                bytes,
                b"\"}\n",
            ]
            .concat();
            let head = manifest(head(1), &objects(1)).to_payload(Encoding::Plain);
            let head = head.split_inclusive(|byte| *byte == b'\n').next().unwrap();
            let file = world.sign_payload(&[head, &line].concat());
            refused(&world, &file, 400);
        }
    }
}

/// Hardening row M05: a byte order mark.
#[test]
fn a_byte_order_mark_is_refused_wherever_it_stands() {
    let world = World::new();
    let mark = "\u{feff}";
    let first = world.signed(head(1), &objects(2));
    let told = refused(&world, &[mark.as_bytes(), &first].concat(), 400).to_string();
    assert!(told.contains("byte order mark"), "{told}");
    for line in 0..2 {
        let file = signed_text(&world, |text| {
            let at = text.split_inclusive('\n').take(line).map(str::len).sum();
            format!("{}{mark}{}", &text[..at], &text[at..])
        });
        let told = refused(&world, &file, 400).to_string();
        assert!(told.contains("byte order mark"), "{told}");
    }
}

/// Hardening row M06: the file's size.
#[test]
fn a_file_of_65_mib_is_refused_before_anything_of_it_is_read() {
    let world = World::new();
    let file = vec![b'x'; 65 << 20];
    let told = refused(&world, &file, 413).to_string();
    assert!(
        told.contains("68157440") && told.contains("67108864"),
        "{told}"
    );
}

/// Hardening row M06: the count, which the head tells.
#[test]
fn ten_million_objects_are_refused_by_the_head_alone() {
    let world = World::new();
    for (objects, removed) in [
        (10_000_000, 0),
        (0, 10_000_000),
        (1, u64::MAX),
        (1_500_000, 1_500_000),
    ] {
        let file = signed_text(&world, |text| {
            let head = text.lines().next().unwrap();
            let head = head.replace(r#""objects":2"#, &format!(r#""objects":{objects}"#));
            head.replace(r#""removed":0"#, &format!(r#""removed":{removed}"#)) + "\n"
        });
        let refused = refused(&world, &file, 413);
        assert!(
            refused.to_string().contains("objects and removals"),
            "{refused}"
        );
    }
}

/// Hardening row M06: a bomb that tells its size, one that does not, and one of endless frames.
#[test]
fn a_zstd_bomb_is_refused_within_the_limit() {
    let world = World::new();
    let zeros = vec![b' '; 1 << 20];
    let told = zstd::bulk::compress(&vec![b' '; 600 << 20], 1).unwrap();
    assert_eq!(
        refused(&world, &world.sign_payload(&told), 413).label(),
        "too_large"
    );
    let small = World {
        limits: Limits {
            payload_bytes_max: 10_000,
            ..Limits::default()
        },
        ..World::new()
    };
    let paths: Vec<String> = (0..500).map(|n| format!("/f/{n}")).collect();
    let many: Vec<_> = paths
        .iter()
        .map(|path| Object::seed("films", path, 1, 1))
        .collect();
    let lines = manifest(head(1), &many).to_payload(Encoding::Zstd);
    refused(&small, &small.sign_payload(&lines), 413);
    let untold = zstd::stream::encode_all(&*zeros, 1).unwrap();
    refused(&world, &world.sign_payload(&untold), 400);
    let frames = untold.repeat(1_000);
    refused(&world, &world.sign_payload(&frames), 400);
}

/// Hardening row M06: a delta cannot grow the plan beyond what a full manifest may list.
#[test]
fn deltas_cannot_add_up_to_more_than_a_plan_may_hold() {
    let mut world = World::new();
    world.limits.names_max = 5;
    world.apply(&world.signed(head(1), &objects(4)));
    let delta = Head {
        previous: world.state.digest,
        kind: Kind::Delta { base: 1 },
        ..head(2)
    };
    let more: Vec<_> = (10..12).map(object).collect();
    refused(&world, &world.signed(delta, &more), 413);
}

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
fn replacing_seeding_cutting_and_deltas_count_as_dropping() {
    let mut world = World::new();
    world.apply(&world.signed(head(1), &objects(10)));
    let other = Digest::of(b"other content");
    let replaced = (0..10).map(|n| Object::fill("films", object(n).path, 1_000, other));
    let seeded = (0..10).map(|n| Object::seed("films", object(n).path, 1_000, 1));
    let cut = (0..10).map(|n| Object {
        first_bytes: Some(600),
        ..object(n)
    });
    for less in [
        replaced.collect::<Vec<_>>(),
        seeded.collect(),
        cut.collect(),
        Vec::new(),
    ] {
        assert_eq!(
            refused(&world, &world.signed(head(2), &less), 409).label(),
            "mass_eviction"
        );
    }
    let delta = Head {
        previous: world.state.digest,
        kind: Kind::Delta { base: 1 },
        ..head(2)
    };
    let removed = Names::collect((0..4).map(|n| ("films", object(n).path))).unwrap();
    let delta = manifest::Manifest::new(delta, manifest::Objects::default(), removed).unwrap();
    assert_eq!(
        refused(&world, &sign(&delta, &[&world.signer]), 409).label(),
        "mass_eviction"
    );
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
