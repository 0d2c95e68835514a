//! What there is to choose.

/// A workload that the documents speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// A large catalogue with a long tail: about 21,000 films and episodes, 20,000 sessions a day.
    N,
    /// A small catalogue: about 2,400 films and episodes, 30,000 sessions a day.
    A,
    /// N with four times the sessions.
    L,
}

/// All that a synthetic trace depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Days, beginning on a Monday at midnight.
    pub days: u64,
    /// Another seed is another trace of the same kind.
    pub seed: u64,
    /// Sessions on a day of the middle.
    pub sessions_per_day: f64,
    /// Films in the catalogue before the first day.
    pub films: u64,
    /// Series in the catalogue before the first day, of about ten episodes each.
    pub series: u64,
    /// Films and series that appear on a day.
    pub launches_per_day: f64,
    /// The share of all sessions that goes to what was launched within four weeks.
    pub launches_share: f64,
    /// Popularity by rank falls with `(rank + 8)^-alpha`.
    pub alpha: f64,
    /// The part of the whole catalogue that this is: of so many ranks one is there, so that a small
    /// catalogue is as steep as the whole.
    pub scale: f64,
}

impl Preset {
    /// The preset with `scale` times its sessions and its titles (1 is the whole; the number of
    /// requests per object stays the same), over `days`.
    pub fn settings(self, scale: f64, days: u64, seed: u64) -> Settings {
        let count = |number: f64| crate::draw::whole((number * scale).max(4.0));
        let settings = |sessions: f64, films, series, launches: f64, share, alpha| Settings {
            days,
            seed,
            sessions_per_day: sessions * scale,
            films: count(films),
            series: count(series),
            launches_per_day: launches * scale,
            launches_share: share,
            alpha,
            scale,
        };
        match self {
            Self::N => settings(20_000.0, 2_900.0, 1_600.0, 4.0, 0.25, 0.95),
            Self::A => settings(30_000.0, 360.0, 145.0, 0.6, 0.25, 0.98),
            Self::L => settings(80_000.0, 2_900.0, 1_600.0, 4.0, 0.25, 0.95),
        }
    }
}
