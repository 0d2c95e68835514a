//! `millpond fill inventory`: what nodes hold of their plans, for the planner.
//!
//! ```text
//! pages of /v1/inventory ▶ a line an object, in a file without its name ▶ NAME.ndjson, or standard output
//! ```

use std::{
    fs::{self, File, Permissions},
    io::{self, BufWriter, Seek as _, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use manifest::{Held, Limits};
use serde::Serialize;
use signing::Label;
use steering::{
    client::ClientError,
    report::{Inventory, InventoryObject, ObjectState, amount},
};

use super::{Failed, Fleet, Node};
use crate::{
    Error, nodes,
    output::{plain, pour, say},
};

/// Objects of a page: as many as nodes give.
const PAGE: u16 = 1000;

/// How often it is begun, while new manifests come. A node takes one a night.
const BEGUN_MAX: u32 = 4;

/// What files may be done with, but for the umask: the planner may be another user.
const MODE: u32 = 0o666;

const EXAMPLES: &str = "\
Examples:
  millpond fill inventory --into inventories --nodes nodes.toml
      inventories/edge-1.ndjson, and so on: in millpond-plan's fleet.toml, edge-1 then has
      inventory = \"inventories/edge-1.ndjson\"
  millpond fill inventory --into - --node edge-1 --nodes nodes.toml | wc -l
Run it before each plan: without an inventory a box is planned for as if it were empty.
A file has its name when it is whole. It exits with 1, and names the nodes, where one is missing: the file
of the last time stays.
`millpond manifest status --help` shows a file for --nodes.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The folder that has a file for each node, NAME.ndjson, in the end; `-` is standard output, for
    /// one node
    #[arg(long, value_name = "FOLDER|-")]
    into: PathBuf,
    #[command(flatten)]
    nodes: nodes::Arguments,
}

/// What was written of a node.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Written {
    /// Where to; nothing for standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// Of the manifest in force, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// Lines.
    objects: u64,
    /// Their sum.
    bytes: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Error> {
    let fleet = arguments.nodes.edges()?;
    if arguments.into == Path::new("-") {
        return print(&fleet);
    }
    let folder = &arguments.into;
    for node in &fleet.nodes {
        if Label::parse(&node.name).is_err() {
            return Err(Error::Usage(format!(
                "{:?} makes no name of a file: name this node in the file of --nodes, as [node] name of \
                 its config",
                node.name
            )));
        }
    }
    fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    let written = fleet.ask(async |node| keep(node, folder).await);
    written.tell(|node, written| say(line(node, written)))
}

/// To standard output, when it is whole.
fn print(fleet: &Fleet) -> Result<(), Error> {
    if fleet.nodes.len() != 1 || fleet.json {
        let problem = "--into - is for one node, named with --node, and without --json";
        return Err(Error::Usage(problem.to_owned()));
    }
    let folder = std::env::temp_dir();
    let failed = |error| Error::file(&folder, error);
    let mut file = tempfile::tempfile_in(&folder).map_err(failed)?;
    let written = fleet.ask(async |node| {
        let page =
            async |after: Option<String>| node.client.inventory(after.as_deref(), PAGE).await;
        gather(page, &file, &folder).await
    });
    written.settle()?;
    file.rewind().map_err(failed)?;
    pour(&mut file);
    Ok(())
}

/// To the node's file, beside it until it is whole. What is dropped meanwhile is removed.
async fn keep(node: &Node, folder: &Path) -> Result<Written, Failed> {
    let path = folder.join(format!("{}.ndjson", node.name));
    let failed = Failed::unwritten(&path);
    let beside = tempfile::Builder::new()
        .prefix(&format!(".{}.", node.name))
        .suffix(".part")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .map_err(&failed)?;
    let page = async |after: Option<String>| node.client.inventory(after.as_deref(), PAGE).await;
    let written = gather(page, beside.as_file(), &path).await?;
    beside.as_file().sync_all().map_err(&failed)?;
    beside.persist(&path).map_err(|lost| failed(lost.error))?;
    Ok(Written {
        file: Some(path),
        ..written
    })
}

/// Writes what all pages tell into `file`, which is `path` for people. Where a new manifest comes in between,
/// it is begun anew: a place in the one is none in the other.
async fn gather(
    page: impl AsyncFn(Option<String>) -> Result<Inventory, ClientError>,
    file: &File,
    path: &Path,
) -> Result<Written, Failed> {
    for _begun in 0..BEGUN_MAX {
        if let Some(written) = attempt(&page, file, path).await? {
            return Ok(written);
        }
    }
    Err(Failed::Restless)
}

/// Nothing if a new manifest has come in between.
async fn attempt(
    page: &impl AsyncFn(Option<String>) -> Result<Inventory, ClientError>,
    mut file: &File,
    path: &Path,
) -> Result<Option<Written>, Failed> {
    let failed = Failed::unwritten(path);
    file.set_len(0)
        .and_then(|()| file.rewind())
        .map_err(&failed)?;
    let mut lines = BufWriter::new(file);
    let mut told = page(None).await?;
    let mut written = Written {
        generation: told.generation,
        ..Written::default()
    };
    let mut seen = 0;
    loop {
        for object in &told.objects {
            push(object, &mut lines, &mut written).map_err(&failed)?;
        }
        seen += told.objects.len() as u64;
        let Some(next) = next(told, seen)? else {
            lines.flush().map_err(&failed)?;
            return Ok(Some(written));
        };
        told = page(Some(next)).await?;
        if told.generation != written.generation {
            return Ok(None);
        }
    }
}

/// What is planned and not held yet, or only let in, is no part of it.
fn push(object: &InventoryObject, lines: &mut impl Write, written: &mut Written) -> io::Result<()> {
    match object.state {
        ObjectState::Held => {}
        ObjectState::Missing
        | ObjectState::Seeded
        | ObjectState::Filling
        | ObjectState::Partial
        | ObjectState::Failed => return Ok(()),
    }
    let held = Held {
        site: (&*object.site).into(),
        path: (&*object.path).into(),
        bytes: object.held_bytes,
    };
    held.write(lines)?;
    written.objects += 1;
    written.bytes = written.bytes.saturating_add(object.held_bytes);
    Ok(())
}

/// Where the next page begins. A node that would go on for ever is none of ours.
fn next(told: Inventory, seen: u64) -> Result<Option<String>, ClientError> {
    let is_odd = told.objects.is_empty() || seen > Limits::default().names_max;
    match told.next {
        Some(_) if is_odd => {
            let problem = format!("pages that do not end, after {seen} objects");
            Err(ClientError::Odd(problem))
        }
        next => Ok(next),
    }
}

fn line(node: &str, written: &Written) -> String {
    let file = match &written.file {
        Some(file) => plain(&file.display().to_string()),
        None => "standard output".to_owned(),
    };
    match written.generation {
        Some(generation) => format!(
            "{node}: {file}: generation {generation}, {} objects held, {}",
            written.objects,
            amount(written.bytes)
        ),
        None => format!("{node}: {file}: no manifest, so nothing is planned here"),
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, io::Read as _};

    use super::*;

    /// A page of generation `generation`, with objects of these states.
    fn page(generation: u64, states: &[ObjectState], next: Option<&str>) -> Inventory {
        let object = |(at, state): (usize, &ObjectState)| InventoryObject {
            site: "vod".to_owned(),
            path: format!("/{generation}/{at}"),
            size: 100,
            held_bytes: 40,
            state: *state,
            pinned: false,
        };
        Inventory {
            generation: Some(generation),
            objects: states.iter().enumerate().map(object).collect(),
            next: next.map(str::to_owned),
            ..Inventory::default()
        }
    }

    /// What comes of pages that are told one after the other, whatever is asked.
    fn gathered(
        told: impl Fn(u32, Option<&str>) -> Inventory,
    ) -> (Result<Written, Failed>, String) {
        let mut file = tempfile::tempfile().unwrap();
        let asked = Cell::new(0);
        let page = async |after: Option<String>| {
            asked.set(asked.get() + 1);
            Ok(told(asked.get(), after.as_deref()))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let written = runtime.block_on(gather(page, &file, Path::new("e.ndjson")));
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        (written, text)
    }

    #[test]
    fn what_is_held_is_a_line_and_what_is_not_is_none() {
        let all = [
            ObjectState::Missing,
            ObjectState::Held,
            ObjectState::Seeded,
            ObjectState::Filling,
            ObjectState::Partial,
            ObjectState::Failed,
        ];
        let (written, text) = gathered(|_, _| page(7, &all, None));
        assert_eq!(text, "{\"site\":\"vod\",\"path\":\"/7/1\",\"bytes\":40}\n");
        let written = written.unwrap();
        let told = (written.generation, written.objects, written.bytes);
        assert_eq!(told, (Some(7), 1, 40));
    }

    #[test]
    fn pages_are_asked_for_one_behind_the_other() {
        let held = [ObjectState::Held; 2];
        let (written, text) = gathered(|asked, after| match (asked, after) {
            (1, None) => page(7, &held, Some("2")),
            (2, Some("2")) => page(7, &held, Some("4")),
            (3, Some("4")) => page(7, &held[..1], None),
            (asked, after) => panic!("call {asked} behind {after:?}"),
        });
        assert_eq!((written.unwrap().objects, text.lines().count()), (5, 5));
    }

    #[test]
    fn a_manifest_that_comes_in_between_begins_it_anew() {
        let held = [ObjectState::Held; 2];
        let (written, text) = gathered(|asked, after| match (asked, after) {
            (1, None) => page(7, &held, Some("2")),
            (2, Some("2")) => page(8, &held, Some("4")),
            (3, None) => page(8, &held, None),
            (asked, after) => panic!("call {asked} behind {after:?}"),
        });
        let written = written.unwrap();
        assert_eq!((written.generation, written.objects), (Some(8), 2));
        assert!(!text.contains("/7/"), "nothing of the one before: {text}");
    }

    #[test]
    fn manifests_without_end_are_given_up() {
        let held = [ObjectState::Held];
        let (written, _) = gathered(|asked, _| page(asked.into(), &held, Some("1")));
        assert!(matches!(written, Err(Failed::Restless)), "{written:?}");
    }

    #[test]
    fn pages_without_end_are_given_up() {
        let (written, _) = gathered(|_, _| page(7, &[], Some("0")));
        let odd = matches!(written, Err(Failed::Call(ClientError::Odd(_))));
        assert!(odd, "{written:?}");
    }
}
