//! Common Media Client Data (CTA-5004, and its second version, CTA-5004-A): what a player tells
//! about itself.
//!
//! It comes as the query parameter `CMCD`, as a list or as JSON, or in four header fields. It is
//! never part of a key, never sent upstream and never a reason to refuse a request: junk is
//! dropped, and unknown keys are kept.

mod json;
mod next;
mod value;

use std::{borrow::Cow, fmt};

use http::{HeaderMap, HeaderName};

pub use next::Next;
pub use value::Value;

use crate::lines;

/// How many bytes are read of the query parameter, and of all header lines together.
pub const BYTES_MAX: usize = 2048;
/// How many keys are kept.
pub const KEYS_MAX: usize = 48;

const FIELDS: [HeaderName; 4] = [
    HeaderName::from_static("cmcd-object"),
    HeaderName::from_static("cmcd-request"),
    HeaderName::from_static("cmcd-session"),
    HeaderName::from_static("cmcd-status"),
];

/// Keys whose values are URLs, or hold such.
const NOT_LOGGED: [&str; 4] = ["nor", "url", "cmsds", "cmsdd"];

/// Whether a query parameter (with its value) is CMCD's.
pub(crate) fn is_cmcd(parameter: &str) -> bool {
    value_of(parameter).is_some()
}

fn value_of(parameter: &str) -> Option<&str> {
    let rest = parameter.strip_prefix("CMCD")?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('=')
    }
}

/// A query without CMCD's parameters, all else as sent: nothing that a player tells about itself
/// is seen by who verifies tokens or makes keys. `None` if nothing is left.
pub fn strip(query: &str) -> Option<Cow<'_, str>> {
    if !query.split('&').any(is_cmcd) {
        return Some(Cow::Borrowed(query));
    }
    let kept: Vec<_> = query.split('&').filter(|text| !is_cmcd(text)).collect();
    (!kept.is_empty()).then(|| Cow::Owned(kept.join("&")))
}

fn raw(query: &str) -> Option<&str> {
    query.split('&').find_map(value_of)
}

/// The keys that a player sent, in the order of arrival, each once.
///
/// Displays as `bl=1200,bs=true,cid="faec"`: keys are of `[A-Za-z0-9._-]`, values of printable
/// ASCII, so that it is safe in a log line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cmcd {
    pairs: Vec<(String, String)>,
}

impl Cmcd {
    /// Reads the query parameter, or without one the header fields.
    pub fn collect(query: Option<&str>, headers: &HeaderMap) -> Self {
        let mut all = Self::default();
        if let Some(raw) = query.and_then(raw) {
            let text = decoded(raw);
            if text.trim_ascii_start().starts_with(b"{") {
                all.read_json(&text);
            } else {
                all.read(&text);
            }
            return all;
        }
        let mut left = BYTES_MAX;
        for line in FIELDS.iter().flat_map(|name| headers.get_all(name)) {
            let Some(rest) = left.checked_sub(line.len()) else {
                break;
            };
            left = rest;
            all.read(line.as_bytes());
        }
        all
    }

    /// The value of a key; `true` for one that came without a value. Strings keep their quotes.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.pairs()
            .find_map(|(known, value)| (known == key).then_some(value))
    }

    /// Keys and values.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What may stand in a log: all but URLs, which may carry tokens (`nor`, `url` and, of the second
    /// version's reports, `cmsds`, `cmsdd`); without `sid` if `session` is not wanted.
    pub fn for_log(&self, session: bool) -> impl Iterator<Item = (&str, Value<'_>)> {
        let fit = move |key: &str| !NOT_LOGGED.contains(&key) && (session || key != "sid");
        self.pairs()
            .filter(move |(key, _)| fit(key))
            .map(|(key, value)| (key, Value::read(value)))
    }

    /// The session, by the number that the player has chosen for it.
    pub fn session(&self) -> Option<Cow<'_, str>> {
        value::unquoted(self.value("sid")?).filter(|sid| !sid.is_empty())
    }

    /// Whether the player told nothing that can be read.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn read(&mut self, list: &[u8]) {
        for member in lines::members(list) {
            if self.pairs.len() == KEYS_MAX {
                return;
            }
            if let Some((key, value)) = pair(member)
                && self.value(key).is_none()
            {
                self.pairs.push((key.to_owned(), value.to_owned()));
            }
        }
    }
}

impl Cmcd {
    fn read_json(&mut self, text: &[u8]) {
        for (key, value) in json::members(text) {
            let member = format!("{key}={value}");
            // Written anew, it is judged like any other.
            if self.pairs.len() < KEYS_MAX
                && let Some((key, value)) = pair(member.as_bytes())
            {
                self.pairs.push((key.to_owned(), value.to_owned()));
            }
        }
    }
}

impl fmt::Display for Cmcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (key, value)) in self.pairs().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

/// `key=value` or `key`, if both are fit for a log.
fn pair(member: &[u8]) -> Option<(&str, &str)> {
    let member = std::str::from_utf8(member).ok()?;
    let (key, value) = member.split_once('=').unwrap_or((member, "true"));
    let is_key_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_value_byte = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let fit = !key.is_empty() && key.bytes().all(is_key_byte) && value.bytes().all(is_value_byte);
    fit.then_some((key, value))
}

