//! From the bytes of an object list to what it names.
//!
//! A list in JSON is what a trigger's own is: `{"objects": [{"href", "type", "size"}]}`, or the bare
//! list. One in text has a URL in each line.

use std::fmt;

use bytes::Bytes;
use playlist::{Format, Limits, Listing, Url};
use serde::{
    Deserialize,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::super::model::ListFormat;
use crate::{Reason, Refused};

/// What a list names.
#[derive(Debug)]
pub(super) enum Named {
    Playlist(Listing),
    List(Vec<Entry>),
}

/// One line of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// As it is given.
    pub(super) href: Box<str>,
    /// `None` for one that is not known.
    pub(super) kind: Option<Kind>,
    pub(super) size: Option<u64>,
}

/// An object as lists in JSON and triggers themselves name it.
#[derive(Deserialize)]
pub(crate) struct Object {
    pub(crate) href: String,
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) size: Option<u64>,
}

/// What an object is to be taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    List(ListFormat),
}

impl Kind {
    /// By the word for it, without regard to case; without a word it is an object.
    pub(crate) fn named(word: Option<&str>) -> Option<Self> {
        let Some(word) = word else {
            return Some(Self::Object);
        };
        let known = [
            ("object", Self::Object),
            ("hls", Self::List(ListFormat::Hls)),
            ("dash", Self::List(ListFormat::Dash)),
            ("mss", Self::List(ListFormat::Mss)),
            ("json", Self::List(ListFormat::Json)),
            ("text", Self::List(ListFormat::Text)),
        ];
        let found = known
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map(|(_, kind)| kind)
    }
}

/// Reads a list at `url`, where it keeps nobody waiting.
pub(super) async fn named(
    format: ListFormat,
    text: Bytes,
    url: &str,
    limits: Limits,
) -> Result<Named, Refused> {
    let content = |what: String| Refused::new(Reason::Content, what);
    let base = Url::parse(url).map_err(|error| content(error.to_string()))?;
    let read = move || match format {
        ListFormat::Hls => playlist(Format::Hls, &text, &base, &limits),
        ListFormat::Dash => playlist(Format::Dash, &text, &base, &limits),
        ListFormat::Mss => playlist(Format::Smooth, &text, &base, &limits),
        ListFormat::Json => json(&text, &limits).map(Named::List),
        ListFormat::Text => lines(&text, &limits).map(Named::List),
    };
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.map_err(|error| Refused::new(Reason::Failed, error.to_string()))?;
    read.map_err(content)
}

fn playlist(format: Format, text: &[u8], base: &Url, limits: &Limits) -> Result<Named, String> {
    let listed = playlist::list(format, text, base, limits);
    listed
        .map(Named::Playlist)
        .map_err(|error| error.to_string())
}

/// A list is whole or an error.
fn json(text: &[u8], limits: &Limits) -> Result<Vec<Entry>, String> {
    // RFC 8259 section 8.1: a mark may be ignored.
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = List(limits).deserialize(&mut reader);
    let read = read.and_then(|entries| reader.end().map(|()| entries));
    some(read.map_err(|error| format!("it is no object list: {error}"))?)
}

fn lines(text: &[u8], limits: &Limits) -> Result<Vec<Entry>, String> {
    let text = text.strip_prefix(MARK).unwrap_or(text);
    let text = std::str::from_utf8(text).map_err(|_invalid| "it is not UTF-8")?;
    let mut entries = Entries::new(limits);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        entries.add(line, Some(Kind::Object), None)?;
    }
    some(entries.all)
}

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

fn some(entries: Vec<Entry>) -> Result<Vec<Entry>, String> {
    if entries.is_empty() {
        return Err("it names nothing".to_owned());
    }
    Ok(entries)
}

/// What a list names so far.
struct Entries<'l> {
    limits: &'l Limits,
    names_bytes: usize,
    all: Vec<Entry>,
}

impl<'l> Entries<'l> {
    fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            names_bytes: 0,
            all: Vec::new(),
        }
    }

    fn add(&mut self, href: &str, kind: Option<Kind>, size: Option<u64>) -> Result<(), String> {
        let Limits {
            objects_max,
            names_bytes_max,
            ..
        } = self.limits;
        self.names_bytes += href.len();
        if self.all.len() >= *objects_max {
            return Err(format!("it names more than {objects_max} objects"));
        }
        if self.names_bytes > *names_bytes_max {
            return Err(format!(
                "its names have more than {names_bytes_max} characters"
            ));
        }
        let href = href.into();
        self.all.push(Entry { href, kind, size });
        Ok(())
    }
}

