//! How much the kernel may hold of what was written to a connection and not sent.

/// Twice a buffer of the record layer: the kernel tells of room when half is free, and then takes a
/// whole buffer in one write. Measured over loopback with bodies of 1 MiB on HTTP/1, CPU-seconds per
/// GB: buffers of 256 KiB cost 0.310 with 128 KiB here, 0.294 with 256 KiB, 0.245 with 512 KiB;
/// buffers of 512 KiB cost 0.189 with 1 MiB.
const BYTES_MAX: usize = 1 << 20;

/// What a connection may have however many there are. It also bounds what is sent in vain to a
/// player that seeks.
const BYTES_MIN: usize = 128 << 10;

/// What all may have together before each gets less: 256 connections with the most.
const BUDGET_BYTES: usize = 256 << 20;

/// The bound for a connection that comes while `open` are open, itself among them. Those that came
/// before keep theirs, so that all together may have a few times the budget, for as long as those
/// stay.
pub(crate) fn unsent_bytes(open: usize) -> u32 {
    let share = BUDGET_BYTES / open.max(1);
    u32::try_from(share.clamp(BYTES_MIN, BYTES_MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_gets_its_share_between_the_least_and_the_most() {
        assert_eq!(unsent_bytes(0), 1 << 20);
        assert_eq!(unsent_bytes(256), 1 << 20);
        assert_eq!(unsent_bytes(1_024), 256 << 10);
        assert_eq!(unsent_bytes(50_000), 128 << 10);
    }
}
