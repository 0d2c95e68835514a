//! The keys of a table by what they hold: text, numbers, sizes, times, addresses, paths, secrets.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value as Json;

use super::{
    found::{Found, State},
    secret::Secret,
    section::{Section, shown},
    source,
    tree::{Node, Value},
    units,
};

/// Bytes in a file that holds one secret.
const SECRET_BYTES_MAX: u64 = 64 << 10;

impl Section {
    /// A text.
    pub fn text(&mut self, key: &'static str) -> Found<'_, String> {
        self.parsed(key, "text", |text| Some(text.to_owned()))
    }

    /// Something that has a text form, `expected` in words for messages: "an address such as ...".
    pub fn parsed<T: ToString>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Found<'_, T> {
        let state = self.value(key, expected, |value| match value {
            Value::Text(text) => parse(text),
            _ => None,
        });
        Found::new(self, key, state, |value| Json::from(value.to_string()))
    }

    /// One of a few words, each with what it stands for.
    pub fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        choices: &'static [(&'static str, T)],
    ) -> Found<'_, T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let expected = format!("one of \"{}\"", words.join("\", \""));
        let state = self.value(key, &expected, |value| match value {
            Value::Text(text) => choices
                .iter()
                .find(|(word, _)| word == text)
                .map(|(_, choice)| *choice),
            _ => None,
        });
        Found::new(self, key, state, |value| {
            choices
                .iter()
                .find(|(_, choice)| choice == value)
                .map(|(word, _)| *word)
                .into()
        })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Found<'_, bool> {
        let state = self.value(key, "true or false", |value| match value {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        });
        Found::new(self, key, state, |flag| Json::from(*flag))
    }

    /// A whole number.
    pub fn number(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Found<'_, u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let state = self.value(key, &expected, |value| match value {
            Value::Integer(number) => (*number)
                .and_then(|n| u64::try_from(n).ok())
                .filter(|n| range.contains(n)),
            _ => None,
        });
        Found::new(self, key, state, |number| Json::from(*number))
    }

    /// A size with its unit: `"512MiB"`, `"10GB"`.
    pub fn bytes(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Found<'_, u64> {
        let (low, high) = (
            units::show_bytes(*range.start()),
            units::show_bytes(*range.end()),
        );
        let expected = format!("a size with its unit, such as \"64MiB\", from {low} to {high}");
        let state = self.value(key, &expected, |value| match value {
            Value::Text(text) => units::parse_bytes(text).filter(|bytes| range.contains(bytes)),
            _ => None,
        });
        Found::new(self, key, state, |bytes| {
            Json::from(units::show_bytes(*bytes))
        })
    }

    /// A time with its unit, to the millisecond: `"5s"`, `"250ms"`, `"2h"`.
    pub fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Found<'_, Duration> {
        let low = units::show_duration(*range.start());
        let high = units::show_duration(*range.end());
        let expected = format!("a time with its unit, such as \"5s\", from {low} to {high}");
        let state = self.value(key, &expected, |value| match value {
            Value::Text(text) => units::parse_duration(text).filter(|time| range.contains(time)),
            _ => None,
        });
        Found::new(self, key, state, |time| {
            Json::from(units::show_duration(*time))
        })
    }

    /// An IP address and a port.
    pub fn address(&mut self, key: &'static str) -> Found<'_, SocketAddr> {
        let expected = "an address and port, such as \"127.0.0.1:443\" or \"[::1]:443\"";
        self.parsed(key, expected, |text| text.parse().ok())
    }

    /// A path; a relative one starts from the folder of the config file.
    pub fn path(&mut self, key: &'static str) -> Found<'_, PathBuf> {
        let folder = self.folder().to_owned();
        let state = self.value(key, "a path", |value| match value {
            Value::Text(text) if !text.is_empty() && !text.contains('\0') => {
                Some(folder.join(text))
            }
            _ => None,
        });
        Found::new(self, key, state, |path| {
            Json::from(path.display().to_string())
        })
    }

    /// The path of a regular file that exists.
    pub fn file(&mut self, key: &'static str) -> Found<'_, PathBuf> {
        self.path(key)
            .judge(|path| source::metadata(path).map(drop))
    }

    /// The path of a regular file that nobody but its owner may read: a private key.
    pub fn private_file(&mut self, key: &'static str) -> Found<'_, PathBuf> {
        self.path(key).judge(|path| source::private(path))
    }

    /// A secret, which `key` (by custom ending in `_file`) says where to find: in a file that is
    /// its owner's alone, one trailing newline ignored, or in the environment as `env:NAME`.
    ///
    /// Written into the config itself, under `inline`, it is refused. No message repeats a value.
    pub fn secret(&mut self, key: &'static str, inline: &'static str) -> Found<'_, Secret> {
        if let Some(entry) = self.take(inline) {
            let message = format!(
                "{inline} in {} is a secret, written in the open",
                self.label
            );
            let hint = format!("put it in a file (mode 400) and name that in {key}");
            self.fault(entry.at, message, Some(hint));
        }
        let folder = self.folder().to_owned();
        let mut why = None;
        let state = self.hidden(key, |text| {
            let secret = read_secret(text, &folder);
            secret.map_err(|reason| why = Some(reason)).ok()
        });
        if let (State::Wrong, Some(reason)) = (&state, why) {
            let at = self.place(key);
            let message = format!("what {key} in {} names {reason}", self.label);
            self.fault(at, message, None);
        }
        Found::new(self, key, state, |_| Json::from(super::secret::MASK))
    }

    /// A list of texts, with so many items.
    pub fn list(
        &mut self,
        key: &'static str,
        count: RangeInclusive<usize>,
    ) -> Found<'_, Vec<String>> {
        let expected = format!("a list of {} to {} texts", count.start(), count.end());
        let text = |node: &Node| match &node.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let state = self.value(key, &expected, |value| match value {
            Value::List(items) if count.contains(&items.len()) => items.iter().map(text).collect(),
            _ => None,
        });
        Found::new(self, key, state, |items| Json::from(items.clone()))
    }

    /// Takes a key and reads its value, telling what was expected when that fails.
    fn value<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> State<T> {
        let Some(entry) = self.take(key) else {
            return State::Absent;
        };
        if let Some(value) = read(&entry.node.value) {
            return State::Given(value);
        }
        let found = match &entry.node.value {
            Value::Text(text) => format!("\"{}\"", shown(text)),
            Value::Integer(Some(number)) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Integer(None) => "a number beyond all bounds".to_owned(),
            Value::Table(_) | Value::Other(_) => entry.node.value.kind().to_owned(),
        };
        let message = format!("{key} in {} is {found}", self.label);
        self.fault(entry.node.at, message, Some(format!("expected {expected}")));
        State::Wrong
    }

    /// Like [`Self::value`] for a text that no message may repeat.
    fn hidden<T>(&mut self, key: &'static str, read: impl FnOnce(&str) -> Option<T>) -> State<T> {
        let Some(entry) = self.take(key) else {
            return State::Absent;
        };
        let Value::Text(text) = &entry.node.value else {
            let message = format!("{key} in {} is {}", self.label, entry.node.value.kind());
            self.fault(
                entry.node.at,
                message,
                Some("expected a path or env:NAME".to_owned()),
            );
            return State::Wrong;
        };
        read(text).map_or(State::Wrong, State::Given)
    }
}

/// Reads a secret from where `text` says. The error is told after "what KEY names".
fn read_secret(text: &str, folder: &Path) -> Result<Secret, String> {
    let secret = if let Some(name) = text.strip_prefix("env:") {
        // `VarError` may repeat the value, so it is not passed on.
        std::env::var(name)
            .ok()
            .ok_or("is not a text in the environment")?
    } else {
        let path = folder.join(text);
        source::private(&path)?;
        let bytes = source::read(&path, SECRET_BYTES_MAX)?;
        String::from_utf8(bytes).ok().ok_or("is not text")?
    };
    let secret = secret.strip_suffix('\n').unwrap_or(&secret);
    if secret.is_empty() {
        Err("is empty".to_owned())
    } else {
        Ok(Secret::new(secret))
    }
}