/// At most [`BYTES_MAX`] bytes of a percent-encoded value; a broken escape stays as it is.
fn decoded(raw: &str) -> Cow<'_, [u8]> {
    let raw = &raw.as_bytes()[..raw.len().min(BYTES_MAX)];
    if !raw.contains(&b'%') {
        return Cow::Borrowed(raw);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        if let (b'%', Some(escaped)) = (byte, raw.get(at + 1..at + 3).and_then(hex_byte)) {
            bytes.push(escaped);
            at += 3;
        } else {
            bytes.push(byte);
            at += 1;
        }
    }
    Cow::Owned(bytes)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let [high, low] = *digits else { return None };
    Some((digit(high)? << 4) | digit(low)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(query: &str) -> String {
        Cmcd::collect(Some(query), &HeaderMap::new()).to_string()
    }

    #[test]
    fn the_query_parameter_is_taken_out() {
        for (query, left) in [
            ("a=1&CMCD=bl%3D1200&b=2&CMCD=x", Some("a=1&b=2")),
            ("CMCDX=1&xCMCD=2&cmcd=3", Some("CMCDX=1&xCMCD=2&cmcd=3")),
            ("CMCD", None),
            ("CMCD=\"junk;", None),
        ] {
            assert_eq!(strip(query).as_deref(), left, "{query}");
        }
    }

    #[test]
    fn json_has_the_same_keys() {
        let sent = r#"CMCD={"br":3200,"bs":true,"sid":"6e\"2f","nor":["a.m4s"],"x":null,"pr":1.5}"#;
        let cmcd = Cmcd::collect(Some(sent), &HeaderMap::new());
        for (key, value) in [
            ("br", "3200"),
            ("bs", "true"),
            ("sid", r#""6e\"2f""#),
            ("nor", r#"("a.m4s")"#),
            ("pr", "1.5"),
        ] {
            assert_eq!(cmcd.value(key), Some(value), "{key}");
        }
        assert_eq!(cmcd.value("x"), None);
        assert_eq!(query("CMCD={"), "");
    }

    #[test]
    fn urls_and_if_unwanted_the_session_are_not_for_the_log() {
        let sent = "CMCD=br=1,nor=%22x%3Fmp%3Dtoken%22,sid=%22s1%22,url=%22u%22";
        let cmcd = Cmcd::collect(Some(sent), &HeaderMap::new());
        let keys = |session| {
            let keys = cmcd.for_log(session).map(|(key, _)| key.to_owned());
            keys.collect::<Vec<_>>()
        };
        assert_eq!(keys(true), ["br", "sid"]);
        assert_eq!(keys(false), ["br"]);
        assert_eq!(cmcd.session().as_deref(), Some("s1"));
    }

    #[test]
    fn keys_of_the_query_are_read() {
        let sent = "v=1&CMCD=bl%3D1200%2Cbs%2Ccid%3D%22a%2Cb%22%2Ccom.example-x%3D7";
        let cmcd = Cmcd::collect(Some(sent), &HeaderMap::new());
        assert_eq!(
            cmcd.to_string(),
            r#"bl=1200,bs=true,cid="a,b",com.example-x=7"#
        );
        assert_eq!(cmcd.value("bl"), Some("1200"));
        assert_eq!(cmcd.value("v"), None);
    }

    #[test]
    fn keys_of_the_headers_are_read() {
        let mut headers = HeaderMap::new();
        headers.append("cmcd-status", "bs".parse().unwrap());
        headers.append("cmcd-object", "br=3200,d=4004,ot=v".parse().unwrap());
        headers.append("cmcd-session", r#"sid="6e2f",v=2"#.parse().unwrap());
        let cmcd = Cmcd::collect(Some("x=1"), &headers);
        assert_eq!(
            cmcd.to_string(),
            r#"br=3200,d=4004,ot=v,sid="6e2f",v=2,bs=true"#
        );
    }

    #[test]
    fn inner_lists_of_the_second_version_stay_whole() {
        assert_eq!(
            query("CMCD=br%3D(800%3Bv%2096%3Ba)%2Cv%3D2"),
            "br=(800;v 96;a),v=2"
        );
    }

    #[test]
    fn junk_is_dropped_and_the_rest_is_read() {
        assert_eq!(
            query("CMCD=%,%zz=1,=,bl=%0d%0aX,%00=1,br=5,br=6,%C3%A9=1,ok=1"),
            "br=5,ok=1"
        );
        assert_eq!(query("CMCD="), "");
        assert!(Cmcd::collect(None, &HeaderMap::new()).is_empty());
    }

    #[test]
    fn size_and_count_are_bounded() {
        let many: Vec<_> = (0..1000).map(|n| format!("k{n}=1")).collect();
        assert_eq!(
            query(&format!("CMCD={}", many.join(",")))
                .split(',')
                .count(),
            KEYS_MAX
        );
        let long = format!("CMCD=a=1,b={}", "x".repeat(100_000));
        assert!(query(&long).len() <= BYTES_MAX);
        let mut headers = HeaderMap::new();
        headers.append("cmcd-object", "x".repeat(BYTES_MAX + 1).parse().unwrap());
        assert!(Cmcd::collect(None, &headers).is_empty());
    }

    proptest! {
        #[test]
        fn arbitrary_data_never_panics_and_is_safe_to_log(junk: String, tail in "[ -~]{0,60}") {
            for raw in [junk, tail] {
                let shown = query(&format!("CMCD={raw}"));
                prop_assert!(shown.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            }
        }
    }
}
