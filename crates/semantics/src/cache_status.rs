//! `Cache-Status` (RFC 9211): what this cache did, after what the caches behind it did.

use std::fmt::{self, Write as _};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::structured;

/// The field's name.
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// How much of the list that came from upstream is kept.
pub const BYTES_MAX: usize = 1024;

/// Room for the members of an edge and a shield.
const LIST_BYTES: usize = 128;

/// RFC 9651 section 3.3.1: an integer has at most 15 digits.
const INTEGER_MAX: i64 = 999_999_999_999_999;

/// What one cache did with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The name of this cache's deployment.
    pub node: &'a str,
    /// Hit or forwarded.
    pub outcome: Outcome,
    /// Seconds of freshness left, negative for a stale response.
    pub ttl: Option<i64>,
    /// What the cache knows the response by, where the owner has it told.
    pub key: Option<&'a str>,
    /// Our own word: which tier, or why.
    pub detail: Option<&'a str>,
}

/// RFC 9211 sections 2.1 and 2.2: `hit` and `fwd` exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Served without going forward; stale while revalidating included.
    Hit,
    /// Went forward.
    Forwarded(Forward),
}

/// How and why a request went forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// Why.
    pub reason: Reason,
    /// The status that came back, where it is not the one that is answered.
    pub status: Option<StatusCode>,
    /// Whether the response was stored.
    pub stored: bool,
    /// Whether the request joined another one that was already under way.
    pub collapsed: bool,
}

/// RFC 9211 section 2.2: the most specific reason that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Configured not to handle the request.
    Bypass,
    /// The method's semantics require it.
    Method,
    /// Nothing stored for the URI.
    UriMiss,
    /// Something stored for the URI, but for other request fields.
    VaryMiss,
    /// Nothing stored that could be used, for a reason that is not told apart.
    Miss,
    /// Fresh, but the request's directives forbid its use.
    Request,
    /// Stored, but stale.
    Stale,
    /// Stored in part, and other bytes were needed.
    Partial,
}

impl Reason {
    /// The registered token.
    pub fn token(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.node)?;
        match self.outcome {
            Outcome::Hit => f.write_str("; hit")?,
            Outcome::Forwarded(forward) => write!(f, "{forward}")?,
        }
        if let Some(ttl) = self.ttl {
            write!(f, "; ttl={}", ttl.clamp(-INTEGER_MAX, INTEGER_MAX))?;
        }
        if let Some(key) = self.key {
            // RFC 9211 section 2.7: a string.
            f.write_str("; key=")?;
            write_string(f, key)?;
        }
        if let Some(detail) = self.detail {
            f.write_str("; detail=")?;
            write_name(f, detail)?;
        }
        Ok(())
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "; fwd={}", self.reason.token())?;
        if let Some(status) = self.status {
            write!(f, "; fwd-status={}", status.as_u16())?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if self.collapsed {
            f.write_str("; collapsed")?;
        }
        Ok(())
    }
}

/// RFC 9211 section 2: a token where it is one, else a string. What no string may hold becomes
/// `?`.
fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if structured::is_token(name.as_bytes()) {
        return f.write_str(name);
    }
    write_string(f, name)
}

fn write_string(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in name.chars() {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            ' '..='~' => f.write_char(character)?,
            _ => f.write_char('?')?,
        }
    }
    f.write_char('"')
}

/// Adds this cache's member after those that are there.
///
/// A list that is no list, or one longer than [`BYTES_MAX`], is dropped: it would spoil ours.
pub fn append(headers: &mut HeaderMap, member: &Member<'_>) {
    settle(headers);
    append_to_settled(headers, member);
}

/// Puts what is there into one line that [`append_to_settled`] can add to: once for a response
/// that is stored, instead of on every hit.
pub fn settle(headers: &mut HeaderMap) {
    let Some(list) = existing(headers) else {
        headers.remove(CACHE_STATUS);
        return;
    };
    if let Ok(value) = HeaderValue::try_from(list) {
        headers.insert(CACHE_STATUS, value);
    }
}

/// Adds this cache's member after those that are there, which were settled.
pub fn append_to_settled(headers: &mut HeaderMap, member: &Member<'_>) {
    let mut text = String::with_capacity(LIST_BYTES);
    let list = headers.get(CACHE_STATUS);
    // RFC 9211 section 2: the cache closest to the user agent comes last.
    if let Some(list) = list.and_then(|list| list.to_str().ok()) {
        text.push_str(list);
        text.push_str(", ");
    }
    // Writing into memory has no way to fail.
    let _ = write!(text, "{member}");
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(CACHE_STATUS, value);
    }
}

