//! Keys and tokens of other vendors' schemes, made by hand and verified as a node verifies them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use signing::{Carriers, Facts, KeySet, Label, ObjectPath, Policy, Scheme, Schemes, Verifier};

const PATH: &str = "/films/1/master.m3u8";
const ORIGIN: &str = "https://cdn.example";

fn millpond(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_millpond");
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output();
    output.unwrap()
}

/// What a node says to a query or a cookie for this path.
fn opens(folder: &Path, query: Option<&str>, cookie: Option<&str>, path: &str) -> bool {
    let keys = KeySet::parse(&fs::read(folder.join("set.json")).unwrap()).unwrap();
    let verifier = Verifier::new(Label::parse("vod").unwrap(), keys, Policy::default());
    let carriers = Carriers {
        schemes: Schemes::from_iter(Scheme::ALL),
        ..Carriers::default()
    };
    let found = carriers
        .find(path, query, None, cookie.into_iter())
        .unwrap();
    let object = ObjectPath::parse(&found.path).unwrap();
    let mut facts = Facts::new(&object, [192, 0, 2, 1].into(), message::now().unix_s());
    (facts.origin, facts.query) = (ORIGIN, found.query.as_deref());
    verifier.verify(found.token.unwrap(), &facts).is_ok()
}

#[test]
fn each_schemes_keys_are_made_and_sign_what_a_node_opens() {
    let schemes = [
        ("edge-auth", "hmac-sha-256"),
        ("media-cdn", "ed25519"),
        ("uri-signing", "ecdsa-p256-sha-256"),
        ("cloudfront", "ecdsa-p256-sha-256"),
    ];
    for (scheme, algorithm) in schemes {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let made = millpond(
            folder,
            &[
                "keys",
                "new",
                "--kid",
                "k1",
                "--scheme",
                scheme,
                "--algorithm",
                algorithm,
                "--signing-key",
                "k1.json",
                "--key-set",
                "set.json",
            ],
        );
        assert!(made.status.success(), "{scheme}: {made:?}");
        for carrier in ["query", "cookie"] {
            let url = format!("{ORIGIN}{PATH}");
            let signed = millpond(
                folder,
                &[
                    "sign",
                    &url,
                    "--key",
                    "k1.json",
                    "--prefix",
                    "/films/1",
                    "--carrier",
                    carrier,
                ],
            );
            assert!(signed.status.success(), "{scheme}: {signed:?}");
            let line = String::from_utf8(signed.stdout).unwrap();
            let query = line.trim().strip_prefix(&format!("{url}?"));
            let cookie = line.trim().strip_prefix("Cookie: ");
            assert!(opens(folder, query, cookie, PATH), "{scheme} {line}");
            assert!(
                opens(folder, query, cookie, "/films/1/v/1.m4s"),
                "{scheme} {line}"
            );
            assert!(
                !opens(folder, query, cookie, "/films/2/master.m3u8"),
                "{scheme} {line}"
            );
        }
    }
}

#[test]
fn a_key_that_signs_elsewhere_is_added_as_its_vendor_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("secret"), "52a152a152a152a152a152a152a1\n").unwrap();
    let add = |more: &[&str]| {
        let mut arguments = vec!["keys", "add", "--key-set", "set.json"];
        arguments.extend(more);
        millpond(folder, &arguments)
    };
    let akamai = [
        "--kid",
        "a",
        "--scheme",
        "edge-auth",
        "--algorithm",
        "hmac-sha-256",
        "--secret",
        "secret",
    ];
    let short = add(&akamai);
    assert_eq!(short.status.code(), Some(1), "14 bytes: {short:?}");
    fs::write(folder.join("secret"), "52a152a152a152a152a152a152a152a1\n").unwrap();
    let added = add(&akamai);
    assert!(added.status.success(), "{added:?}");
    let pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbe807S4O7dzB6I4hTiCUvmxCI6Fu\nxWba1xYBlLSSsZ+s4YLi8jr2D5YX0AYRUjfuw03BuMjMHFKMu8gvt/dEEA==\n-----END PUBLIC KEY-----\n";
    fs::write(folder.join("public.pem"), pem).unwrap();
    let more = [
        "--kid",
        "b",
        "--name",
        "K2JCJMDEHXQW5F",
        "--scheme",
        "cloudfront",
        "--public-key",
        "public.pem",
    ];
    let added = add(&[&more[..], &["--algorithm", "ecdsa-p256-sha-256"]].concat());
    assert!(added.status.success(), "{added:?}");
    let wrong = add(&[&more[..], &["--algorithm", "rsa-sha-256"]].concat());
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    let keys = KeySet::parse(&fs::read(folder.join("set.json")).unwrap()).unwrap();
    assert_eq!(keys.keys().len(), 2);
    assert_eq!(keys.keys()[1].name.as_deref(), Some("K2JCJMDEHXQW5F"));
    let decrypts = |algorithm: &str| {
        let arguments = [
            "keys",
            "add-decryption",
            "--key-set",
            "set.json",
            "--kid",
            "c",
            "--secret",
            "opens",
            "--algorithm",
            algorithm,
        ];
        millpond(folder, &arguments)
    };
    fs::write(folder.join("opens"), "000102030405060708090a0b0c0d0e0f\n").unwrap();
    let wrong = decrypts("aes-256-gcm");
    assert_eq!(wrong.status.code(), Some(1), "16 bytes: {wrong:?}");
    let added = decrypts("aes-128-gcm");
    assert!(added.status.success(), "{added:?}");
    // What is added later leaves it there.
    fs::write(folder.join("secret"), "62a152a152a152a152a152a152a152a1\n").unwrap();
    let added = add(&[&["--kid", "d"], &akamai[2..]].concat());
    assert!(added.status.success(), "{added:?}");
    let keys = KeySet::parse(&fs::read(folder.join("set.json")).unwrap()).unwrap();
    assert_eq!((keys.keys().len(), keys.decryption_keys().len()), (3, 1));
}
