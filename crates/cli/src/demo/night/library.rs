//! What there is to watch, and who watches it when: a made-up workload, made small.
//!
//! A film or an episode comes in three renditions, each cut into pieces of five minutes. Viewers are
//! those of a preset of `traces`: Zipf over titles, a day's curve, launches. Pieces are much smaller than
//! real ones, so that three days go through real nodes in a minute.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use forecast::{
    catalogue::{Catalogue, Object},
    estimate::Folder,
};
use traces::{Asset, BEGIN_UNIX_MS, Preset, Settings, Synthetic};

use crate::Error;

/// Days that are played.
pub(super) const DAYS: usize = 3;
/// Hours of a day.
pub(super) const HOURS: usize = 24;

/// Half minutes of a piece.
const PIECE: u64 = 10;
/// The workload's rung that stands for each rendition, by what it carries.
const RENDITIONS: [usize; 3] = [3, 5, 14];
const HOUR_MS: u64 = 3_600_000;

/// How a preset is made small.
struct Small {
    /// Its sessions on a day, of which the demo has a part, as of its titles.
    sessions: f64,
    /// Films and series that are released on a day of the middle: more than the preset would have in a
    /// catalogue so small, so that most days have some, and that no single one decides an evening.
    releases: f64,
    /// Real bytes of one of ours. Disks have some fifty segments by that. With a quarter of them, of which two are
    /// empty ahead, a disk is full sooner and keeps more: before the second night a write had to be worth seven
    /// requests, beside five, and that night moved 6 % of what it may, beside 27 %.
    shrunk: u64,
}

impl Small {
    const fn of(preset: Preset) -> Self {
        match preset {
            Preset::N => Self {
                sessions: 20_000.0,
                releases: 2.0,
                shrunk: 4_096,
            },
            // Fifty films and series at 3000 sessions: of larger pieces, so that disks have some segments, and
            // with fewer new ones, which would be most of the catalogue.
            Preset::A => Self {
                sessions: 30_000.0,
                releases: 1.0,
                shrunk: 2_048,
            },
            Preset::L => Self {
                sessions: 80_000.0,
                releases: 2.0,
                shrunk: 4_096,
            },
        }
    }
}

/// A viewer asks for a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Play {
    /// Since the first day's midnight.
    pub(super) hour: usize,
    /// Who.
    pub(super) viewer: u64,
    /// For what, all of it.
    pub(super) object: Object,
}

/// All there is to watch, and all that will be.
pub(super) struct Library {
    pub(super) catalogue: Catalogue,
    /// In order of time.
    pub(super) plays: Vec<Play>,
    /// Real bytes of one of ours.
    pub(super) shrunk: u64,
}

impl Library {
    /// The same from the same arguments, for ever. Titles are as many as the preset has for so many
    /// sessions.
    pub(super) fn new(preset: Preset, sessions_per_day: u32, seed: u64) -> Self {
        let small = Small::of(preset);
        let scale = f64::from(sessions_per_day) / small.sessions;
        let settings = preset.settings(scale, DAYS as u64, seed);
        let settings = Settings {
            launches_per_day: small.releases.max(settings.launches_per_day),
            ..settings
        };
        Self::of(&settings, small.shrunk)
    }

    fn of(settings: &Settings, shrunk: u64) -> Self {
        let mut catalogue = Catalogue::default();
        for asset in traces::catalogue(settings) {
            let pieces = asset.positions.div_ceil(PIECE);
            let sizes = RENDITIONS.iter().flat_map(|rung| {
                let asset = &asset;
                (0..pieces).map(move |piece| {
                    let half_minute = asset.object_bytes(*rung, piece * PIECE);
                    (half_minute * PIECE / shrunk).max(1)
                })
            });
            let live_day = asset.live_unix_ms.map(day_of);
            catalogue.list(number(asset.title), number(pieces), live_day, sizes);
        }
        let plays = plays(settings, &catalogue);
        Self {
            catalogue,
            plays,
            shrunk,
        }
    }

