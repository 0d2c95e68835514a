//! Limits of time, number and memory towards one upstream.

use std::time::Duration;

use crate::{BreakerLimits, Error};

/// Limits towards one upstream; [`Limits::default`] says what suits a shield on a path of up to
/// 100 ms.
#[derive(Debug, Clone)]
pub struct Limits {
    /// For name, TCP and TLS each, before the next address or hop is tried. Default 1 s.
    pub connect_timeout: Duration,
    /// From the request to the whole response head. Default 5 s.
    pub head_timeout: Duration,
    /// Without a byte of the body, while somebody waits for one. Default 5 s.
    pub stall_timeout: Duration,
    /// Reads in flight, from the request to the end of the body. Default 256.
    pub in_flight_max: usize,
    /// Reads that may wait for their turn. Default 256: one more round.
    pub queue_max: usize,
    /// How long one may wait for its turn. Default 1 s.
    pub queue_timeout: Duration,
    /// HTTP/2 connections per hop. Default 2: one lost packet then stalls half of the streams.
    pub connections_max: usize,
    /// Idle HTTP/1.1 connections kept per hop. Default 64.
    pub idle_connections_max: usize,
    /// How long an idle HTTP/1.1 connection is trusted. Default 20 s.
    pub idle_timeout: Duration,
    /// Tries after the first. Default 2, most 5.
    pub retries_max: u32,
    /// When a hop is left alone.
    pub breaker: BreakerLimits,
    /// Whether names may resolve to loopback, private or link-local addresses. Default true,
    /// because operators run shields and origins inside their own networks; false refuses them
    /// with `destination_ip_prohibited`, after resolution, so that rebinding gains nothing.
    pub allow_private_addresses: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            head_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(5),
            in_flight_max: 256,
            queue_max: 256,
            queue_timeout: Duration::from_secs(1),
            connections_max: 2,
            idle_connections_max: 64,
            idle_timeout: Duration::from_secs(20),
            retries_max: 2,
            breaker: BreakerLimits::default(),
            allow_private_addresses: true,
        }
    }
}

impl Limits {
    /// Refuses limits that would stop all traffic or bound nothing.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let times = [
            ("connect_timeout", self.connect_timeout),
            ("head_timeout", self.head_timeout),
            ("stall_timeout", self.stall_timeout),
            ("queue_timeout", self.queue_timeout),
            ("idle_timeout", self.idle_timeout),
        ];
        for (name, value) in times {
            if value.is_zero() || value > Duration::from_hours(1) {
                let value = format!("{value:?}");
                return Err(Error::Limit {
                    name,
                    value,
                    allowed: "above 0 s, at most 1 h",
                });
            }
        }
        let counts = [
            ("in_flight_max", self.in_flight_max, 1, 65_536),
            ("queue_max", self.queue_max, 0, 65_536),
            ("connections_max", self.connections_max, 1, 64),
            ("idle_connections_max", self.idle_connections_max, 0, 4096),
            ("retries_max", self.retries_max as usize, 0, 5),
        ];
        for (name, value, least, most) in counts {
            if value < least || value > most {
                let allowed = "1 to 65536 reads, 0 to 65536 waiting, 1 to 64 connections, \
                               0 to 4096 idle, 0 to 5 retries";
                return Err(Error::Limit {
                    name,
                    value: value.to_string(),
                    allowed,
                });
            }
        }
        Ok(())
    }
}
