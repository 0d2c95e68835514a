//! Commands that ask running nodes, over their steering API: several at one time.
//!
//! ```text
//! flags, file of nodes ▶ [`Fleet`] ▶ [`Fleet::ask`]: all at one time ▶ [`Answers`] ▶ text or JSON, exit code
//! ```

mod answers;
mod failed;
mod file;
pub(crate) mod fill;
mod hint;
mod inventory;
pub(crate) mod manifests;
pub(crate) mod popularity;
pub(crate) mod purge;

use std::{collections::HashSet, path::PathBuf};

use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use steering::client::Client;

use self::{
    answers::{Answer, Answers},
    failed::Failed,
    file::Listed,
};
use crate::{Error, output};

/// Nodes that are asked at one time; others wait for their turn.
const AT_ONCE: usize = 64;

/// What such a file looks like.
const EXAMPLES_FILE: &str = "\
A file for --nodes:
  ca = \"ca.pem\"                    # beside the file, or anywhere
  certificate = \"steering.pem\"     # its name is among `steering` or `readers` of the nodes
  key = \"steering.key\"
  [[node]]
  name = \"edge-1\"                  # as [node] name of its config
  url = \"https://edge-1.internal:9443\"
  [[node]]
  name = \"shield-1\"
  url = \"https://shield-1.internal:9443\"
  shield = true

Exit codes: 0 all nodes have done it, 1 some have not, and each is told with a hint, 2 bad arguments.";

/// Which nodes, and who asks.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Nodes")]
#[group(id = "nodes_asked")]
pub(crate) struct Arguments {
    /// A node: its steering API as `https://edge-1.internal:9443`, or its name in `--nodes`. Give it
    /// again for several. Default: all of `--nodes`
    #[arg(long, value_name = "URL|NAME")]
    node: Vec<String>,
    /// A TOML file that names nodes, and `ca`, `certificate` and `key`
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
    /// The authority that signed the nodes' certificates, as PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Our certificate, as PEM: its name has a role in the nodes' configs
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The key of our certificate, as PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What each node answered as JSON, and why one did not
    #[arg(long)]
    json: bool,
}

/// A node that can be called.
#[derive(Debug)]
struct Node {
    name: String,
    url: String,
    /// Edges fill from it.
    is_shield: bool,
    client: Client,
}

/// All nodes that were named.
#[derive(Debug)]
struct Fleet {
    nodes: Vec<Node>,
    json: bool,
    runtime: tokio::runtime::Runtime,
}

