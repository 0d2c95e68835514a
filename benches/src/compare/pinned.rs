//! Programs on a core of their own.

use std::{ffi::OsStr, process::Stdio};

use tokio::process::Command;

/// Which core is whose.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) client: usize,
}

/// A command that runs on one core, with all its threads and children. `taskset` becomes the
/// program, so the child's process id is the program's.
pub(crate) fn on_core(core: usize, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    command
}
