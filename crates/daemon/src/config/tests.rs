//! What an operator sees when a config is wrong.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use proptest::prelude::*;

use super::*;

#[derive(Debug)]
struct Site {
    name: String,
    hosts: Vec<String>,
}

/// A reader with one key of every kind.
fn node(top: &mut Section) -> Option<Vec<Site>> {
    let name = top.section("node", |node| {
        let ram = node.bytes("ram", 1 << 20..=1 << 40).or(1 << 30);
        let idle = node
            .duration("idle", Duration::from_secs(1)..=Duration::from_hours(1))
            .or(Duration::from_secs(30));
        let address = node.address("address").required();
        let streams = node.number("streams", 1..=1_000).or(100);
        let http3 = node.flag("http3").or(true);
        let path = node.path("state").optional();
        let mode = node.choice("mode", &[("fast", 1), ("slow", 2)]).or(1);
        Some((address?, ram, idle, streams, http3, path, mode))
    });
    let sites = top.sections("site", 1..=2, |site| {
        let name = site.text("name").required();
        let hosts = site.list("hosts", 1..=3).required();
        Some(Site {
            name: name?,
            hosts: hosts?,
        })
    });
    name.map(|_| sites)
}

fn refused(text: &str) -> String {
    parse(text, Path::new("/etc/m/edge.toml"), node)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_right_config_is_read_and_its_effective_values_are_told() {
    let text = "[node]\naddress = '[::]:443'\nram = \"2GiB\"\nstate = \"s\"\n\
                [[site]]\nname = \"vod\"\nhosts = [\"a\"]\n";
    let loaded = parse(text, Path::new("/etc/m/edge.toml"), node).unwrap();
    assert_eq!(
        (loaded.value[0].name.as_str(), loaded.value[0].hosts.len()),
        ("vod", 1)
    );
    let expected = serde_json::json!({
        "node": {
            "address": "[::]:443", "ram": "2GiB", "idle": "30s", "streams": 100, "http3": true,
            "state": "/etc/m/s", "mode": "fast",
        },
        "site": [{ "name": "vod", "hosts": ["a"] }],
    });
    assert_eq!(loaded.effective, expected);
}

#[test]
fn every_error_is_told_at_once_with_its_line_and_a_hint() {
    let text = r#"[node]
adress = "0.0.0.0:443"
ram = "1.5GiB"
idle = 5
streams = -1
  http3 = "yes"
mode = "fsat"
state = ""

[[site]]
name = "vod"
hosts = []

[[site]]
name = "vod"
hosts = ["a", 3]

[lisen]
x = 1
"#;
    let expected = r#"/etc/m/edge.toml:1:2: key "address" is missing in [node]
/etc/m/edge.toml:2:1: unknown key "adress" in [node]: did you mean "address"?
/etc/m/edge.toml:3:7: ram in [node] is "1.5GiB": expected a size with its unit, such as "64MiB", from 1MiB to 1TiB
/etc/m/edge.toml:4:8: idle in [node] is 5: expected a time with its unit, such as "5s", from 1s to 1h
/etc/m/edge.toml:5:11: streams in [node] is -1: expected a whole number from 1 to 1000
/etc/m/edge.toml:6:11: http3 in [node] is "yes": expected true or false
/etc/m/edge.toml:7:8: mode in [node] is "fsat": expected one of "fast", "slow"
/etc/m/edge.toml:8:9: state in [node] is "": expected a path
/etc/m/edge.toml:12:9: hosts in [[site]] "vod" is a list of 0: expected a list of 1 to 3 texts
/etc/m/edge.toml:14:1: a second [[site]] "vod" in the top of the file: names are unique
/etc/m/edge.toml:16:9: hosts in [[site]] "vod" is a list of 2: expected a list of 1 to 3 texts
/etc/m/edge.toml:18:2: unknown key "lisen" in the top of the file: known here: node, site"#;
    assert_eq!(refused(text), expected);
}

#[test]
fn a_duplicate_key_and_a_broken_line_are_told_together_with_the_rest() {
    let text = "[node]\naddress = \"0.0.0.0:443\"\nstreams = 1\nstreams = 2\nram = \n\
                idel = \"5s\"\n[[site]]\nname = \"é\" x\n";
    let report = refused(text);
    let lines: Vec<&str> = report.lines().collect();
    assert!(
        lines[0].starts_with("/etc/m/edge.toml:4:1: duplicate key"),
        "{report}"
    );
    assert!(lines[1].starts_with("/etc/m/edge.toml:5:"), "{report}");
    assert!(
        report.contains("edge.toml:6:1: unknown key \"idel\" in [node]: did you mean \"idle\"")
    );
    // Columns count characters, not bytes.
    assert!(report.contains("edge.toml:8:12: "), "{report}");
    // What could not be read is not called missing.
    assert!(!report.contains("missing"), "{report}");
}

#[test]
fn a_section_of_the_wrong_shape_is_told() {
    let site = "[[site]]\nname = \"a\"\nhosts = [\"a\"]\n";
    let many = refused(&format!("[[node]]\naddress = \"[::]:1\"\n{site}"));
    assert_eq!(
        many,
        "/etc/m/edge.toml:1:3: node in the top of the file is a list: expected one table, [node]"
    );
    let one = refused("node = { address = \"[::]:1\" }\nsite = { name = \"a\" }\n");
    assert!(
        one.contains(
            "2:1: site in the top of the file is a table: expected [[site]], 1 to 2 times"
        )
    );
    let none = refused("node = { address = \"[::]:1\" }\nsite = [1]\n");
    assert!(none.contains("2:9: an item of site is a number"), "{none}");
    let absent = refused("node = { address = \"[::]:1\" }\n");
    assert!(
        absent.contains("[[site]] is missing in the top of the file"),
        "{absent}"
    );
    let third = refused(&format!(
        "node = {{ address = \"[::]:1\" }}\n{}",
        site.repeat(3)
    ));
    assert!(
        third.contains("site in the top of the file is there 3 times"),
        "{third}"
    );
}

#[test]
fn files_that_are_not_configs_are_refused_with_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("empty"), "").unwrap();
    fs::write(at("binary"), [0x7f, b'E', b'L', b'F', 0, 0xff]).unwrap();
    fs::write(at("nul"), "a = 1\n\0").unwrap();
    fs::File::create(at("large"))
        .unwrap()
        .set_len(100 << 20)
        .unwrap();
    std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let cases = [
        ("empty", "is empty"),
        ("binary", "is not text"),
        ("nul", "is not text"),
        ("large", "is larger than 1MiB"),
        ("loop", "is a link that leads in a circle"),
        ("socket", "is not a regular file"),
        ("absent", "does not exist"),
        (".", "is a directory"),
    ];
    for (name, what) in cases {
        let report = load(&at(name), node).unwrap_err().to_string();
        assert!(report.contains(what), "{name}: {report}");
    }
}

