//! `millpond replay` alone, which builds in a tenth of the time:
//! `cargo run --release -p forecast --example replay -- --preset n`.

use std::io::{IsTerminal as _, Write as _};

use clap::Parser as _;
use forecast::command::{Failed, Replay};

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    replay: Replay,
}

fn main() -> Result<(), Failed> {
    let text = Command::parse().replay.run(|line| {
        let mut out = std::io::stderr().lock();
        if out.is_terminal() {
            let _gone = write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush());
        }
    })?;
    let _gone = writeln!(std::io::stdout(), "{text}");
    Ok(())
}
