//! Samples of runs, and what many of them come to.

use serde_json::{Value, json};

use super::target::{Kind, Target};

/// One run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) requests: u64,
    pub(crate) body_bytes: u64,
    /// Of all answers, as they were sent (compressed, over HTTP/2).
    pub(crate) header_bytes: u64,
}

impl Sample {
    pub(crate) fn cpu_s_per_gb(&self) -> f64 {
        self.cpu_s / gigabytes(self.body_bytes)
    }

    pub(crate) fn cpu_us_per_request(&self) -> f64 {
        self.cpu_s * 1e6 / as_f64(self.requests)
    }

    pub(crate) fn gb_per_s(&self) -> f64 {
        gigabytes(self.body_bytes) / self.wall_s
    }
}

fn gigabytes(bytes: u64) -> f64 {
    as_f64(bytes) / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "runs are far below 2^52 bytes")]
pub(crate) fn as_f64(number: u64) -> f64 {
    number as f64
}

/// All runs of one server in one row.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) label: String,
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample>,
}

impl Entry {
    pub(crate) fn of(target: &Target) -> Self {
        Self {
            label: target.label.to_owned(),
            kind: target.kind,
            samples: Vec::new(),
        }
    }

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
    pub(crate) fn json(self) -> Value {
        json!({ "least": self.least, "median": self.median, "most": self.most })
    }

    /// As "median (least-most)".
    pub(crate) fn text(self, digits: usize) -> String {
        let Self {
            least,
            median,
            most,
        } = self;
        format!("{median:.digits$} ({least:.digits$}-{most:.digits$})")
    }

    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = figures.into_iter().collect();
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
        let odd = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((odd.least, odd.median, odd.most), (1.0, 2.0, 3.0));
        let even = Spread::of([4.0, 1.0, 2.0, 3.0]);
        assert_eq!((even.least, even.median, even.most), (1.0, 2.5, 4.0));
    }
}
