//! `millpond-plan`: from a fleet's popularity reports to what each box should hold tomorrow.

mod command;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
