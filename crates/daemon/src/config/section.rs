//! One table of a config file: keys are taken from it, and what is left over is unknown.

use std::{ops::RangeInclusive, path::Path, sync::Arc};

use serde_json::{Map, Value as Json};

use super::{
    suggest,
    tree::{Entry, Value},
};

/// Characters of a value that are repeated in a message.
const SHOWN_CHARS_MAX: usize = 60;

/// A table that is being read.
///
/// Every key that is asked for is known; a key that nobody asked for is a problem. Problems are
/// collected and reading goes on, so read **all** keys into variables before the first `?`:
///
/// ```
/// # use daemon::config::Section;
/// struct Listen { address: std::net::SocketAddr, http3: bool }
///
/// fn listen(section: &mut Section) -> Option<Listen> {
///     let address = section.address("address").required();
///     let http3 = section.flag("http3").or(true);
///     Some(Listen { address: address?, http3 })
/// }
/// ```
#[derive(Debug)]
pub struct Section {
    /// Dotted, as in `cache.disk`; empty for the top of the file.
    path: String,
    /// As an operator knows it: `[cache]`, `[[cache.disk]] 2`.
    pub(super) label: String,
    folder: Arc<Path>,
    at: usize,
    entries: Vec<Entry>,
    known: Vec<&'static str>,
    taken: Vec<(&'static str, usize)>,
    judged: Judged,
    effective: Map<String, Json>,
    faults: Vec<Fault>,
}

/// What a section that could not be read in full is still judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    /// Missing and unknown keys are problems.
    Wholly,
    /// The text has faults: a key may be missing because its line could not be read.
    NotForMissingKeys,
    /// The section itself was faulty.
    NotAtAll,
}