#[test]
fn a_file_nested_to_the_depth_that_overflows_a_stack_is_refused() {
    let key = format!("{{{}a=", "a.".repeat(78));
    let text = format!("x={}1{}", key.repeat(79), "}".repeat(79));
    assert!(refused(&text).contains("nested more than 16 deep"));
    assert!(refused(&"[".repeat(100_000)).contains("edge.toml:1:"));
    assert!(refused(&format!("{}a=1", "a.".repeat(100_000))).contains("recursion limit"));
}

fn secret(folder: &Path, text: &str) -> Result<Loaded<Secret>, Report> {
    parse(text, &folder.join("shield.toml"), |top| {
        top.secret("secret_key_file", "secret_key").required()
    })
}

#[test]
fn a_secret_is_read_from_a_file_of_its_own_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "canary-4711\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    let loaded = secret(folder.path(), "secret_key_file = \"key\"").unwrap();
    assert_eq!(loaded.value.reveal(), "canary-4711");
    let shown = format!("{loaded:?} {}", loaded.effective);
    assert!(!shown.contains("canary"), "{shown}");

    fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
    let open = secret(folder.path(), "secret_key_file = \"key\"")
        .unwrap_err()
        .to_string();
    assert!(
        open.contains("open to others than its owner (mode 440): chmod 400"),
        "{open}"
    );
}

#[test]
fn a_secret_that_is_written_into_the_config_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        "secret_key = \"canary-4711\"",
        "secret_key_file = \"canary-4711\"",
        "secret_key_file = \"/canary-4711\"",
        "secret_key_file = \"env:canary-4711\"",
        "secret_key_file = \"env:canary=\\u0000\"",
        "secret_key_file = [\"canary-4711\"]",
        "secret_key_file = \"canary-4711",
        "secret_kye = \"canary-4711\"",
    ];
    for text in cases {
        let report = secret(folder.path(), text).unwrap_err();
        assert!(
            !format!("{report} {report:?}").contains("canary"),
            "{text}: {report}"
        );
    }
    let inline = secret(folder.path(), cases[0]).unwrap_err().to_string();
    assert!(inline.contains("shield.toml:1:1: secret_key in the top of the file is a secret, written in the open: put it in a file (mode 400) and name that in secret_key_file"), "{inline}");
}

