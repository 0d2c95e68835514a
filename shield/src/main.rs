//! The shield's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    shield::command(std::env::args_os())
}
