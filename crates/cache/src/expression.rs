//! Regular expressions over URLs, as the second edition of CDNI triggers has them. Pure.
//!
//! What is matched is `https://host` with the path, and `http://host` with the path: schemes do not
//! count. Hosts are a site's own. Which of them an expression can match, and which it cannot tell
//! apart, is found once, by running its automaton over them: as a rule one is left.

use regex::bytes::{Regex, RegexBuilder};
use regex_automata::{
    hybrid::{
        LazyStateID,
        dfa::{Cache, DFA},
    },
    nfa::thompson,
    util::{start, syntax},
};

/// Bytes of an expression.
const BYTES_MAX: usize = 1024;

/// What an expression may take when it is compiled, and again for what it remembers while it matches.
const COMPILED_BYTES_MAX: usize = 64 << 10;

/// For running over hosts, and gone with that. In the slowest case an expression has as many states
/// as there are characters to run over.
const RUN_BYTES_MAX: usize = 1 << 20;

/// Beginnings of URLs that one expression may tell apart: each is tried for each path.
const STARTS_MAX: usize = 16;

/// A regular expression over the URLs of a site: legal if it exists.
#[derive(Debug, Clone)]
pub struct Expression {
    regex: Regex,
    starts: Vec<String>,
    case_sensitive: bool,
    with_query: bool,
}

/// Why a text is no regular expression that can be held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadExpression {
    /// Longer than is sensible.
    #[error("a regular expression has up to {BYTES_MAX} bytes")]
    TooLong,
    /// No regular expression, one with look-around or references to what has matched, or one that
    /// takes too much when it is compiled.
    #[error("{0}")]
    Regex(String),
    /// It tells more beginnings apart than it may.
    #[error("a regular expression that tells more than {STARTS_MAX} schemes and hosts apart")]
    TooManyHosts,
}

impl Expression {
    /// Reads an expression; `None` if it can match no URL of these hosts. It need not match the whole
    /// of a URL, unless it says so itself. `with_query` says whether the query parameters that name an
    /// object are part of what is matched.
    ///
    /// # Errors
    /// What cannot be held.
    pub fn parse(
        text: &str,
        hosts: &[String],
        case_sensitive: bool,
        with_query: bool,
    ) -> Result<Option<Self>, BadExpression> {
        // First what also tells why it is none.
        let none = Self::of(text, Vec::new(), case_sensitive, with_query)?;
        let starts = hosts
            .iter()
            .flat_map(|host| ["https", "http"].map(|scheme| format!("{scheme}://{host}")));
        let starts = told_apart(text, case_sensitive, starts.collect())?;
        if starts.len() > STARTS_MAX {
            return Err(BadExpression::TooManyHosts);
        }
        Ok((!starts.is_empty()).then_some(Self { starts, ..none }))
    }

    /// One that was read before, as its parts tell it.
    pub(crate) fn of(
        text: &str,
        starts: Vec<String>,
        case_sensitive: bool,
        with_query: bool,
    ) -> Result<Self, BadExpression> {
        if text.len() > BYTES_MAX {
            return Err(BadExpression::TooLong);
        }
        let regex = RegexBuilder::new(text)
            .unicode(false)
            .case_insensitive(!case_sensitive)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .build();
        Ok(Self {
            regex: regex.map_err(|error| BadExpression::Regex(one_line(&error.to_string())))?,
            starts,
            case_sensitive,
            with_query,
        })
    }

    /// Whether the URL of a path, with the query parameters that name the object, matches.
    pub fn matches(&self, path: &str) -> bool {
        let path = if self.with_query {
            path
        } else {
            path.split('?').next().unwrap_or_default()
        };
        let mut urls = self.starts.iter().map(|start| [start, path].concat());
        urls.any(|url| self.regex.is_match(url.as_bytes()))
    }

    /// The same for paths in which the case of letters does not count.
    ///
    /// # Errors
    /// When it is too large so.
    pub fn ignoring_case(self) -> Result<Self, BadExpression> {
        if !self.case_sensitive {
            return Ok(self);
        }
        let text = self.text().to_owned();
        Self::of(&text, self.starts, false, self.with_query)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        self.regex.as_str()
    }

    pub(crate) fn starts(&self) -> &[String] {
        &self.starts
    }

    pub(crate) fn is_case_sensitive(&self) -> bool {
        self.case_sensitive
    }

    pub(crate) fn has_query(&self) -> bool {
        self.with_query
    }
}

/// Those beginnings behind which the expression can match, each only once where what it does behind
/// them is the same.
fn told_apart(
    text: &str,
    case_sensitive: bool,
    starts: Vec<String>,
) -> Result<Vec<String>, BadExpression> {
    let syntax = syntax::Config::new()
        .unicode(false)
        .utf8(false)
        .case_insensitive(!case_sensitive);
    let dfa = DFA::builder()
        .syntax(syntax)
        .thompson(thompson::Config::new().utf8(false))
        .configure(DFA::config().cache_capacity(RUN_BYTES_MAX))
        .build(text);
    let dfa = dfa.map_err(|error| BadExpression::Regex(one_line(&error.to_string())))?;
    let mut cache = dfa.create_cache();
    let mut known: Vec<Behind> = Vec::new();
    let mut kept = Vec::new();
    for start in starts {
        let behind = behind(&dfa, &mut cache, &start);
        let is_new = behind == Behind::Unknown || !known.contains(&behind);
        if behind != Behind::Nothing && is_new {
            known.push(behind);
            kept.push(start);
        }
        if cache.clear_count() > 0 {
            // What it is called now may be another state's name later.
            known.clear();
        }
    }
    Ok(kept)
}

