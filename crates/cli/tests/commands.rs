//! The built `millpond`, as an operator or a packager runs it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

fn millpond(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millpond"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn new_key(folder: &Path, kid: &str, algorithm: &str) -> Output {
    let signing_key = format!("{kid}.json");
    let arguments = [
        "keys",
        "new",
        "--kid",
        kid,
        "--algorithm",
        algorithm,
        "--signing-key",
        &signing_key,
        "--key-set",
        "set.json",
    ];
    millpond(folder, &arguments)
}

fn sign(folder: &Path, url: &str, more: &[&str]) -> Output {
    let mut arguments = vec!["sign", url, "--key", "k1.json", "--site", "vod"];
    arguments.extend(more);
    millpond(folder, &arguments)
}

#[test]
fn a_second_key_joins_the_set_and_no_key_is_ever_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(new_key(folder, "k1", "ed25519").status.success());
    let first = fs::read(folder.join("k1.json")).unwrap();
    let second = new_key(folder, "k2", "hmac-sha-256");
    assert!(text(&second.stdout).contains("(2 keys)"), "{second:?}");
    let again = new_key(folder, "k1", "ed25519");
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(fs::read(folder.join("k1.json")).unwrap(), first);
    for secret in ["k1.json", "k2.json", "set.json"] {
        let mode = fs::metadata(folder.join(secret))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
}

#[test]
fn a_key_is_private_whatever_lay_in_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let elsewhere = folder.join("elsewhere");
    fs::write(&elsewhere, "public").unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.join("k1.new")).unwrap();
    assert!(new_key(folder, "k1", "ed25519").status.success());
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "public");
    let mode = fs::metadata(folder.join("k1.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_signed_url_has_its_token_where_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(new_key(folder, "k1", "ed25519").status.success());
    let url = "https://cdn.example/films/1/master.m3u8";
    let path = sign(folder, url, &[]);
    let path = text(&path.stdout).trim_end();
    assert!(path.starts_with("https://cdn.example/~") && path.ends_with("/films/1/master.m3u8"));
    let query = sign(folder, url, &["--carrier", "query"]);
    assert!(text(&query.stdout).starts_with("https://cdn.example/films/1/master.m3u8?mp="));
    let cookie = sign(folder, url, &["--carrier", "cookie"]);
    assert!(text(&cookie.stdout).starts_with("Cookie: mp="));
}

#[test]
fn what_cannot_be_signed_is_told_and_nothing_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(new_key(folder, "k1", "ed25519").status.success());
    let url = "https://cdn.example/a.m4s";
    for (url, more) in [
        ("cdn.example/a.m4s", &[][..]),
        ("https://cdn.example", &[]),
        ("https://cdn.example/a/../b", &[]),
        (url, &["--client", "not-a-net"]),
        (url, &["--prefix", "no-slash"]),
    ] {
        let refused = sign(folder, url, more);
        assert_eq!(refused.status.code(), Some(1), "{url} {more:?} {refused:?}");
        assert!(refused.stdout.is_empty());
        let told = text(&refused.stderr);
        assert!(
            told.starts_with("millpond: ") && !told.contains("panicked"),
            "{told}"
        );
    }
    let endless = sign(folder, url, &["--expires-in", "18446744073709551615"]);
    assert_eq!(endless.status.code(), Some(2));
    assert!(text(&endless.stderr).contains("31622400"));
    let refused = millpond(
        folder,
        &["sign", url, "--key", "absent.json", "--site", "vod"],
    );
    assert!(text(&refused.stderr).contains("absent.json"));
}

#[test]
fn check_tells_every_problem_at_once_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = "[node]\nname = \"e 1\"\ncolour = \"red\"\n[shields]\nretries_max = 99\n";
    fs::write(folder.join("edge.toml"), config).unwrap();
    let refused = millpond(folder, &["check", "edge.toml"]);
    assert_eq!(refused.status.code(), Some(78));
    let told = text(&refused.stderr);
    for what in [
        "edge.toml:2",
        "edge.toml:3",
        "edge.toml:5",
        "colour",
        "site",
    ] {
        assert!(told.contains(what), "{what} in {told}");
    }
}

#[test]
fn check_tells_a_file_that_is_no_config() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("binary"), [0xff, 0, 0xfe]).unwrap();
    for file in ["binary", "absent.toml", "."] {
        let refused = millpond(folder, &["check", file]);
        assert_eq!(refused.status.code(), Some(78), "{file} {refused:?}");
        assert!(!text(&refused.stderr).contains("panicked"));
    }
}

#[test]
fn the_examples_in_the_help_text_work() {
    let folder = tempfile::tempdir().unwrap();
    let help = millpond(folder.path(), &["--help"]);
    let ran = text(&help.stdout)
        .lines()
        .filter_map(|line| line.strip_prefix("  millpond "))
        .filter(|line| line.starts_with("keys") || line.starts_with("sign"))
        .map(|line| millpond(folder.path(), &line.split(' ').collect::<Vec<_>>()))
        .inspect(|run| assert!(run.status.success(), "{run:?}"))
        .count();
    assert_eq!(ran, 2);
}

#[test]
fn every_command_has_a_help_text() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        &["--help"][..],
        &["demo", "--help"],
        &["keys", "new", "--help"],
        &["sign", "--help"],
        &["check", "--help"],
    ] {
        let help = millpond(folder.path(), command);
        assert!(help.status.success());
        assert!(
            text(&help.stdout).contains("Usage: millpond"),
            "{command:?}"
        );
    }
}

#[test]
fn a_trace_is_made_and_a_box_is_sized_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = [
        "trace", "--preset", "a", "--scale", "0.002", "--days", "2", "--output", "a.trace",
    ];
    assert!(millpond(folder, &made).status.success());
    let size = [
        "simulate",
        "a.trace",
        "--disk",
        "25%,50%",
        "--slices",
        "whole",
        "--segment",
        "256MB",
        "--plot",
        "a.svg",
    ];
    let told = millpond(folder, &size);
    assert!(told.status.success(), "{told:?}");
    let table = text(&told.stdout);
    for word in ["millpond", "lru", "optimum", "DWPD", "missed/LRU"] {
        assert!(table.contains(word), "{word} in {table}");
    }
    assert!(
        fs::read_to_string(folder.join("a.svg"))
            .unwrap()
            .starts_with("<svg")
    );
}

#[test]
fn a_bad_trace_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let header = "unix_ms,client,object,offset,length,object_size";
    for (lines, line) in [
        ("1,1,1,0,10,10\n2,1,1,0,ten,10\n", "3"),
        ("5,1,1,0,10,10\n4,1,1,0,10,10\n", "3"),
        ("1,1,1,0,10\n", "2"),
    ] {
        fs::write(folder.join("bad.csv"), format!("{header}\n{lines}")).unwrap();
        let refused = millpond(folder, &["simulate", "bad.csv", "--disk", "1GiB"]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let told = text(&refused.stderr);
        assert!(
            told.contains("bad.csv") && told.contains(&format!("record {line}")),
            "{told}"
        );
    }
    let absent = millpond(folder, &["simulate", "absent.csv", "--disk", "1GiB"]);
    assert_eq!(absent.status.code(), Some(1));
    let nothing = millpond(folder, &["simulate", "bad.csv"]);
    assert_eq!(nothing.status.code(), Some(2));
}
