//! Path patterns that match segment by segment, so that matching is cheap and nobody is surprised.

use std::fmt;

use crate::{
    Error,
    path::{check_segments, is_unreserved},
    wild,
};

/// The longest pattern.
pub const GLOB_BYTES_MAX: usize = 255;

/// The most patterns in one scope.
pub const GLOBS_MAX: usize = 8;

/// A pattern over object paths, anchored at both ends.
///
/// `?` is one byte and `*` any run of bytes, both within a segment; a whole segment `**`, at most
/// once, is any number of segments, also none. So `/films/*/v?.m4s`, `/films/**` (which covers
/// `/films` as well) and `/films/**/init.mp4`. All other bytes are those of an
/// [`crate::ObjectPath`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob(Box<str>);

impl Glob {
    /// Checks a pattern.
    pub fn parse(pattern: &str) -> Result<Self, Error> {
        Self::checked(pattern).ok_or_else(|| {
            let hint = "starts with /, at most 255 bytes of A-Z a-z 0-9 - . _ ~ / ? *, \
                        no empty or dot segment, ** only as a whole segment and once";
            Error::value("glob", pattern, hint)
        })
    }

    pub(crate) fn checked(pattern: &str) -> Option<Self> {
        let legal = |b: u8| is_unreserved(b) || matches!(b, b'/' | b'*' | b'?');
        let whole_stars = pattern
            .split('/')
            .filter(|segment| *segment == "**")
            .count();
        let fits = pattern.starts_with('/')
            && pattern.len() <= GLOB_BYTES_MAX
            && pattern.bytes().all(legal)
            && check_segments(pattern).is_ok()
            && whole_stars <= 1
            && pattern.matches("**").count() == whole_stars;
        fits.then(|| Self(pattern.into()))
    }

    /// The pattern as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `path`, an object path's text, is one of those meant. Costs at most the product of
    /// the lengths; no recursion.
    pub(crate) fn covers(&self, path: &str) -> bool {
        let (head, tail) = match self.0.split_once("/**") {
            Some((head, tail)) => (head, Some(tail)),
            None => (&*self.0, None),
        };
        let mut segments = path.split('/');
        for pattern in head.split('/') {
            if !segments
                .next()
                .is_some_and(|text| wild::matches(pattern.as_bytes(), text.as_bytes()))
            {
                return false;
            }
        }
        let Some(tail) = tail else {
            return segments.next().is_none();
        };
        // The tail is empty or starts with a slash: what stands before that slash is `**` itself.
        tail.rsplit('/')
            .take(tail.matches('/').count())
            .all(|pattern| {
                segments
                    .next_back()
                    .is_some_and(|text| wild::matches(pattern.as_bytes(), text.as_bytes()))
            })
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern).unwrap().covers(path)
    }

    #[test]
    fn a_star_stays_within_its_segment() {
        assert!(covers("/films/*/v?.m4s", "/films/1/v7.m4s"));
        assert!(!covers("/films/*/v?.m4s", "/films/1/2/v7.m4s"));
        assert!(!covers("/films/*", "/films/1/x"));
        assert!(!covers("/films/*", "/films"));
        assert!(covers("/a*c*e", "/abcde") && !covers("/a*c*e", "/abcdef"));
        assert!(!covers("/v?.m4s", "/v.m4s"));
        assert!(covers("/", "/") && !covers("/", "/a"));
    }

    #[test]
    fn two_stars_are_whole_segments() {
        assert!(covers("/films/**", "/films") && covers("/films/**", "/films/1/2/3"));
        assert!(!covers("/films/**", "/films2/1"));
        assert!(covers("/f/**/init.mp4", "/f/init.mp4"));
        assert!(covers("/f/**/init.mp4", "/f/a/b/init.mp4"));
        assert!(!covers("/f/**/init.mp4", "/f/a/b/xinit.mp4"));
        assert!(!covers("/a/**/a", "/a"), "one segment is not two");
        assert!(covers("/**", "/") && covers("/**/a", "/a") && covers("/**/a", "/b/a"));
    }

    #[test]
    fn a_pattern_that_could_mean_two_things_is_refused() {
        let long = format!("/{}", "a".repeat(GLOB_BYTES_MAX));
        let bad = [
            "", "a", "*", "/a//b", "/../a", "/./a", "/a**", "/**a", "/***", "/**/**", "/a%2f*",
            "/a,b", "/[ab]", "/{a,b}", "/a\\*", "/a b", &long,
        ];
        for bad in bad {
            assert!(Glob::parse(bad).is_err(), "{bad:?}");
        }
    }

    /// The obvious, exponential matcher over the whole pattern.
    fn model(pattern: &[&str], path: &[&str]) -> bool {
        fn segment(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), None) => segment(rest, text),
                (Some((b'*', rest)), Some((_, more))) => {
                    segment(rest, text) || segment(pattern, more)
                }
                (Some((p, rest)), Some((t, more))) => (*p == b'?' || p == t) && segment(rest, more),
                (Some(_), None) | (None, Some(_)) => false,
            }
        }
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((&"**", rest)), None) => model(rest, path),
            (Some((&"**", rest)), Some((_, more))) => model(rest, path) || model(pattern, more),
            (Some((p, rest)), Some((t, more))) => {
                segment(p.as_bytes(), t.as_bytes()) && model(rest, more)
            }
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_obvious_matcher(
            pattern in "(/[ab*?]{1,4}|/\\*\\*){1,4}",
            path in "(/[ab]{1,4}){1,5}",
        ) {
            if let Some(glob) = Glob::checked(&pattern) {
                let patterns: Vec<_> = pattern.split('/').skip(1).collect();
                let segments: Vec<_> = path.split('/').skip(1).collect();
                prop_assert_eq!(glob.covers(&path), model(&patterns, &segments));
            }
        }
    }
}