/// What can match behind a beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    /// The beginning has matched: anything.
    Everything,
    /// What this state of the automaton accepts.
    State(LazyStateID),
    /// The automaton gave up.
    Unknown,
}

fn behind(dfa: &DFA, cache: &mut Cache, beginning: &str) -> Behind {
    let Ok(mut state) = dfa.start_state(cache, &start::Config::new()) else {
        return Behind::Unknown;
    };
    for byte in beginning.bytes() {
        let Ok(next) = dfa.next_state(cache, state, byte) else {
            return Behind::Unknown;
        };
        state = next;
        if state.is_match() {
            return Behind::Everything;
        }
        if state.is_dead() {
            return Behind::Nothing;
        }
        if state.is_quit() {
            return Behind::Unknown;
        }
    }
    Behind::State(state)
}

/// The last line of what is told of an expression, which says what is wrong with it.
fn one_line(told: &str) -> String {
    let last = told.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, hosts: &[&str]) -> Result<Option<Expression>, BadExpression> {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Expression::parse(text, &hosts, true, false)
    }

    const HOSTS: [&str; 3] = ["video.example.com", "audio.example.com", "cdn.example.org"];

    #[test]
    fn a_url_is_matched_with_its_host_whatever_its_scheme() {
        let text = r"^(https:\/\/video\.example\.com)\/([a-z])\/movie1\/([1-7])\/*(index\.m3u8|\d{3}\.ts)$";
        let one = parsed(text, &HOSTS).unwrap().unwrap();
        assert!(one.matches("/x/movie1/3/index.m3u8"));
        assert!(one.matches("/x/movie1/3/007.ts?token=1"));
        assert!(!one.matches("/x/movie1/8/007.ts"));
        assert!(!one.matches("/x/movie1/3/007.ts.bak"));
        assert_eq!(one.starts(), ["https://video.example.com"]);
        let plain = parsed("^http://cdn.example.org/", &HOSTS).unwrap().unwrap();
        assert!(plain.matches("/what/came/over/https"));
    }

    #[test]
    fn an_expression_for_other_hosts_is_for_none_of_these() {
        assert!(parsed("^https://other.example/", &HOSTS).unwrap().is_none());
        assert!(
            parsed("^/a/", &HOSTS).unwrap().is_none(),
            "a URL begins otherwise"
        );
    }

    #[test]
    fn hosts_that_it_does_not_tell_apart_are_tried_once() {
        for (text, count) in [
            (r"/movie1/", 1),
            (r"^https?://[^/]*/movie1/", 1),
            (r"^https://(video|audio)\.example\.com/", 1),
            (r"^https://video\.example\.com/a|cdn\.example\.org/b", 3),
        ] {
            let one = parsed(text, &HOSTS).unwrap().unwrap();
            assert_eq!(one.starts().len(), count, "{text}: {:?}", one.starts());
        }
        let either = parsed(
            r"^https://video\.example\.com/a|cdn\.example\.org/b",
            &HOSTS,
        );
        let either = either.unwrap().unwrap();
        assert!(either.matches("/a") && either.matches("/b") && !either.matches("/c"));
        assert!(
            parsed("https", &HOSTS)
                .unwrap()
                .unwrap()
                .matches("/anything")
        );
    }

    #[test]
    fn case_and_query_count_only_where_they_are_asked_for() {
        let hosts = ["cdn.example".to_owned()];
        let loose = Expression::parse("/A/x$", &hosts, false, false).unwrap();
        assert!(loose.unwrap().matches("/a/X?q=1"));
        let strict = Expression::parse(r"/a/x\?q=1$", &hosts, true, true).unwrap();
        let strict = strict.unwrap();
        assert!(
            strict.matches("/a/x?q=1") && !strict.matches("/A/x?q=1") && !strict.matches("/a/x")
        );
    }

    #[test]
    fn what_cannot_be_held_is_refused_with_its_reason() {
        let refused = |text: &str| parsed(text, &HOSTS).unwrap_err();
        assert_eq!(refused(&"a".repeat(1025)), BadExpression::TooLong);
        for (text, why) in [
            ("(", "unclosed group"),
            (r"(a)\1", "backreferences are not supported"),
            ("(?!a)", "look-around"),
            (r"((((a{100}){100}){100}){100})", "size limit"),
        ] {
            let BadExpression::Regex(told) = refused(text) else {
                panic!("{text}");
            };
            assert!(told.contains(why), "{text}: {told}");
        }
        let hosts: Vec<String> = (0..17).map(|n| format!("h{n}.example")).collect();
        let each: Vec<String> = (0..17).map(|n| format!("h{n}.example/{n}")).collect();
        let told = Expression::parse(&each.join("|"), &hosts, true, false);
        assert_eq!(told.unwrap_err(), BadExpression::TooManyHosts);
    }
}
