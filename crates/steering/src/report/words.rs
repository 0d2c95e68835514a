//! Reports in words, for people: on the page and by the command.

use super::{Phase, Progress, WaitsFor};

/// Bytes.
pub fn amount(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    let unit = UNITS.iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(unit, name)| {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        },
    )
}

/// How long something takes.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        172_800.. => format!("{} days", seconds / 86_400),
    }
}

impl Progress {
    /// How much of all is held, in per cent: 100 only when all of it is.
    pub fn percent(&self) -> String {
        let thousandths = match self.bytes {
            // What is let in at its first miss has no bytes to wait for.
            0 => 1_000,
            all => u128::from(self.bytes_held.min(all)) * 1_000 / u128::from(all),
        };
        format!("{}.{} %", thousandths / 10, thousandths % 10)
    }

    /// What it does or waits for at `now_s`, and for how long still.
    pub fn doing(&self, now_s: u64) -> String {
        let window = self.window;
        let opens_in_s = window.and_then(|window| window.opens_unix_s.checked_sub(now_s));
        let phase = match self.phase {
            Phase::Idle => "idle".to_owned(),
            Phase::Waiting => waits(self.waits_for, opens_in_s),
            Phase::Filling => format!("filling, {}/s", amount(self.bytes_per_s)),
            Phase::Yielding => "gives way to viewers".to_owned(),
            Phase::Complete => "complete".to_owned(),
        };
        match self.eta_s {
            Some(eta_s) if self.phase != Phase::Complete => {
                format!("{phase}, {} left", duration(eta_s))
            }
            Some(_) | None => phase,
        }
    }
}

fn waits(waits_for: Option<WaitsFor>, opens_in_s: Option<u64>) -> String {
    let what = match (waits_for, opens_in_s) {
        (Some(WaitsFor::Window), Some(opens_in_s)) => {
            return format!(
                "waits for its window, which opens in {}",
                duration(opens_in_s)
            );
        }
        (Some(WaitsFor::Window), None) => "for a window, and none is configured",
        (Some(WaitsFor::Allowance), _) => "for the next window or day: this one's bytes are spent",
        (Some(WaitsFor::Viewers), _) => "for viewers",
        (Some(WaitsFor::Sources), _) => "for its sources",
        (Some(WaitsFor::Retry), _) => "to try again what failed",
        (Some(WaitsFor::Operator), _) => "until it is undrained",
        (None, _) => return "waits".to_owned(),
    };
    format!("waits {what}")
}