/// Reads a whole list: the objects bare, or as a member.
struct List<'l>(&'l Limits);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Vec<Entry>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, objects: A) -> Result<Self::Value, A::Error> {
        Objects(self.0).visit_seq(objects)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            // Older revisions have the others.
            if !matches!(&*name, "objects" | "object-list" | "data") {
                members.next_value::<IgnoredAny>()?;
            } else if found.is_none() {
                found = Some(members.next_value_seed(Objects(self.0))?);
            } else {
                return Err(A::Error::custom("it lists its objects twice"));
            }
        }
        found.ok_or_else(|| A::Error::missing_field("objects"))
    }
}

/// Reads the objects of a list, no more of them than may be.
struct Objects<'l>(&'l Limits);

impl<'de> DeserializeSeed<'de> for Objects<'_> {
    type Value = Vec<Entry>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut objects: A) -> Result<Self::Value, A::Error> {
        let mut entries = Entries::new(self.0);
        while let Some(Object { href, kind, size }) = objects.next_element()? {
            let kind = Kind::named(kind.as_deref());
            entries.add(&href, kind, size).map_err(A::Error::custom)?;
        }
        Ok(entries.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        text_bytes_max: 1 << 20,
        objects_max: 3,
        names_bytes_max: 100,
    };

    fn entry(href: &str, kind: Option<Kind>, size: Option<u64>) -> Entry {
        Entry {
            href: href.into(),
            kind,
            size,
        }
    }

    fn of(href: &str) -> Entry {
        entry(href, Some(Kind::Object), None)
    }

    #[test]
    fn json_names_objects_and_lists_with_their_sizes() {
        let objects = r#"[{"href":"a","labels":["x=y"]},{"href":"b","type":"MSS","size":7},{"type":"zip","href":"c"}]"#;
        let expected = [
            of("a"),
            entry("b", Some(Kind::List(ListFormat::Mss)), Some(7)),
            entry("c", None, None),
        ];
        for text in [
            objects.to_owned(),
            format!("\u{feff}{{\"objects\":{objects},\"more\":{{\"objects\":1}}}}"),
            format!(" {{\"type\":\"json\",\"data\":{objects}}}\n"),
        ] {
            assert_eq!(json(text.as_bytes(), &LIMITS).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn text_names_an_object_in_each_line() {
        let text = "\u{feff}https://a/1\r\n\n  https://a/2?b=c  \nhttps://a/3";
        let expected = ["https://a/1", "https://a/2?b=c", "https://a/3"].map(of);
        assert_eq!(lines(text.as_bytes(), &LIMITS).unwrap(), expected);
    }

    #[test]
    fn what_is_no_whole_list_is_an_error_and_no_short_list() {
        let good = r#"{"objects":[{"href":"a"},{"href":"b"}]}"#;
        assert!(json(good.as_bytes(), &LIMITS).is_ok());
        for end in 0..good.len() {
            assert!(json(&good.as_bytes()[..end], &LIMITS).is_err(), "{end}");
        }
        for bad in [
            format!("{good}{good}"),
            "{}".to_owned(),
            "[]".to_owned(),
            r#"{"objects":[]}"#.to_owned(),
            r#"{"objects":{"href":"a"}}"#.to_owned(),
            r#"{"objects":[{"href":"a"}],"data":[{"href":"b"}]}"#.to_owned(),
            r#"[{"href":"a","href":"b"}]"#.to_owned(),
            r#"[{"href":1}]"#.to_owned(),
            r#"[{"href":"a","size":-1}]"#.to_owned(),
            r#"["a"]"#.to_owned(),
            "\"a\"".to_owned(),
            "[".repeat(100_000),
            format!("{{\"x\":{}", "[".repeat(100_000)),
        ] {
            assert!(json(bad.as_bytes(), &LIMITS).is_err(), "{bad:.80}");
        }
        for bad in [&b""[..], b"\n \r\n", b"https://a/\xff"] {
            assert!(lines(bad, &LIMITS).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_list_of_too_much_is_refused() {
        let many = |count: usize, name: &str| {
            let objects = vec![format!("{{\"href\":\"{name}\"}}"); count];
            let text = vec![name.to_owned(); count].join("\n");
            let of_json = json(format!("[{}]", objects.join(",")).as_bytes(), &LIMITS);
            let of_text = lines(text.as_bytes(), &LIMITS);
            assert_eq!(of_json.is_ok(), of_text.is_ok());
            of_text.is_ok()
        };
        assert!(many(3, "a") && !many(4, "a"));
        assert!(many(2, &"a".repeat(50)) && !many(2, &"a".repeat(51)));
    }
}
