//! The canonical name of an object: its path and the query parameters that make it another one.

use std::{borrow::Cow, cmp::Ordering};

use crate::{Malformed, cmcd};

/// The most parameters that a query may hold.
pub const PARAMETERS_MAX: usize = 64;

/// Which query parameters belong to a site's keys. `CMCD` never does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum QueryRule {
    /// None: the query does not matter.
    #[default]
    None,
    /// Each of them.
    All,
    /// Those with one of these names, compared byte by byte.
    Only(Vec<String>),
}

/// Whether paths that differ in the case of letters name different objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// They do (RFC 3986 section 6.2.2.1), byte by byte.
    #[default]
    Exact,
    /// They do not: `A` to `Z` count as `a` to `z`, in paths alone. The origin is asked in lower case.
    Fold,
}

/// What makes two requests to a site ask for one object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRules {
    /// Which query parameters count.
    pub query: QueryRule,
    /// Whether case does, in paths.
    pub case: Case,
}

impl QueryRule {
    fn keeps(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(names) => names.iter().any(|kept| kept == name),
        }
    }
}

/// The canonical form of `path` and the kept parameters of `query`: `/a/b.m4s?x=1&y=2`, sorted by
/// name.
///
/// Injective: two requests get the same key only if their paths are equal byte by byte
/// ([`Case::Fold`] disregards the case of letters) and they carry the same kept parameters. Nothing
/// is decoded or normalised; what has two spellings is refused:
/// - a path begins with `/` and holds no `?`, `#`, backslash, space, control or non-ASCII byte
///   (a site's stricter grammar is checked before);
/// - a query is `name=value` joined by `&`, of unreserved bytes and ``!$'()*,:@/``, and in values
///   `=`; `%` escapes only what must be escaped, in upper-case hex. `;`, `+`, `?`, `&&`, a name
///   without `=` are refused, kept or not, and so is a kept parameter given twice. An empty query
///   is no query.
///
/// A `CMCD` parameter may hold any junk: it is skipped unread.
/// Without such parameters it is the path itself: no copy.
pub fn canonical<'p>(
    path: &'p str,
    query: Option<&str>,
    rules: &KeyRules,
) -> Result<Cow<'p, str>, Malformed> {
    check_path(path)?;
    let path = cased(path, rules.case);
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Ok(path);
    };
    let mut kept = kept(query, &rules.query)?;
    kept.sort_unstable_by(Parameter::by_name);
    if let Some([_, again]) = kept
        .array_windows()
        .find(|[one, other]| one.name == other.name)
    {
        return Err(Malformed::DuplicateParameter {
            offset: again.offset,
        });
    }
    if kept.is_empty() {
        return Ok(path);
    }
    let mut key = String::with_capacity(path.len() + 1 + query.len());
    key.push_str(&path);
    for (at, parameter) in kept.iter().enumerate() {
        key.push(if at == 0 { '?' } else { '&' });
        key.push_str(parameter.text);
    }
    Ok(Cow::Owned(key))
}

/// The path in the case that counts. What an escape stands for is not looked at: its digits stay as
/// they are.
fn cased(path: &str, case: Case) -> Cow<'_, str> {
    let is_folded = case == Case::Exact || !path.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_folded {
        return Cow::Borrowed(path);
    }
    let mut digits = 0;
    let fold = |letter: char| {
        if digits > 0 && letter.is_ascii_hexdigit() {
            digits -= 1;
            return letter;
        }
        digits = if letter == '%' { 2 } else { 0 };
        letter.to_ascii_lowercase()
    };
    Cow::Owned(path.chars().map(fold).collect())
}

#[derive(Debug)]
struct Parameter<'q> {
    name: &'q str,
    /// With its name.
    text: &'q str,
    offset: usize,
}

impl Parameter<'_> {
    fn by_name(&self, other: &Self) -> Ordering {
        (self.name, self.offset).cmp(&(other.name, other.offset))
    }
}

fn check_path(path: &str) -> Result<(), Malformed> {
    let is_path_byte = |byte: &u8| byte.is_ascii_graphic() && !b"?#\\".contains(byte);
    let bad = path.bytes().position(|byte| !is_path_byte(&byte));
    let bad = if path.starts_with('/') { bad } else { Some(0) };
    bad.map_or(Ok(()), |offset| Err(Malformed::Path { offset }))
}

/// The parameters that the rule keeps, after all of them were checked.
fn kept<'q>(query: &'q str, rule: &QueryRule) -> Result<Vec<Parameter<'q>>, Malformed> {
    let mut kept = Vec::new();
    let mut offset = 0;
    for (count, text) in query.split('&').enumerate() {
        if count == PARAMETERS_MAX {
            return Err(Malformed::TooManyParameters);
        }
        if !cmcd::is_cmcd(text) {
            let name = check_parameter(text, offset)?;
            if rule.keeps(name) {
                kept.push(Parameter { name, text, offset });
            }
        }
        offset += text.len() + 1;
    }
    Ok(kept)
}