#[test]
fn a_secret_may_come_from_the_environment() {
    // Every process that cargo starts has this one.
    let loaded = secret(Path::new("/"), "secret_key_file = \"env:CARGO_PKG_NAME\"").unwrap();
    assert_eq!(loaded.value.reveal(), "daemon");
    let unset = secret(Path::new("/"), "secret_key_file = \"env:MILLPOND_UNSET\"").unwrap_err();
    assert!(
        unset
            .to_string()
            .contains("is not a text in the environment"),
        "{unset}"
    );
}

#[test]
fn a_private_key_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tls.key");
    fs::write(&file, "key").unwrap();
    let key = |mode| {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let text = "key = \"tls.key\"";
        parse(text, &folder.path().join("edge.toml"), |top| {
            top.private_file("key").required()
        })
    };
    assert!(key(0o600).is_ok());
    assert!(key(0o604).unwrap_err().to_string().contains("mode 604"));
}

fn common(text: &str) -> Result<Common, String> {
    let loaded = parse(text, Path::new("/etc/m/edge.toml"), Common::read);
    loaded
        .map(|loaded| loaded.value)
        .map_err(|report| report.to_string())
}

#[test]
fn the_common_sections_have_defaults_that_are_safe() {
    let common = common("[node]\nname = \"edge-1\"").unwrap();
    assert!(common.admin.address.ip().is_loopback());
    assert_eq!(common.log.access, AccessTarget::Stdout);
    assert_eq!(common.drain_deadline, Duration::from_mins(2));
}

#[test]
fn the_admin_listener_is_not_opened_to_strangers_by_accident() {
    let admin = |rest: &str| common(&format!("[node]\nname = \"e\"\n[admin]\n{rest}"));
    for open in [
        "0.0.0.0:9090",
        "[::]:9090",
        "192.0.2.1:9090",
        "[::ffff:8.8.8.8]:1",
        "[2001:db8::1]:1",
    ] {
        let report = admin(&format!("address = \"{open}\"")).unwrap_err();
        assert!(
            report.contains("which strangers may reach: take a loopback"),
            "{open}: {report}"
        );
        assert!(admin(&format!("address = \"{open}\"\nallow_public = true")).is_ok());
    }
    for closed in [
        "127.0.0.1:9090",
        "[::1]:1",
        "10.1.2.3:1",
        "192.168.0.1:1",
        "[fd00::1]:1",
    ] {
        assert!(
            admin(&format!("address = \"{closed}\"")).is_ok(),
            "{closed}"
        );
    }
}

#[test]
fn a_node_name_that_would_break_a_header_is_refused() {
    for name in ["", "a b", "a;b", "a\\nb", "é", &"a".repeat(65)] {
        let report = common(&format!("[node]\nname = \"{name}\"")).unwrap_err();
        assert!(report.contains(":2:8: name in [node] is"), "{report}");
    }
}

#[test]
fn access_lines_go_off_to_stdout_or_to_a_path() {
    let access = |to: &str| common(&format!("[node]\nname=\"e\"\n[log]\naccess=\"{to}\""));
    assert_eq!(access("off").unwrap().log.access, AccessTarget::Off);
    assert_eq!(
        access("./a").unwrap().log.access,
        AccessTarget::File("/etc/m/./a".into())
    );
    assert!(
        access("of")
            .unwrap_err()
            .contains("expected \"off\", \"stdout\" or the path")
    );
}

#[test]
fn a_drain_that_never_ends_is_refused() {
    for deadline in ["0s", "3h", "99999999999999h"] {
        let report = common(&format!(
            "[node]\nname=\"e\"\n[drain]\ndeadline = \"{deadline}\""
        ));
        assert!(report.unwrap_err().contains("from 1s to 2h"), "{deadline}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_without_a_panic(bytes: Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("any.toml");
        fs::write(&file, bytes).unwrap();
        prop_assert!(load(&file, node).is_err());
    }

    #[test]
    fn any_mixture_of_toml_is_refused_or_read_without_a_panic(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "[node]\n", "[[site]]\n", "name", "address", " = ", "\"a\"", "'", "\"\"\"", "[", "]",
                "{", "}", ".", ",", "\n", "1", "0x", "-", "1979-05-27", "true", "é", "\u{feff}", "#",
                "\\u12", "inf", "\r", "=",
            ]),
            0..40,
        )
    ) {
        let text = pieces.concat();
        match parse(&text, Path::new("any.toml"), node) {
            Ok(loaded) => prop_assert!(!loaded.value.is_empty()),
            Err(report) => {
                let lines = text.lines().count() + 1;
                for problem in report.problems() {
                    prop_assert!(problem.at.is_none_or(|at| at.line <= lines && at.column > 0));
                }
            }
        }
    }
}
