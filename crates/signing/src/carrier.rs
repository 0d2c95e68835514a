//! Where a token travels: in the query, in front of the path, or in a cookie; found and put there.

use std::{borrow::Cow, fmt};

use serde::Deserialize;

use crate::{Error, Label, Malformed, ObjectPath};

/// Where a token travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// `/films/1/a.m4s?mp=<token>`: this URL alone.
    Query,
    /// `/~<token>/films/1/a.m4s`: relative URLs in a playlist inherit it.
    Path,
    /// `Cookie: mp=<token>`.
    Cookie,
}

impl Carrier {
    /// A word for logs and metric labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Path => "path",
            Self::Cookie => "cookie",
        }
    }
}

/// The names that carry a token on one site.
///
/// A first path segment that starts with `~` always carries a token. A token in the query or in
/// the path goes before one in a cookie, which is then not looked at: a player cannot help the
/// cookies that it sends. Query and path together, or one of them twice, are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Carriers {
    /// The query parameter; default `mp`. Byte-exact.
    pub parameter: Label,
    /// The cookie; default `mp`. Byte-exact.
    pub cookie: Label,
}

/// A request's target without its token.
#[derive(Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The token, as sent. Give it to the verifier and to nothing else.
    pub token: Option<&'a str>,
    /// Where it was.
    pub carrier: Option<Carrier>,
    /// The path without the token; [`ObjectPath::parse`] has yet to check it.
    pub path: &'a str,
    /// The other query parameters in their order; `None` when there are none. Each is
    /// `name=value`: names of `A-Z a-z 0-9 - . _ ~`, values also of `! $ ' ( ) * , / : = @` and
    /// `%` escapes that hide no control byte.
    pub query: Option<Cow<'a, str>>,
}

impl Default for Carriers {
    fn default() -> Self {
        Self {
            parameter: Label::from_static("mp"),
            cookie: Label::from_static("mp"),
        }
    }
}

impl Carriers {
    /// Splits a request target into the token and what the rest of the node may see. `cookies`
    /// are the values of all `Cookie` fields. Linear in the length of its input.
    pub fn find<'a>(
        &self,
        path: &'a str,
        query: Option<&'a str>,
        cookies: impl Iterator<Item = &'a str>,
    ) -> Result<Found<'a>, Malformed> {
        let (in_path, path) = split_path(path)?;
        let (in_query, query) = match query {
            Some(query) => self.split_query(query)?,
            None => (None, None),
        };
        let (token, carrier) = match (in_query, in_path) {
            (Some(_), Some(_)) => return Err(Malformed::TwoCarriers),
            (Some(token), None) => (Some(token), Some(Carrier::Query)),
            (None, Some(token)) => (Some(token), Some(Carrier::Path)),
            (None, None) => match self.find_cookie(cookies)? {
                Some(token) => (Some(token), Some(Carrier::Cookie)),
                None => (None, None),
            },
        };
        Ok(Found {
            token,
            carrier,
            path,
            query,
        })
    }

    /// Puts a token into a URL of the form `https://host/path?query`. The path must be an object's
    /// and have no token yet. A cookie has no place in a URL: see [`Self::set_cookie`].
    pub fn signed_url(&self, url: &str, carrier: Carrier, token: &str) -> Result<String, Error> {
        let wrong = |hint: String| Error::value("url", url, hint);
        let (origin, target) = split_url(url).ok_or_else(|| {
            let form = "http:// or https://, a host, and a path that starts with /; no fragment";
            wrong(form.to_owned())
        })?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let malformed = |malformed: Malformed| wrong(malformed.to_string());
        let found = self
            .find(path, query, std::iter::empty())
            .map_err(malformed)?;
        if found.token.is_some() {
            return Err(wrong("has a token already".to_owned()));
        }
        ObjectPath::parse(path).map_err(malformed)?;
        let parameter = &self.parameter;
        match (carrier, query) {
            (Carrier::Query, None) => Ok(format!("{url}?{parameter}={token}")),
            (Carrier::Query, Some(_)) => Ok(format!("{url}&{parameter}={token}")),
            (Carrier::Path, _) => Ok(format!("{origin}/~{token}{target}")),
            (Carrier::Cookie, _) => Err(wrong(
                "a cookie travels in Set-Cookie, not in a URL".to_owned(),
            )),
        }
    }

    /// The value of a `Set-Cookie` field for a token that covers all below `path`. Cookies of
    /// media requests are cross-site, hence `SameSite=None`.
    pub fn set_cookie(&self, token: &str, path: &ObjectPath, lifetime_s: u64) -> String {
        let cookie = &self.cookie;
        format!(
            "{cookie}={token}; Path={path}; Max-Age={lifetime_s}; Secure; HttpOnly; SameSite=None"
        )
    }

    /// A target, URL or `Referer` for the log: every token in it becomes `-`. Generous, because
    /// what gets logged may be malformed: any segment that starts with `~`, and the parameter
    /// after any delimiter.
    pub fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let parameter = self.parameter.as_str();
        let mut shown = String::new();
        let mut kept = 0;
        let mut at = 0;
        while at < text.len() {
            let Some((announced, ends)) = token_follows(text, at, parameter) else {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            };
            let start = at + announced;
            let end = text[start..].find(ends);
            let end = end.map_or(text.len(), |length| start + length);
            shown.push_str(&text[kept..start]);
            shown.push('-');
            (kept, at) = (end, end);
        }
        if kept == 0 {
            return Cow::Borrowed(text);
        }
        shown.push_str(&text[kept..]);
        Cow::Owned(shown)
    }

    fn split_query<'a>(
        &self,
        query: &'a str,
    ) -> Result<(Option<&'a str>, Option<Cow<'a, str>>), Malformed> {
        check_bytes(query)?;
        let mut token = None;
        let mut offset = 0;
        for parameter in query.split('&') {
            let end = offset + parameter.len();
            let (name, value) = parameter
                .split_once('=')
                .ok_or(Malformed::QueryParameter { offset })?;
            if name == self.parameter.as_str() {
                if token.replace((value, offset, end)).is_some() {
                    return Err(Malformed::TwoTokens);
                }
            } else {
                check_parameter(name, value, offset)?;
            }
            offset = end + 1;
        }
        let Some((token, start, end)) = token else {
            return Ok((None, Some(Cow::Borrowed(query))));
        };
        let before = query[..start].strip_suffix('&');
        let after = query[end..].strip_prefix('&');
        let rest = match (before, after) {
            (None, None) => None,
            (Some(rest), None) | (None, Some(rest)) => Some(Cow::Borrowed(rest)),
            (Some(before), Some(after)) => Some(Cow::Owned(format!("{before}&{after}"))),
        };
        Ok((Some(token), rest))
    }

    /// Other people's cookies are not ours to judge: only the token's is looked at.
    fn find_cookie<'a>(
        &self,
        cookies: impl Iterator<Item = &'a str>,
    ) -> Result<Option<&'a str>, Malformed> {
        let mut token = None;
        for pair in cookies.flat_map(|field| field.split(';')) {
            // RFC 6265 section 4.2.1: pairs are separated by a semicolon and one space.
            let Some((name, value)) = pair.trim_start_matches(' ').split_once('=') else {
                continue;
            };
            if name == self.cookie.as_str() && token.replace(value).is_some() {
                return Err(Malformed::TwoTokens);
            }
        }
        Ok(token)
    }
}