fn existing(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<_> = headers
        .get_all(CACHE_STATUS)
        .iter()
        .map(|line| line.to_str().ok())
        .collect::<Option<_>>()?;
    let list = lines.join(", ");
    let usable = !list.is_empty() && list.len() <= BYTES_MAX;
    (usable && structured::is_list(list.as_bytes())).then_some(list)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HIT: Member<'_> = Member {
        node: "edge7",
        outcome: Outcome::Hit,
        ttl: Some(545),
        key: None,
        detail: Some("NVME"),
    };
    const MISS: Forward = Forward {
        reason: Reason::UriMiss,
        status: None,
        stored: true,
        collapsed: false,
    };

    #[test]
    fn a_member_reads_as_the_standard_writes_it() {
        // RFC 9211 section 2.
        assert_eq!(HIT.to_string(), "edge7; hit; ttl=545; detail=NVME");
        let miss = Member {
            outcome: Outcome::Forwarded(MISS),
            ttl: None,
            detail: None,
            ..HIT
        };
        assert_eq!(miss.to_string(), "edge7; fwd=uri-miss; stored");
        let keyed = Member {
            key: Some("/a?b=\"c\""),
            ..HIT
        };
        let expected = r#"edge7; hit; ttl=545; key="/a?b=\"c\""; detail=NVME"#;
        assert_eq!(keyed.to_string(), expected);
        let forward = Forward {
            reason: Reason::Stale,
            status: Some(StatusCode::NOT_MODIFIED),
            stored: false,
            collapsed: true,
        };
        let stale = Member {
            outcome: Outcome::Forwarded(forward),
            ttl: Some(-7),
            ..miss
        };
        assert_eq!(
            stale.to_string(),
            "edge7; fwd=stale; fwd-status=304; collapsed; ttl=-7"
        );
    }

    #[test]
    fn the_closest_cache_comes_last() {
        // RFC 9211 section 2: the cache closest to the user agent comes last.
        let mut headers = HeaderMap::new();
        append(
            &mut headers,
            &Member {
                node: "shield1",
                outcome: Outcome::Forwarded(MISS),
                ttl: None,
                key: None,
                detail: None,
            },
        );
        append(&mut headers, &HIT);
        assert_eq!(
            headers[CACHE_STATUS],
            "shield1; fwd=uri-miss; stored, edge7; hit; ttl=545; detail=NVME"
        );
        assert_eq!(headers.get_all(CACHE_STATUS).iter().count(), 1);
    }

    #[test]
    fn lines_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append(CACHE_STATUS, "a; hit".parse().unwrap());
        headers.append(CACHE_STATUS, "b; hit".parse().unwrap());
        append(
            &mut headers,
            &Member {
                ttl: None,
                detail: None,
                ..HIT
            },
        );
        assert_eq!(headers[CACHE_STATUS], "a; hit, b; hit, edge7; hit");
    }

    #[test]
    fn a_list_that_would_spoil_ours_is_dropped() {
        let long = "x".repeat(BYTES_MAX + 1);
        for junk in ["a; hit,", "HIT from (cache", "\"open", "", "\u{e9}", &long] {
            let mut headers = HeaderMap::new();
            headers.append(CACHE_STATUS, junk.parse().unwrap());
            append(&mut headers, &HIT);
            assert_eq!(
                headers[CACHE_STATUS], "edge7; hit; ttl=545; detail=NVME",
                "{junk}"
            );
        }
    }

    #[test]
    fn a_name_that_is_no_token_becomes_a_string() {
        let member = Member {
            node: "7 \"e\"\u{e9}",
            ttl: Some(i64::MIN),
            detail: None,
            ..HIT
        };
        assert_eq!(
            member.to_string(),
            r#""7 \"e\"?"; hit; ttl=-999999999999999"#
        );
    }

    proptest! {
        #[test]
        fn any_member_is_a_structured_list(node: String, detail: String, ttl: i64) {
            let member = Member { node: &node, detail: Some(&detail), ttl: Some(ttl), ..HIT };
            prop_assert!(structured::is_list(member.to_string().as_bytes()), "{}", member);
        }
    }
}
