//! `Server-Timing` for those who ask: how an answer came about, for whoever looks into playback.
//!
//! A request asks with the field `Server-Timing: ?1` (a structured boolean, as RFC 8941 writes it),
//! and a site answers only if its config says so, because it tells strangers what is cached.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use message::Trail;

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Whether a request asks.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(SERVER_TIMING).iter();
    matches!((lines.next(), lines.next()), (Some(line), None) if line == "?1")
}

/// Tells how the answer came about, and how long it took from the request's arrival to here:
/// `cache;desc="hit ram", edge;dur=0.321`, in milliseconds.
pub(crate) fn tell(headers: &mut HeaderMap, trail: Option<&Trail>, took: Duration) {
    let outcome = trail.and_then(|trail| trail.outcome).unwrap_or("none");
    let source = trail.and_then(|trail| trail.source).unwrap_or_default();
    let how = [outcome, source].join(" ");
    let (ms, us) = (took.as_millis(), took.subsec_micros() % 1000);
    let text = format!("cache;desc=\"{}\", edge;dur={ms}.{us:03}", how.trim_end());
    // Both words are ours, from fixed lists.
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(SERVER_TIMING, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SERVER_TIMING, HeaderValue::from_static(line));
        }
        is_asked(&headers)
    }

    #[test]
    fn only_a_boolean_that_is_true_asks() {
        assert!(asked(&["?1"]));
        for lines in [
            &[][..],
            &["?0"],
            &["1"],
            &["true"],
            &["?1", "?1"],
            &["?1;a"],
        ] {
            assert!(!asked(lines), "{lines:?}");
        }
    }

    #[test]
    fn the_answer_has_the_outcome_the_tier_and_the_time() {
        let mut headers = HeaderMap::new();
        let mut trail = Trail {
            outcome: Some("hit"),
            source: Some("ram"),
            ..Trail::default()
        };
        tell(&mut headers, Some(&trail), Duration::from_micros(1_042));
        assert_eq!(
            headers[SERVER_TIMING],
            "cache;desc=\"hit ram\", edge;dur=1.042"
        );
        trail.source = None;
        tell(&mut headers, Some(&trail), Duration::ZERO);
        assert_eq!(headers[SERVER_TIMING], "cache;desc=\"hit\", edge;dur=0.000");
        tell(&mut headers, None, Duration::from_secs(2));
        assert_eq!(
            headers[SERVER_TIMING],
            "cache;desc=\"none\", edge;dur=2000.000"
        );
    }
}