/// Checks one `name=value` that begins at `offset` of the query; yields its name.
fn check_parameter(text: &str, offset: usize) -> Result<&str, Malformed> {
    if text.is_empty() {
        return Err(Malformed::EmptyParameter { offset });
    }
    if let Some(bad) = first_bad_byte(text.as_bytes()) {
        return Err(Malformed::Query {
            offset: offset + bad,
        });
    }
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(name),
        Some(_) | None => Err(Malformed::NotAPair { offset }),
    }
}

fn first_bad_byte(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += match byte {
            b'%' if is_canonical_escape(&text[at..]) => 3,
            byte if is_unreserved(byte) || b"!$'()*,:@/=".contains(&byte) => 1,
            _ => return Some(at),
        };
    }
    None
}

/// RFC 3986 section 2.1 and 2.3: upper-case hex, and never for an unreserved byte.
fn is_canonical_escape(text: &[u8]) -> bool {
    let hex = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let [_, high, low, ..] = *text else {
        return false;
    };
    let byte = hex(high).zip(hex(low)).map(|(high, low)| (high << 4) | low);
    // A control has no business in a name, escaped or not.
    byte.is_some_and(|byte| !is_unreserved(byte) && !byte.is_ascii_control())
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn all(query: &str) -> Result<Cow<'static, str>, Malformed> {
        canonical(
            "/a",
            Some(query),
            &KeyRules {
                query: QueryRule::All,
                case: Case::Exact,
            },
        )
    }

    fn rules(names: &[&str]) -> KeyRules {
        KeyRules {
            query: QueryRule::Only(names.iter().map(|&name| name.to_owned()).collect()),
            case: Case::Exact,
        }
    }

    #[test]
    fn only_kept_parameters_are_in_the_key() {
        let query = Some("v=2&session=77&_HLS_msn=5");
        let none = KeyRules::default();
        assert_eq!(canonical("/a/b.m4s", query, &none).unwrap(), "/a/b.m4s");
        let some = rules(&["_HLS_msn", "v", "absent"]);
        assert_eq!(
            canonical("/a/b.m4s", query, &some).unwrap(),
            "/a/b.m4s?_HLS_msn=5&v=2"
        );
        assert_eq!(all("v=2&session=77").unwrap(), "/a?session=77&v=2");
        assert_eq!(all("").unwrap(), "/a");
        assert_eq!(canonical("/a", None, &some).unwrap(), "/a");
    }

    #[test]
    fn case_counts_unless_the_site_says_that_it_does_not() {
        let key = |path: &'static str, case| {
            let query = QueryRule::All;
            canonical(path, Some("V=Ab"), &KeyRules { query, case }).unwrap()
        };
        assert_eq!(key("/Film/A.TS", Case::Exact), "/Film/A.TS?V=Ab");
        assert_eq!(key("/Film/A.TS", Case::Fold), "/film/a.ts?V=Ab");
        // RFC 3986 section 2.1: upper-case hex is an escape's one spelling.
        assert_eq!(key("/%2FA%C3%9CB%zZ", Case::Fold), "/%2Fa%C3%9Cb%zz?V=Ab");
    }

    #[test]
    fn names_are_compared_byte_by_byte() {
        // U21.
        assert_eq!(canonical("/a", Some("V=2"), &rules(&["v"])).unwrap(), "/a");
    }

    #[test]
    fn cmcd_is_never_in_the_key_and_never_an_error() {
        assert_eq!(all("CMCD=br%3d1;;?&v=2").unwrap(), "/a?v=2");
        assert_eq!(all("CMCD").unwrap(), "/a");
        assert_eq!(all("CMCD=").unwrap(), "/a");
        assert_eq!(all("CMCD=1&CMCD=2").unwrap(), "/a");
        assert_eq!(
            canonical("/a", Some("CMCD=1"), &rules(&["CMCD"])).unwrap(),
            "/a"
        );
        assert_eq!(all("CMCDX=1").unwrap(), "/a?CMCDX=1");
    }

    #[test]
    fn a_query_outside_the_grammar_is_refused_kept_or_not() {
        // U20: `;` as separator, `??`, `&&`, `=` missing, `+` for a space.
        let rows = [
            ("a=1;b=2", Malformed::Query { offset: 3 }),
            ("?a=1", Malformed::Query { offset: 0 }),
            ("a=1&&b=2", Malformed::EmptyParameter { offset: 4 }),
            ("&a=1", Malformed::EmptyParameter { offset: 0 }),
            ("a=1&", Malformed::EmptyParameter { offset: 4 }),
            ("a", Malformed::NotAPair { offset: 0 }),
            ("b=1&a", Malformed::NotAPair { offset: 4 }),
            ("=1", Malformed::NotAPair { offset: 0 }),
            ("a=1+2", Malformed::Query { offset: 3 }),
            ("a=%6", Malformed::Query { offset: 2 }),
            ("a=%61", Malformed::Query { offset: 2 }),
            ("a=%2f", Malformed::Query { offset: 2 }),
            ("a=%zz", Malformed::Query { offset: 2 }),
            ("a=%00", Malformed::Query { offset: 2 }),
            ("a=%0D%0A", Malformed::Query { offset: 2 }),
            ("a=\u{e9}", Malformed::Query { offset: 2 }),
            ("a=1 2", Malformed::Query { offset: 3 }),
            ("a=1#b", Malformed::Query { offset: 3 }),
        ];
        for (query, refusal) in rows {
            assert_eq!(all(query), Err(refusal), "{query}");
            assert_eq!(
                canonical("/a", Some(query), &KeyRules::default()),
                Err(refusal),
                "{query}"
            );
        }
        assert_eq!(all("a=1%202%2F&b==").unwrap(), "/a?a=1%202%2F&b==");
    }

    #[test]
    fn a_kept_parameter_given_twice_is_refused() {
        // U18.
        assert_eq!(
            all("a=1&b=2&a=1"),
            Err(Malformed::DuplicateParameter { offset: 8 })
        );
        assert_eq!(
            canonical("/a", Some("a=1&a=2&b=3"), &rules(&["b"])).unwrap(),
            "/a?b=3"
        );
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        let query = |count| {
            (0..count)
                .map(|n| format!("p{n:03}=1"))
                .collect::<Vec<_>>()
                .join("&")
        };
        assert!(all(&query(PARAMETERS_MAX)).is_ok());
        assert_eq!(
            all(&query(PARAMETERS_MAX + 1)),
            Err(Malformed::TooManyParameters)
        );
    }

    #[test]
    fn a_path_holds_no_delimiter_of_the_key() {
        // X13: key delimiter games.
        for (path, offset) in [
            ("", 0),
            ("a", 0),
            ("*", 0),
            ("/a?b", 2),
            ("/a#", 2),
            ("/a\\b", 2),
        ] {
            let key = canonical(path, None, &KeyRules::default());
            assert_eq!(key, Err(Malformed::Path { offset }), "{path}");
        }
        for path in ["/a b", "/a\0", "/a\u{7f}", "/\u{e9}"] {
            assert!(
                canonical(path, None, &KeyRules::default()).is_err(),
                "{path:?}"
            );
        }
    }

    #[test]
    fn a_refusal_does_not_repeat_what_was_sent() {
        // U42: a token in a query must not reach the log.
        let error = all("secret=1;").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    proptest! {
        #[test]
        fn the_key_gives_back_the_path_and_the_kept_parameters(
            path in "/[a-z0-9./|:=&%_-]{0,16}",
            pairs in proptest::collection::btree_map("[a-z.0-9]{1,3}", "[a-z0-9=/:]{0,4}", 0..6),
            seed: u64,
        ) {
            // X13: injective, because the key can be read back.
            let mut sent: Vec<_> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
            let turn = usize::try_from(seed % 7).unwrap().min(sent.len());
            sent.rotate_left(turn);
            let rules = KeyRules { query: QueryRule::All, case: Case::Exact };
            let key = canonical(&path, Some(&sent.join("&")), &rules).unwrap();
            let (read_path, query) = key.split_once('?').unwrap_or((&*key, ""));
            let read: BTreeMap<_, _> = query
                .split('&')
                .filter_map(|text| text.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            prop_assert_eq!(read_path, path.as_str());
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn a_folded_path_stays_as_it_is(path in "/[A-Za-f%/0-9z]{0,12}") {
            let once = cased(&path, Case::Fold);
            prop_assert_eq!(&cased(&once, Case::Fold), &once);
            prop_assert!(once.eq_ignore_ascii_case(&path));
        }

        #[test]
        fn two_requests_with_one_key_are_one_request(
            one in "/[ab]?\\?[ab=&]{0,6}",
            other in "/[ab]?\\?[ab=&]{0,6}",
        ) {
            // X13: injective.
            let key = |target: &str| {
                let (path, query) = target.split_once('?').unwrap();
                let rules = KeyRules { query: QueryRule::All, case: Case::Exact };
                canonical(path, Some(query), &rules).map(Cow::into_owned)
            };
            let sorted = |target: &str| {
                let (path, query) = target.split_once('?').unwrap();
                let mut pairs: Vec<_> = query.split('&').map(str::to_owned).collect();
                pairs.sort();
                (path.to_owned(), pairs)
            };
            if let (Ok(a), Ok(b)) = (key(&one), key(&other)) {
                prop_assert_eq!(a == b, sorted(&one) == sorted(&other));
            }
        }

        #[test]
        fn arbitrary_targets_never_panic(path: String, query: String, tail in "[ -~]{0,40}") {
            for rule in [QueryRule::None, QueryRule::All] {
                let rules = KeyRules { query: rule, case: Case::Fold };
                for query in [&query, &tail] {
                    if let Ok(key) = canonical(&path, Some(query), &rules) {
                        prop_assert!(key.starts_with(&*cased(&path, Case::Fold)));
                        prop_assert!(key.len() <= path.len() + 1 + query.len());
                    }
                    prop_assert!(canonical("/", Some(query), &rules).is_ok_and(|k| k.is_ascii())
                        || canonical("/", Some(query), &rules).is_err());
                }
            }
        }
    }
}
