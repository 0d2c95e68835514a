//! An edge or a shield as a process of its own, for tests that kill it.
//!
//! `millpond-node edge|shield run FILE`

use std::{
    ffi::{OsStr, OsString},
    process::ExitCode,
};

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let role = arguments.next();
    let arguments = std::iter::once::<OsString>(program).chain(arguments);
    match role.as_deref().and_then(OsStr::to_str) {
        Some("edge") => edge::command(arguments),
        Some("shield") => shield::command(arguments),
        Some(_) | None => ExitCode::from(USAGE),
    }
}
