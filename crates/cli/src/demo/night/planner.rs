//! Who plans: `millpond-plan` where there is one, else the estimator that `replay` plans with.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use forecast::estimate::{Day, Expected, Launch, estimate};
use manifest::{
    Digest, Encoding, Head, Hints, Kind, Label, Manifest, Names, Object, Objects, Signed,
    SigningKey,
};
use serde_json::json;

use super::{
    library::Library,
    nodes::{DISK_BYTES, FILLED},
    reports,
};
use crate::{Error, demo::SITE};

/// What the planner's program is called, beside this one or in `PATH`.
const PROGRAM: &str = "millpond-plan";
/// How it is built.
pub(super) const BUILD: &str = "cargo build --profile plan -p planner";

/// Of the disk, what a plan fills at most: the rest is what viewers bring in besides.
const PLANNED_PERCENT: u64 = 60;
/// Thousandths of a play a day: the least that is filled, of what launches, and that is let in.
const FILL_FLOOR: u32 = 500;
const LAUNCH_FLOOR: u32 = 200;
const SEED_FLOOR: u32 = 100;

const DAY_S: u64 = 24 * 3600;

/// Who plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Planner {
    /// `forecast`, in this process.
    Here,
    /// The planner itself.
    Program(PathBuf),
}

/// What a night plans from.
pub(super) struct Night<'a> {
    pub(super) library: &'a Library,
    /// The demo's folder.
    pub(super) folder: &'a Path,
    /// The day that is planned for, from 0.
    pub(super) day: usize,
    /// Where the reports of each day before it are.
    pub(super) reported: &'a [PathBuf],
}

impl Planner {
    /// The one that was asked for, else the program where it is found.
    pub(super) fn find(wanted: Option<&Path>) -> Result<Self, Error> {
        match wanted {
            Some(path) if path.as_os_str() == "here" => Ok(Self::Here),
            Some(path) if path.is_file() => Ok(Self::Program(path.to_owned())),
            Some(path) => {
                let hint = format!(
                    "--planner {}: no such file; {BUILD} builds it",
                    path.display()
                );
                Err(Error::Argument(hint))
            }
            None => {
                let own = env::current_exe().ok();
                let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
                let path = env::var_os("PATH").unwrap_or_default();
                let mut folders = beside.into_iter().chain(env::split_paths(&path));
                let found = folders.find_map(|folder| {
                    let program = folder.join(PROGRAM);
                    program.is_file().then_some(program)
                });
                Ok(found.map_or(Self::Here, Self::Program))
            }
        }
    }

    /// A signed manifest for [`FILLED`].
    pub(super) fn plan(&self, night: &Night<'_>) -> Result<Vec<u8>, Error> {
        match self {
            Self::Here => night.plan_here(),
            Self::Program(program) => night.plan_with(program),
        }
    }
}

