//! Which URLs another vendor's token is good for.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use ring::digest::{SHA256, digest};

use crate::{
    Facts,
    wild::{self, WILD_BYTES_MAX},
};

/// The most patterns in one token.
pub(crate) const PATTERNS_MAX: usize = 16;

/// The longest regular expression.
const REGEX_BYTES_MAX: usize = 512;

/// Bytes that a compiled expression may take, and its cache again: a token must not buy memory.
const REGEX_COMPILED_BYTES_MAX: usize = 256 * 1024;

/// Which URLs a token of another scheme is good for, as its signer wrote it.
#[derive(Debug, Clone)]
pub struct UrlScope(Meaning);

#[derive(Debug, Clone)]
enum Meaning {
    Nothing,
    Prefix(Box<str>),
    UrlPattern(Box<str>),
    PathPatterns(Box<[Box<str>]>),
    Hash([u8; 32]),
    Regex(Box<Regex>),
}

impl UrlScope {
    /// No URL: what a token has until its signature has been verified.
    pub(crate) fn nothing() -> Self {
        Self(Meaning::Nothing)
    }

    /// URLs that begin with these bytes. The prefix names a scheme and a host to its end, or
    /// `https://cdn.example` would be good for `https://cdn.example.org`.
    pub(crate) fn prefix(prefix: &str) -> Option<Self> {
        let (scheme, rest) = prefix.split_once("://")?;
        let host_ends = rest.find('/').is_some_and(|host| host > 0);
        let fits = matches!(scheme, "https" | "http") && prefix.len() <= WILD_BYTES_MAX;
        (host_ends && fits).then(|| Self(Meaning::Prefix(prefix.into())))
    }

    /// URLs that a pattern means.
    pub(crate) fn url_pattern(pattern: &str) -> Option<Self> {
        let fits = (1..=WILD_BYTES_MAX).contains(&pattern.len());
        fits.then(|| Self(Meaning::UrlPattern(pattern.into())))
    }

    /// Paths that one of up to [`PATTERNS_MAX`] patterns means.
    pub(crate) fn path_patterns<'a>(patterns: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut kept = Vec::new();
        for pattern in patterns {
            let starts = pattern.starts_with(['/', '*']);
            if !starts || pattern.len() > WILD_BYTES_MAX || kept.len() == PATTERNS_MAX {
                return None;
            }
            kept.push(pattern.into());
        }
        (!kept.is_empty()).then(|| Self(Meaning::PathPatterns(kept.into())))
    }

    /// The URL with this SHA-256.
    pub(crate) fn hash(digest: [u8; 32]) -> Self {
        Self(Meaning::Hash(digest))
    }

    /// URLs that a regular expression matches as a whole. Costs up to a millisecond, so only what
    /// was signed gets here; matching is linear.
    pub(crate) fn regex(expression: &str) -> Option<Self> {
        if expression.len() > REGEX_BYTES_MAX {
            return None;
        }
        // It must stand alone, or `a)|(.*` would step out of the anchors.
        RegexBuilder::new(expression)
            .unicode(false)
            .size_limit(REGEX_COMPILED_BYTES_MAX)
            .build()
            .ok()?;
        let anchored = format!(r"\A(?:{expression})\z");
        let regex = RegexBuilder::new(&anchored)
            .unicode(false)
            .size_limit(REGEX_COMPILED_BYTES_MAX)
            .dfa_size_limit(REGEX_COMPILED_BYTES_MAX)
            .build();
        regex
            .ok()
            .map(|regex| Self(Meaning::Regex(Box::new(regex))))
    }

    pub(crate) fn covers(&self, facts: &Facts<'_>) -> bool {
        match &self.0 {
            Meaning::Nothing => false,
            Meaning::Prefix(prefix) => facts.url().starts_with(&**prefix),
            Meaning::UrlPattern(pattern) => {
                wild::matches(pattern.as_bytes(), facts.url().as_bytes())
            }
            Meaning::PathPatterns(patterns) => patterns
                .iter()
                .any(|pattern| wild::matches(pattern.as_bytes(), facts.path.as_str().as_bytes())),
            Meaning::Hash(wanted) => {
                digest(&SHA256, facts.url().as_bytes()).as_ref() == wanted.as_slice()
            }
            Meaning::Regex(regex) => regex.is_match(facts.url().as_bytes()),
        }
    }

    /// The patterns over paths, if it has such.
    pub(crate) fn patterns(&self) -> &[Box<str>] {
        match &self.0 {
            Meaning::PathPatterns(patterns) => patterns,
            Meaning::Nothing
            | Meaning::Prefix(_)
            | Meaning::UrlPattern(_)
            | Meaning::Hash(_)
            | Meaning::Regex(_) => &[],
        }
    }

    /// The same as patterns over the paths of `origin`, if it can be said so: what a session token
    /// takes over. Never more than what this covers.
    pub(crate) fn path_patterns_at(&self, origin: &str) -> Option<Vec<String>> {
        let below = |url: &str| {
            let path = url.strip_prefix(origin)?;
            (path.starts_with('/') && !path.contains(['?', '*'])).then(|| path.to_owned())
        };
        match &self.0 {
            Meaning::Prefix(prefix) => Some(vec![below(prefix)? + "*"]),
            Meaning::UrlPattern(pattern) => {
                // A query is part of the URL: after a star at the end, any is meant.
                let stem = pattern.strip_suffix('*')?;
                Some(vec![below(stem)? + "*"])
            }
            Meaning::PathPatterns(patterns) => {
                Some(patterns.iter().map(ToString::to_string).collect())
            }
            Meaning::Nothing | Meaning::Hash(_) | Meaning::Regex(_) => None,
        }
    }
}

impl PartialEq for UrlScope {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for UrlScope {}

impl std::hash::Hash for UrlScope {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.to_string().hash(state);
    }
}

/// The kind and the text.
impl fmt::Display for UrlScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Meaning::Nothing => f.write_str("nothing"),
            Meaning::Prefix(prefix) => write!(f, "prefix:{prefix}"),
            Meaning::UrlPattern(pattern) => write!(f, "url:{pattern}"),
            Meaning::PathPatterns(patterns) => write!(f, "paths:{}", patterns.join("!")),
            Meaning::Hash(digest) => {
                f.write_str("sha-256:")?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Meaning::Regex(regex) => write!(f, "regex:{regex}"),
        }
    }
}

#[cfg(test)]
#[path = "url_scope_tests.rs"]
mod tests;
