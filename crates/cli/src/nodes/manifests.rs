//! `millpond manifest push`, `status` and `withdraw`.

use std::{collections::HashMap, path::PathBuf};

use bytes::Bytes;
use steering::report::{
    ManifestKind, ManifestState, ManifestSummary, Manifests, Pushed, amount, duration,
};

use super::{EXAMPLES_FILE, Fleet};
use crate::{
    Error,
    manifest::files,
    nodes,
    output::{plain, say},
};

#[derive(Debug, clap::Args)]
#[command(after_help = PUSH_EXAMPLES)]
pub(crate) struct PushArguments {
    /// Signed manifests. Each goes to the node that has the name of its audience, or to `--node`
    #[arg(required = true, value_name = "MANIFEST")]
    manifests: Vec<PathBuf>,
    #[command(flatten)]
    nodes: nodes::Arguments,
}

const PUSH_EXAMPLES: &str = "\
Examples:
  millpond manifest push tonight/*.manifest --nodes nodes.toml
      what millpond-plan wrote, each to its box
  millpond manifest push edge-1.manifest --node https://edge-1.internal:9443 \\
      --ca ca.pem --certificate steering.pem --key steering.key
      a node takes one and the same manifest as often as it is pushed";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES_FILE)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    nodes: nodes::Arguments,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES_FILE)]
pub(crate) struct WithdrawArguments {
    /// The generation that is followed, as `millpond manifest status` tells it
    generation: u64,
    #[command(flatten)]
    nodes: nodes::Arguments,
}

pub(crate) fn push(arguments: &PushArguments) -> Result<(), Error> {
    let mut fleet = arguments.nodes.fleet()?;
    let files = if arguments.nodes.node.is_empty() {
        by_audience(&arguments.manifests, &mut fleet)?
    } else {
        let [manifest] = &arguments.manifests[..] else {
            let hint = "with --node, one manifest at a time: without it, each goes to its audience";
            return Err(Error::Usage(hint.to_owned()));
        };
        let file = Bytes::from(files::read(manifest)?);
        let all = fleet
            .nodes
            .iter()
            .map(|node| (node.name.clone(), file.clone()));
        all.collect()
    };
    let pushed = fleet.ask(async |node| {
        let file = files.get(&node.name).cloned().unwrap_or_default();
        node.client.push(file).await
    });
    pushed.tell(|node, pushed: &Pushed| {
        let how = if pushed.fresh {
            "accepted"
        } else {
            "in force already"
        };
        say(format!(
            "{node}: {how}: generation {}, {} objects, {} missing, digest {}",
            pushed.generation,
            pushed.objects,
            amount(pushed.missing_bytes),
            plain(&pushed.digest),
        ));
    })
}

/// The manifests by the names of the nodes that they are for; the fleet keeps those nodes alone.
fn by_audience(manifests: &[PathBuf], fleet: &mut Fleet) -> Result<HashMap<String, Bytes>, Error> {
    let mut files = HashMap::new();
    for path in manifests {
        let (manifest, file) = files::manifest(path)?;
        let audience = manifest.head.audience.to_string();
        if !fleet.nodes.iter().any(|node| node.name == audience) {
            return Err(Error::Argument(format!(
                "{}: it is for {audience:?}, which --nodes does not name; name its nodes with --node",
                path.display()
            )));
        }
        if files.insert(audience.clone(), Bytes::from(file)).is_some() {
            let problem = format!("{}: a second manifest for {audience:?}", path.display());
            return Err(Error::Argument(problem));
        }
    }
    fleet.nodes.retain(|node| files.contains_key(&node.name));
    Ok(files)
}

pub(crate) fn status(arguments: &StatusArguments) -> Result<(), Error> {
    let fleet = arguments.nodes.edges()?;
    let now_s = message::now().unix_s();
    let status = fleet.ask(async |node| node.client.manifests().await);
    status.tell(|node, status: &Manifests| {
        if status.manifests.is_empty() {
            say(format!("{node}: no manifest"));
        }
        for manifest in &status.manifests {
            say(format!("{node}: {}", line(manifest, now_s)));
        }
    })
}

pub(crate) fn withdraw(arguments: &WithdrawArguments) -> Result<(), Error> {
    let fleet = arguments.nodes.edges()?;
    let withdrawn = fleet.ask(async |node| node.client.withdraw(arguments.generation).await);
    withdrawn.tell(|node, manifest: &ManifestSummary| {
        let generation = manifest.generation;
        say(format!(
            "{node}: generation {generation} is taken back; what is held stays until it is evicted"
        ));
    })
}

fn line(manifest: &ManifestSummary, now_s: u64) -> String {
    let kind = match manifest.kind {
        ManifestKind::Full => "full",
        ManifestKind::Delta => "delta",
    };
    let state = match manifest.state {
        ManifestState::Active => "active",
        ManifestState::Superseded => "superseded",
        ManifestState::Withdrawn => "withdrawn",
    };
    let life = match manifest.expires_unix_s.checked_sub(now_s) {
        Some(left_s) => format!("expires in {}", duration(left_s)),
        None => "expired".to_owned(),
    };
    format!(
        "generation {} for {}, {kind}, {state}, {} objects, {}, {life}, digest {}",
        manifest.generation,
        plain(&manifest.audience),
        manifest.objects,
        amount(manifest.bytes),
        plain(&manifest.digest),
    )
}
