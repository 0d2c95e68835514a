//! What each kind of URL scope covers, and what it does not.

use proptest::prelude::*;

use super::*;
use crate::ObjectPath;

const ORIGIN: &str = "https://cdn.example";

fn covers(scope: &UrlScope, path: &str, query: Option<&str>) -> bool {
    let path = ObjectPath::parse(path).unwrap();
    let mut facts = Facts::new(&path, [192, 0, 2, 1].into(), 0);
    (facts.origin, facts.query) = (ORIGIN, query);
    scope.covers(&facts)
}

#[test]
fn a_prefix_names_its_host_to_the_end() {
    let scope = UrlScope::prefix("https://cdn.example/vod/1").unwrap();
    assert!(covers(&scope, "/vod/1/a", None) && covers(&scope, "/vod/12", Some("a=1")));
    assert!(!covers(&scope, "/vod/2", None));
    assert!(!covers(
        &UrlScope::prefix("http://cdn.example/").unwrap(),
        "/a",
        None
    ));
    for bad in [
        "https://cdn.example",
        "https:///a",
        "cdn.example/",
        "ftp://a/",
        "/vod/",
    ] {
        assert!(UrlScope::prefix(bad).is_none(), "{bad}");
    }
}

#[test]
fn a_url_pattern_sees_the_query() {
    let scope = UrlScope::url_pattern("http*://cdn.example/a/*.mp4").unwrap();
    assert!(covers(&scope, "/a/b/c.mp4", None));
    assert!(!covers(&scope, "/a/b/c.mp4", Some("size=large")));
    assert!(!covers(&scope, "/b/c.mp4", None));
}

#[test]
fn a_regular_expression_is_anchored_and_cannot_step_out() {
    let scope = UrlScope::regex(r"https://cdn\.example/foo/[0-9]{3}\.ts").unwrap();
    assert!(covers(&scope, "/foo/123.ts", None));
    for other in [
        "/foo/1234.ts",
        "/foo/12.ts",
        "/foo/123.tsx",
        "/x/foo/123.ts",
    ] {
        assert!(!covers(&scope, other, None), "{other}");
    }
    assert!(!covers(&scope, "/foo/123.ts", Some("a=1")));
    let either = UrlScope::regex("x|https://cdn.example/a").unwrap();
    assert!(covers(&either, "/a", None) && !covers(&either, "/ab", None));
    for bad in [
        "a)|(.*",
        "(",
        &"a".repeat(REGEX_BYTES_MAX + 1),
        "(a{1000}){1000}",
    ] {
        assert!(UrlScope::regex(bad).is_none());
    }
}

#[test]
fn a_hash_is_of_one_url() {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, b"https://cdn.example/a?b=1").as_ref());
    let scope = UrlScope::hash(bytes);
    assert!(covers(&scope, "/a", Some("b=1")) && !covers(&scope, "/a", None));
}

#[test]
fn nothing_covers_nothing() {
    assert!(!covers(&UrlScope::nothing(), "/a", None));
}

proptest! {
    /// What a session token takes over is never more than what was signed.
    #[test]
    fn a_scope_over_paths_covers_no_more(
        stem in "/[ab]{0,2}(/[ab*]{1,2})?",
        path in "(/[ab]{1,2}){1,3}",
    ) {
        let scopes = [
            UrlScope::prefix(&format!("{ORIGIN}{stem}")),
            UrlScope::url_pattern(&format!("{ORIGIN}{stem}*")),
            UrlScope::url_pattern(&format!("{ORIGIN}{stem}")),
            UrlScope::path_patterns([stem.as_str(), "/b*"].into_iter()),
        ];
        for scope in scopes.into_iter().flatten() {
            let Some(patterns) = scope.path_patterns_at(ORIGIN) else { continue };
            let taken = UrlScope::path_patterns(patterns.iter().map(String::as_str)).unwrap();
            if covers(&taken, &path, None) {
                prop_assert!(covers(&scope, &path, None), "{scope} {patterns:?} {path}");
            }
        }
    }
}
