//! `[popularity]`: whether and how demand is counted, and where reports of it go.

use std::path::PathBuf;

use daemon::config::Section;
use message::Timestamp;
use popularity::Config;
use upstream::{Store, Writer};

use crate::{Bucket, Error, memory::Wishes};

/// `[popularity]`.
#[derive(Debug, Clone)]
pub struct PopularitySection {
    /// The sketch.
    pub sketch: Config,
    /// A folder of its own.
    pub folder: PathBuf,
    /// Where reports go, if there are any.
    pub reports: Option<Reports>,
}

/// Where a node writes what it tells of itself.
#[derive(Debug, Clone)]
pub enum Reports {
    /// A directory, which exists.
    Directory(PathBuf),
    /// A bucket.
    S3(Bucket),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Directory,
    S3,
}

/// Reads the section. Outer `None`: it has a problem, which was told; inner: nothing is counted. The
/// sketch's memory follows from the budget, and the folder from that of the state.
#[expect(
    clippy::option_option,
    reason = "the two mean different things to one caller"
)]
pub(crate) fn read(
    section: &mut Section,
    wishes: &mut Wishes,
) -> Option<Option<PopularitySection>> {
    let default = Config::default();
    let enabled = section.flag("enabled").or(true);
    wishes.counts = enabled;
    wishes.popularity = section.bytes("memory", Config::MEMORY_BYTES).optional();
    let half_life = section
        .duration("half_life", Config::HALF_LIVES)
        .or(default.half_life);
    let sessions = Config::SESSIONS_MIN;
    let sessions = u64::from(*sessions.start())..=u64::from(*sessions.end());
    let sessions_min = section
        .number("sessions_min", sessions)
        .or(u64::from(default.sessions_min));
    let reports = section.section("reports", Reports::read)?;
    Some(enabled.then(|| PopularitySection {
        sketch: Config {
            half_life,
            sessions_min: u32::try_from(sessions_min).unwrap_or(default.sessions_min),
            ..default
        },
        folder: PathBuf::new(),
        reports,
    }))
}

impl Reports {
    /// Reads the section. Outer `None`: it has a problem, which was told; inner: nothing is written.
    pub fn read(section: &mut Section) -> Option<Option<Self>> {
        const KINDS: &[(&str, Kind)] = &[
            ("none", Kind::None),
            ("directory", Kind::Directory),
            ("s3", Kind::S3),
        ];
        match section.choice("kind", KINDS).or(Kind::None) {
            Kind::None => Some(None),
            Kind::Directory => {
                let path = section.path("path").required();
                Some(Some(Self::Directory(path?)))
            }
            Kind::S3 => Some(Some(Self::S3(Bucket::read(section)?))),
        }
    }

    /// What writes there.
    ///
    /// # Errors
    /// When the place is unusable: an absent directory, a malformed URL, no authority to trust.
    pub fn writer(&self, now: &Timestamp) -> Result<Writer, Error> {
        let store = match self {
            Self::Directory(root) => Store::Directory { root: root.clone() },
            Self::S3(bucket) => Store::S3(bucket.s3(now)?),
        };
        Ok(Writer::new(&store)?)
    }
}
