//! Who plans: `millpond-plan` where there is one, else the estimator that `replay` plans with.

use std::{
    collections::{HashMap, HashSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use forecast::{
    estimate::{Day, Launch, estimate},
    plan::{
        self, FILL_FLOOR, HELD_WORTH, LAUNCH_FLOOR, LAUNCH_NIGHTS, OBJECTS_MAX, Rules, SEED_FLOOR,
    },
};
use manifest::{
    Digest, Encoding, Head, Hints, Kind, Label, Manifest, Names, Object, Objects, Signed,
    SigningKey,
};
use serde_json::json;

use super::{
    calendar::Calendar,
    library::{DAYS, Library},
    nodes::{FILLED, Size},
    reports,
};
use crate::{Error, demo::SITE};

/// What the planner's program is called, beside this one or in `PATH`.
const PROGRAM: &str = "millpond-plan";
/// How it is built.
pub(super) const BUILD: &str = "cargo build --profile plan -p planner";

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
    pub(super) calendar: &'a Calendar,
    pub(super) size: &'a Size,
    /// The day that is planned for, from 0.
    pub(super) day: usize,
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
        for day in 0..self.day {
            let folder = reports::of_day(self.folder, &self.calendar.date(day));
            days.push(self.rolled_up(&folder)?);
        }
        let launches = self.launches();
        let today = i64::try_from(self.day).unwrap_or(i64::MAX);
        let expected = estimate(&library.catalogue, &days, &launches, today, SEED_FLOOR);
        // What is there already is not known here: it is listed, and the edge moves what it lacks.
        let plan = plan::plan(
            &library.catalogue,
            &expected,
            (today, &self.rules()),
            |_| false,
        );
        let fills: HashSet<_> = plan.fills.iter().map(|one| one.object).collect();
        let planned = plan.listed.iter().map(|one| {
            let digest = fills.contains(&one.object);
            let digest = digest.then(|| Digest::of(&library.content(one.object)));
            (library.path(one.object), digest, one)
        });
        let planned: Vec<_> = planned.collect();
        let objects = planned.iter().map(|(path, digest, one)| {
            let (size, expected) = (
                library.catalogue.bytes(one.object),
                u64::from(one.thousandths),
            );
            match digest {
                Some(digest) => Object {
                    expected,
                    ..Object::fill(SITE, path, size, *digest)
                },
                None => Object::seed(SITE, path, size, expected),
            }
        });
        let objects = Objects::collect(objects).map_err(wrong)?;
        self.sign(objects)
    }

    /// The planner's own. All that the disk holds is planned: how much of it a night moves is the edge's
    /// to say, which knows what it lacks.
    fn rules(&self) -> Rules {
        Rules {
            capacity_bytes: self.size.disk_bytes,
            fill_bytes: self.size.disk_bytes,
            fill_floor: FILL_FLOOR,
            launch_floor: LAUNCH_FLOOR,
            seed_floor: SEED_FLOOR,
            heeds_price: true,
            knows_box: false,
            objects_max: OBJECTS_MAX,
            held_worth: HELD_WORTH,
        }
    }

    fn rolled_up(&self, folder: &Path) -> Result<Day, Error> {
        let mut day = Day::new(&self.library.catalogue);
        for (path, thousandths) in reports::read(folder)? {
            let requests = u32::try_from(thousandths.div_ceil(1000)).unwrap_or(u32::MAX);
            if let Some(object) = self.library.find(&path) {
                day.count(&self.library.catalogue, object, requests);
            } else if let Some(folder) = self.library.find_folder(&path) {
                day.count_unnamed(folder, requests);
            }
        }
        Ok(day)
    }

    /// What owners say of their releases of this day and the next: what comes, and as owners do, they are
    /// wrong: by a third or by the half, too high or too low.
    fn launches(&self) -> Vec<Launch> {
        let coming = (self.day..DAYS).take(LAUNCH_NIGHTS as usize);
        coming.flat_map(|day| self.launches_of(day)).collect()
    }

    fn launches_of(&self, day: usize) -> impl Iterator<Item = Launch> {
        let mut plays: HashMap<usize, u64> = HashMap::new();
        for play in self.library.of_day(day) {
            *plays.entry(self.library.parts(play.object).0).or_default() += 1;
        }
        let released = self.library.released(day).into_iter();
        released.map(move |asset| {
            let plays = plays.get(&asset).copied().unwrap_or(0);
            let requests = match self.library.catalogue.assets[asset].title % 4 {
                0 => plays / 2,
                1 => plays * 2 / 3,
                2 => plays * 3 / 2,
                3.. => plays * 2,
            };
            Launch { asset, requests }
        })
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
            .arg(reports::folder(self.folder))
            .args(["--day", &self.calendar.date(self.day)])
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
        let capacity = self.size.disk_bytes;
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
        let launches = self.launches().into_iter();
        let launches: HashMap<_, _> = launches
            .map(|launch| (launch.asset, launch.requests))
            .collect();
        let mut text = String::new();
        for object in library.objects() {
            let (number, variant, position) = library.parts(object);
            let asset = &library.catalogue.assets[number];
            let live_at = asset.live_day.map(|day| self.calendar.midnight_s(day));
            let forecast = launches.get(&number);
            let pieces = u64::from(asset.variants * asset.positions).max(1);
            let forecast = forecast.map_or(0, |requests| requests.div_ceil(pieces));
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

fn wrong(error: impl std::error::Error) -> Error {
    Error::Demo(format!("the manifest: {}", crate::output::chain(&error)))
}
