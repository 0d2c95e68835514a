//! `millpond manifest`: what appliances should hold, written, signed, looked at and pushed by hand.

mod build;
pub(crate) mod files;
mod key;
mod show;
mod sources;

use clap::Subcommand;
use manifest::Label;

use crate::{Error, nodes::manifests};

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Make a key that signs manifests, and add its public half to the keys that nodes trust.
    Key(key::Arguments),
    /// Write a manifest, not signed yet, from a catalogue, a listing or a directory.
    New(build::Arguments),
    /// Sign a manifest; one that is signed already gets one more signature.
    Sign(key::SignArguments),
    /// Tell what a node would do with a manifest: accept it, with what changes, or refuse it, and why.
    Verify(show::VerifyArguments),
    /// Tell what changes from one manifest to another.
    Diff(show::DiffArguments),
    /// Give signed manifests to running nodes, each to the one that it is for.
    Push(manifests::PushArguments),
    /// Tell which manifests running nodes keep, and which of them each follows.
    #[command(visible_alias = "list")]
    Status(manifests::StatusArguments),
    /// Take back what running nodes follow: nothing is planned any more, nothing is deleted.
    Withdraw(manifests::WithdrawArguments),
}

pub(crate) fn run(action: &Action) -> Result<(), Error> {
    match action {
        Action::Key(arguments) => key::make(arguments),
        Action::New(arguments) => build::run(arguments),
        Action::Sign(arguments) => key::sign(arguments),
        Action::Verify(arguments) => show::verify(arguments),
        Action::Diff(arguments) => show::diff(arguments),
        Action::Push(arguments) => manifests::push(arguments),
        Action::Status(arguments) => manifests::status(arguments),
        Action::Withdraw(arguments) => manifests::withdraw(arguments),
    }
}

/// A name as nodes have it.
fn audience(text: &str) -> Result<Label, String> {
    Label::parse(text).map_err(|error| error.to_string())
}
