//! The table.

use std::fmt::Write as _;

use super::{
    super::{
        measure::Spread,
        select::Protocol,
        target::{Kind, Target},
    },
    visit::Sample,
};

/// What was measured, and over which path.
#[derive(Debug)]
pub(crate) struct Report {
    pub(super) rtt_ms: u64,
    pub(super) rate_mbit_per_s: u64,
    pub(super) queue_kib: u64,
    pub(super) loss_ppm: u32,
    pub(super) body_mib: usize,
    pub(super) tcp: String,
    pub(super) entries: Vec<Entry>,
}

/// All visits to one server over one protocol.
#[derive(Debug)]
pub(super) struct Entry {
    kind: Kind,
    protocol: Protocol,
    pub(super) samples: Vec<Sample>,
}

impl Entry {
    pub(super) fn of(target: &Target, protocol: Protocol) -> Self {
        Self {
            kind: target.kind,
            protocol,
            samples: Vec::new(),
        }
    }

    fn over(&self, figure: fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(figure))
    }
}

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "{} ms there and back, {} Mbit/s with a queue of {} KiB, {} packets in a million lost by \
             chance; TCP by {}\n\n\
             | | server | connected, ms | first byte, ms | {} MiB, new connection, Mbit/s | once more, Mbit/s \
             | 1 MiB after a rest, ms | lost packets, % |\n|---|---|---|---|---|---|---|---|\n",
            self.rtt_ms,
            self.rate_mbit_per_s,
            self.queue_kib,
            self.loss_ppm,
            self.tcp,
            self.body_mib,
        );
        for entry in &self.entries {
            let _infallible = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                entry.protocol.alpn(),
                entry.kind.name(),
                entry.over(|sample| sample.connected_ms).text(0),
                entry.over(|sample| sample.first_byte_ms).text(0),
                entry.over(|sample| sample.cold_mbit_per_s).text(1),
                entry.over(|sample| sample.warm_mbit_per_s).text(1),
                entry.over(|sample| sample.segment_ms).text(0),
                entry.over(|sample| sample.lost_percent).text(2),
            );
        }
        text.push_str(&self.ratio());
        text
    }

    /// HTTP/3 by our own HTTP/2.
    fn ratio(&self) -> String {
        let ours = |protocol| {
            let mut entries = self.entries.iter();
            entries.find(|entry| entry.kind == Kind::Signed && entry.protocol == protocol)
        };
        let (Some(h2), Some(h3)) = (ours(Protocol::Http2), ours(Protocol::Http3)) else {
            return String::new();
        };
        let ratio = |figure| h3.over(figure).median / h2.over(figure).median;
        format!(
            "\nHTTP/3 by our HTTP/2: {:.2}x on a new connection, {:.2}x once more\n",
            ratio(|sample| sample.cold_mbit_per_s),
            ratio(|sample| sample.warm_mbit_per_s),
        )
    }
}
