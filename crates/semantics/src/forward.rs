//! Request fields that a site has forwarded: which, in what form, and whether they join the key.
//!
//! Nothing of a viewer's goes upstream but what a site's rule names, and that only in one canonical
//! form, so that white space cannot make two objects of one.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{Malformed, lines};

/// How many fields a site may have forwarded.
pub const RULES_MAX: usize = 32;

/// How long all forwarded values of one request may be together.
pub const BYTES_MAX: usize = 4096;

/// Fields that a node makes itself, or that end at it: no site can have them forwarded.
const OWN: &[&str] = &[
    "cdn-loop",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Codings that a player can want, in the order in which they are told upstream.
const CODINGS: [&str; 4] = ["zstd", "br", "gzip", "deflate"];

/// One field of `forward_request_headers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardRule {
    /// The field.
    pub name: HeaderName,
    /// Whether two requests that differ in it ask for two objects, whatever `Vary` says.
    pub in_key: bool,
}

impl ForwardRule {
    /// Reads a rule: a field's name, or `key:` and its name where it joins the key.
    ///
    /// `None` for what is no name, and for a field that a node makes itself.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, in_key) = match text.strip_prefix("key:") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let name: HeaderName = name.parse().ok()?;
        let is_own = OWN.contains(&name.as_str()) || name.as_str().starts_with("proxy-");
        (!is_own).then_some(Self { name, in_key })
    }
}

/// The fields of a request that go upstream by these rules, sorted by name, each once and in
/// canonical form.
///
/// # Errors
/// More than [`BYTES_MAX`], or a value that cannot be sent.
pub fn carried(
    headers: &HeaderMap,
    rules: &[ForwardRule],
) -> Result<Vec<(HeaderName, HeaderValue)>, Malformed> {
    let mut all = Vec::new();
    let mut bytes = 0;
    for rule in rules {
        let Some(value) = canonical(headers, &rule.name) else {
            continue;
        };
        bytes += rule.name.as_str().len() + value.len();
        if bytes > BYTES_MAX {
            return Err(Malformed::TooMuchForwarded);
        }
        let value =
            HeaderValue::from_bytes(&value).map_err(|_control| Malformed::TooMuchForwarded)?;
        all.push((rule.name.clone(), value));
    }
    all.sort_unstable_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    all.dedup_by(|(one, _), (other, _)| one == other);
    Ok(all)
}

