//! Which objects a token is good for.

use std::fmt;

use crate::{
    Error, Facts, GLOBS_MAX, Glob, ObjectPath, UrlScope, path::is_unreserved,
    url_scope::PATTERNS_MAX,
};

/// Which objects a token is good for. It speaks of paths alone: query parameters are not signed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// This one object.
    Path(ObjectPath),
    /// All below a segment boundary: `/films/1` covers itself and `/films/1/v.m4s`, but not
    /// `/films/10`; `/films/1/` covers only what is below it; `/` covers the site.
    Prefix(ObjectPath),
    /// Whatever one of the patterns covers. Made by [`Scope::globs`], which checks their number.
    Globs(Box<[Glob]>),
    /// Whatever one of the wildcard patterns means, whose `*` runs over slashes. A session token
    /// takes them over from another scheme's. Made by [`Scope::wildcards`].
    Wildcards(UrlScope),
    /// URLs, as another scheme says them. No native token has such a scope.
    Url(UrlScope),
}

impl Scope {
    /// One object.
    pub fn path(path: &str) -> Result<Self, Error> {
        object_path(path).map(Self::Path)
    }

    /// All below a prefix.
    pub fn prefix(prefix: &str) -> Result<Self, Error> {
        object_path(prefix).map(Self::Prefix)
    }

    /// One to [`GLOBS_MAX`] patterns.
    pub fn globs<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let globs = patterns
            .into_iter()
            .map(Glob::parse)
            .collect::<Result<Box<[Glob]>, _>>()?;
        if globs.is_empty() || globs.len() > GLOBS_MAX {
            return Err(Error::Claims("a glob scope has 1 to 8 patterns"));
        }
        Ok(Self::Globs(globs))
    }

    /// One to 16 wildcard patterns.
    pub fn wildcards<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let scope = wildcards(patterns.into_iter());
        scope.ok_or(Error::Claims(
            "a wildcard scope has 1 to 16 patterns of A-Z a-z 0-9 - . _ ~ / ? *",
        ))
    }

    /// Whether the token is good for a request.
    pub fn covers(&self, facts: &Facts<'_>) -> bool {
        let path = facts.path;
        match self {
            Self::Path(only) => only == path,
            Self::Prefix(prefix) => is_below(prefix.as_str(), path.as_str()),
            Self::Globs(globs) => globs.iter().any(|glob| glob.covers(path.as_str())),
            Self::Wildcards(scope) | Self::Url(scope) => scope.covers(facts),
        }
    }

    /// The scope's kind in a native token, if it can be in one.
    pub(crate) fn kind(&self) -> Option<u8> {
        match self {
            Self::Path(_) => Some(1),
            Self::Prefix(_) => Some(2),
            Self::Globs(_) => Some(3),
            Self::Wildcards(_) => Some(4),
            Self::Url(_) => None,
        }
    }

    /// The scope from its kind and text in a token.
    pub(crate) fn from_token(kind: u8, text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        match kind {
            1 => ObjectPath::parse(text).ok().map(Self::Path),
            2 => ObjectPath::parse(text).ok().map(Self::Prefix),
            3 => {
                // Counted before they are collected: a hostile list is not worth its memory.
                if text.split(',').count() > GLOBS_MAX {
                    return None;
                }
                text.split(',')
                    .map(Glob::checked)
                    .collect::<Option<_>>()
                    .map(Self::Globs)
            }
            4 => wildcards(text.split(',')),
            _ => None,
        }
    }
}

/// The bytes of a path and the two wildcards alone, so that a comma separates.
fn wildcards<'a>(patterns: impl Iterator<Item = &'a str>) -> Option<Scope> {
    let legal = |b: u8| is_unreserved(b) || matches!(b, b'/' | b'*' | b'?');
    let patterns: Vec<_> = patterns.take(PATTERNS_MAX + 1).collect();
    let all_legal = patterns.iter().all(|pattern| pattern.bytes().all(legal));
    let scope = all_legal.then(|| UrlScope::path_patterns(patterns.into_iter()));
    scope.flatten().map(Scope::Wildcards)
}

/// The scope's text as it stands in a token; patterns are joined by commas.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) | Self::Prefix(path) => f.write_str(path.as_str()),
            Self::Globs(globs) => {
                for (index, glob) in globs.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    f.write_str(glob.as_str())?;
                }
                Ok(())
            }
            Self::Wildcards(scope) => f.write_str(&scope.patterns().join(",")),
            Self::Url(scope) => scope.fmt(f),
        }
    }
}

fn is_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
}

fn object_path(text: &str) -> Result<ObjectPath, Error> {
    ObjectPath::parse(text).map_err(|malformed| Error::value("path", text, malformed.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(scope: &Scope, path: &str) -> bool {
        let path = ObjectPath::parse(path).unwrap();
        scope.covers(&Facts::new(&path, [192, 0, 2, 1].into(), 0))
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let scope = Scope::prefix("/films/1").unwrap();
        assert!(covers(&scope, "/films/1") && covers(&scope, "/films/1/a/b.m4s"));
        for other in [
            "/films/10",
            "/films/1.m3u8",
            "/films",
            "/films/",
            "/Films/1/a",
            "/",
        ] {
            assert!(!covers(&scope, other), "{other}");
        }
        let below = Scope::prefix("/films/1/").unwrap();
        assert!(covers(&below, "/films/1/a") && !covers(&below, "/films/1"));
        assert!(covers(&Scope::prefix("/").unwrap(), "/any/thing"));
    }

    #[test]
    fn one_path_is_that_path_byte_by_byte() {
        let scope = Scope::path("/a/B").unwrap();
        assert!(covers(&scope, "/a/B"));
        assert!(!covers(&scope, "/a/b") && !covers(&scope, "/a/B/"));
    }

    #[test]
    fn too_many_globs_are_refused_on_both_ways() {
        let nine = ["/a"; GLOBS_MAX + 1];
        assert!(Scope::globs(nine.iter().copied()).is_err());
        assert!(Scope::globs([]).is_err());
        assert!(Scope::from_token(3, nine.join(",").as_bytes()).is_none());
        assert!(Scope::from_token(3, b"").is_none());
        assert!(Scope::from_token(0, b"/a").is_none() && Scope::from_token(5, b"/a").is_none());
    }

    proptest! {
        /// What a prefix covers is the prefix itself or lies in the folder that it names.
        #[test]
        fn a_prefix_covers_its_folder_and_nothing_else(
            prefix in "(/[ab]{1,2}){1,3}/?",
            path in "(/[ab]{1,2}){1,4}",
        ) {
            let folder: Vec<_> = prefix.trim_end_matches('/').split('/').collect();
            let segments: Vec<_> = path.split('/').collect();
            let inside = segments.starts_with(&folder)
                && (!prefix.ends_with('/') || segments.len() > folder.len());
            prop_assert_eq!(covers(&Scope::prefix(&prefix).unwrap(), &path), inside);
        }
    }
}
