//! What an owner has to offer, and what he knows of it.

use manifest::{Digest, OBJECT_PATH_BYTES_MAX};
use serde::Deserialize;

use crate::source::{Columns, FromRow, Kind};

/// The longest name of a title or a rung.
const NAME_BYTES_MAX: usize = 1_024;
/// Half minutes of a title, at most: a month of them.
const POSITION_MAX: u32 = 100_000;
/// The highest number of an episode: more than two centuries of one a day.
const EPISODE_MAX: u32 = 100_000;
/// The largest object: 16 TiB.
const SIZE_MAX: u64 = 16 << 40;
/// The last second that something may launch at: the end of 9999. One in milliseconds is beyond it.
const LIVE_AT_MAX: u64 = 253_402_300_799;
/// The highest forecast: a billion plays a day.
const FORECAST_MAX: u64 = 1_000_000_000;

/// An object of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The site's name.
    pub site: String,
    /// The object's path.
    pub path: String,
    /// Its bytes, from 1.
    pub size: u64,
    /// `sha256:` and 64 hexadecimal digits. Without one it is not filled, only let in at its first miss.
    pub digest: Option<String>,
    /// The title: a film, an episode, a song. Without one the path is a title of its own.
    pub asset: Option<String>,
    /// What the title is an episode of. All its episodes tell what each of them will be watched.
    pub series: Option<String>,
    /// Which episode of its series the title is; from what number on does not matter.
    #[serde(default)]
    pub episode: u32,
    /// The rung or rendition.
    #[serde(default)]
    pub variant: String,
    /// The half minute of the title that it begins in, from 0.
    #[serde(default)]
    pub position: u32,
    /// When viewers may have it for the first time, in seconds since the Unix epoch.
    pub live_at: Option<u64>,
    /// Held by each cluster, whatever the demand.
    #[serde(default)]
    pub mandatory: bool,
    /// Never planned.
    #[serde(default)]
    pub excluded: bool,
    /// Plays a day of each of its title's objects that the owner expects in the whole fleet on the
    /// first days. Of a title's objects the highest counts.
    #[serde(default)]
    pub forecast: u64,
}

impl FromRow for Entry {
    const COLUMNS: &'static [(&'static str, Kind)] = &[
        ("site", Kind::Text),
        ("path", Kind::Text),
        ("size", Kind::Number),
        ("digest", Kind::Text),
        ("asset", Kind::Text),
        ("series", Kind::Text),
        ("episode", Kind::Number),
        ("variant", Kind::Text),
        ("position", Kind::Number),
        ("live_at", Kind::Number),
        ("mandatory", Kind::Flag),
        ("excluded", Kind::Flag),
        ("forecast", Kind::Number),
    ];

    fn from_columns(columns: &Columns<'_>) -> Result<Self, String> {
        let [position, episode] = ["position", "episode"].map(|name| columns.number(name));
        let small = |number: Option<u64>| u32::try_from(number.unwrap_or(0)).unwrap_or(u32::MAX);
        Ok(Self {
            site: columns.needed("site")?,
            path: columns.needed("path")?,
            size: columns.number("size")?.ok_or("no size")?,
            digest: columns.text("digest"),
            asset: columns.text("asset"),
            series: columns.text("series"),
            episode: small(episode?),
            variant: columns.text("variant").unwrap_or_default(),
            position: small(position?),
            live_at: columns.number("live_at")?,
            mandatory: columns.flag("mandatory"),
            excluded: columns.flag("excluded"),
            forecast: columns.number("forecast")?.unwrap_or(0),
        })
    }
}

impl Entry {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !signing::Label::is_legal(self.site.as_bytes()) {
            return Err(format!("{:?} is no site's name", self.site));
        }
        if self.path.len() > OBJECT_PATH_BYTES_MAX {
            return Err(format!("a path of {} bytes", self.path.len()));
        }
        signing::ObjectPath::check(&self.path)
            .map_err(|problem| format!("{:?}: {problem}", self.path))?;
        if !(1..=SIZE_MAX).contains(&self.size) {
            return Err(format!("{}: {} bytes", self.path, self.size));
        }
        let names = [&self.asset, &self.series].map(|name| name.as_deref().unwrap_or(""));
        let names = [names[0], names[1], &self.variant];
        if names.iter().any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(format!(
                "{}: a name of more than {NAME_BYTES_MAX} bytes",
                self.path
            ));
        }
        if self.position > POSITION_MAX
            || self.episode > EPISODE_MAX
            || self.forecast > FORECAST_MAX
        {
            let path = &self.path;
            return Err(format!("{path}: position, episode or forecast too high"));
        }
        if let Some(live_at) = self.live_at.filter(|second| *second > LIVE_AT_MAX) {
            return Err(format!("{}: live_at {live_at} is beyond 9999", self.path));
        }
        if self.series.is_some() && self.asset.is_none() {
            return Err(format!("{}: of a series, and no asset", self.path));
        }
        if let Some(digest) = &self.digest {
            Digest::parse(digest).map_err(|wrong| format!("{}: {wrong}", self.path))?;
        }
        if self.mandatory && (self.excluded || self.digest.is_none()) {
            return Err(format!(
                "{}: mandatory, and excluded or without a digest",
                self.path
            ));
        }
        Ok(())
    }
}
