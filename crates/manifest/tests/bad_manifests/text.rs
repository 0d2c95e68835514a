//! Bytes that are no manifest, or too many.

use manifest::{Encoding, Head, Kind, Limits, Manifest, Names, Object, Objects};

use crate::{
    refused,
    world::{World, head, manifest, object, objects, sign, signed_text},
};

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

/// A world in which a manifest may take so much memory.
fn small(memory_bytes_max: u64) -> World {
    World {
        limits: Limits {
            memory_bytes_max,
            ..Limits::default()
        },
        ..World::new()
    }
}

/// Hardening row M06: on a small node.
#[test]
fn more_objects_than_there_is_memory_for_are_refused_by_the_head_alone() {
    let world = small(1 << 20);
    let file = signed_text(&world, |text| {
        let head = text.lines().next().unwrap();
        head.replace(r#""objects":2"#, r#""objects":100000"#) + "\n"
    });
    let told = refused(&world, &file, 413).to_string();
    assert!(told.contains("bytes of memory"), "{told}");
}

/// Hardening row M06: on a small node.
#[test]
fn names_that_there_is_no_memory_for_are_refused_while_they_are_read() {
    let world = small(10_000);
    let paths: Vec<String> = (0..20).map(|n| format!("/{n:0>900}")).collect();
    let long: Vec<_> = paths
        .iter()
        .map(|path| Object::seed("films", path, 1, 1))
        .collect();
    let file = world.signed(head(1), &long);
    let told = refused(&world, &file, 413).to_string();
    assert!(told.contains("bytes of memory"), "{told}");
    let removed = Names::collect(paths.iter().map(|path| ("films", &**path))).unwrap();
    let manifest = Manifest::new(head(1), Objects::default(), removed).unwrap();
    refused(&world, &sign(&manifest, &[&world.signer]), 413);
    let plenty = small(100_000);
    plenty.accept(&plenty.signed(head(1), &long)).unwrap();
}

/// Hardening row M06: on a small node.
#[test]
fn a_delta_that_makes_a_plan_that_there_is_no_memory_for_is_refused() {
    let mut world = World::new();
    world.apply(&world.signed(head(1), &objects(9)));
    let delta = Head {
        previous: world.state.digest,
        kind: Kind::Delta { base: 1 },
        ..head(2)
    };
    let more: Vec<_> = (9..12).map(object).collect();
    let file = world.signed(delta, &more);
    let merged = world.accept(&file).unwrap();
    let (plan, listed) = (merged.plan(), &merged.manifest.objects);
    let needed = plan.memory_bytes() + listed.memory_bytes();
    world.limits.memory_bytes_max = needed - 1;
    refused(&world, &file, 413);
    world.limits.memory_bytes_max = needed;
    world.accept(&file).unwrap();
}
