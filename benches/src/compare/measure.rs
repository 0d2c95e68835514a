//! What is measured: shapes of load, samples of runs, rows of the table.

use std::fmt;

use benches::bodies::{LARGE_BYTES, SMALL_BYTES};

use super::target::{Kind, Target};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// Ours alone: Debian's nginx has none.
    Http3,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::Http1, Self::Http2, Self::Http3];

    pub(crate) fn alpn(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
            Self::Http3 => "h3",
        }
    }
}

/// A protocol and the objects that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) protocol: Protocol,
    size: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
}

impl Shape {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Protocol::ALL.into_iter().flat_map(|protocol| {
            [Size::Small, Size::Large].map(move |size| Self { protocol, size })
        })
    }

    /// Objects of the same size over another protocol.
    pub(crate) fn over(self, protocol: Protocol) -> Self {
        Self { protocol, ..self }
    }

    pub(crate) fn length(self) -> usize {
        match self.size {
            Size::Small => SMALL_BYTES,
            Size::Large => LARGE_BYTES,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Http1 => "H1",
            Protocol::Http2 => "H2",
            Protocol::Http3 => "H3",
        };
        let size = match self.size {
            Size::Small => "64 KiB",
            Size::Large => "1 MiB",
        };
        write!(f, "{protocol}, {size}")
    }
}

/// How often and how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) runs: usize,
    pub(crate) body_bytes: u64,
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) requests: u64,
    pub(crate) body_bytes: u64,
}

impl Sample {
    pub(crate) fn cpu_s_per_gb(&self) -> f64 {
        self.cpu_s / gigabytes(self.body_bytes)
    }

    pub(crate) fn requests_per_cpu_s(&self) -> f64 {
        as_f64(self.requests) / self.cpu_s
    }

    pub(crate) fn gb_per_s(&self) -> f64 {
        gigabytes(self.body_bytes) / self.wall_s
    }
}

fn gigabytes(bytes: u64) -> f64 {
    as_f64(bytes) / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "runs are far below 2^52 bytes")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

/// One shape, and all runs of every contestant in it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) shape: Shape,
    pub(crate) entries: Vec<Entry>,
    /// Settings of nginx that were tried beforehand, with their cost in short runs.
    pub(crate) tried: Vec<(&'static str, f64)>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample>,
}

impl Row {
    pub(crate) fn new(shape: Shape, contestants: &[Target], tried: &[(Target, f64)]) -> Self {
        let entry = |target: &Target| Entry {
            label: target.label,
            kind: target.kind,
            samples: Vec::new(),
        };
        Self {
            shape,
            entries: contestants.iter().map(entry).collect(),
            tried: tried
                .iter()
                .map(|(target, cost)| (target.label, *cost))
                .collect(),
        }
    }

    pub(crate) fn add(&mut self, contestant: usize, sample: Sample) {
        self.entries[contestant].samples.push(sample);
    }

    pub(crate) fn entry(&self, kind: Kind) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == kind)
    }
}

impl Entry {
    pub(crate) fn over(&self, figure: fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(figure))
    }
}

/// The median of runs, and their extremes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = figures.collect();
        all.sort_by(f64::total_cmp);
        let at = |index: usize| all.get(index).copied().unwrap_or(f64::NAN);
        let (low, high) = (all.len().saturating_sub(1) / 2, all.len() / 2);
        Self {
            least: at(0),
            median: f64::midpoint(at(low), at(high)),
            most: at(all.len().saturating_sub(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        let odd = Spread::of([3.0, 1.0, 2.0].into_iter());
        assert_eq!((odd.least, odd.median, odd.most), (1.0, 2.0, 3.0));
        let even = Spread::of([4.0, 1.0, 2.0, 3.0].into_iter());
        assert_eq!((even.least, even.median, even.most), (1.0, 2.5, 4.0));
    }
}
