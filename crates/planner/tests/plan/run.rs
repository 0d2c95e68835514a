//! The command, run over a folder that a [`World`](crate::world::World) was written to.

use std::{fs, path::Path, process::Command};

use manifest::{Keys, PlannerKey, Role};
use signing::{Algorithm, Label, SigningKey};

use crate::world::DAY;

/// What it said, and whether it went well.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Run {
    /// Of `millpond-plan` with these arguments.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What it printed; it must have gone well.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.errors);
        self.out
    }

    /// The line that says why it failed.
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.errors);
        let at = self.errors.find("error: ").unwrap();
        self.errors[at..].trim_end().to_owned()
    }
}

/// Plans what lies in `folder`, with these further arguments.
pub(crate) fn plan(folder: &Path, further: &[&str]) -> Run {
    let mut command = with_inputs("plan", folder);
    command.arg("--key").arg(folder.join("planner.key"));
    command.arg("--output").arg(folder.join("manifests"));
    command.args(["--memory", "1GiB"]);
    Run::of(command.args(further))
}

/// Prepares it, which reads all that an owner hands in.
pub(crate) fn prepare(folder: &Path) -> Run {
    Run::of(&mut with_inputs("prepare", folder))
}

/// A command over a folder that was prepared.
pub(crate) fn over(action: &str, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millpond-plan"));
    command.arg(action).arg("--work").arg(folder.join("work"));
    command
}

fn with_inputs(action: &str, folder: &Path) -> Command {
    let mut command = over(action, folder);
    command.args(["--day", DAY]);
    for (argument, name) in [
        ("--fleet", "fleet.toml"),
        ("--catalog", "catalog.ndjson"),
        ("--reports", "popularity"),
    ] {
        command.arg(argument).arg(folder.join(name));
    }
    command
}

/// Writes a planner's key to `folder`, and tells by which boxes know what it signs.
pub(crate) fn write_key(folder: &Path) -> Keys {
    let kid = Label::parse("planner-1").unwrap();
    let key = SigningKey::generate(Algorithm::Ed25519, kid).unwrap();
    fs::write(folder.join("planner.key"), key.to_json()).unwrap();
    let known = PlannerKey {
        key: key.verify_key(),
        roles: vec![Role::Plan],
    };
    Keys::new([known].into(), []).unwrap()
}
