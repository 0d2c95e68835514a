//! How often a client may ask. Pure but for a short lock.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Clients that are told apart. Those with a role are few; whoever has none shares a place.
const CLIENTS_MAX: usize = 1024;

/// Requests that cost about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// What is answered from memory: 100 a second, 500 at once.
    Read,
    /// What is written down: 50 a second, 200 at once.
    Change,
    /// A manifest, up to 64 MiB of it: two a second, 10 at once.
    Push,
}

impl Class {
    /// What one costs, and how much may be owed.
    fn price(self) -> (Duration, Duration) {
        let (per_s, burst) = match self {
            Self::Read => (100, 500),
            Self::Change => (50, 200),
            Self::Push => (2, 10),
        };
        let price = Duration::from_secs(1) / per_s;
        (price, price * burst)
    }
}

/// A leaky bucket for each client and class, kept as the time at which it is paid for.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<(Arc<str>, Class), Instant>>);

impl Rates {
    /// Takes one from a client's bucket, or tells how long to wait for it.
    pub(crate) fn take(
        &self,
        client: &Arc<str>,
        class: Class,
        now: Instant,
    ) -> Result<(), Duration> {
        let (price, credit) = class.price();
        let mut buckets = self.0.lock();
        if buckets.len() >= CLIENTS_MAX {
            buckets.retain(|_, paid_at| *paid_at > now);
        }
        let known = buckets.get(&(Arc::clone(client), class)).copied();
        let paid_at = known.unwrap_or(now).max(now) + price;
        let owed = paid_at.saturating_duration_since(now);
        if owed > credit {
            return Err(owed.saturating_sub(credit));
        }
        if known.is_some() || buckets.len() < CLIENTS_MAX {
            buckets.insert((Arc::clone(client), class), paid_at);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_a_thousand_pushes_in_a_second_a_dozen_are_heard() {
        let (rates, client) = (Rates::default(), Arc::from("steering"));
        let mut heard = 0;
        for _ in 0..1_000 {
            heard += usize::from(rates.take(&client, Class::Push, Instant::now()).is_ok());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!((11..=13).contains(&heard), "{heard}");
        assert!(
            rates.take(&client, Class::Read, Instant::now()).is_ok(),
            "reads go on"
        );
        let other = Arc::from("other");
        assert!(
            rates.take(&other, Class::Push, Instant::now()).is_ok(),
            "so do others"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_told_how_long_to_wait() {
        let (rates, client) = (Rates::default(), Arc::from("steering"));
        let now = Instant::now();
        while rates.take(&client, Class::Push, now).is_ok() {}
        let wait = rates.take(&client, Class::Push, now).unwrap_err();
        assert!(rates.take(&client, Class::Push, now + wait).is_ok());
    }
}
