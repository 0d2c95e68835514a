//! How many connections there may be, in all and from one place.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{config::Limits, metrics::Rejected};

/// Where connections come from: one IPv4 address, or an IPv6 /56, which is one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    V4(Ipv4Addr),
    V6([u8; 7]),
}

impl Place {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let mut customer = [0; 7];
                customer.copy_from_slice(&address.octets()[..7]);
                Self::V6(customer)
            }
        }
    }
}

/// What is remembered of a place.
#[derive(Debug)]
struct Seen {
    open: u32,
    /// When the place will have paid for all its new connections (a leaky bucket kept as a time).
    paid_at: Instant,
}

/// The count of connections. A decision takes one short lock, once per connection.
#[derive(Debug)]
pub(crate) struct Quota {
    connections: usize,
    per_ipv4: u32,
    per_ipv6: u32,
    price: Duration,
    credit: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    places: HashMap<Place, Seen>,
}

impl Quota {
    pub(crate) fn new(limits: &Limits) -> Self {
        let price = Duration::from_secs(1) / limits.new_connections_per_s.max(1);
        Self {
            connections: limits.connections,
            per_ipv4: limits.connections_per_ipv4,
            per_ipv6: limits.connections_per_ipv6_56,
            price,
            credit: price * limits.new_connections_burst.max(1),
            state: Mutex::default(),
        }
    }

    /// Takes a place for one connection, given back when the permit is dropped.
    ///
    /// While the server is `resting`, a place that has no open connection gets none.
    pub(crate) fn admit(
        self: &Arc<Self>,
        from: IpAddr,
        now: Instant,
        resting: bool,
    ) -> Result<Permit, Rejected> {
        let place = Place::of(from);
        let most = match place {
            Place::V4(_) => self.per_ipv4,
            Place::V6(_) => self.per_ipv6,
        };
        let mut state = self.lock();
        let is_there = || state.places.get(&place).is_some_and(|seen| seen.open > 0);
        if resting && !is_there() {
            return Err(Rejected::Resting);
        }
        if state.open >= self.connections {
            return Err(Rejected::Connections);
        }
        if state.places.len() >= self.connections.saturating_mul(2) {
            // Places are kept after their last connection only to remember their rate.
            state
                .places
                .retain(|_, seen| seen.open > 0 || seen.paid_at > now);
        }
        let seen = state.places.entry(place).or_insert(Seen {
            open: 0,
            paid_at: now,
        });
        if seen.open >= most {
            return Err(Rejected::Place);
        }
        let paid_at = seen.paid_at.max(now) + self.price;
        if paid_at > now + self.credit {
            return Err(Rejected::Rate);
        }
        seen.paid_at = paid_at;
        seen.open += 1;
        state.open += 1;
        Ok(Permit {
            quota: Arc::clone(self),
            place,
        })
    }

    /// How many connections there are.
    pub(crate) fn open(&self) -> usize {
        self.lock().open
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a poisoned lock holds good data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place.
#[derive(Debug)]
pub(crate) struct Permit {
    quota: Arc<Quota>,
    place: Place,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.quota.lock();
        state.open -= 1;
        if let Some(seen) = state.places.get_mut(&self.place) {
            seen.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(change: impl FnOnce(&mut Limits)) -> Arc<Quota> {
        let mut limits = Limits::default();
        change(&mut limits);
        Arc::new(Quota::new(&limits))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_an_ipv4_address_or_an_ipv6_56() {
        let quota = quota(|limits| {
            limits.connections_per_ipv4 = 1;
            limits.connections_per_ipv6_56 = 1;
        });
        let now = Instant::now();
        let first = quota.admit(ip("192.0.2.1"), now, false).unwrap();
        assert_eq!(
            quota.admit(ip("::ffff:192.0.2.1"), now, false).unwrap_err(),
            Rejected::Place
        );
        let _other = quota.admit(ip("192.0.2.2"), now, false).unwrap();
        let _six = quota.admit(ip("2001:db8:0:100::1"), now, false).unwrap();
        assert_eq!(
            quota
                .admit(ip("2001:db8:0:1ff::9"), now, false)
                .unwrap_err(),
            Rejected::Place
        );
        let _next = quota.admit(ip("2001:db8:0:200::1"), now, false).unwrap();
        drop(first);
        assert!(quota.admit(ip("192.0.2.1"), now, false).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_are_bounded() {
        let quota = quota(|limits| limits.connections = 2);
        let now = Instant::now();
        let _a = quota.admit(ip("192.0.2.1"), now, false).unwrap();
        let b = quota.admit(ip("192.0.2.2"), now, false).unwrap();
        assert_eq!(
            quota.admit(ip("192.0.2.3"), now, false).unwrap_err(),
            Rejected::Connections
        );
        drop(b);
        assert!(quota.admit(ip("192.0.2.3"), now, false).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_paid_back_over_time() {
        let quota = quota(|limits| {
            limits.new_connections_per_s = 10;
            limits.new_connections_burst = 3;
        });
        let now = Instant::now();
        for _ in 0..3 {
            drop(quota.admit(ip("192.0.2.1"), now, false).unwrap());
        }
        assert_eq!(
            quota.admit(ip("192.0.2.1"), now, false).unwrap_err(),
            Rejected::Rate
        );
        let later = now + Duration::from_millis(100);
        assert!(quota.admit(ip("192.0.2.1"), later, false).is_ok());
        assert_eq!(
            quota.admit(ip("192.0.2.1"), later, false).unwrap_err(),
            Rejected::Rate
        );
    }

    #[tokio::test(start_paused = true)]
    async fn places_that_left_are_forgotten() {
        let quota = quota(|limits| limits.connections = 4);
        let mut now = Instant::now();
        for n in 0..100_u8 {
            drop(
                quota
                    .admit(ip(&format!("192.0.2.{n}")), now, false)
                    .unwrap(),
            );
            now += Duration::from_secs(1);
        }
        assert!(quota.lock().places.len() <= 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_resting_server_lets_in_those_who_are_there_and_nobody_else() {
        let quota = quota(|_| {});
        let (viewer, stranger) = (ip("192.0.2.1"), ip("192.0.2.2"));
        let first = quota.admit(viewer, Instant::now(), false).unwrap();
        let second = quota.admit(viewer, Instant::now(), true).unwrap();
        let refused = quota.admit(stranger, Instant::now(), true).unwrap_err();
        assert_eq!(refused, Rejected::Resting);
        drop((first, second));
        assert!(
            quota.admit(viewer, Instant::now(), true).is_err(),
            "it left"
        );
        assert!(quota.admit(stranger, Instant::now(), false).is_ok());
    }
}
