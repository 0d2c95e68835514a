//! The file that names nodes, so that no command has to.

use std::path::{Path, PathBuf};

use daemon::config::{self, Section};

use crate::Error;

/// Nodes in one file, at most.
const NODES_MAX: usize = 1024;

/// What the file says; all of it may be said by flags.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) ca: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) nodes: Vec<Listed>,
}

/// A node, not called yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) is_shield: bool,
}

/// Reads it as nodes read their configs: every problem at once, each with its line.
pub(super) fn read(path: &Path) -> Result<File, Error> {
    let loaded = config::load(path, |top| Some(file(top)));
    let loaded = loaded.map_err(|report| Error::Config { report })?;
    Ok(loaded.value)
}

fn file(top: &mut Section) -> File {
    let ca = top.file("ca").optional();
    let certificate = top.file("certificate").optional();
    let key = top.private_file("key").optional();
    let nodes = top.sections("node", 1..=NODES_MAX, |node| {
        let name = node.text("name").required();
        let expected = "an address such as \"https://edge-1.internal:9443\"";
        let url = node.parsed("url", expected, |text| {
            text.starts_with("https://").then(|| text.to_owned())
        });
        let url = url.required();
        let is_shield = node.flag("shield").or(false);
        Some(Listed {
            name: name?,
            url: url?,
            is_shield,
        })
    });
    File {
        ca,
        certificate,
        key,
        nodes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<File, String> {
        let loaded = config::parse(text, Path::new("nodes.toml"), |top| Some(file(top)));
        loaded
            .map(|loaded| loaded.value)
            .map_err(|report| report.to_string())
    }

    #[test]
    fn nodes_have_names_and_addresses_and_may_be_shields() {
        let file = parsed(
            "[[node]]\nname = \"s\"\nurl = \"https://s:9443\"\nshield = true\n\
             [[node]]\nname = \"e\"\nurl = \"https://e:9443\"\n",
        );
        let told: Vec<_> = file.unwrap().nodes;
        assert_eq!(told.len(), 2);
        assert!(told[0].is_shield && !told[1].is_shield);
        assert_eq!(told[1].url, "https://e:9443");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let told = parsed("certificat = \"x\"\n[[node]]\nname = \"e\"\nurl = \"http://e\"\n");
        let told = told.unwrap_err();
        for what in [
            "nodes.toml:1",
            "certificat",
            "nodes.toml:4",
            "https://edge-1",
        ] {
            assert!(told.contains(what), "{what} in {told}");
        }
        assert!(parsed("").unwrap_err().contains("node"));
    }
}