    /// What is asked for in an hour.
    pub(super) fn of_hour(&self, hour: usize) -> &[Play] {
        let place = |hour| self.plays.partition_point(|play| play.hour < hour);
        &self.plays[place(hour)..place(hour + 1)]
    }

    /// What is asked for at all.
    pub(super) fn asked(&self) -> HashSet<Object> {
        self.plays.iter().map(|play| play.object).collect()
    }

    /// What is asked for on a day.
    pub(super) fn of_day(&self, day: usize) -> &[Play] {
        let place = |day: usize| self.plays.partition_point(|play| play.hour < day * HOURS);
        &self.plays[place(day)..place(day + 1)]
    }

    /// Films and episodes that appear on a day.
    pub(super) fn released(&self, day: usize) -> Vec<usize> {
        let day = i64::try_from(day).ok();
        let assets = self.catalogue.assets.iter().enumerate();
        let released =
            assets.filter(|(_, asset)| asset.live_day.is_some() && asset.live_day == day);
        released.map(|(asset, _)| asset).collect()
    }

    /// All pieces, by number.
    pub(super) fn objects(&self) -> std::ops::Range<Object> {
        0..self.catalogue.objects()
    }

    /// Film or episode, rendition and piece.
    pub(super) fn parts(&self, object: Object) -> (usize, u32, u32) {
        let number = self.catalogue.asset_of(object);
        let asset = &self.catalogue.assets[number];
        let within = object - asset.first;
        (number, within / asset.positions, within % asset.positions)
    }

    pub(super) fn path(&self, object: Object) -> String {
        let (asset, rendition, piece) = self.parts(object);
        format!("/v/{asset}/{rendition}/{piece}.m4s")
    }

    /// The piece that a path names, if there is one.
    pub(super) fn find(&self, path: &str) -> Option<Object> {
        let mut parts = path.strip_prefix("/v/")?.strip_suffix(".m4s")?.split('/');
        let mut next = || parts.next()?.parse::<u32>().ok();
        let (asset, rendition, piece) = (next()?, next()?, next()?);
        let asset = self.catalogue.assets.get(usize::try_from(asset).ok()?)?;
        let is_there = rendition < asset.variants && piece < asset.positions;
        is_there.then(|| asset.object(rendition, piece))
    }

    /// What lies in a folder that a path names, if there is one: all of an asset, or a rendition of it.
    pub(super) fn find_folder(&self, path: &str) -> Option<Folder> {
        let first = |path: &str| self.find(&format!("{path}0.m4s"));
        let rendition = first(path).map(|first| Folder::Variant(self.catalogue.variant_of(first)));
        let asset = || {
            Some(Folder::Asset(
                self.catalogue.asset_of(first(&format!("{path}0/"))?),
            ))
        };
        rendition.or_else(asset)
    }

    /// Its bytes: no two pieces have eight in common at one place, but by chance.
    pub(super) fn content(&self, object: Object) -> Vec<u8> {
        let bytes = usize::try_from(self.catalogue.bytes(object)).unwrap_or(usize::MAX);
        let mut state = u64::from(object) + 1;
        let mut content = Vec::with_capacity(bytes + 8);
        while content.len() < bytes {
            // SplitMix64 (Steele, Lea, Flood 2014).
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            content.extend_from_slice(&(mixed ^ mixed >> 31).to_le_bytes());
        }
        content.truncate(bytes);
        content
    }

    /// Writes pieces below `origin`, whose content it is; what nobody ever asks for need not be there.
    pub(super) fn write(
        &self,
        origin: &Path,
        objects: impl IntoIterator<Item = Object>,
    ) -> Result<(), Error> {
        for object in objects {
            let path = origin.join(self.path(object).trim_start_matches('/'));
            let folder = path.parent().unwrap_or(origin);
            fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
            fs::write(&path, self.content(object)).map_err(|error| Error::file(&path, error))?;
        }
        Ok(())
    }
}

