//! `millpond manifest verify` and `diff`: what a node would do.

use std::path::PathBuf;

use manifest::{Accepted, Diff, Kind, Label, Limits, Objects, Signed, State, accept};
use steering::report::amount;

use super::files;
use crate::{Error, output::say};

/// How many names of each sort are shown.
const NAMES_SHOWN: usize = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArguments {
    /// A signed manifest.
    manifest: PathBuf,
    /// The keys that the node trusts.
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// The node's name. Default: that it is the one that the manifest is for.
    #[arg(long, value_parser = super::audience)]
    audience: Option<Label>,
    /// The full manifest that is active on the node. Default: that there is none.
    #[arg(long, value_name = "FILE")]
    current: Option<PathBuf>,
    /// The time by the node's clock, in seconds since 1970. Default: now.
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DiffArguments {
    /// The full manifest that is held.
    from: PathBuf,
    /// The one that is wanted: full, or a delta against the first.
    to: PathBuf,
}

pub(super) fn verify(arguments: &VerifyArguments) -> Result<(), Error> {
    let path = &arguments.manifest;
    let file = files::read(path)?;
    let keys = files::keys(&arguments.keys)?;
    let state = arguments.state()?;
    let now_s = arguments.at.unwrap_or_else(|| message::now().unix_s());
    let accepted = accept(&state, &file, now_s, &keys, &Limits::default())
        .map_err(|refused| Error::Argument(told(arguments, &refused)))?;
    files::tell_unknown(path, &accepted.ignored);
    show_accepted(&accepted);
    show_diff(&accepted.diff, &state.plan, accepted.plan());
    Ok(())
}

pub(super) fn diff(arguments: &DiffArguments) -> Result<(), Error> {
    let (from, _) = files::manifest(&arguments.from)?;
    let (to, _) = files::manifest(&arguments.to)?;
    if from.head.kind != Kind::Full {
        let path = arguments.from.display();
        return Err(Error::Argument(format!("{path} is a delta, not a plan")));
    }
    let merged = match to.head.kind {
        Kind::Full => to.objects,
        Kind::Delta { .. } => manifest::merge(&from.objects, &to, &Limits::default())
            .map_err(|refused| Error::manifest(&arguments.to, refused))?,
    };
    show_diff(
        &Diff::between(&from.objects, &merged),
        &from.objects,
        &merged,
    );
    Ok(())
}

impl VerifyArguments {
    fn state(&self) -> Result<State, Error> {
        let current = self.current.as_deref().map(files::manifest).transpose()?;
        let audience = match (&self.audience, &current) {
            (Some(audience), _) => audience.clone(),
            (None, Some((current, _))) => current.head.audience.clone(),
            (None, None) => files::manifest(&self.manifest)?.0.head.audience,
        };
        let mut state = State::new(audience);
        if let (Some((current, file)), Some(path)) = (current, &self.current) {
            if current.head.kind != Kind::Full {
                let path = path.display();
                return Err(Error::Argument(format!("{path} is a delta, not a plan")));
            }
            let signed = Signed::parse(&file).map_err(|refused| Error::manifest(path, refused))?;
            state.generation = current.head.generation;
            state.digest = Some(signed.digest);
            state.plan = current.objects;
        }
        Ok(state)
    }
}

fn told(arguments: &VerifyArguments, refused: &manifest::Refused) -> String {
    use manifest::Refused as Is;
    let path = arguments.manifest.display();
    let builds_on_another = matches!(refused, Is::OtherBase { .. } | Is::OtherPrevious { .. });
    let hint = if builds_on_another && arguments.current.is_none() {
        "; --current names what is there before it"
    } else {
        ""
    };
    format!(
        "{path}: a node would refuse it with {}: {refused}{hint}",
        refused.status()
    )
}

fn show_accepted(accepted: &Accepted) {
    let head = &accepted.manifest.head;
    let kind = match head.kind {
        Kind::Full => "full".to_owned(),
        Kind::Delta { base } => format!("delta against {base}"),
    };
    say("a node would accept it");
    say(format!("  audience    {}", head.audience));
    say(format!("  generation  {} ({kind})", head.generation));
    say(format!("  digest      {}", accepted.digest));
    say(format!(
        "  plan        {} objects, {} to hold",
        accepted.plan().len(),
        amount(accepted.plan().bytes_wanted())
    ));
}

fn show_diff(diff: &Diff, old: &Objects, new: &Objects) {
    say(format!("add       {}", diff.added.len()));
    names(new, diff.added.iter().copied());
    say(format!("replace   {}", diff.replaced.len()));
    names(new, diff.replaced.iter().map(|(_, at)| *at));
    say(format!("change    {}", diff.changed.len()));
    names(new, diff.changed.iter().map(|(_, at)| *at));
    say(format!("remove    {}", diff.removed.len()));
    names(old, diff.removed.iter().copied());
    say(format!("unchanged {}", diff.unchanged));
    let (fill, dropped) = (amount(diff.fill_bytes), amount(diff.dropped_bytes));
    say(format!("bytes     {fill} to fill, {dropped} dropped"));
}

/// The first few of them, and how many more there are.
fn names(plan: &Objects, places: impl ExactSizeIterator<Item = u32>) {
    let more = places.len().saturating_sub(NAMES_SHOWN);
    for at in places.take(NAMES_SHOWN) {
        if let Some(object) = plan.at(at as usize) {
            let size = amount(object.size);
            say(format!("  {}:{} ({size})", object.site, object.path));
        }
    }
    if more > 0 {
        say(format!("  and {more} more"));
    }
}
