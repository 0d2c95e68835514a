//! What of a request may stand in a log: no token in any place that the URL grammar allows, nor
//! in the places where clients put one by mistake.

use std::borrow::Cow;

/// Bytes of a path that are logged.
const PATH_BYTES_MAX: usize = 1024;

/// Bytes of a free-text field that are logged.
pub(super) const FIELD_BYTES_MAX: usize = 256;

/// Bytes of one CMCD carrier that are logged.
pub(super) const CMCD_BYTES_MAX: usize = 1024;

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

/// The CMCD query parameter, decoded.
pub(super) fn cmcd_parameter(query: &str) -> Option<String> {
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("CMCD="))?;
    let value = &value.as_bytes()[..value.len().min(3 * CMCD_BYTES_MAX)];
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| {
            after
                .get(at)
                .and_then(|digit| char::from(*digit).to_digit(16))
        };
        if let (b'%', Some(high), Some(low)) = (first, hex(0), hex(1)) {
            decoded.extend(u8::try_from(high * 16 + low));
            rest = &after[2..];
        } else {
            decoded.push(first);
            rest = after;
        }
    }
    Some(cmcd(&decoded))
}

/// A CMCD list without the members that hold URLs (`nor`: the next object, `url`): a URL may
/// carry a token. Unknown and malformed members stay as they are.
pub(super) fn cmcd(value: &[u8]) -> String {
    let text = field(value, CMCD_BYTES_MAX);
    let members = Members(&text).filter(|member| {
        let name = member.trim_start().split('=').next().unwrap_or_default();
        !["nor", "url"].contains(&name.trim_end())
    });
    members.collect::<Vec<_>>().join(",")
}

/// The members of a list, split at commas outside of quotes.
struct Members<'t>(&'t str);

impl<'t> Iterator for Members<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        if self.0.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped) = (false, false);
        let comma = self.0.bytes().position(|byte| {
            let ends = byte == b',' && !quoted;
            if byte == b'"' && !escaped {
                quoted = !quoted;
            }
            escaped = byte == b'\\' && quoted && !escaped;
            ends
        });
        let end = comma.unwrap_or(self.0.len());
        let member = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(member)
    }
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

    #[test]
    fn cmcd_is_decoded_and_loses_only_its_urls() {
        let query = "a=1&CMCD=bl%3D21300%2Cnor%3D%22..%252Fb%253Fmp%253Dcanary%2Cx%22%2Csid%3D%22a%2Cb%22&b";
        assert_eq!(cmcd_parameter(query).unwrap(), "bl=21300,sid=\"a,b\"");
        assert_eq!(
            cmcd(b"br=3200,nor=(\"canary\" \"canary\"),tb=1"),
            "br=3200,tb=1"
        );
        assert_eq!(cmcd(b" nor = \"canary\""), "");
        assert_eq!(cmcd_parameter("x=CMCD"), None);
    }

    proptest! {
        #[test]
        fn anything_is_redacted_without_a_panic_and_within_bounds(text: String, bytes: Vec<u8>) {
            prop_assert!(path(&text).len() <= PATH_BYTES_MAX + 4);
            // A byte that is not UTF-8 becomes three.
            prop_assert!(cmcd(&bytes).len() <= 3 * CMCD_BYTES_MAX);
            let _ = cmcd_parameter(&format!("CMCD={text}"));
        }

        #[test]
        fn no_path_token_survives(before in "[a-z/%~.]{0,12}", token in "[0-9]{8}", after in "[a-z/%~.]{0,12}") {
            let logged = path(&format!("{before}/~{token}{after}"));
            prop_assert!(!logged.contains(&token), "{logged}");
        }
    }
}
