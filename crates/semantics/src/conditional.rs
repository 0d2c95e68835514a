//! Preconditions of a request, judged against a stored version.

use std::time::Duration;

use http::{HeaderMap, Method, header};

use crate::{
    date,
    validator::{self, EntityTag},
};

/// What a request's preconditions ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// Answer 304 (`R11`: also where a range was asked for).
    NotModified,
    /// Answer 412.
    Failed,
}

/// Whether a request has any precondition that [`evaluate`] judges.
pub fn is_conditional(headers: &HeaderMap) -> bool {
    let fields = [
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_MATCH,
        header::IF_UNMODIFIED_SINCE,
    ];
    fields.iter().any(|name| headers.contains_key(name))
}

/// What a version is known by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// With quotes, weak or strong.
    pub etag: Option<&'a str>,
    /// An HTTP date.
    pub last_modified: Option<&'a str>,
    /// The `Date` of a stored response; of one that comes from upstream just now none counts.
    pub stored_date: Option<&'a str>,
}

/// Evaluates `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since`.
///
/// `now` is wall time. Call it only where the answer would otherwise be 200 or 206. `If-Range` is
/// apart: [`crate::range::if_range_allows`].
pub fn evaluate(method: &Method, headers: &HeaderMap, known: Known<'_>, now: Duration) -> Verdict {
    // RFC 9110 section 13.2.1: no meaning where no representation is selected.
    if matches!(*method, Method::OPTIONS | Method::CONNECT | Method::TRACE) {
        return Verdict::Proceed;
    }
    let etag = known.etag;
    let modified = known.last_modified.and_then(date::parse);
    if !is_the_asked_version(headers, etag, modified) {
        return Verdict::Failed;
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    // RFC 9110 section 13.2.2 steps 3 and 4: If-None-Match, or without it If-Modified-Since, the
    // latter for GET and HEAD alone.
    let weakly = |asked: EntityTag<'_>, stored: EntityTag<'_>| asked.matches_weakly(stored);
    match validator::any_matches(headers, &header::IF_NONE_MATCH, etag, weakly) {
        Some(true) if reads => Verdict::NotModified,
        Some(true) => Verdict::Failed,
        None if reads && !is_modified_since(headers, known, now) => Verdict::NotModified,
        Some(false) | None => Verdict::Proceed,
    }
}

/// RFC 9110 section 13.2.2 steps 1 and 2: `If-Match`, or without it `If-Unmodified-Since`.
fn is_the_asked_version(
    headers: &HeaderMap,
    etag: Option<&str>,
    modified: Option<Duration>,
) -> bool {
    let strongly = |asked: EntityTag<'_>, stored: EntityTag<'_>| asked.matches_strongly(stored);
    if let Some(found) = validator::any_matches(headers, &header::IF_MATCH, etag, strongly) {
        return found;
    }
    // RFC 9110 section 13.1.4: ignored without a modification date, and if it is no valid date.
    let asked = date::only(headers, &header::IF_UNMODIFIED_SINCE);
    asked
        .zip(modified)
        .is_none_or(|(asked, modified)| modified <= asked)
}

fn is_modified_since(headers: &HeaderMap, known: Known<'_>, now: Duration) -> bool {
    // RFC 9110 section 13.1.3: ignored if it is no valid date or the version has none. A date
    // that has not come yet is nobody's memory of a version: ignored as well.
    let asked = date::only(headers, &header::IF_MODIFIED_SINCE).filter(|asked| *asked <= now);
    // RFC 9111 section 4.3.2: of a stored response without a modification date its Date counts.
    let modified = known.last_modified.or(known.stored_date);
    let modified = modified.and_then(date::parse);
    asked
        .zip(modified)
        .is_none_or(|(asked, modified)| modified > asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const FUTURE: &str = "Fri, 01 Jan 2100 00:00:00 GMT";
    const NOW: Duration = Duration::from_hours(500_000);

    fn judge(method: &Method, fields: &[(&'static str, &str)]) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let known = Known {
            etag: Some(r#""v1""#),
            last_modified: Some(MODIFIED),
            stored_date: Some(FUTURE),
        };
        evaluate(method, &headers, known, NOW)
    }

    fn get(fields: &[(&'static str, &str)]) -> Verdict {
        judge(&Method::GET, fields)
    }

    #[test]
    fn if_none_match_compares_weakly() {
        // R14: match weak/strong, `*`, unquoted.
        for list in [
            r#""v1""#,
            r#"W/"v1""#,
            "*",
            r#""v0", W/"v1""#,
            r#"junk,"v1""#,
        ] {
            assert_eq!(
                get(&[("if-none-match", list)]),
                Verdict::NotModified,
                "{list}"
            );
        }
        for list in [
            "v1",
            r#""v2""#,
            r#""V1""#,
            "",
            r#""v1"#,
            "*, *",
            r#"*, "v2""#,
        ] {
            assert_eq!(get(&[("if-none-match", list)]), Verdict::Proceed, "{list}");
        }
    }

    #[test]
    fn if_none_match_lines_are_joined() {
        // H35: two If-None-Match are one list.
        let fields = [("if-none-match", r#""v0""#), ("if-none-match", r#""v1""#)];
        assert_eq!(get(&fields), Verdict::NotModified);
    }

    #[test]
    fn a_long_list_is_read_to_its_end() {
        let others: Vec<_> = (0..10_000).map(|n| format!("\"n{n}\"")).collect();
        let list = format!("{}, \"v1\"", others.join(","));
        assert_eq!(get(&[("if-none-match", &list)]), Verdict::NotModified);
    }

    #[test]
    fn if_match_compares_strongly() {
        // R16: If-Match fail is 412.
        assert_eq!(get(&[("if-match", r#""v0", "v1""#)]), Verdict::Proceed);
        assert_eq!(get(&[("if-match", "*")]), Verdict::Proceed);
        for list in [r#"W/"v1""#, r#""v2""#, "v1", ""] {
            assert_eq!(get(&[("if-match", list)]), Verdict::Failed, "{list}");
        }
    }

    #[test]
    fn if_unmodified_since_fails_when_modified() {
        // R16: If-Unmodified-Since fail is 412.
        // RFC 9110 section 13.1.4: ignored if it is no valid date.
        assert_eq!(get(&[("if-unmodified-since", BEFORE)]), Verdict::Failed);
        for date in [MODIFIED, AFTER, "junk"] {
            assert_eq!(
                get(&[("if-unmodified-since", date)]),
                Verdict::Proceed,
                "{date}"
            );
        }
    }

    #[test]
    fn if_modified_since_needs_a_valid_past_date() {
        // R15: invalid or future is ignored.
        for date in [MODIFIED, AFTER] {
            assert_eq!(
                get(&[("if-modified-since", date)]),
                Verdict::NotModified,
                "{date}"
            );
        }
        for date in [BEFORE, FUTURE, "junk", "0"] {
            assert_eq!(
                get(&[("if-modified-since", date)]),
                Verdict::Proceed,
                "{date}"
            );
        }
        let twice = [("if-modified-since", AFTER), ("if-modified-since", AFTER)];
        assert_eq!(get(&twice), Verdict::Proceed);
    }

    #[test]
    fn the_order_is_the_standards() {
        // RFC 9110 section 13.2.2: If-Match > If-Unmodified-Since > If-None-Match >
        // If-Modified-Since; each tag field hides the date field next to it.
        let match_hides = [("if-match", r#""v1""#), ("if-unmodified-since", BEFORE)];
        assert_eq!(get(&match_hides), Verdict::Proceed);
        let match_first = [("if-match", r#""v2""#), ("if-none-match", r#""v1""#)];
        assert_eq!(get(&match_first), Verdict::Failed);
        let unmodified_first = [
            ("if-unmodified-since", BEFORE),
            ("if-none-match", r#""v1""#),
        ];
        assert_eq!(get(&unmodified_first), Verdict::Failed);
        let none_match_hides = [("if-none-match", r#""v2""#), ("if-modified-since", AFTER)];
        assert_eq!(get(&none_match_hides), Verdict::Proceed);
    }

    #[test]
    fn other_methods_have_other_answers() {
        // RFC 9110 section 13.2.2 step 3: 304 for GET and HEAD, 412 for others.
        let seen = [("if-none-match", r#""v1""#)];
        assert_eq!(judge(&Method::HEAD, &seen), Verdict::NotModified);
        assert_eq!(judge(&Method::DELETE, &seen), Verdict::Failed);
        // RFC 9110 section 13.2.1: no meaning where no representation is selected.
        assert_eq!(
            judge(&Method::OPTIONS, &[("if-match", r#""v2""#)]),
            Verdict::Proceed
        );
    }

    #[test]
    fn a_version_without_validators_matches_only_the_star() {
        let judge = |name: &'static str, value: &str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            evaluate(&Method::GET, &headers, Known::default(), NOW)
        };
        assert_eq!(judge("if-none-match", r#""v1""#), Verdict::Proceed);
        assert_eq!(judge("if-none-match", "*"), Verdict::NotModified);
        assert_eq!(judge("if-match", r#""v1""#), Verdict::Failed);
        assert_eq!(judge("if-modified-since", AFTER), Verdict::Proceed);
        assert_eq!(judge("if-unmodified-since", BEFORE), Verdict::Proceed);
    }

    #[test]
    fn the_date_of_a_stored_response_stands_in_for_its_modification() {
        // RFC 9111 section 4.3.2: for If-Modified-Since; RFC 9110 section 13.1.4: for no other.
        let judge = |name: &'static str, value: &str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            let known = Known {
                stored_date: Some(MODIFIED),
                ..Known::default()
            };
            evaluate(&Method::GET, &headers, known, NOW)
        };
        for (date, expected) in [
            (BEFORE, Verdict::Proceed),
            (MODIFIED, Verdict::NotModified),
            (AFTER, Verdict::NotModified),
        ] {
            assert_eq!(judge("if-modified-since", date), expected, "{date}");
        }
        assert_eq!(judge("if-unmodified-since", BEFORE), Verdict::Proceed);
    }
}
