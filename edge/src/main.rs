//! The edge's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    edge::command(std::env::args_os())
}
