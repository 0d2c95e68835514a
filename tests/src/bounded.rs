//! Waits that end: every one has a time limit and a name.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

/// How often [`eventually`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits for `future`; fails the test when `seconds` pass first.
pub async fn within<F: Future>(seconds: u64, what: &str, future: F) -> F::Output {
    let waiting = timeout(Duration::from_secs(seconds), future).await;
    waiting.unwrap_or_else(|_elapsed| panic!("waited {seconds} s in vain for {what}"))
}

/// Waits until `look` sees something; fails the test when `seconds` pass first. For states of
/// other processes and of counters, which wake nobody.
pub async fn eventually<T, F>(seconds: u64, what: &str, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let seen = perhaps(seconds, look).await;
    seen.unwrap_or_else(|| panic!("waited {seconds} s in vain for {what}"))
}

/// Waits until `look` sees something, for so many seconds at most.
pub async fn perhaps<T, F>(seconds: u64, mut look: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let seen = look().await;
        if seen.is_some() || Instant::now() >= end {
            return seen;
        }
        sleep(LOOK_EVERY).await;
    }
}
