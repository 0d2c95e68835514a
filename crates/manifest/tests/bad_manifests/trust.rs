//! Who signed it, and for whom.

use manifest::{Encoding, Keys, Refused, Role, Signed};

use crate::{
    refused,
    world::{NOW_S, World, head, key, manifest, objects, planner, sign},
};

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
