//! The limits towards a next hop, as keys of the section that names it.

use std::time::Duration;

use daemon::config::Section;
use upstream::Limits;

/// Reads the limits towards an upstream from its section.
pub fn read_upstream_limits(section: &mut Section, default: Limits) -> Limits {
    let times = Duration::from_millis(10)..=Duration::from_mins(5);
    let mut time = |key, default| section.duration(key, times.clone()).or(default);
    let connect_timeout = time("connect_timeout", default.connect_timeout);
    let head_timeout = time("first_byte_timeout", default.head_timeout);
    let stall_timeout = time("stall_timeout", default.stall_timeout);
    let queue_timeout = time("queue_timeout", default.queue_timeout);
    let mut count = |key, low, high, default: usize| {
        let value = section.number(key, low..=high).or(default as u64);
        usize::try_from(value).unwrap_or(default)
    };
    let in_flight_max = count("reads_max", 1, 65_536, default.in_flight_max);
    let queue_max = count("queue_max", 0, 65_536, default.queue_max);
    let connections_max = count("connections_max", 1, 64, default.connections_max);
    let retries = section
        .number("retries_max", 0..=5)
        .or(u64::from(default.retries_max));
    let allow_private_addresses = section
        .flag("allow_private_addresses")
        .or(default.allow_private_addresses);
    Limits {
        connect_timeout,
        head_timeout,
        stall_timeout,
        queue_timeout,
        in_flight_max,
        queue_max,
        connections_max,
        retries_max: u32::try_from(retries).unwrap_or(default.retries_max),
        allow_private_addresses,
        ..default
    }
}
