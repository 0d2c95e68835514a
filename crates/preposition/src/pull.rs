//! Pull: a node that nobody can reach fetches its manifest, from object storage or an HTTPS server.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{StatusCode, header};
use manifest::Refused;
use message::{
    Carried, Condition, Demand, Error, Fetch, Kind, ObjectName, Response, Timestamp, Upstream,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{Preposition, Rejected, trust::Way};

/// After failures in a row it comes again this much later at most.
const PAUSE_MAX: Duration = Duration::from_hours(1);
/// Without a byte for so long it fails.
const STALL: Duration = Duration::from_secs(30);

/// Where the manifest is, and how often it is looked for.
#[derive(Clone)]
pub struct Pull {
    /// The way there.
    pub upstream: Arc<dyn Upstream>,
    /// What it is called there.
    pub name: ObjectName,
    /// How often it is looked for.
    pub interval: Duration,
}

impl std::fmt::Debug for Pull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pull({}, every {:?})", self.name, self.interval)
    }
}

/// How long until the next pull, after so many failures in a row: an interval, doubled with each,
/// and moved by up to a tenth of it by the node's own number, so that a fleet does not come at once.
pub fn next_pull(interval: Duration, failures: u32, node: u64) -> Duration {
    let pause = interval.saturating_mul(1 << failures.min(10));
    let pause = pause.min(PAUSE_MAX.max(interval));
    let spread = u32::try_from(node % 100).unwrap_or(0);
    pause + pause * spread / 1000
}

/// Pulls until it is stopped.
pub(crate) async fn run(pull: Pull, fill: Preposition, node: u64, stop: CancellationToken) {
    let mut etag: Option<Arc<str>> = None;
    let mut failures = 0;
    loop {
        match once(&pull, &fill, &mut etag).await {
            Ok(()) => failures = 0,
            Err(why) => {
                failures += 1;
                fill.pull_failed();
                tracing::warn!(manifest = %pull.name, why, failures, "no manifest was pulled");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(next_pull(pull.interval, failures, node)) => {}
        }
    }
}

async fn once(pull: &Pull, fill: &Preposition, etag: &mut Option<Arc<str>>) -> Result<(), String> {
    let at = fill.now();
    let answer = fetch(pull, etag.clone(), at, fill.file_bytes_max());
    let Some((bytes, new)) = answer.await.map_err(|error| error.to_string())? else {
        return Ok(());
    };
    let outcome = match fill.push_by(Way::Pull, bytes).await {
        Ok(_) => Ok(()),
        // What is in force already lies there still.
        Err(Rejected::Refused(Refused::Replayed {
            generation,
            current,
        })) if generation == current => Ok(()),
        Err(why) if !is_judged(&why) => return Err(why.to_string()),
        Err(why) => Err(why.to_string()),
    };
    // What was judged once need not come again, whatever the judgement.
    *etag = new;
    outcome
}

/// Whether the same bytes will always be answered so.
fn is_judged(why: &Rejected) -> bool {
    match why {
        Rejected::Busy
        | Rejected::Ending
        | Rejected::Unkept(_)
        | Rejected::Unrehearsed(_)
        | Rejected::Quarantined { .. }
        // Its time comes, or that of its key: by this clock, or when that is right again.
        | Rejected::Refused(Refused::FromTheFuture { .. } | Refused::KeyNotValid(_)) => false,
        Rejected::Refused(_) | Rejected::Unfit { .. } | Rejected::OtherGeneration { .. } => true,
    }
}

type Pulled = Option<(Bytes, Option<Arc<str>>)>;

async fn fetch(
    pull: &Pull,
    etag: Option<Arc<str>>,
    at: Timestamp,
    bytes_max: u64,
) -> Result<Pulled, Error> {
    let fetch = Fetch {
        object: pull.name.clone(),
        range: None,
        condition: etag.map(Condition::IfNoneMatch),
        carried: Carried::default(),
        demand: Demand::Any,
        at,
    };
    let response = pull.upstream.fetch(fetch).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => return Ok(None),
        status => {
            let detail = format!("the manifest's place answered {}", status.as_u16());
            return Err(Error::new(Kind::HttpProtocolError, detail));
        }
    }
    let etag = response.headers().get(header::ETAG);
    let etag = etag.and_then(|etag| etag.to_str().ok()).map(Into::into);
    Ok(Some((read(response, bytes_max).await?, etag)))
}

async fn read(response: Response, bytes_max: u64) -> Result<Bytes, Error> {
    let mut body = response.into_body();
    let mut whole = BytesMut::new();
    loop {
        let Ok(item) = timeout(STALL, body.next()).await else {
            return Err(Error::new(
                Kind::ConnectionReadTimeout,
                "the manifest stalled",
            ));
        };
        let Some(bytes) = item else {
            return Ok(whole.freeze());
        };
        whole.extend_from_slice(&bytes?);
        if whole.len() as u64 > bytes_max {
            let detail = format!("a manifest of more than {bytes_max} bytes");
            return Err(Error::new(Kind::HttpProtocolError, detail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_too_early_is_pulled_again() {
        let early = Refused::FromTheFuture {
            issued_s: 2_000,
            now_s: 1_000,
        };
        assert!(!is_judged(&early.into()));
        assert!(is_judged(&Refused::Unsigned.into()));
        assert!(!is_judged(&Rejected::Busy));
    }

    #[test]
    fn a_node_comes_back_later_after_each_failure_and_not_with_all_others() {
        let minute = Duration::from_mins(1);
        assert_eq!(next_pull(minute, 0, 0), minute);
        assert_eq!(next_pull(minute, 3, 0), minute * 8);
        assert_eq!(next_pull(minute, u32::MAX, 0), PAUSE_MAX);
        assert_eq!(next_pull(minute, 0, 50), minute + minute / 20);
        let day = Duration::from_hours(24);
        assert_eq!(next_pull(day, 5, 0), day, "never more often than asked");
    }
}