/// A problem at an offset.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Section {
    /// The top of a file. `whole` says that its text had no syntax errors.
    pub(super) fn top(entries: Vec<Entry>, folder: Arc<Path>, whole: bool) -> Self {
        let judged = if whole {
            Judged::Wholly
        } else {
            Judged::NotForMissingKeys
        };
        Self::new(
            String::new(),
            "the top of the file".to_owned(),
            (0, entries),
            folder,
            judged,
        )
    }

    fn new(
        path: String,
        label: String,
        (at, entries): (usize, Vec<Entry>),
        folder: Arc<Path>,
        judged: Judged,
    ) -> Self {
        let (known, taken, faults) = (Vec::new(), Vec::new(), Vec::new());
        let effective = Map::new();
        Self {
            path,
            label,
            folder,
            at,
            entries,
            known,
            taken,
            judged,
            effective,
            faults,
        }
    }

    /// A table. When it is absent, `read` sees an empty one, so that defaults and missing keys
    /// are told as if it were there.
    pub fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let Some(entry) = self.take(key) else {
            let child = self.child(key, (self.at, Vec::new()), self.judged);
            return self.read(key, child, read);
        };
        let child = match entry.node.value {
            Value::Table(entries) => self.child(key, (entry.at, entries), self.judged),
            other => {
                let path = self.path_of(key);
                let message = format!("{key} in {} is {}", self.label, other.kind());
                self.fault(
                    entry.at,
                    message,
                    Some(format!("expected one table, [{path}]")),
                );
                self.child(key, (entry.at, Vec::new()), Judged::NotAtAll)
            }
        };
        self.read(key, child, read)
    }

    /// A table that may be absent.
    pub fn optional_section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        if self.entries.iter().any(|entry| entry.key == key) {
            return self.section(key, read);
        }
        self.known.push(key);
        self.effective.insert(key.to_owned(), Json::Null);
        None
    }

    /// Tables under one name, `[[key]]` or `key = [{ ... }]`, so many of them. Two with the same
    /// `name` are a problem.
    pub fn sections<T>(
        &mut self,
        key: &'static str,
        count: RangeInclusive<usize>,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Vec<T> {
        let (at, items) = self.items(key, &count);
        let mut names: Vec<String> = Vec::new();
        let mut effective = Vec::new();
        let mut all = Vec::new();
        for (index, (item_at, entries)) in items.into_iter().enumerate() {
            let name = name_of(&entries);
            let mut child = self.child(key, (item_at, entries), self.judged);
            child.label = match &name {
                Some(name) => format!("[[{}]] \"{}\"", child.path, shown(name)),
                None => format!("[[{}]] {}", child.path, index + 1),
            };
            if let Some(name) = name {
                if names.contains(&name) {
                    let message = format!("a second {} in {}", child.label, self.label);
                    self.fault(item_at, message, Some("names are unique".to_owned()));
                }
                names.push(name);
            }
            all.extend(read(&mut child));
            effective.push(Json::from(self.close(child)));
        }
        self.taken.push((key, at));
        self.effective.insert(key.to_owned(), Json::from(effective));
        all
    }

    /// Something that is wrong with `key` in the light of others; told at its value, or at the
    /// section when the key is absent.
    pub fn problem(&mut self, key: &str, what: &str, hint: Option<&str>) {
        let at = self.place(key);
        let message = format!("{key} in {} {what}", self.label);
        self.fault(at, message, hint.map(str::to_owned));
    }

    /// Leaves the keys that were not asked for unjudged, when it is unclear which ones belong
    /// here: the key that decides it was wrong itself.
    pub fn ignore_rest(&mut self) {
        self.judged = Judged::NotAtAll;
    }

    /// The folder of the config file, from which relative paths start.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the reading: unknown keys are told.
    pub(super) fn close_top(mut self) -> (Map<String, Json>, Vec<Fault>) {
        self.tell_unknown_keys();
        (self.effective, self.faults)
    }

    pub(super) fn record(&mut self, key: &'static str, value: Json) {
        self.effective.insert(key.to_owned(), value);
    }

    pub(super) fn is_missing(&mut self, key: &'static str) {
        if self.judged == Judged::Wholly {
            let message = format!("key \"{key}\" is missing in {}", self.label);
            self.fault(self.at, message, None);
        }
    }

    pub(super) fn fault(&mut self, at: usize, message: String, hint: Option<String>) {
        self.faults.push(Fault { at, message, hint });
    }

    pub(super) fn place(&self, key: &str) -> usize {
        let taken = self.taken.iter().find(|(name, _)| *name == key);
        taken.map_or(self.at, |(_, at)| *at)
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<Entry> {
        self.known.push(key);
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        let entry = self.entries.swap_remove(index);
        self.taken.push((key, entry.node.at));
        Some(entry)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn child(&self, key: &str, at_entries: (usize, Vec<Entry>), judged: Judged) -> Self {
        let path = self.path_of(key);
        let label = format!("[{path}]");
        Self::new(path, label, at_entries, self.folder.clone(), judged)
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        mut child: Self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let value = read(&mut child);
        let effective = self.close(child);
        self.effective.insert(key.to_owned(), Json::from(effective));
        value
    }

    fn close(&mut self, mut child: Self) -> Map<String, Json> {
        child.tell_unknown_keys();
        self.faults.append(&mut child.faults);
        child.effective
    }

    fn tell_unknown_keys(&mut self) {
        if self.judged == Judged::NotAtAll {
            return;
        }
        for entry in std::mem::take(&mut self.entries) {
            let message = format!("unknown key \"{}\" in {}", shown(&entry.key), self.label);
            let hint = match suggest::nearest(&entry.key, &self.known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.fault(entry.at, message, Some(hint));
        }
    }

    /// The tables under `key`, however they are written.
    fn items(
        &mut self,
        key: &'static str,
        count: &RangeInclusive<usize>,
    ) -> (usize, Vec<(usize, Vec<Entry>)>) {
        let path = self.path_of(key);
        let hint = format!(
            "expected [[{path}]], {} to {} times",
            count.start(),
            count.end()
        );
        let Some(entry) = self.take(key) else {
            if *count.start() > 0 && self.judged == Judged::Wholly {
                let message = format!("[[{path}]] is missing in {}", self.label);
                self.fault(self.at, message, Some(hint));
            }
            return (self.at, Vec::new());
        };
        let Value::List(nodes) = entry.node.value else {
            let message = format!("{key} in {} is {}", self.label, entry.node.value.kind());
            self.fault(entry.at, message, Some(hint));
            return (entry.at, Vec::new());
        };
        if !count.contains(&nodes.len()) {
            let message = format!("{key} in {} is there {} times", self.label, nodes.len());
            self.fault(entry.at, message, Some(hint.clone()));
        }
        let mut items = Vec::new();
        for node in nodes {
            match node.value {
                Value::Table(entries) => items.push((node.at, entries)),
                other => {
                    let message = format!("an item of {key} is {}", other.kind());
                    self.fault(node.at, message, Some(hint.clone()));
                }
            }
        }
        (entry.at, items)
    }
}

fn name_of(entries: &[Entry]) -> Option<String> {
    entries
        .iter()
        .find(|entry| entry.key == "name")
        .and_then(|entry| match &entry.node.value {
            Value::Text(name) => Some(name.clone()),
            _ => None,
        })
}

/// A text as a message may repeat it: on one line, not too long.
pub(super) fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start.escape_debug().to_string()
}
