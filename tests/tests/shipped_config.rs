//! The config files that we ship say what the code does.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper fails its test by panicking"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use node::NodeConfig;
use serde_json::Value;
use tempfile::TempDir;
use tests::{keys::Keys, pki::Pki, planner::Planner};

/// Keys whose comment is an example and not a default: they are off unless set, or follow from the
/// machine's memory.
const EXAMPLES: [&str; 32] = [
    "budget",
    "memory",
    "in_flight",
    "ram",
    "heads",
    "write_queue",
    "connections",
    "record_buffers",
    "workers",
    "ttl_default",
    "ttl_force",
    "prefix",
    "virtual_hosted",
    "session_token_file",
    "ca",
    "host",
    "region",
    "urls",
    "listen",
    "certificate",
    "key",
    "client_ca",
    "steering",
    "readers",
    "capacity",
    "heartbeat_url",
    "heartbeat_ca",
    "uri_signing_audience",
    "uri_signing_header",
    "renewal_key",
    "revoked",
    "session_key",
];

fn shipped(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    fs::read_to_string(folder.join(name)).expect("the config files are shipped")
}

/// The text with the paths of files that must exist on the machine put right.
fn installed(text: &str, folder: &Path) -> String {
    let (pki, keys) = (Pki::new(), Keys::new());
    let (server, client) = (pki.server(), pki.client("edge-1.internal"));
    fs::copy(pki.ca(), folder.join("internal-ca.crt")).unwrap();
    for (from, to) in [
        (&server.cert, "edge.crt"),
        (&server.key, "edge.key"),
        (&server.cert, "shield.crt"),
        (&server.key, "shield.key"),
        (&client.cert, "edge-client.crt"),
        (&client.key, "edge-client.key"),
        (&keys.file(), "vod.keys.json"),
        (&server.key, "vod.access-key"),
        (&server.key, "vod.secret-key"),
    ] {
        fs::copy(from, folder.join(to)).unwrap();
    }
    text.replace("/etc/millpond", &folder.display().to_string())
}

/// The same text with every commented-out default in force.
fn with_defaults_in_force(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let setting = line.strip_prefix("# ").filter(|rest| is_setting(rest));
        setting.unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_setting(text: &str) -> bool {
    let Some((key, value)) = text.split_once(" = ") else {
        return false;
    };
    let is_key = key
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_key && !EXAMPLES.contains(&key) && !value.is_empty()
}

fn effective<C: NodeConfig>(text: &str, folder: &Path) -> Value {
    let file: PathBuf = folder.join("node.toml");
    fs::write(&file, text).unwrap();
    match C::load(&file) {
        Ok(config) => config.effective(),
        Err(report) => panic!("{report}"),
    }
}

fn agrees<C: NodeConfig>(name: &str) {
    let folder = TempDir::new().unwrap();
    let text = installed(&shipped(name), folder.path());
    let in_force = with_defaults_in_force(&text);
    assert!(
        in_force.lines().filter(|line| line.contains(" = ")).count() > 30,
        "few defaults in {name}"
    );
    assert_eq!(
        effective::<C>(&text, folder.path()),
        effective::<C>(&in_force, folder.path()),
        "a default that {name} tells is not the code's"
    );
}

#[test]
fn every_default_that_the_edges_file_tells_is_the_codes() {
    agrees::<edge::Config>("edge.toml");
}

#[test]
fn every_default_that_the_shields_file_tells_is_the_codes() {
    agrees::<shield::Config>("shield.toml");
}

/// What the edge's file shows of `[fill]`, in force, as lines.
fn shown_fill() -> Vec<String> {
    let text = shipped("edge.toml");
    let lines = text.lines().skip_while(|line| *line != "# [fill]");
    let lines = lines.take_while(|line| line.starts_with('#'));
    let lines = lines.map(|line| line.trim_start_matches("# ").trim_start());
    let is_meant = |line: &&str| line.starts_with('[') || line.contains(" = ");
    lines.filter(is_meant).map(str::to_owned).collect()
}

#[test]
fn the_fill_plane_that_the_edges_file_shows_is_right_and_its_defaults_are_the_codes() {
    const DEFAULTS: [&str; 14] = [
        "rate",
        "window_bytes",
        "writes_per_day",
        "fast_track",
        "concurrency",
        "egress_percent_max",
        "disk_p99_max",
        "attempts",
        "reconcile",
        "scrub",
        "master",
        "shield_after",
        "storage_after",
        "eviction_percent_max",
    ];
    let (folder, planner) = (TempDir::new().unwrap(), Planner::new());
    let text = installed(&shipped("edge.toml"), folder.path());
    fs::copy(planner.keys(), folder.path().join("planners.keys.json")).unwrap();
    let with = |lines: Vec<String>| {
        let home = folder.path().display().to_string();
        let fill = lines.join("\n").replace("/etc/millpond", &home);
        effective::<edge::Config>(&format!("{text}\n{fill}\n"), folder.path())
    };
    let shown = shown_fill();
    assert!(shown.len() > 30, "{shown:?}");
    let is_default = |line: &String| {
        let key = line.split(" = ").next().unwrap_or_default();
        DEFAULTS.contains(&key)
    };
    let (defaults, others): (Vec<_>, Vec<_>) = shown.clone().into_iter().partition(is_default);
    assert_eq!(defaults.len(), DEFAULTS.len());
    assert_eq!(with(shown), with(others));
}
