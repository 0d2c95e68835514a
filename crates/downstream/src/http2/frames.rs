//! How many frames of each kind a client may send. Pure.
//!
//! h2 bounds streams, header lists and resets of streams that were never accepted. What it lets
//! pass is work per frame: SETTINGS and PING ask for answers, `RST_STREAM` throws work away,
//! CONTINUATION and empty frames cost without end. A client that plays video sends few of any.

use std::time::Duration;

use tokio::time::Instant;

/// Budgets are per minute.
const WINDOW: Duration = Duration::from_mins(1);

const PREFACE_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;

/// Frame kinds, RFC 9113 section 6; the last is everything else.
const KINDS: usize = 11;

/// Per minute: DATA, HEADERS, PRIORITY, `RST_STREAM`, SETTINGS, `PUSH_PROMISE`, PING, GOAWAY,
/// `WINDOW_UPDATE`, CONTINUATION, others. HEADERS are bounded by streams and requests.
const BUDGETS: [u64; KINDS] = [200, u64::MAX, 120, 100, 30, 1, 60, 10, 1_000, 120, 600];

const WINDOW_UPDATE: usize = 8;

/// A window update is earned by this much of a response, beyond the budget.
const BYTES_PER_UPDATE: u64 = 512;

/// Follows a client's frames through the bytes that it sends.
#[derive(Debug)]
pub(crate) struct Budget {
    preface_left: usize,
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    payload_left: usize,
    counts: [u64; KINDS],
    since: Instant,
    /// What had been sent when the window began.
    sent_before: u64,
    over: bool,
}

/// The budget is spent: everything from this byte on, which begins a frame, is a flood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flood {
    pub(crate) from: usize,
}

impl Budget {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            preface_left: PREFACE_BYTES,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            payload_left: 0,
            counts: [0; KINDS],
            since: now,
            sent_before: 0,
            over: false,
        }
    }

    /// Follows `bytes`. `sent` is how much the connection has sent so far. After the budget is
    /// spent, the frame that spent it still passes, so that a flood begins where a frame does.
    pub(crate) fn follow(&mut self, bytes: &[u8], now: Instant, sent: u64) -> Result<(), Flood> {
        if now.duration_since(self.since) >= WINDOW {
            self.counts = [0; KINDS];
            self.since = now;
            self.sent_before = sent;
        }
        let mut at = self.preface_left.min(bytes.len());
        self.preface_left -= at;
        while at < bytes.len() {
            if self.payload_left > 0 {
                let skipped = self.payload_left.min(bytes.len() - at);
                self.payload_left -= skipped;
                at += skipped;
                continue;
            }
            if self.header_bytes == 0 && self.over {
                return Err(Flood { from: at });
            }
            self.header[self.header_bytes] = bytes[at];
            self.header_bytes += 1;
            at += 1;
            if self.header_bytes == HEADER_BYTES {
                self.begin_frame(sent);
            }
        }
        Ok(())
    }

    fn begin_frame(&mut self, sent: u64) {
        self.header_bytes = 0;
        let [high, middle, low, kind, ..] = self.header;
        self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
        let kind = usize::from(kind).min(KINDS - 1);
        self.counts[kind] += 1;
        let mut budget = BUDGETS[kind];
        if kind == WINDOW_UPDATE {
            budget += (sent - self.sent_before) / BYTES_PER_UPDATE;
        }
        self.over |= self.counts[kind] > budget;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(payload).unwrap().to_be_bytes();
        let mut frame = vec![a, b, c, kind, 0, 0, 0, 0, 1];
        frame.resize(HEADER_BYTES + payload, 0xff);
        frame
    }

    fn budget(now: Instant) -> Budget {
        let mut budget = Budget::new(now);
        budget
            .follow(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", now, 0)
            .unwrap();
        budget
    }

    /// T01, T06.
    #[tokio::test(start_paused = true)]
    async fn a_flood_of_any_kind_is_seen_where_a_frame_begins() {
        for (kind, allowed) in [
            (0, 200),
            (2, 120),
            (3, 100),
            (4, 30),
            (6, 60),
            (9, 120),
            (77, 600),
        ] {
            let now = Instant::now();
            let mut budget = budget(now);
            let frame = frame(kind, 4);
            for n in 0..=allowed {
                assert_eq!(
                    budget.follow(&frame, now, 0),
                    Ok(()),
                    "kind {kind}, frame {n}"
                );
            }
            assert_eq!(
                budget.follow(&frame, now, 0),
                Err(Flood { from: 0 }),
                "kind {kind}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_later_the_budget_is_whole() {
        let mut now = Instant::now();
        let mut budget = budget(now);
        for _ in 0..10 {
            for _ in 0..60 {
                budget.follow(&frame(6, 8), now, 0).unwrap();
            }
            now += Duration::from_mins(1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn window_updates_are_earned_by_what_was_sent() {
        let now = Instant::now();
        let mut budget = budget(now);
        for n in 0..100_000_u64 {
            budget.follow(&frame(8, 4), now, n * 8192).unwrap();
        }
        let mut stingy = self::budget(now);
        let spent = (0..2_000).find(|_| stingy.follow(&frame(8, 4), now, 0).is_err());
        assert_eq!(spent, Some(1_001));
    }

    proptest! {
        /// However frames are cut on their way, the flood begins at the same byte.
        #[test]
        fn the_flood_does_not_depend_on_how_bytes_arrive(
            payloads in prop::collection::vec(0_usize..40, 80..120),
            step in 1_usize..50,
        ) {
            let now = Instant::now();
            let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            for payload in payloads {
                bytes.extend(frame(6, payload));
            }
            let whole = Budget::new(now).follow(&bytes, now, 0).unwrap_err().from;
            let mut budget = Budget::new(now);
            let mut before = 0;
            let dripped = bytes.chunks(step).find_map(|chunk| {
                let from = budget.follow(chunk, now, 0).err().map(|flood| before + flood.from);
                before += chunk.len();
                from
            });
            prop_assert_eq!(dripped, Some(whole));
        }
    }
}
