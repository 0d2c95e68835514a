//! Reports on disk until object storage has them: a week of them at most.
//!
//! A file's name tells its key: `2026-11-21-15-1795273200000.parquet` is
//! `popularity/day=2026-11-21/node=NAME/15-1795273200000.parquet`. The last number is when it was
//! written, in milliseconds, so that what a node tells twice of an hour has two keys, whatever has
//! become of the first report.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Error, Hour, Row, write_report};

/// Hours of a week.
const REPORTS_MAX: usize = 168;
const BYTES_MAX: u64 = 256 << 20;
/// A report that is larger is none of ours: 200,000 long names measure a tenth of that.
const REPORT_BYTES_MAX: u64 = 64 << 20;
const UNFINISHED: &str = "unfinished";
const SUFFIX: &str = ".parquet";

/// A folder of reports.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
}

/// A report that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) file: PathBuf,
    day: String,
    rest: String,
    bytes: u64,
}

impl Waiting {
    /// Its key in object storage.
    pub(crate) fn key(&self, node: &str) -> String {
        let (day, rest) = (&self.day, &self.rest);
        format!("popularity/day={day}/node={node}/{rest}")
    }

    fn of(file: PathBuf) -> Option<Self> {
        let name = file.file_name()?.to_str()?;
        let stem = name.strip_suffix(SUFFIX)?;
        // 2026-11-21-15-1795273200000
        let is_ours = stem.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 | 10 | 13 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
        let bytes = fs::symlink_metadata(&file)
            .ok()
            .filter(fs::Metadata::is_file)?
            .len();
        let fits = is_ours && stem.len() > 14 && bytes <= REPORT_BYTES_MAX;
        let (day, rest) = (name.get(..10)?.to_owned(), name.get(11..)?.to_owned());
        fits.then_some(Self {
            file,
            day,
            rest,
            bytes,
        })
    }
}

impl Spool {
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Writes a report, unless there is nothing to tell. Blocks.
    ///
    /// # Errors
    /// When it is not on disk; then what was served in the hour is lost to reports.
    pub(crate) fn write(
        &self,
        rows: impl Iterator<Item = Vec<Row>>,
        hour: Hour,
        now: Duration,
    ) -> Result<(), Error> {
        let unfinished = self.folder.join(UNFINISHED);
        let mut file = BufWriter::new(File::create(&unfinished)?);
        if write_report(rows, &mut file)? == 0 {
            return Ok(fs::remove_file(unfinished)?);
        }
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(unfinished, self.free_name(hour, now))?;
        sync(&self.folder)?;
        Ok(())
    }

    /// What waits, the oldest first. Blocks.
    pub(crate) fn waiting(&self) -> io::Result<Vec<Waiting>> {
        let files = fs::read_dir(&self.folder)?;
        let mut waiting: Vec<_> = files
            .filter_map(|entry| Waiting::of(entry.ok()?.path()))
            .collect();
        waiting.sort_by(|one, other| one.file.cmp(&other.file));
        Ok(waiting)
    }

    /// Removes the oldest beyond the bounds, and tells how many. Blocks.
    pub(crate) fn trim(&self) -> io::Result<u64> {
        let mut waiting = self.waiting()?;
        let mut bytes: u64 = waiting.iter().map(|report| report.bytes).sum();
        let mut dropped = 0;
        while waiting.len() > REPORTS_MAX || bytes > BYTES_MAX {
            let oldest = waiting.remove(0);
            fs::remove_file(&oldest.file)?;
            bytes -= oldest.bytes;
            dropped += 1;
        }
        Ok(dropped)
    }

    fn free_name(&self, hour: Hour, now: Duration) -> PathBuf {
        let name = |sequence| {
            let (day, of_day) = (day(hour), hour.0 % 24);
            self.folder
                .join(format!("{day}-{of_day:02}-{sequence}{SUFFIX}"))
        };
        let mut free = now.as_millis();
        while name(free).exists() {
            free += 1;
        }
        name(free)
    }
}

/// Makes the names in a folder outlive a crash.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// `2026-11-21`, by Howard Hinnant's `civil_from_days`: years begin in March, so that a leap day is
/// the last.
fn day(hour: Hour) -> String {
    let days = hour.0 / 24 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool() -> (tempfile::TempDir, Spool) {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path().join("reports")).unwrap();
        (folder, spool)
    }

    fn row() -> Row {
        Row {
            site: "vod".into(),
            path: "/a".into(),
            hour: Hour(0),
            size: 1,
            bytes_served: 1,
            plays: 1000,
            requests: 1,
            first: 1,
            sessions: 1,
            parts: [1, 0, 0, 0, 0],
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (hours, expected) in [
            (0, "1970-01-01"),
            (23, "1970-01-01"),
            (24 * 59, "1970-03-01"),
            (24 * 11_016, "2000-02-29"),
            (24 * 11_017, "2000-03-01"),
            (24 * 20_778, "2026-11-21"),
            (24 * 47_541, "2100-03-01"),
        ] {
            assert_eq!(day(Hour(hours)), expected);
        }
    }

    #[test]
    fn two_reports_of_an_hour_have_two_keys() {
        let (_folder, spool) = spool();
        let hour = Hour(24 * 20_778 + 15);
        for _ in 0..2 {
            spool
                .write([vec![row()]].into_iter(), hour, Duration::from_millis(7))
                .unwrap();
        }
        let keys: Vec<_> = spool
            .waiting()
            .unwrap()
            .iter()
            .map(|w| w.key("edge-1"))
            .collect();
        assert_eq!(
            keys,
            [
                "popularity/day=2026-11-21/node=edge-1/15-7.parquet",
                "popularity/day=2026-11-21/node=edge-1/15-8.parquet"
            ]
        );
    }

    #[test]
    fn an_hour_without_a_request_has_no_report() {
        let (_folder, spool) = spool();
        spool
            .write([vec![]].into_iter(), Hour(1), Duration::ZERO)
            .unwrap();
        assert_eq!(fs::read_dir(&spool.folder).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_is_no_report_is_left_alone() {
        let (_folder, spool) = spool();
        for name in [
            "notes.txt",
            "2026-11-21-15-.parquet",
            "2026-11-21-1x-1.parquet",
            UNFINISHED,
        ] {
            fs::write(spool.folder.join(name), "x").unwrap();
        }
        assert_eq!(spool.waiting().unwrap(), []);
    }

    #[test]
    fn a_week_is_kept_and_the_oldest_goes_first() {
        let (_folder, spool) = spool();
        for hour in 0..170 {
            spool
                .write([vec![row()]].into_iter(), Hour(hour), Duration::ZERO)
                .unwrap();
        }
        assert_eq!(spool.trim().unwrap(), 2);
        let waiting = spool.waiting().unwrap();
        assert_eq!(waiting.len(), REPORTS_MAX);
        assert_eq!(
            waiting[0].key("n"),
            "popularity/day=1970-01-01/node=n/02-0.parquet"
        );
    }
}
