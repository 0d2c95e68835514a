//! Heartbeats that go out by themselves, for appliances that nobody can call.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{Config, Error, Push, api::Api, client::Http};

/// The longest pause after failures.
const PAUSE_MAX: Duration = Duration::from_mins(5);

/// For the service to take one.
const PATIENCE: Duration = Duration::from_secs(10);

/// How to reach the service, checked.
pub(crate) struct Pusher {
    http: Http,
    push: Push,
}

impl Pusher {
    /// # Errors
    /// When the address or a file cannot be used.
    pub(crate) fn new(config: &Config, now: Duration) -> Result<Option<Self>, Error> {
        let Some(push) = config.push.clone() else {
            return Ok(None);
        };
        let http = Http::new(&push.url, &push.tls, now);
        let http = http.map_err(|error| Error::Config(error.to_string()))?;
        Ok(Some(Self { http, push }))
    }

    /// Pushes until `stop`. What could not be pushed is not kept: the next one says how it is then.
    pub(crate) async fn run(self, api: Arc<Api>, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let begun = Instant::now();
            let sent = tokio::select! {
                () = stop.cancelled() => return,
                sent = self.send(&api) => sent,
            };
            failures = match sent {
                Ok(()) => 0,
                Err(what) => {
                    // Once a series of failures: a service may be gone for days.
                    if failures == 0 {
                        tracing::warn!(what, "a heartbeat was not taken");
                    }
                    failures + 1
                }
            };
            let pause = pause(self.push.every, failures, rand::random());
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause.saturating_sub(begun.elapsed())) => {}
            }
        }
    }

    async fn send(&self, api: &Api) -> Result<(), String> {
        let heartbeat = api.heartbeat(&message::now());
        let body = serde_json::to_vec(&heartbeat).map_err(|error| error.to_string())?;
        let media = Some("application/json");
        let call = self
            .http
            .call(Method::POST, "", media, Bytes::from(body), PATIENCE);
        let (status, _) = call.await.map_err(|error| error.to_string())?;
        if status.is_success() {
            return Ok(());
        }
        Err(format!("status {status}"))
    }
}

/// Until the next heartbeat: twice as long after each failure, up to a fifth less by chance, so that
/// a fleet does not come back all at once.
fn pause(every: Duration, failures: u32, chance: u8) -> Duration {
    if failures == 0 {
        return every;
    }
    let longer = every.saturating_mul(1 << failures.min(10));
    let longer = longer.min(PAUSE_MAX.max(every));
    longer.saturating_sub(longer / 5 * u32::from(chance) / 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_failures_up_to_five_minutes() {
        let every = Duration::from_secs(10);
        assert_eq!(pause(every, 0, 200), every);
        assert_eq!(pause(every, 1, 0), every * 2);
        assert_eq!(pause(every, 1, 255), every * 2 * 4 / 5);
        assert_eq!(pause(every, u32::MAX, 0), PAUSE_MAX);
    }
}
