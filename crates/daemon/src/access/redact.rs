//! What of a request may stand in a log: no token in any place that the URL grammar allows, nor
//! in the places where clients put one by mistake.

use std::borrow::Cow;

/// Bytes of a path that are logged.
const PATH_BYTES_MAX: usize = 1024;

/// Bytes of a free-text field that are logged.
pub(super) const FIELD_BYTES_MAX: usize = 256;

/// A path for the log: a segment that starts with `~`, where path tokens are, becomes `~-`.
///
/// A token may also be where it does not belong, as in `/a%3Fmp=...` or `/a&mp=...`: the path is
/// cut before the first character that our grammar does not know (such a request is refused).
pub(super) fn path(path: &str) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
    let mut end = path
        .bytes()
        .position(|byte| !allowed(byte))
        .unwrap_or(path.len());
    for separator in ["%3F", "%3f", "%26", "%3D", "%3d", "%3B", "%3b"] {
        end = path[..end].find(separator).unwrap_or(end);
    }
    let end = end.min(PATH_BYTES_MAX);
    let mut shown = String::with_capacity(end);
    for (index, segment) in path[..end].split('/').enumerate() {
        if index > 0 {
            shown.push('/');
        }
        let is_token = ["~", "%7E", "%7e"]
            .iter()
            .any(|tilde| segment.starts_with(tilde));
        shown.push_str(if is_token { "~-" } else { segment });
    }
    if end < path.len() {
        shown.push('…');
    }
    shown
}

/// The start of a header field's value, as text.
pub(super) fn field(value: &[u8], bytes_max: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(&value[..value.len().min(bytes_max)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_logged_without_its_token() {
        assert_eq!(path("/~canary/vod/a.m4s"), "/~-/vod/a.m4s");
        assert_eq!(path("/~canary"), "/~-");
        assert_eq!(path("/vod/a%20b.m4s"), "/vod/a%20b.m4s");
    }

    #[test]
    fn a_token_in_the_wrong_place_is_not_logged() {
        for wrong in [
            "/%7Ecanary/a",
            "/%7ecanary/a",
            "//~canary/a",
            "/a/~canary",
            "/a&mp=canary",
            "/a;mp=canary",
            "/a%3Fmp=canary",
            "/a%3fmp%3dcanary",
            "/mp=canary",
            "/a=canary",
        ] {
            let logged = path(wrong);
            assert!(!logged.contains("canary"), "{wrong} -> {logged}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_redacted_without_a_panic_and_within_bounds(text: String) {
            prop_assert!(path(&text).len() <= PATH_BYTES_MAX + 4);
        }

        #[test]
        fn no_path_token_survives(before in "[a-z/%~.]{0,12}", token in "[0-9]{8}", after in "[a-z/%~.]{0,12}") {
            let logged = path(&format!("{before}/~{token}{after}"));
            prop_assert!(!logged.contains(&token), "{logged}");
        }
    }
}
