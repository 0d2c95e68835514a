//! The config files and systemd units that we ship.

use std::{fs, path::PathBuf, process::Command};

use daemon::config::{self, Common};

fn shipped(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// A config with its commented-out defaults put in force. A remark is a comment as well, but does
/// not look like `key = value`, and neither do the indented examples at the end.
fn with_defaults_in_force(text: &str) -> String {
    let uncomment = |line: &str| {
        let key_value = line.strip_prefix("# ").filter(|rest| {
            let key = rest.split(" = ").next().unwrap_or_default();
            // The number of workers follows from the machine's cores.
            let is_default = key != "workers";
            rest.contains(" = ") && !key.is_empty() && !key.contains(' ') && is_default
        });
        key_value.unwrap_or(line).to_owned() + "\n"
    };
    text.lines().map(uncomment).collect()
}

#[test]
fn the_defaults_in_the_shipped_configs_are_the_defaults_of_the_code() {
    for name in ["config/edge.toml", "config/shield.toml"] {
        let file = shipped(name);
        let text = fs::read_to_string(&file).unwrap();
        let read = |text: &str| {
            config::parse(text, &file, |top| {
                top.ignore_rest();
                Common::read(top)
            })
        };
        let as_shipped = read(&text).unwrap();
        let in_force = with_defaults_in_force(&text);
        assert!(
            in_force.contains("\nlevel = \"info\"\n") && in_force.contains("\nallow_public = ")
        );
        assert_eq!(
            as_shipped.effective,
            read(&in_force).unwrap().effective,
            "{name}"
        );
    }
}

#[test]
fn systemd_takes_the_shipped_units() {
    let folder = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for entry in fs::read_dir(shipped("systemd")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".service") && !name.ends_with(".socket") {
            continue;
        }
        // It wants the binary to be there.
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("/usr/bin/millpond-edge", "/bin/true");
        let text = text.replace("/usr/bin/millpond-shield", "/bin/true");
        let unit = folder.path().join(name);
        fs::write(&unit, text).unwrap();
        units.push(unit);
    }
    assert_eq!(units.len(), 5);
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .args(&units)
        .output();
    let Ok(verified) = verified else {
        println!("skipped: there is no systemd-analyze on this machine");
        return;
    };
    let complaints = String::from_utf8_lossy(&verified.stderr);
    assert!(
        verified.status.success() && complaints.is_empty(),
        "{complaints}"
    );
}

/// The time that a unit gives is longer than a drain at the default deadline can take.
#[test]
fn a_unit_waits_for_the_whole_drain() {
    let common = config::parse("[node]\nname = \"e\"", "e.toml".as_ref(), Common::read).unwrap();
    let drain_s = common.value.drain_deadline.as_secs();
    for node in ["edge", "shield"] {
        let unit =
            fs::read_to_string(shipped(&format!("systemd/millpond-{node}.service"))).unwrap();
        let stop = unit
            .lines()
            .find_map(|line| line.strip_prefix("TimeoutStopSec="))
            .unwrap();
        assert!(stop.parse::<u64>().unwrap() >= drain_s + 20, "{stop}");
        assert!(unit.contains(&format!("RestartPreventExitStatus={}", config::EX_CONFIG)));
    }
}
