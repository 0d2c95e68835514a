//! The budget for eyes: as a table, and why its parts do not fit.

use std::{fmt, fmt::Write as _};

use super::{GIB, KIB, MIB, Split, sum};

impl Split {
    /// The split, if its parts fit into its budget.
    pub(super) fn check(self) -> Result<Self, String> {
        let needed = sum(&self.parts);
        if needed <= self.budget_bytes {
            return Ok(self);
        }
        let mut message = format!(
            "of {} is less than its parts, which are {} together: ",
            show(self.budget_bytes),
            show(needed)
        );
        for (at, part) in self.parts.iter().take(3).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(
                message,
                "{comma}{} {} ({})",
                part.name,
                show(part.bytes_max),
                part.how
            );
        }
        Err(message)
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<14}{:>12}", "memory", show(self.budget_bytes))?;
        for part in self.parts.iter().filter(|part| part.bytes_max > 0) {
            let bytes = show(part.bytes_max);
            writeln!(f, "  {:<12}{bytes:>12}  {}", part.name, part.how)?;
        }
        let left = self.budget_bytes.saturating_sub(sum(&self.parts));
        write!(f, "  {:<12}{:>12}", "unused", show(left))
    }
}

/// For eyes: three digits at most before the unit, one behind the point.
pub(super) fn show(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
    let unit = units.into_iter().find(|(size, _)| bytes >= *size);
    let Some((size, name)) = unit else {
        return format!("{bytes} B");
    };
    let tenths = u128::from(bytes) * 10 / u128::from(size);
    if tenths.is_multiple_of(10) {
        return format!("{} {name}", tenths / 10);
    }
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}
