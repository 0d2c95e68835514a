//! The table of rooms and arrows in `ARCHITECTURE.md` is the law; so are two limits of the style.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper fails its test by panicking"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tests::foreign::root;

/// Lines of a file, at most.
const LINES_MAX: usize = 600;

/// Our rooms that a room may use; `None` is any.
type Allowed = Option<BTreeSet<String>>;

#[test]
fn no_room_uses_another_that_the_table_does_not_give_it() {
    let table = rooms(&fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    let packages = workspace_packages();
    let names: BTreeSet<&String> = packages.keys().collect();
    assert!(names.len() >= 10, "cargo metadata tells of {names:?}");
    let mut problems = Vec::new();
    for (name, uses) in &packages {
        let Some(allowed) = table.get(name) else {
            problems.push(format!("{name} has no row in ARCHITECTURE.md"));
            continue;
        };
        let Some(allowed) = allowed else { continue };
        for used in uses
            .iter()
            .filter(|used| names.contains(used) && *used != name)
        {
            if !allowed.contains(used) {
                problems.push(format!(
                    "{name} uses {used}, which the table does not allow"
                ));
            }
        }
    }
    for name in table.keys().filter(|name| !names.contains(name)) {
        problems.push(format!("the table has {name}, which is no package"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Names of recipes in a text: in backquotes, and at the end of why a test is ignored.
fn recipes_in(text: &str) -> BTreeSet<String> {
    let named = |(mark, end): (&str, char)| -> Vec<String> {
        let after = text.split(mark).skip(1);
        let words = after.filter_map(|rest| rest.split_once(end).map(|(word, _)| word));
        let is_name = |letter: char| letter.is_ascii_lowercase() || letter == '-';
        let names = words.filter(|word| !word.is_empty() && word.chars().all(is_name));
        names.map(str::to_owned).collect()
    };
    let marks = [("`just ", '`'), (": just ", '"')];
    marks.into_iter().flat_map(named).collect()
}

#[test]
fn every_recipe_that_is_named_is_one_of_the_justfile() {
    let justfile = fs::read_to_string(root().join("justfile")).unwrap();
    let heads = justfile.lines().filter_map(|line| line.strip_suffix(':'));
    let known: BTreeSet<&str> = heads.collect();
    assert!(known.contains("test"), "{known:?}");
    let root_pages = ["README.md", "CONTRIBUTING.md"].map(|page| root().join(page));
    let files = sources().into_iter().chain(files("md")).chain(root_pages);
    let mut missing = Vec::new();
    for file in files {
        let named = recipes_in(&fs::read_to_string(&file).unwrap());
        let unknown = named.into_iter().filter(|name| !known.contains(&**name));
        missing.extend(unknown.map(|name| format!("{}: just {name}", file.display())));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn a_row_tells_a_room_and_what_it_may_use() {
    let table = rooms(
        "| layer | room | what it is for | may use (ours) |\n|---|---|---|---|\n\
         | 0 | `disk` | blocks | - |\n| 1 | `store` | slices | `disk`, `message` |\n\
         | 4 | `tests` | scenarios | any |\n| what | command |\n| one room | `cargo test` |\n",
    );
    assert_eq!(table.keys().collect::<Vec<_>>(), ["disk", "store", "tests"]);
    assert_eq!(table["disk"], Some(BTreeSet::new()));
    let store = ["disk", "message"].map(str::to_owned);
    assert_eq!(table["store"], Some(BTreeSet::from(store)));
    assert_eq!(table["tests"], None);
}

#[test]
fn no_source_file_is_too_long_to_read() {
    let too_long = sources().into_iter().filter_map(|file| {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", file.display()))
    });
    let too_long: Vec<_> = too_long.collect();
    assert!(too_long.is_empty(), "over {LINES_MAX} lines: {too_long:#?}");
}

#[test]
fn only_the_disk_room_has_unsafe_code() {
    let disk = root().join("crates/disk");
    let mut found = Vec::new();
    for file in sources()
        .into_iter()
        .filter(|file| !file.starts_with(&disk))
    {
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            if is_unsafe(line) {
                found.push(format!("{}:{}: {line}", file.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn unsafe_code_is_told_from_words_about_it() {
    for line in [
        "unsafe { x() }",
        "    pub unsafe fn y()",
        "unsafe impl Send for Z {}",
        "unsafe extern",
    ] {
        assert!(is_unsafe(line), "{line}");
    }
    for line in [
        "// unsafe { }",
        "let is_unsafe = 1;",
        "//! no unsafe here",
        "\"unsafe {\"",
    ] {
        assert!(!is_unsafe(line), "{line}");
    }
}

/// The rows of the arrow table: four columns, a number first, a name in backticks second.
fn rooms(markdown: &str) -> BTreeMap<String, Allowed> {
    let mut rooms = BTreeMap::new();
    for line in markdown.lines() {
        let cells: Vec<&str> = line
            .trim()
            .trim_matches('|')
            .split(" | ")
            .map(str::trim)
            .collect();
        let [layer, room, _, uses] = cells[..] else {
            continue;
        };
        if layer.parse::<u8>().is_err() {
            continue;
        }
        let name = backticked(room)
            .pop_first()
            .unwrap_or_else(|| panic!("no room in {line}"));
        let allowed = (uses != "any").then(|| backticked(uses));
        assert!(rooms.insert(name, allowed).is_none(), "two rows for {room}");
    }
    rooms
}

fn backticked(cell: &str) -> BTreeSet<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(ToOwned::to_owned)
        .collect()
}

/// Each package of the workspace with all that it depends on, for building and for tests.
fn workspace_packages() -> BTreeMap<String, Vec<String>> {
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]);
    let output = metadata.current_dir(root()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |list: &Value| -> Vec<String> {
        list.as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    let row = |package: &Value| {
        (
            package["name"].as_str().unwrap().to_owned(),
            names(&package["dependencies"]),
        )
    };
    packages.iter().map(row).collect()
}

/// Our Rust files.
fn sources() -> Vec<PathBuf> {
    let files = files("rs");
    assert!(files.len() > 50, "{files:?}");
    files
}

/// Our files in rooms that end so.
fn files(ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = ["edge", "shield", "crates", "benches", "tests"]
        .map(|top| root().join(top))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !is_foreign(&path) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == ending) {
                files.push(path);
            }
        }
    }
    files
}

fn is_foreign(folder: &Path) -> bool {
    folder.ends_with("node_modules") || folder.ends_with("target")
}

/// Whether a line of code, comments and texts apart, opens something unsafe.
fn is_unsafe(line: &str) -> bool {
    let code = line
        .split("//")
        .next()
        .unwrap_or_default()
        .split('"')
        .next()
        .unwrap_or_default();
    let mut words = code.split_whitespace().skip_while(|word| *word != "unsafe");
    words.next().is_some()
        && words
            .next()
            .is_some_and(|next| ["{", "fn", "impl", "extern", "trait"].contains(&next))
}
