//! `millpond replay`: what plans would have brought to boxes of several sizes, before anything ships.

use forecast::command::Replay;

use crate::{
    Error,
    output::{self, say},
};

pub(crate) fn run(replay: &Replay) -> Result<(), Error> {
    say(replay.run(output::progress)?);
    Ok(())
}
