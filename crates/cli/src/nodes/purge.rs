//! `millpond purge`: makes nodes forget.

use signing::Label;
use steering::report::{PurgeOrder, Purged};

use super::{Answers, Node, ask};
use crate::{
    Error, nodes,
    output::{remark, say},
};

const EXAMPLES: &str = "\
Examples:
  millpond purge --site vod --url https://cdn.example/films/1/2.m4s --nodes nodes.toml
  millpond purge --site vod --prefix /films/1/ --nodes nodes.toml
  millpond purge --site vod --pattern '/films/*/poster.jpg' --soft --nodes nodes.toml
  millpond purge --site vod --tag film-7 --nodes nodes.toml
  millpond purge --site vod --everything --node https://edge-1.internal:9443 \
      --ca ca.pem --certificate steering.pem --key steering.key
A purge is in force, and on disk, where a node has answered. It exits with 1, and names the nodes, when
one has not: run it again until it exits with 0, a purge may be repeated.
`millpond manifest status --help` shows a file for --nodes.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The site, as the nodes' configs name it
    #[arg(long, value_parser = site)]
    site: String,
    #[command(flatten)]
    what: What,
    /// Have what is held confirmed upstream before it is served again, in place of forgetting it
    #[arg(long)]
    soft: bool,
    #[command(flatten)]
    nodes: nodes::Arguments,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// One object, with the query parameters that the site keeps
    #[arg(long, value_parser = rooted)]
    path: Option<String>,
    /// One object by its URL, without a token. Its host is not looked at: `--site` is
    #[arg(long, value_parser = path_of)]
    url: Option<String>,
    /// All objects whose path begins with this
    #[arg(long, value_parser = rooted)]
    prefix: Option<String>,
    /// All objects whose path matches: `*` any characters, `?` one, `$` before either for itself
    #[arg(long)]
    pattern: Option<String>,
    /// All objects that the origin has given this tag
    #[arg(long)]
    tag: Option<String>,
    /// The whole site
    #[arg(long)]
    everything: bool,
}

/// Shields first, and edges when those have answered: an edge that has forgotten asks again, and would
/// be given what a shield still has.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let fleet = arguments.nodes.fleet()?;
    let order = arguments.order();
    let (shields, edges): (Vec<&Node>, Vec<&Node>) =
        fleet.nodes.iter().partition(|node| node.is_shield);
    let purged = fleet.runtime.block_on(async {
        let mut purged = ask(&shields, async |node| node.client.purge(&order).await).await;
        let behind = purged.iter().filter(|answer| answer.outcome.is_err());
        if behind.count() > 0 && !edges.is_empty() {
            remark(
                "a shield has not purged: once it has, purge the edges again, which may be given what \
                 it still holds",
            );
        }
        purged.extend(ask(&edges, async |node| node.client.purge(&order).await).await);
        purged
    });
    Answers::new(purged, fleet.json).tell(|node, purged: &Purged| {
        let how = if purged.soft {
            "what it holds is confirmed before it is served again"
        } else {
            "forgotten, for good"
        };
        say(format!("{node}: {how}"));
    })
}

impl Arguments {
    fn order(&self) -> PurgeOrder {
        let What {
            path,
            url,
            prefix,
            pattern,
            tag,
            everything,
        } = &self.what;
        let mut order = PurgeOrder {
            site: self.site.clone(),
            soft: self.soft,
            ..PurgeOrder::default()
        };
        order.path = path.clone().or_else(|| url.clone());
        order.prefix.clone_from(prefix);
        order.pattern.clone_from(pattern);
        order.tag.clone_from(tag);
        order.everything = *everything;
        order
    }
}

/// A site's name, as configs may have it.
pub(super) fn site(text: &str) -> Result<String, String> {
    let label = Label::parse(text).map_err(|error| error.to_string())?;
    Ok(label.to_string())
}

/// A path, or how it begins: without the slash a purge would be done, and nothing forgotten.
fn rooted(path: &str) -> Result<String, String> {
    if path.starts_with('/') {
        Ok(path.to_owned())
    } else {
        Err("paths begin with a slash".to_owned())
    }
}

/// The path of a URL, with its query.
fn path_of(url: &str) -> Result<String, String> {
    let rest = ["https://", "http://"]
        .into_iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let path = rest.and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    let path = path.ok_or("a URL begins with https:// and a host, and has a path")?;
    if path.contains('#') {
        return Err("a fragment never reaches a node".to_owned());
    }
    if path.starts_with("/~") {
        return Err("it has a token in its path: take out all of /~.../".to_owned());
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_path_begins_with_is_refused() {
        assert_eq!(rooted("/films/").as_deref(), Ok("/films/"));
        assert!(rooted("films/").is_err() && rooted("").is_err());
    }

    #[test]
    fn a_url_names_the_path_behind_its_host() {
        let path = |url: &str| path_of(url).ok();
        assert_eq!(
            path("https://h.test:1/a/b?c=1").as_deref(),
            Some("/a/b?c=1")
        );
        assert_eq!(path("http://[::1]/").as_deref(), Some("/"));
        for bad in [
            "https://h.test",
            "/a",
            "ftp://h/a",
            "https://h/a#b",
            "https://h/~t.s/a",
        ] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }
}