impl Night<'_> {
    fn plan_here(&self) -> Result<Vec<u8>, Error> {
        let library = self.library;
        let mut days = Vec::new();
        for folder in self.reported {
            days.push(self.rolled_up(folder)?);
        }
        let launches = self.launches();
        let today = i64::try_from(self.day).unwrap_or(i64::MAX);
        let expected = estimate(&library.catalogue, &days, &launches, today, SEED_FLOOR);
        let mut room = DISK_BYTES * PLANNED_PERCENT / 100;
        let planned = expected.iter().filter_map(|one| {
            let object = self.planned(one, &mut room)?;
            Some((library.path(one.object), object))
        });
        let planned: Vec<_> = planned.collect();
        let objects = planned.iter().map(|(path, (size, digest, expected))| {
            let seed = Object::seed(SITE, path, *size, *expected);
            match digest {
                Some(digest) => Object {
                    expected: *expected,
                    ..Object::fill(SITE, path, *size, *digest)
                },
                None => seed,
            }
        });
        let objects = Objects::collect(objects).map_err(wrong)?;
        self.sign(objects)
    }

    /// Size, digest if it is to be filled, and what is expected of it; nothing if it is too little.
    fn planned(&self, one: &Expected, room: &mut u64) -> Option<(u64, Option<Digest>, u64)> {
        let size = self.library.catalogue.bytes(one.object);
        let floor = if one.is_launch {
            LAUNCH_FLOOR
        } else {
            FILL_FLOOR
        };
        let digest = if one.thousandths >= floor && size <= *room {
            *room -= size;
            Some(Digest::of(&self.library.content(one.object)))
        } else if one.thousandths >= SEED_FLOOR {
            None
        } else {
            return None;
        };
        Some((size, digest, one.thousandths.into()))
    }

    fn rolled_up(&self, folder: &Path) -> Result<Day, Error> {
        let mut day = Day::new(&self.library.catalogue);
        for (path, thousandths) in reports::read(folder)? {
            if let Some(object) = self.library.find(&path) {
                for _ in 0..thousandths.div_ceil(1000) {
                    day.count(&self.library.catalogue, object);
                }
            }
        }
        Ok(day)
    }

    /// What owners say of their releases: what comes, and as owners do, they are wrong: by a third or
    /// by the half, too high or too low.
    fn launches(&self) -> Vec<Launch> {
        let plays = self.library.of_day(self.day);
        let released = self.library.released(self.day).into_iter();
        let launches = released.map(|asset| {
            let of_asset = |object| self.library.parts(object).0 == asset;
            let plays = plays.iter().filter(|play| of_asset(play.object)).count() as u64;
            let requests = match self.library.catalogue.assets[asset].title % 4 {
                0 => plays / 2,
                1 => plays * 2 / 3,
                2 => plays * 3 / 2,
                3.. => plays * 2,
            };
            Launch { asset, requests }
        });
        launches.collect()
    }

    fn sign(&self, objects: Objects) -> Result<Vec<u8>, Error> {
        let now_s = message::now().unix_s();
        let head = Head {
            audience: Label::parse(FILLED)?,
            generation: self.generation(),
            previous: None,
            issued_s: now_s,
            expires_s: now_s + DAY_S,
            kind: Kind::Full,
            hints: Hints::default(),
            allow_mass_eviction: true,
        };
        let manifest = Manifest::new(head, objects, Names::default()).map_err(wrong)?;
        let payload = manifest.to_payload(Encoding::Zstd);
        let mut signed = Signed::draft(&payload);
        let key = self.key();
        let key = fs::read(&key).map_err(|error| Error::file(&key, error))?;
        signed.sign(&SigningKey::parse(&key)?).map_err(wrong)?;
        Ok(signed.to_bytes())
    }

    fn generation(&self) -> u64 {
        self.day as u64
    }

    fn key(&self) -> PathBuf {
        self.folder.join("planner.json")
    }

    fn plan_with(&self, program: &Path) -> Result<Vec<u8>, Error> {
        let (work, output) = (self.folder.join("plan"), self.folder.join("manifests"));
        let ran = Command::new(program)
            .arg("plan")
            .arg("--fleet")
            .arg(self.write_fleet()?)
            .arg("--catalog")
            .arg(self.write_catalog()?)
            .arg("--reports")
            .arg(self.folder.join("reports"))
            .args(["--day", &date(self.day)])
            .args(["--generation", &self.generation().to_string()])
            .args(["--allow-mass-eviction", "--memory", "1GiB", "--key"])
            .arg(self.key())
            .arg("--work")
            .arg(&work)
            .arg("--output")
            .arg(&output)
            .output();
        let ran = ran.map_err(|error| Error::file(program, error))?;
        if !ran.status.success() {
            let told = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
            return Err(Error::Demo(format!("{}: {told}", program.display())));
        }
        let manifest = output.join(format!("{FILLED}.manifest"));
        fs::read(&manifest).map_err(|error| Error::file(&manifest, error))
    }

    fn write_fleet(&self) -> Result<PathBuf, Error> {
        let capacity = DISK_BYTES * PLANNED_PERCENT / 100;
        let text = format!(
            "[[appliance]]\nname = \"{FILLED}\"\nregion = \"demo\"\ncapacity = {capacity}\n\
             budget = {capacity}\n"
        );
        let path = self.folder.join("fleet.toml");
        fs::write(&path, text).map_err(|error| Error::file(&path, error))?;
        Ok(path)
    }

    /// All pieces that are out, or will be on the day that is planned for.
    fn write_catalog(&self) -> Result<PathBuf, Error> {
        let library = self.library;
        let launches = self.launches();
        let mut text = String::new();
        for object in library.objects() {
            let (number, variant, position) = library.parts(object);
            let asset = &library.catalogue.assets[number];
            let live_at = asset.live_day.map(|day| {
                let begin_s = traces::BEGIN_UNIX_MS / 1000;
                begin_s.saturating_add_signed(day.saturating_mul(DAY_S.cast_signed()))
            });
            let forecast = launches.iter().find(|launch| launch.asset == number);
            let pieces = u64::from(asset.variants * asset.positions).max(1);
            let forecast = forecast.map_or(0, |launch| launch.requests.div_ceil(pieces));
            let entry = json!({
                "site": SITE,
                "path": library.path(object),
                "size": library.catalogue.bytes(object),
                "digest": Digest::of(&library.content(object)).to_string(),
                "asset": number.to_string(),
                "series": library.catalogue.is_episode(number).then(|| asset.title.to_string()),
                "episode": number,
                "variant": variant.to_string(),
                "position": u64::from(position) * 10,
                "live_at": live_at,
                "forecast": forecast,
            });
            text.push_str(&entry.to_string());
            text.push('\n');
        }
        let path = self.folder.join("catalog.ndjson");
        fs::write(&path, text).map_err(|error| Error::file(&path, error))?;
        Ok(path)
    }
}

/// The date of a day of the demo, which begins on Monday the 5th of January 2026.
pub(super) fn date(day: usize) -> String {
    format!("2026-01-{:02}", 5 + day)
}

fn wrong(error: impl std::error::Error) -> Error {
    Error::Demo(format!("the manifest: {}", crate::output::chain(&error)))
}