/// The workload's requests, of which each piece of a sitting is one.
fn plays(settings: &Settings, catalogue: &Catalogue) -> Vec<Play> {
    let mut last: HashMap<u64, (u64, u64)> = HashMap::new();
    let mut plays = Vec::new();
    for request in Synthetic::new(settings) {
        let (number, rung, position) = Asset::parts(request.object);
        let piece = (number, position / PIECE);
        let asset = usize::try_from(number)
            .ok()
            .and_then(|at| catalogue.assets.get(at));
        let Some(asset) = asset else { continue };
        if last.insert(request.client, piece) == Some(piece) {
            continue;
        }
        plays.push(Play {
            hour: usize::try_from((request.unix_ms - BEGIN_UNIX_MS) / HOUR_MS)
                .unwrap_or(usize::MAX),
            viewer: request.client,
            object: asset.object(rendition(rung), self::number(piece.1)),
        });
    }
    plays
}

/// The rendition that stands for a rung: phones, screens, the largest screens.
fn rendition(rung: usize) -> u32 {
    match rung {
        0..=3 | 7..=9 => 0,
        14.. => 2,
        4..=6 | 10..=13 => 1,
    }
}

fn day_of(unix_ms: u64) -> i64 {
    let since = i64::try_from(unix_ms).unwrap_or(i64::MAX) - BEGIN_UNIX_MS.cast_signed();
    since.div_euclid(24 * HOUR_MS.cast_signed())
}

fn number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_three_days_of_viewers_and_something_is_released_meanwhile() {
        let library = Library::new(Preset::N, 200, 1);
        for day in 0..DAYS {
            let plays = library.of_day(day).len();
            assert!((300..6000).contains(&plays), "{plays} on day {day}");
        }
        assert!((1..DAYS).any(|day| !library.released(day).is_empty()));
        let asked: HashSet<_> = library.plays.iter().map(|play| play.object).collect();
        let bytes: u64 = asked.iter().map(|one| library.catalogue.bytes(*one)).sum();
        assert!(bytes < 300 << 20, "{bytes} of {} pieces", asked.len());
        for play in &library.plays {
            let (asset, ..) = library.parts(play.object);
            let live_day = library.catalogue.assets[asset].live_day.unwrap_or(0);
            assert!(usize::try_from(live_day).unwrap_or(0) * HOURS <= play.hour);
        }
    }

    #[test]
    fn presets_differ_in_how_many_watch_what_and_not_in_how_much_is_played() {
        let played = |preset| {
            let library = Library::new(preset, 1000, 1);
            let requests = library.plays.len();
            assert!(
                (15_000..45_000).contains(&requests),
                "{preset:?}: {requests}"
            );
            // So often is what is asked for asked for.
            requests / library.asked().len()
        };
        let [n, a, l] = [Preset::N, Preset::A, Preset::L].map(played);
        assert!(n < l && l < a, "{n} {l} {a}");
    }

    #[test]
    fn a_path_finds_its_piece_and_its_bytes_are_its_own() {
        let library = Library::new(Preset::N, 10, 1);
        for object in library.objects().step_by(97) {
            assert_eq!(library.find(&library.path(object)), Some(object));
            let content = library.content(object);
            assert_eq!(content.len() as u64, library.catalogue.bytes(object));
            assert_ne!(content[..8], library.content(object + 1)[..8]);
        }
        for none in [
            "/v/0/0/999.m4s",
            "/v/0/3/0.m4s",
            "/v/9999999/0/0.m4s",
            "/v/0/0",
            "",
        ] {
            assert_eq!(library.find(none), None, "{none}");
        }
    }

    #[test]
    fn a_folder_is_that_of_a_rendition_or_of_an_asset() {
        let library = Library::new(Preset::N, 10, 1);
        let variant = library.catalogue.assets[3].first_variant + 2;
        for (path, folder) in [
            ("/v/3/2/", Some(Folder::Variant(variant))),
            ("/v/3/", Some(Folder::Asset(3))),
            ("/v/", None),
            ("/v/9999999/", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(library.find_folder(path), folder, "{path}");
        }
    }
}
