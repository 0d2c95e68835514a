//! The manifest as it lies at its place: asked for, and read within bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, StatusCode, header};
use manifest::Refused;
use message::{Body, Carried, Condition, Demand, Error, Fetch, Kind, Timestamp};
use tokio::time::{Instant, timeout};

use crate::Pull;

/// Without a byte for so long it fails.
const STALL: Duration = Duration::from_secs(30);
/// Bytes a second, on average, once that has passed: 64 MiB may take 70 minutes.
const BYTES_PER_S_MIN: u64 = 16 << 10;
/// RFC 9110 section 8.8.2.2: a date tells versions apart once it is so much older than its answer.
const DATE_IS_STRONG: Duration = Duration::from_mins(1);

/// What lies there.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// What was seen before.
    Unchanged,
    /// More than may be taken, and by what it is recognised.
    TooLarge(Refused, Option<Condition>),
    /// All of it, and by what it is recognised.
    Whole(Bytes, Option<Condition>),
}

/// Asks for it, unless it is what was `seen`. Cancel safe: nothing is kept.
pub(crate) async fn fetch(
    pull: &Pull,
    seen: Option<Condition>,
    at: Timestamp,
    bytes_max: u64,
) -> Result<Fetched, Error> {
    let fetch = Fetch {
        object: pull.name.clone(),
        range: None,
        condition: seen,
        carried: Carried::default(),
        demand: Demand::Any,
        at,
    };
    let response = pull.upstream.fetch(fetch).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => return Ok(Fetched::Unchanged),
        status => {
            let detail = format!("the manifest's place answered {}", status.as_u16());
            return Err(Error::new(Kind::HttpProtocolError, detail));
        }
    }
    let validator = validator(response.headers());
    let read = read(response.into_body(), bytes_max).await?;
    Ok(match read {
        Ok(file) => Fetched::Whole(file, validator),
        Err(refused) => Fetched::TooLarge(refused, validator),
    })
}

/// By what an answer is recognised.
fn validator(headers: &HeaderMap) -> Option<Condition> {
    if let Some(etag) = text(headers, &header::ETAG) {
        return Some(Condition::IfNoneMatch(etag.into()));
    }
    let modified = text(headers, &header::LAST_MODIFIED)?;
    let is_strong = || {
        let modified = httpdate::parse_http_date(modified).ok()?;
        let answered = text(headers, &header::DATE)?;
        let answered = httpdate::parse_http_date(answered).ok()?;
        let age = answered.duration_since(modified).ok()?;
        Some(age >= DATE_IS_STRONG)
    };
    is_strong()?.then(|| Condition::IfModifiedSince(modified.into()))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Reads a body to its end; the inner error is one that is too large.
async fn read(mut body: Body, bytes_max: u64) -> Result<Result<Bytes, Refused>, Error> {
    if let Some(found) = body.length().filter(|length| *length > bytes_max) {
        return Ok(Err(too_large(found, bytes_max)));
    }
    let (begun, mut whole) = (Instant::now(), BytesMut::new());
    loop {
        let Ok(item) = timeout(STALL, body.next()).await else {
            return Err(too_slow());
        };
        let Some(bytes) = item else {
            return Ok(Ok(whole.freeze()));
        };
        whole.extend_from_slice(&bytes?);
        let found = whole.len() as u64;
        if found > bytes_max {
            return Ok(Err(too_large(found, bytes_max)));
        }
        if is_too_slow(begun.elapsed(), found) {
            return Err(too_slow());
        }
    }
}

fn is_too_slow(elapsed: Duration, bytes: u64) -> bool {
    elapsed > STALL && bytes < BYTES_PER_S_MIN.saturating_mul(elapsed.as_secs())
}

fn too_slow() -> Error {
    Error::new(Kind::ConnectionReadTimeout, "the manifest came too slowly")
}

fn too_large(found: u64, max: u64) -> Refused {
    let what = "bytes of the manifest";
    Refused::TooLarge { what, found, max }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};
    use tokio::time::sleep;

    use super::*;

    fn body(pieces: usize, pause: Duration) -> Body {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            sleep(pause).await;
            Ok(Bytes::from_static(&[7; 1000]))
        });
        Body::of_unknown_length(Box::pin(pieces))
    }

    #[tokio::test(start_paused = true)]
    async fn what_trickles_or_stalls_is_given_up_and_what_is_merely_slow_is_not() {
        let second = Duration::from_secs(1);
        let begun = Instant::now();
        let trickles = read(body(1_000_000, second), 1 << 30).await;
        assert_eq!(trickles.unwrap_err().kind(), Kind::ConnectionReadTimeout);
        assert!(begun.elapsed() < STALL + 2 * second);
        let stalls = read(body(1, STALL * 2), 1 << 30).await;
        assert_eq!(stalls.unwrap_err().kind(), Kind::ConnectionReadTimeout);
        // 20 kB/s, for over three minutes.
        let slow = read(body(4_000, second / 20), 1 << 30).await;
        assert_eq!(slow.unwrap().unwrap().len(), 4_000_000);
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_by_its_length_or_where_it_has_become_so() {
        let sized = Body::sized(Box::pin(stream::pending()), 5001);
        for body in [sized, body(1_000_000, Duration::ZERO)] {
            let refused = read(body, 5000).await.unwrap().unwrap_err();
            assert_eq!((refused.status(), refused.label()), (413, "too_large"));
        }
    }

    #[test]
    fn a_manifest_is_recognised_by_its_tag_or_by_a_date_that_cannot_be_of_another() {
        let of = |fields: &[(HeaderName, &str)]| {
            let fields = fields.iter().cloned();
            let fields = fields.map(|(name, value)| (name, value.parse().unwrap()));
            validator(&fields.collect())
        };
        let date = (header::DATE, "Sun, 22 Nov 2026 12:01:00 GMT");
        let old = (header::LAST_MODIFIED, "Sun, 22 Nov 2026 12:00:00 GMT");
        let new = (header::LAST_MODIFIED, "Sun, 22 Nov 2026 12:00:01 GMT");
        let tag = (header::ETAG, "W/\"5\"");
        let by_tag = Condition::IfNoneMatch("W/\"5\"".into());
        assert_eq!(of(&[date.clone(), old.clone(), tag]), Some(by_tag));
        let by_date = Condition::IfModifiedSince(old.1.into());
        assert_eq!(of(&[date.clone(), old.clone()]), Some(by_date));
        assert_eq!(of(&[date.clone(), new]), None);
        assert_eq!(of(&[old]), None);
        assert_eq!(of(&[date]), None);
    }
}