/// All lines of a field as one value, in the form in which it is compared and sent.
fn canonical(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<u8>> {
    headers.get(name)?;
    if *name == header::ACCEPT_ENCODING {
        return Some(codings(headers));
    }
    if *name == header::COOKIE {
        // RFC 6265 section 4.2.1: the one list that is not joined by commas.
        let lines: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        return Some(lines.join(b"; ".as_slice()));
    }
    let mut lines = headers.get_all(name).iter();
    if let (Some(one), None) = (lines.next(), lines.next())
        && !one.as_bytes().contains(&b',')
    {
        return Some(one.as_bytes().trim_ascii().to_vec());
    }
    // RFC 9111 section 4.1: lines may be combined, and white space normalised where a list may have
    // any.
    let members: Vec<_> = lines::all_members(headers, name).collect();
    Some(members.join(b", ".as_slice()))
}

/// RFC 9110 section 12.5.3: the known codings that are not refused, folded to one of a few values
/// (`X08`).
fn codings(headers: &HeaderMap) -> Vec<u8> {
    let accepted = |coding: &str| {
        lines::all_members(headers, &header::ACCEPT_ENCODING).any(|member| {
            let mut parts = member.split(|&byte| byte == b';');
            let name = parts.next().unwrap_or_default().trim_ascii();
            let is_named = name.eq_ignore_ascii_case(coding.as_bytes()) || name == b"*";
            is_named && !parts.any(is_refusal)
        })
    };
    let named: Vec<_> = CODINGS
        .into_iter()
        .filter(|coding| accepted(coding))
        .collect();
    if named.is_empty() {
        return b"identity".to_vec();
    }
    named.join(", ").into_bytes()
}

/// RFC 9110 section 12.4.2: a weight of zero is "not acceptable".
fn is_refusal(parameter: &[u8]) -> bool {
    let parameter = parameter.trim_ascii();
    let weight = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="));
    weight.is_some_and(|weight| {
        !weight.is_empty() && weight.iter().all(|byte| matches!(byte, b'0' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(lines: &[(&'static str, &str)], rules: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let rules: Vec<_> = rules
            .iter()
            .map(|rule| ForwardRule::parse(rule).unwrap())
            .collect();
        let carried = carried(&headers, &rules).unwrap();
        carried
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn only_what_a_rule_names_is_carried() {
        let lines = [("x-a", "1"), ("x-b", "2"), ("cookie", "s=1")];
        assert!(of(&lines, &[]).is_empty());
        assert_eq!(of(&lines, &["X-B", "key:x-a"]), ["x-a: 1", "x-b: 2"]);
    }

    #[test]
    fn white_space_and_lines_make_no_difference() {
        // RFC 9111 section 4.1.
        for lines in [
            vec![("x-a", "1, 2")],
            vec![("x-a", "1,2")],
            vec![("x-a", " 1 ,\t2 ")],
            vec![("x-a", "1"), ("x-a", "2")],
            vec![("x-a", "1,,2,")],
        ] {
            assert_eq!(of(&lines, &["x-a"]), ["x-a: 1, 2"], "{lines:?}");
        }
        assert_eq!(
            of(&[("cookie", "a=1"), ("cookie", "b=2")], &["cookie"]),
            ["cookie: a=1; b=2"]
        );
    }

    #[test]
    fn accept_encoding_is_folded_to_a_few_values() {
        // X08. RFC 9110 section 12.5.3.
        for (value, expected) in [
            ("gzip", "gzip"),
            ("GZIP , br", "br, gzip"),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", "zstd, br, gzip, deflate"),
            ("gzip;q=0, br", "br"),
            ("gzip; q=0.000", "identity"),
            ("", "identity"),
            ("junk, x-\u{7e}", "identity"),
            ("identity;q=1", "identity"),
            ("gzip, deflate, br, zstd", "zstd, br, gzip, deflate"),
        ] {
            let got = of(&[("accept-encoding", value)], &["accept-encoding"]);
            assert_eq!(got, [format!("accept-encoding: {expected}")], "{value}");
        }
        assert!(of(&[], &["accept-encoding"]).is_empty());
    }

    #[test]
    fn a_field_of_the_nodes_own_cannot_be_named() {
        for name in OWN
            .iter()
            .chain(&["proxy-authorization", "Range", "a b", "", "key:host"])
        {
            assert_eq!(ForwardRule::parse(name), None, "{name}");
        }
        assert!(ForwardRule::parse("key:accept-encoding").is_some_and(|rule| rule.in_key));
    }

    #[test]
    fn what_is_forwarded_is_bounded() {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-a"),
            "a".repeat(BYTES_MAX).parse().unwrap(),
        )]);
        let rules = [ForwardRule::parse("x-a").unwrap()];
        assert_eq!(carried(&headers, &rules), Err(Malformed::TooMuchForwarded));
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own(value in "[ -~]{0,40}") {
            for name in ["x-a", "accept-encoding"] {
                let rules = [ForwardRule::parse(name).unwrap()];
                let lines = |value: &HeaderValue| {
                    HeaderMap::from_iter([(rules[0].name.clone(), value.clone())])
                };
                let once = carried(&lines(&value.parse().unwrap()), &rules).unwrap();
                let again = carried(&lines(&once[0].1), &rules).unwrap();
                prop_assert_eq!(once, again);
            }
        }
    }
}
