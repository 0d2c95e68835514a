//! A made-up fleet with a catalogue, what its boxes hold and what was watched: to measure a plan, and
//! to compare two engines on the same data.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::Arc,
};

use forecast::model::mix;
use popularity::{FIRST_BYTES, Hour, PARTS, Row, folder_of, write_report};

use signing::{Algorithm, Label, SigningKey};

use crate::{Day, Error, day::DAY_S, tables::Rows};

/// Rungs of a title, and half minutes of a rung.
const RUNGS: u64 = 6;
const POSITIONS: u64 = 20;
/// Episodes of a series.
const EPISODES: u64 = 8;
/// When a day's titles come out: 20:00.
const EVENING_S: u64 = 20 * 3_600;
/// Days of reports, and hours of a day.
const DAYS: u64 = 7;
const HOURS: u64 = 24;
/// Boxes of a cluster, and clusters of a region.
const CLUSTER: u64 = 2;
const REGION: u64 = 5;
/// Rows that are made at a time.
const ROWS: u64 = 8_192;

/// How much to make up. The same numbers are the same files, but for the key.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Rows of all reports, of seven days.
    pub rows: u64,
    /// Titles; each has 120 objects.
    pub titles: u64,
    /// Boxes, two a cluster.
    pub boxes: u64,
}

impl Sample {
    /// Writes `fleet.toml`, `catalog.parquet`, `NAME.parquet` with what each box holds, and
    /// `popularity/`, for plans for `day`; and `planner.json`, a new key to sign them with.
    pub fn write(&self, folder: &Path, day: Day) -> Result<(), Error> {
        fs::create_dir_all(folder).map_err(Error::of_file(folder))?;
        write_key(&folder.join("planner.json"))?;
        self.write_fleet(&folder.join("fleet.toml"))?;
        self.write_catalog(&folder.join("catalog.parquet"), day)?;
        for name in 0..self.boxes {
            self.write_held(&folder.join(format!("box-{name}.parquet")), name)?;
        }
        for age in 1..=DAYS {
            let of = day.before(i64::try_from(age).unwrap_or(i64::MAX));
            for name in 0..self.boxes {
                let node = folder.join(format!("popularity/day={of}/node=box-{name}"));
                fs::create_dir_all(&node).map_err(Error::of_file(&node))?;
                for hour in 0..HOURS {
                    let path = node.join(format!("{hour:02}-0.parquet"));
                    self.write_report(&path, of, (name, hour))?;
                }
            }
        }
        Ok(())
    }

    /// A tenth of the catalogue fits into a cluster; every third box weighs twice.
    fn write_fleet(&self, path: &Path) -> Result<(), Error> {
        let file = File::create(path).map_err(Error::of_file(path))?;
        let mut file = BufWriter::new(file);
        let capacity = self.objects() * 2_000_000 / 10 / CLUSTER;
        for name in 0..self.boxes {
            let (cluster, weight) = (name / CLUSTER, if name % 3 == 0 { 200 } else { 100 });
            writeln!(
                file,
                "[[appliance]]\nname = 'box-{name}'\nregion = 'region-{}'\ncluster = 'cluster-{cluster}'\n\
                 capacity = {capacity}\nweight = {weight}\ninventory = 'box-{name}.parquet'\n",
                cluster / REGION
            )
            .map_err(Error::of_file(path))?;
        }
        file.flush().map_err(Error::of_file(path))
    }

    /// Every seventeenth title has no digests, every fiftieth is pinned with its lowest rung, and of each
    /// hundred one launches, one does on the next day, one came out two days before and one is never planned. Of each sixteen
    /// titles the first eight are a series.
    fn write_catalog(&self, path: &Path, day: Day) -> Result<(), Error> {
        let texts = ["site", "path", "digest", "asset", "variant", "series"];
        let numbers = [
            "size",
            "position",
            "episode",
            "live_at",
            "forecast",
            "mandatory",
            "excluded",
        ];
        let mut rows = Rows::create(path, &texts, &numbers)?;
        for object in 0..self.objects() {
            let (title, rung, position) = parts_of(object);
            let is_named = title % 17 != 3;
            let digest = is_named.then(|| format!("sha256:{:064x}", object + 1));
            let (series, episode) = (title / EPISODES, title % EPISODES + 1);
            let series = series.is_multiple_of(2).then_some(series);
            let (live_at, forecast) = match title % 100 {
                11 => (day.begin_s() + EVENING_S, 40),
                14 => (day.begin_s() + DAY_S + EVENING_S, 40),
                12 => (day.before(2).begin_s() + EVENING_S, 0),
                _ => (0, 0),
            };
            let texts = [
                Some("vod".to_owned()),
                Some(path_of(object)),
                digest,
                Some(format!("title-{title}")),
                Some(format!("rung-{rung}")),
                series.map(|series| format!("series-{series}")),
            ];
            let numbers = [
                signed(size_of(object)),
                signed(position),
                series.map_or(0, |_| signed(episode)),
                signed(live_at),
                forecast,
                i64::from(title % 50 == 7 && rung == 0 && is_named),
                i64::from(title % 100 == 13),
            ];
            rows.push(texts, numbers)?;
        }
        rows.finish()
    }

