//! Reading a request's body within bounds of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout};

use crate::{Reason, Refused};

/// How slowly a body may come.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Without a byte.
    pub stall: Duration,
    /// Bytes a second, on average, once `stall` has passed.
    pub bytes_per_s_min: u64,
}

impl Default for Pace {
    /// 10 s, then 16 KiB/s: 64 MiB may take 70 minutes, and a byte a second is told off at once.
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(10),
            bytes_per_s_min: 16 << 10,
        }
    }
}

/// Refuses a body that says of itself that it is too large, before a byte of it is read.
pub(crate) fn check_length(headers: &HeaderMap, bytes_max: usize) -> Result<(), Refused> {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > bytes_max as u64 => Err(too_large(bytes_max)),
        Some(_) | None => Ok(()),
    }
}

/// How long what still comes of a refused body is read.
const LINGER: Duration = Duration::from_secs(2);

/// Reads for a moment on what nobody wants: a client whose connection is closed, or whose stream is
/// reset, while it sends may lose the answer that was sent to it (RFC 9112 section 9.6). One that waits
/// to be asked for its body is not asked.
pub(crate) fn let_go(mut body: Incoming, headers: &HeaderMap) {
    if body.is_end_stream() || headers.contains_key(header::EXPECT) {
        return;
    }
    tokio::spawn(async move {
        let rest = async { while let Some(Ok(_)) = body.frame().await {} };
        let _over = timeout(LINGER, rest).await;
    });
}

/// Reads a body to its end, or as far as it is taken. Cancel safe: what was read is lost, and the body
/// is not read any further.
pub(crate) async fn read(
    body: &mut Incoming,
    bytes_max: usize,
    pace: Pace,
) -> Result<Bytes, Refused> {
    let begun = Instant::now();
    let hint = usize::try_from(body.size_hint().lower()).unwrap_or(bytes_max);
    // What a client announces is not set aside before it comes.
    let mut whole = BytesMut::with_capacity(hint.min(64 << 10));
    loop {
        let Ok(frame) = timeout(pace.stall, body.frame()).await else {
            return Err(too_slow());
        };
        let Some(frame) = frame else {
            return Ok(whole.freeze());
        };
        let frame = frame.map_err(|_broken| Refused::malformed("the body broke off"))?;
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + data.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        whole.extend_from_slice(&data);
        if is_too_slow(begun.elapsed(), whole.len(), pace) {
            return Err(too_slow());
        }
    }
}

fn is_too_slow(elapsed: Duration, bytes: usize, pace: Pace) -> bool {
    elapsed > pace.stall && (bytes as u64) < pace.bytes_per_s_min.saturating_mul(elapsed.as_secs())
}

fn too_large(bytes_max: usize) -> Refused {
    let detail = format!("the body is larger than {bytes_max} bytes");
    Refused::new(Reason::TooLarge, detail)
}

fn too_slow() -> Refused {
    Refused::new(Reason::TooSlow, "the body took too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_trickles_is_too_slow_and_a_quick_one_is_not() {
        let pace = Pace::default();
        let is_slow = |seconds, bytes| is_too_slow(Duration::from_secs(seconds), bytes, pace);
        assert!(!is_slow(9, 9), "at first nobody is judged");
        assert!(is_slow(11, 11));
        assert!(!is_slow(11, 1 << 20));
        assert!(is_slow(600, 1 << 20));
    }
}
