//! CPU time of a server: all threads of all its processes, user and system.

use std::fs;

use super::Error;

/// Linux tells times in `/proc` in hundredths of a second on every architecture that we run on.
const TICKS_PER_S: f64 = 100.0;

/// What the processes have used since they began, in seconds.
pub(crate) fn used_s(pids: &[u32]) -> Result<f64, Error> {
    pids.iter().map(|pid| one_s(*pid)).sum()
}

fn one_s(pid: u32) -> Result<f64, Error> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let ticks = ticks(&text).ok_or_else(|| Error::Broken(format!("{path}: {text}")))?;
    Ok(f64::from(ticks) / TICKS_PER_S)
}

/// utime and stime, the 14th and 15th field; the second is a name in brackets that may hold
/// anything.
fn ticks(stat: &str) -> Option<u32> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// The workers of an nginx. Its other children keep house: one of them even ends after a minute.
pub(crate) fn workers(master: u32) -> Result<Vec<u32>, Error> {
    let path = format!("/proc/{master}/task/{master}/children");
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let children = text.split_ascii_whitespace();
    let workers = children.filter_map(|pid| pid.parse().ok()).filter(|pid| {
        fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|name| name.contains("worker process"))
    });
    Ok(workers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let stat = "17 (a) b (c) R 1 17 17 0 -1 4194304 90 0 0 0 250 31 7 9 20 0 1 0 100 0";
        assert_eq!(ticks(stat), Some(281));
        assert_eq!(ticks("17 (cut"), None);
    }
}