    /// A twentieth of the catalogue, more of it of what is watched.
    fn write_held(&self, path: &Path, name: u64) -> Result<(), Error> {
        let mut rows = Rows::create(path, &["site", "path"], &["bytes"])?;
        for object in 0..self.objects() {
            let (title, _, _) = parts_of(object);
            let often = if title * 10 < self.titles { 4 } else { 40 };
            if mix(object ^ mix(name)).is_multiple_of(often) {
                rows.push(
                    [Some("vod".to_owned()), Some(path_of(object))],
                    [signed(size_of(object))],
                )?;
            }
        }
        rows.finish()
    }

    fn write_report(&self, path: &Path, day: Day, (name, hour): (u64, u64)) -> Result<(), Error> {
        let file = File::create(path).map_err(Error::of_file(path))?;
        let begin = Hour(day.begin_s() / (DAY_S / HOURS) + hour);
        let rows = self.rows / (DAYS * HOURS * self.boxes.max(1));
        let site: Arc<str> = "vod".into();
        let of_file = mix(begin.0 ^ mix(name + 1));
        let made = (0..rows.div_ceil(ROWS)).map(|part| {
            let numbers = part * ROWS..rows.min((part + 1) * ROWS);
            numbers
                .map(|row| self.row(mix(of_file ^ row), begin, &site))
                .collect()
        });
        let written = write_report(made, BufWriter::new(file));
        written
            .map(|_rows| ())
            .map_err(|error| Error::Plan(error.to_string()))
    }

    /// Titles are watched by the cube of their place, so that a tenth has nearly half of all plays;
    /// beginnings twice as often as ends, one in a hundred is not in the catalogue, and one in ten is of what is
    /// not named of a folder.
    fn row(&self, random: u64, hour: Hour, site: &Arc<str>) -> Row {
        let place = random % 1_000_000;
        let title = u128::from(self.titles) * u128::from(place).pow(3) / 1_000_000_000_000_000_000;
        let further = mix(random);
        let position = (further % POSITIONS).min(mix(further) % (2 * POSITIONS));
        let rung = (further >> 32) % RUNGS;
        let title = u64::try_from(title).unwrap_or(0);
        let object = (title * RUNGS + rung) * POSITIONS + position;
        let (size, plays) = (size_of(object), 5 + (further >> 40) % 20);
        let is_stray = further.is_multiple_of(101);
        let is_folder = (further >> 48).is_multiple_of(10);
        let path = if is_stray {
            format!("/stray/{}", further % 1_000)
        } else {
            path_of(object)
        };
        let folder = folder_of(&path).filter(|_| is_folder);
        let mut parts = [0; PARTS];
        parts[0] = size.min(FIRST_BYTES) * plays;
        Row {
            site: Arc::clone(site),
            path: folder.unwrap_or(&path).into(),
            hour,
            size: if is_folder { 0 } else { size },
            bytes_served: size * plays,
            plays: plays * 1_000,
            requests: plays,
            first: plays,
            sessions: plays,
            parts,
        }
    }

    fn objects(&self) -> u64 {
        self.titles * RUNGS * POSITIONS
    }
}

/// A key of a fleet that there is not; a secret all the same.
fn write_key(path: &Path) -> Result<(), Error> {
    let made = Label::parse("planner-sample")
        .and_then(|kid| SigningKey::generate(Algorithm::Ed25519, kid))
        .map_err(|error| Error::Plan(error.to_string()))?;
    let mut options = File::options();
    let file = options.create(true).truncate(true).write(true).mode(0o600);
    let file = file.open(path).map_err(Error::of_file(path))?;
    let written = (&file).write_all(made.to_json().as_bytes());
    written.map_err(Error::of_file(path))
}

fn parts_of(object: u64) -> (u64, u64, u64) {
    (
        object / POSITIONS / RUNGS,
        object / POSITIONS % RUNGS,
        object % POSITIONS,
    )
}

fn path_of(object: u64) -> String {
    let (title, rung, position) = parts_of(object);
    format!("/titles/{title:06}/rung-{rung}/{position:04}.m4s")
}

/// From 0.3 to 3.7 MB; of every fortieth title three times as much, which has a beginning and a rest.
fn size_of(object: u64) -> u64 {
    let (title, rung, _) = parts_of(object);
    let long = if title % 40 == 0 { 3 } else { 1 };
    (300_000 + rung * 500_000 + mix(object) % 900_000) * long
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
