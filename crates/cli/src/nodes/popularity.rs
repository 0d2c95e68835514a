//! `millpond popularity top`: what nodes are asked for most.

use clap::Subcommand;
use steering::report::{Popularity, amount};

use crate::{
    Error, nodes,
    output::{plain, say},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// The objects that are played most. Those that few sessions asked for are not named
    Top(Arguments),
}

#[derive(Debug, clap::Args)]
#[command(after_help = nodes::EXAMPLES_FILE)]
pub(crate) struct Arguments {
    /// Of this site alone
    #[arg(long, value_parser = nodes::purge::site)]
    site: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    #[command(flatten)]
    nodes: nodes::Arguments,
}

pub(crate) fn run(Action::Top(arguments): &Action) -> Result<(), Error> {
    let fleet = arguments.nodes.edges()?;
    let site = arguments.site.as_deref();
    let top = fleet.ask(async |node| node.client.popularity(arguments.count, site).await);
    top.tell(|node, top: &Popularity| {
        if top.objects.is_empty() {
            say(format!("{node}: nothing that enough sessions asked for"));
            return;
        }
        say(format!("{node}: {:>12} {:>12}  object", "plays", "bytes"));
        for object in &top.objects {
            let plays = object.plays_thousandths;
            let plays = format!("{}.{}", plays / 1_000, plays / 100 % 10);
            let name = plain(&format!("{}:{}", object.site, object.path));
            let bytes = amount(object.bytes);
            say(format!("{node}: {plays:>12} {bytes:>12}  {name}"));
        }
    })
}
