//! How much QUIC holds of a connection's responses until the client has acknowledged it.
//!
//! What is in flight must be held, since it may be lost, and somewhat more must be there for when
//! room comes up. On a path of 100 ms and 200 Mbit/s that is 2.5 MB and more, for a player at home a
//! fraction of it. So the bound follows the congestion window, as the kernel's does for TCP, up to a
//! share of what all may hold. What is held are references to slices, not copies.

use std::sync::atomic::{AtomicU64, Ordering};

/// What every connection may hold: a response that is small, and the first round trips of others.
pub(super) const BYTES_MIN: u64 = 256 << 10;

/// The least that a connection may come to hold however many there are: 84 Mbit/s over 100 ms.
const SHARE_BYTES_MIN: u64 = 1 << 20;

/// What all may have together before each gets less: 32 connections with 8 MiB.
const BUDGET_BYTES: u64 = 256 << 20;

/// Steps of the bound, so that it is not told anew with each acknowledgement.
const STEP_BYTES: u64 = 64 << 10;

/// One connection's bound.
#[derive(Debug)]
pub(crate) struct Window {
    bytes_max: u64,
    bytes: AtomicU64,
}

impl Window {
    /// For a connection that comes while `open` are open, itself among them; none has more than
    /// `limit`.
    pub(super) fn new(limit: u64, open: usize) -> Self {
        let share = BUDGET_BYTES / u64::try_from(open.max(1)).unwrap_or(u64::MAX);
        Self {
            bytes_max: limit.min(share.max(SHARE_BYTES_MIN)),
            bytes: AtomicU64::new(BYTES_MIN),
        }
    }

    /// Has QUIC hold as much as it can use now. To be asked for each piece of a body: a piece is taken
    /// when earlier ones were acknowledged, which is when the congestion window moves.
    pub(super) fn follow(&self, quic: &quinn::Connection) {
        let bytes = bytes(quic.stats().path.cwnd, self.bytes_max);
        if self.bytes.swap(bytes, Ordering::Relaxed) != bytes {
            quic.set_send_window(bytes);
        }
    }
}

/// Twice the congestion window: it may double within a round trip (RFC 9002 section 7.3.1), and is to
/// find what it has room for, or QUIC would take the want of data for the path's limit and let it be.
fn bytes(congestion_window: u64, bytes_max: u64) -> u64 {
    let wanted = congestion_window.saturating_mul(2).min(bytes_max);
    wanted.next_multiple_of(STEP_BYTES).max(BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_follows_the_congestion_window_between_the_least_and_the_most() {
        let most = 8 << 20;
        assert_eq!(bytes(12_000, most), BYTES_MIN);
        assert_eq!(bytes(1 << 20, most), 2 << 20);
        assert_eq!(bytes((1 << 20) + 1, most), (2 << 20) + STEP_BYTES);
        assert_eq!(bytes(u64::MAX, most), most);
    }

    #[test]
    fn a_connection_gets_its_share_of_what_all_may_hold() {
        let most = |open| Window::new(8 << 20, open).bytes_max;
        assert_eq!(most(0), 8 << 20);
        assert_eq!(most(32), 8 << 20);
        assert_eq!(most(128), 2 << 20);
        assert_eq!(most(50_000), 1 << 20);
    }
}
