//! Patterns of paths, as RFC 8007 section 5.2.2.1 writes them. Pure.
//!
//! `*` stands for any characters, also none and also `/`; `?` for exactly one; `$` before `*`, `?`
//! or `$` for that character itself. Everything else stands for itself.

use std::fmt;

/// Bytes of a pattern, at most: as long as a path may be asked for.
const BYTES_MAX: usize = 4096;

/// Stars in a pattern, at most. Each multiplies the time that a path which does not match may take.
const STARS_MAX: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Any,
}

/// A pattern of paths: legal if it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    tokens: Vec<Token>,
    case_sensitive: bool,
    with_query: bool,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// Longer than any path.
    #[error("a pattern has up to {BYTES_MAX} bytes")]
    TooLong,
    /// Too many stars.
    #[error("a pattern has up to {STARS_MAX} stars")]
    TooManyStars,
    /// Nothing can match it.
    #[error("a '$' in a pattern stands before '*', '?' or '$'")]
    Escape,
}

impl Pattern {
    /// Reads a pattern. `with_query` says whether the query parameters that name an object are part
    /// of what is matched.
    ///
    /// # Errors
    /// What cannot be a pattern, or would take too long to match.
    pub fn parse(text: &str, case_sensitive: bool, with_query: bool) -> Result<Self, BadPattern> {
        if text.len() > BYTES_MAX {
            return Err(BadPattern::TooLong);
        }
        let mut tokens = Vec::with_capacity(text.len());
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            let token = match byte {
                b'*' => Token::Any,
                b'?' => Token::One,
                b'$' => match bytes.next() {
                    Some(escaped @ (b'*' | b'?' | b'$')) => Token::Byte(escaped),
                    Some(_) | None => return Err(BadPattern::Escape),
                },
                other => Token::Byte(other),
            };
            // Two stars in a row are one.
            if (token, tokens.last()) != (Token::Any, Some(&Token::Any)) {
                tokens.push(token);
            }
        }
        let stars = tokens.iter().filter(|token| **token == Token::Any).count();
        if stars > STARS_MAX {
            return Err(BadPattern::TooManyStars);
        }
        Ok(Self {
            tokens,
            case_sensitive,
            with_query,
        })
    }

    /// Everything that begins with `prefix`, byte by byte, whatever its query.
    ///
    /// # Errors
    /// When the prefix is longer than a path may be.
    pub fn prefix(prefix: &str) -> Result<Self, BadPattern> {
        if prefix.len() > BYTES_MAX {
            return Err(BadPattern::TooLong);
        }
        let mut tokens: Vec<Token> = prefix.bytes().map(Token::Byte).collect();
        tokens.push(Token::Any);
        Ok(Self {
            tokens,
            case_sensitive: true,
            with_query: true,
        })
    }

    /// The same for paths in which the case of letters does not count.
    #[must_use]
    pub fn ignoring_case(self) -> Self {
        Self {
            case_sensitive: false,
            ..self
        }
    }

    /// Whether a path, with the query parameters that name the object, matches.
    pub fn matches(&self, path: &str) -> bool {
        let path = if self.with_query {
            path
        } else {
            path.split('?').next().unwrap_or_default()
        };
        self.matches_bytes(path.as_bytes())
    }

    /// What is left to match of this pattern behind `start`, such as a host in a pattern of URLs;
    /// several where a star may end within `start` or go on. `start` is compared without regard to
    /// case.
    #[must_use]
    pub fn behind(&self, start: &str) -> Vec<Self> {
        let mut places = self.closure(vec![0]);
        for byte in start.bytes() {
            let mut next = Vec::new();
            for place in places {
                match self.tokens.get(place) {
                    Some(Token::Any) => next.push(place),
                    Some(Token::One) => next.push(place + 1),
                    Some(Token::Byte(own)) if own.eq_ignore_ascii_case(&byte) => {
                        next.push(place + 1);
                    }
                    Some(Token::Byte(_)) | None => {}
                }
            }
            places = self.closure(next);
        }
        // A star's own place covers the one behind it.
        let open = places.iter().copied().filter(|place| {
            *place == 0 || !places.contains(&(place - 1)) || !self.is_star(place - 1)
        });
        open.map(|place| Self {
            tokens: self.tokens.get(place..).unwrap_or_default().to_vec(),
            ..*self
        })
        .collect()
    }

    pub(crate) fn is_case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    pub(crate) fn has_query(&self) -> bool {
        self.with_query
    }

    /// A place before a star is also behind it.
    fn closure(&self, mut places: Vec<usize>) -> Vec<usize> {
        let behind: Vec<usize> = places
            .iter()
            .filter(|place| self.is_star(**place))
            .map(|place| place + 1)
            .collect();
        places.extend(behind);
        places.sort_unstable();
        places.dedup();
        places
    }

    fn is_star(&self, place: usize) -> bool {
        self.tokens.get(place) == Some(&Token::Any)
    }

    /// Goes back to the last star alone when something does not fit: earlier ones need no other
    /// try, because a later star takes whatever they would.
    fn matches_bytes(&self, path: &[u8]) -> bool {
        let (mut token, mut at) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while let Some(byte) = path.get(at) {
            let fits = match self.tokens.get(token) {
                Some(Token::Any) => {
                    star = Some((token, at));
                    token += 1;
                    continue;
                }
                Some(Token::One) => true,
                Some(Token::Byte(own)) if self.case_sensitive => own == byte,
                Some(Token::Byte(own)) => own.eq_ignore_ascii_case(byte),
                None => false,
            };
            if fits {
                (token, at) = (token + 1, at + 1);
                continue;
            }
            let Some((place, taken)) = star else {
                return false;
            };
            star = Some((place, taken + 1));
            (token, at) = (place + 1, taken + 1);
        }
        let rest = self.tokens.get(token..).unwrap_or_default();
        rest.iter().all(|token| *token == Token::Any)
    }
}