impl Arguments {
    /// Reads what is needed to call them; calls nobody.
    fn fleet(&self) -> Result<Fleet, Error> {
        let file = self.nodes.as_deref().map(file::read).transpose()?;
        let file = file.unwrap_or_default();
        let needed = |flag: &Option<PathBuf>, listed: Option<PathBuf>, what: &str| {
            let missing = || {
                Error::Usage(format!(
                    "{what} is missing: give it, or as a key of the file that --nodes names"
                ))
            };
            flag.clone().or(listed).ok_or_else(missing)
        };
        let tls = tls::ClientConfig {
            ca: vec![needed(&self.ca, file.ca, "--ca")?],
            identity: Some(tls::Identity {
                cert: needed(&self.certificate, file.certificate, "--certificate")?,
                key: needed(&self.key, file.key, "--key")?,
            }),
            alpn: Vec::new(),
        };
        let now = message::now().wall;
        let called = self.named(file.nodes)?.into_iter().map(|listed| {
            let client = Client::new(&listed.url, &tls, now);
            let client = client.map_err(|source| Error::Client {
                node: listed.name.clone(),
                source: Box::new(source),
            })?;
            Ok(Node {
                name: listed.name,
                url: listed.url,
                is_shield: listed.is_shield,
                client,
            })
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::Runtime)?;
        Ok(Fleet {
            nodes: called.collect::<Result<_, Error>>()?,
            json: self.json,
            runtime,
        })
    }

    /// The same without shields, unless those are all: shields fill by no manifest and count nothing.
    fn edges(&self) -> Result<Fleet, Error> {
        let mut fleet = self.fleet()?;
        if fleet.nodes.iter().any(|node| !node.is_shield) {
            fleet.nodes.retain(|node| !node.is_shield);
        }
        Ok(fleet)
    }

    /// The nodes that are meant, each once.
    fn named(&self, listed: Vec<Listed>) -> Result<Vec<Listed>, Error> {
        let mut names = HashSet::new();
        if let Some(twice) = listed.iter().find(|node| !names.insert(&node.name)) {
            let problem = format!("--nodes: two nodes are named {:?}", twice.name);
            return Err(Error::Usage(problem));
        }
        if self.node.is_empty() {
            if listed.is_empty() {
                let hint = "no node is named: give --node, or --nodes with a file that names some";
                return Err(Error::Usage(hint.to_owned()));
            }
            return Ok(listed);
        }
        let found = self.node.iter().map(|wanted| find(wanted, &listed));
        let mut found = found.collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::new();
        found.retain(|node| seen.insert(node.url.clone()));
        Ok(found)
    }
}

fn find(wanted: &str, listed: &[Listed]) -> Result<Listed, Error> {
    if let Some(host) = wanted.strip_prefix("https://") {
        let by_url = listed.iter().find(|node| node.url == wanted);
        return Ok(by_url.cloned().unwrap_or_else(|| Listed {
            name: host.to_owned(),
            url: wanted.to_owned(),
            is_shield: false,
        }));
    }
    let by_name = listed.iter().find(|node| node.name == wanted);
    by_name.cloned().ok_or_else(|| {
        let hint = match listed {
            [] => "it is no https address, and --nodes names nobody",
            [..] => "it is neither an https address nor a name in --nodes",
        };
        Error::Usage(format!("--node {wanted:?}: {hint}"))
    })
}

impl Fleet {
    /// Asks all nodes, and waits for each: the client bounds how long that takes.
    fn ask<T: Serialize, E>(&self, question: impl AsyncFn(&Node) -> Result<T, E>) -> Answers<'_, T>
    where
        Failed: From<E>,
    {
        let nodes: Vec<&Node> = self.nodes.iter().collect();
        let answers = self.runtime.block_on(ask(&nodes, question));
        Answers::new(answers, self.json)
    }
}

/// Asks these nodes at one time; the answers come in the order of the nodes. On a terminal a line
/// tells whom we wait for.
async fn ask<'n, T, E>(
    nodes: &[&'n Node],
    question: impl AsyncFn(&Node) -> Result<T, E>,
) -> Vec<Answer<'n, T>>
where
    Failed: From<E>,
{
    let question = &question;
    let asked = nodes.iter().enumerate().map(|(place, node)| async move {
        (place, *node, question(node).await.map_err(Failed::from))
    });
    let mut asked = stream::iter(asked).buffer_unordered(AT_ONCE);
    let mut answers: Vec<Option<Answer<'n, T>>> = nodes.iter().map(|_| None).collect();
    loop {
        output::progress(&waiting(nodes, &answers));
        let Some((place, node, outcome)) = asked.next().await else {
            break;
        };
        answers[place] = Some(Answer { node, outcome });
    }
    answers.into_iter().flatten().collect()
}

/// Whom we wait for; nothing when all have answered.
fn waiting<T>(nodes: &[&Node], answers: &[Option<Answer<'_, T>>]) -> String {
    const SHOWN: usize = 3;
    let open = nodes
        .iter()
        .zip(answers)
        .filter(|(_, answer)| answer.is_none());
    let open: Vec<&str> = open.map(|(node, _)| node.name.as_str()).collect();
    match open.len() {
        0 => String::new(),
        1..=SHOWN => format!("waiting for {}", open.join(", ")),
        all => format!(
            "waiting for {} and {} more",
            open[..SHOWN].join(", "),
            all - SHOWN
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str) -> Listed {
        Listed {
            name: name.to_owned(),
            url: format!("https://{name}.internal:9443"),
            is_shield: name.starts_with("shield"),
        }
    }

    fn named(wanted: &[&str], listed: Vec<Listed>) -> Result<Vec<String>, String> {
        let arguments = Arguments {
            node: wanted.iter().map(ToString::to_string).collect(),
            nodes: None,
            ca: None,
            certificate: None,
            key: None,
            json: false,
        };
        let named = arguments.named(listed).map_err(|error| error.to_string())?;
        Ok(named.into_iter().map(|node| node.name).collect())
    }

    #[test]
    fn nodes_are_named_by_url_or_by_name_and_all_are_meant_without() {
        let all = || vec![listed("shield-1"), listed("edge-1"), listed("edge-2")];
        assert_eq!(named(&[], all()).unwrap().len(), 3);
        let both = ["edge-2", "https://edge-2.internal:9443"];
        assert_eq!(named(&both, all()).unwrap(), ["edge-2"]);
        assert!(named(&[], vec![listed("edge-1"), listed("edge-1")]).is_err());
        assert_eq!(
            named(&["https://shield-1.internal:9443", "https://h:1"], all()).unwrap(),
            ["shield-1", "h:1"]
        );
        assert!(named(&["edge-3"], all()).unwrap_err().contains("edge-3"));
        assert!(named(&[], Vec::new()).unwrap_err().contains("--node"));
        assert!(named(&["http://h:1"], Vec::new()).is_err());
    }
}
