//! `millpond check`: whether a node would start with a config.

use std::{fs, path::PathBuf};

use clap::ValueEnum;
use daemon::config::Report;
use node::NodeConfig;

use crate::{Error, output::say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The config file.
    file: PathBuf,
    /// Whose config it is. Default: an edge's if it has a `[shields]` section, else a shield's.
    #[arg(long, value_enum)]
    node: Option<Node>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Node {
    Edge,
    Shield,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let node = arguments.node.unwrap_or_else(|| arguments.guess());
    let checked = match node {
        Node::Edge => told(edge::Config::load(&arguments.file)),
        Node::Shield => told(shield::Config::load(&arguments.file)),
    };
    let told = checked.map_err(|report| Error::Config { report })?;
    let kind = match node {
        Node::Edge => "an edge",
        Node::Shield => "a shield",
    };
    say(format!(
        "{}: right in every part, for {kind}\n\n{told}",
        arguments.file.display()
    ));
    Ok(())
}

fn told<C: NodeConfig>(loaded: Result<C, Report>) -> Result<String, Report> {
    loaded.map(|config| node::checked(&config))
}

impl Arguments {
    /// A file that cannot be read is told by the loader, whichever it is.
    fn guess(&self) -> Node {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let edge = text.lines().any(|line| {
            let line = line.trim_start();
            line.starts_with("[shields]") || line.starts_with("[[shields.member]]")
        });
        if edge { Node::Edge } else { Node::Shield }
    }
}