impl fmt::Display for Pattern {
    /// As [`Pattern::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(self.tokens.len());
        for token in &self.tokens {
            match token {
                Token::Any => bytes.push(b'*'),
                Token::One => bytes.push(b'?'),
                Token::Byte(byte @ (b'*' | b'?' | b'$')) => bytes.extend([b'$', *byte]),
                Token::Byte(byte) => bytes.push(*byte),
            }
        }
        f.write_str(&String::from_utf8_lossy(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text, true, false).unwrap()
    }

    #[test]
    fn a_star_is_any_characters_and_a_question_mark_is_one() {
        for (text, path, is_match) in [
            ("/a/*", "/a/b/c.m4s", true),
            ("/a/*", "/b/a/", false),
            ("*.m4s", "/a/b.m4s", true),
            ("*.m4s", "/a/b.m4s.txt", false),
            ("/a/*/c*.ts", "/a/x/y/c/c1.ts", true),
            ("/seg-?.ts", "/seg-1.ts", true),
            ("/seg-?.ts", "/seg-10.ts", false),
            ("/a$*b", "/a*b", true),
            ("/a$*b", "/axb", false),
            ("/a$?$$", "/a?$", true),
            ("*", "", true),
            ("", "", true),
            ("", "/", false),
        ] {
            let text = Pattern::parse(text, true, true).unwrap();
            assert_eq!(text.matches(path), is_match, "{text} {path}");
        }
    }

    #[test]
    fn case_and_query_count_only_where_they_are_asked_for() {
        let loose = Pattern::parse("/A/*.M4S", false, false).unwrap();
        assert!(loose.matches("/a/1.m4s?x=1"));
        let strict = Pattern::parse("/a/*.m4s", true, true).unwrap();
        assert!(strict.matches("/a/1.m4s"));
        assert!(!strict.matches("/a/1.m4s?x=1"));
        assert!(!strict.matches("/A/1.m4s"));
    }

    #[test]
    fn a_pattern_of_urls_splits_at_each_host() {
        let left = |text: &str, host: &str| -> Vec<String> {
            let behind = pattern(text).behind(host);
            behind.iter().map(Pattern::to_string).collect()
        };
        assert_eq!(left("cdn.example/a/*", "CDN.example"), ["/a/*"]);
        assert_eq!(left("*.example/a", "cdn.example"), ["*.example/a", "/a"]);
        assert_eq!(left("cdn*", "cdn.example"), ["*"]);
        assert!(left("other.example/*", "cdn.example").is_empty());
        assert!(left("cdn", "cdn.example").is_empty());
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["/a/*", "/a$*$?$$b?", "", "*/x"] {
            assert_eq!(pattern(&pattern(text).to_string()), pattern(text));
        }
        let odd = Pattern::prefix("/a*b?").unwrap();
        assert!(odd.matches("/a*b?c"));
        assert!(!odd.matches("/axb?c"));
        assert_eq!(Pattern::parse(&odd.to_string(), true, true), Ok(odd));
    }

    #[test]
    fn what_would_take_too_long_is_refused() {
        let refused = |text: &str| Pattern::parse(text, true, true).unwrap_err();
        assert_eq!(refused(&"/a*".repeat(9)), BadPattern::TooManyStars);
        assert_eq!(refused(&"a".repeat(4097)), BadPattern::TooLong);
        assert_eq!(refused("/a$"), BadPattern::Escape);
        assert_eq!(refused("/$a"), BadPattern::Escape);
        assert!(Pattern::parse(&"*".repeat(100), true, true).is_ok());
    }
}