/// Never shows the token.
impl fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("token", &self.token.map(|_| "***"))
            .field("carrier", &self.carrier)
            .field("path", &self.path)
            .field("query", &self.query)
            .finish()
    }
}

fn split_path(path: &str) -> Result<(Option<&str>, &str), Malformed> {
    let Some(prefixed) = path.strip_prefix("/~") else {
        return if path.starts_with('/') {
            Ok((None, path))
        } else {
            Err(Malformed::NotAbsolute)
        };
    };
    let slash = prefixed.find('/').ok_or(Malformed::TokenWithoutPath)?;
    let (token, path) = prefixed.split_at(slash);
    if path.starts_with("/~") {
        return Err(Malformed::TwoTokens);
    }
    Ok((Some(token), path))
}

/// What no query has, whoever's parameter it is in. `;` and `+` are old second spellings of `&`
/// and of a space; in the token itself `+` is another base64, for the verifier to deny.
fn check_bytes(query: &str) -> Result<(), Malformed> {
    let illegal = |b: u8| !b.is_ascii_graphic() || b"\"#;<>?[\\]^`{|}".contains(&b);
    match query.bytes().position(illegal) {
        Some(offset) => Err(Malformed::QueryByte {
            byte: query.as_bytes()[offset],
            offset,
        }),
        None => Ok(()),
    }
}

fn check_parameter(name: &str, value: &str, offset: usize) -> Result<(), Malformed> {
    if name.is_empty() {
        return Err(Malformed::QueryParameter { offset });
    }
    let name_is_plain = crate::path::is_unreserved;
    if let Some(at) = name.bytes().position(|b| !name_is_plain(b)) {
        return Err(Malformed::QueryByte {
            byte: name.as_bytes()[at],
            offset: offset + at,
        });
    }
    let start = offset + name.len() + 1;
    for (at, byte) in value.bytes().enumerate() {
        let offset = start + at;
        if byte == b'+' {
            return Err(Malformed::QueryByte { byte, offset });
        }
        if byte == b'%' && !escapes_a_text_byte(&value.as_bytes()[at + 1..]) {
            return Err(Malformed::QueryEscape { offset });
        }
    }
    Ok(())
}

/// Whether two hexadecimal digits follow and mean no control byte.
fn escapes_a_text_byte(after_percent: &[u8]) -> bool {
    let digit = |at: usize| {
        let byte = after_percent.get(at).copied().map(char::from)?;
        byte.to_digit(16)
    };
    match (digit(0), digit(1)) {
        (Some(high), Some(low)) => high >= 2 && (high, low) != (7, 15),
        _ => false,
    }
}

/// `https://host` and the target after it.
fn split_url(url: &str) -> Option<(&str, &str)> {
    let after_scheme = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let slash = after_scheme.find(['/', '?', '#'])?;
    let at = url.len() - after_scheme.len() + slash;
    let (origin, target) = url.split_at(at);
    (slash > 0 && target.starts_with('/') && !target.contains('#')).then_some((origin, target))
}

/// How many bytes at `at` announce a token (`/~`, or the parameter's name and `=` after a
/// delimiter), and what ends it.
fn token_follows(text: &str, at: usize, parameter: &str) -> Option<(usize, &'static [char])> {
    let rest = &text[at..];
    if rest.starts_with("/~") {
        return Some((2, &['/', '?', '#', ' ']));
    }
    let delimited = at == 0 || b"?&;# /".contains(&text.as_bytes()[at - 1]);
    let named = rest
        .strip_prefix(parameter)
        .is_some_and(|rest| rest.starts_with('='));
    (delimited && named).then_some((parameter.len() + 1, &['&', '#', ';', ' ']))
}

#[cfg(test)]
#[path = "carrier_tests.rs"]
mod tests;
