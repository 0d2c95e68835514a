//! Which objects a token is good for.

use std::fmt;

use crate::{Error, GLOBS_MAX, Glob, ObjectPath};

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

    /// Whether the token is good for `path`.
    pub fn covers(&self, path: &ObjectPath) -> bool {
        match self {
            Self::Path(only) => only == path,
            Self::Prefix(prefix) => is_below(prefix.as_str(), path.as_str()),
            Self::Globs(globs) => globs.iter().any(|glob| glob.covers(path.as_str())),
        }
    }

    /// The scope's kind in a token.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Self::Path(_) => 1,
            Self::Prefix(_) => 2,
            Self::Globs(_) => 3,
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
            _ => None,
        }
    }
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

    fn at(path: &str) -> ObjectPath {
        ObjectPath::parse(path).unwrap()
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let scope = Scope::prefix("/films/1").unwrap();
        assert!(scope.covers(&at("/films/1")) && scope.covers(&at("/films/1/a/b.m4s")));
        for other in [
            "/films/10",
            "/films/1.m3u8",
            "/films",
            "/films/",
            "/Films/1/a",
            "/",
        ] {
            assert!(!scope.covers(&at(other)), "{other}");
        }
        let below = Scope::prefix("/films/1/").unwrap();
        assert!(below.covers(&at("/films/1/a")) && !below.covers(&at("/films/1")));
        assert!(Scope::prefix("/").unwrap().covers(&at("/any/thing")));
    }

    #[test]
    fn one_path_is_that_path_byte_by_byte() {
        let scope = Scope::path("/a/B").unwrap();
        assert!(scope.covers(&at("/a/B")));
        assert!(!scope.covers(&at("/a/b")) && !scope.covers(&at("/a/B/")));
    }

    #[test]
    fn too_many_globs_are_refused_on_both_ways() {
        let nine = ["/a"; GLOBS_MAX + 1];
        assert!(Scope::globs(nine.iter().copied()).is_err());
        assert!(Scope::globs([]).is_err());
        assert!(Scope::from_token(3, nine.join(",").as_bytes()).is_none());
        assert!(Scope::from_token(3, b"").is_none());
        assert!(Scope::from_token(0, b"/a").is_none() && Scope::from_token(4, b"/a").is_none());
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
            prop_assert_eq!(Scope::prefix(&prefix).unwrap().covers(&at(&path)), inside);
        }
    }
}
