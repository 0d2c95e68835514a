//! `[fill]`: whose manifests are taken, when they are filled, how fast, and from where.

use std::{ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use super::{inventory::Inventory, peers::Peers};
use daemon::config::Section;
use manifest::{KEYS_FILE_BYTES_MAX, Keys, Label, Limits};
use message::ObjectName;
use node::{Origin, Plans, Sections};

use signing::SigningKey;

use preposition::{Allowance, BYTES_PER_S_MIN, BadWindow, Escalation, WINDOWS_MAX, Window};

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
/// The least has room for plans of some 10,000 objects.
const MEMORY_BYTES: RangeInclusive<u64> = 16 * MIB..=TIB;

/// A pass each week: a sector that has gone bad is not long the only copy in a cluster.
const SCRUB: Duration = Duration::from_hours(24 * 7);

/// `[fill]`.
#[derive(Debug, Clone)]
pub(crate) struct Fill {
    pub(crate) room: preposition::Config,
    pub(crate) pull: Option<Pull>,
    pub(crate) inventory: Option<Inventory>,
    pub(crate) peers: Option<Peers>,
}

/// `[fill.pull]`.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) name: ObjectName,
    pub(crate) interval: Duration,
    pub(crate) origin: Origin,
}

/// What is read before the other sections are known.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    audience: Option<Label>,
    folder: Option<PathBuf>,
    keys: Keys,
    windows: Vec<Window>,
    has_fast_track: bool,
    bytes_per_s: u64,
    allowance: Allowance,
    concurrency: usize,
    yields: preposition::Limits,
    escalation: Escalation,
    attempts: u8,
    reconcile: Duration,
    scrub: Option<Duration>,
    limits: Limits,
    memory_bytes: Option<u64>,
    pull: Option<Pull>,
    inventory: Option<Inventory>,
    peers: Option<Peers>,
}

impl Wish {
    /// Reads the section.
    pub(crate) fn read(section: &mut Section) -> Option<Self> {
        let label = "a name of up to 64 letters, digits, '.', '_' or '-'";
        let parse = |text: &str| Label::parse(text).ok();
        let audience = section.parsed("audience", label, parse).optional();
        let folder = section.path("state").optional();
        let keys = read_keys(section);
        let windows = section.sections("window", 0..=WINDOWS_MAX, read_window);
        // Without a window there is nothing else.
        let has_fast_track = section.flag("fast_track").or(true) || windows.is_empty();
        let bytes_per_s = section.bytes("rate", BYTES_PER_S_MIN..=TIB).or(50_000_000);
        let allowance = Allowance {
            window_bytes: section.bytes("window_bytes", MIB..=1024 * TIB).or(TIB),
            day_write_bytes: section.bytes("writes_per_day", MIB..=1024 * TIB).or(TIB),
        };
        let concurrency = small(section, "concurrency", 1..=64, 8);
        let escalation = Escalation {
            master: section.flag("master").or(false),
            shield_after: wait(section, "shield_after", 10),
            storage_after: wait(section, "storage_after", 30),
        };
        let reconcile = Duration::from_mins(1)..=Duration::from_hours(24 * 7);
        let reconcile = section
            .duration("reconcile", reconcile)
            .or(Duration::from_hours(1));
        let scrub = Duration::ZERO..=Duration::from_hours(24 * 365);
        let scrub = section.duration("scrub", scrub).or(SCRUB);
        let attempts = small(section, "attempts", 1..=100, 5);
        let percent = small(section, "eviction_percent_max", 0..=100, 30);
        let memory_bytes = section.bytes("memory", MEMORY_BYTES).optional();
        Some(Self {
            audience,
            folder,
            windows,
            has_fast_track,
            bytes_per_s,
            allowance,
            concurrency,
            yields: read_yields(section),
            escalation,
            attempts: u8::try_from(attempts).unwrap_or(u8::MAX),
            reconcile,
            scrub: (scrub > Duration::ZERO).then_some(scrub),
            limits: Limits {
                eviction_percent_max: u8::try_from(percent).unwrap_or(30),
                ..Limits::default()
            },
            memory_bytes,
            pull: section.optional_section("pull", read_pull),
            inventory: section
                .optional_section("inventory", Inventory::read)
                .flatten(),
            peers: section.optional_section("peers", Peers::read),
            keys: keys?,
        })
    }

    /// What plans may take of the memory, if there are any.
    pub(crate) fn plans(wish: Option<&Self>) -> Plans {
        wish.map_or(Plans::None, |wish| Plans::Some(wish.memory_bytes))
    }

    /// With what the other sections say.
    pub(crate) fn with(self, sections: &Sections) -> Option<Fill> {
        let named = Label::parse(&sections.common.name).ok();
        let state = sections.store.state_dir.clone();
        let room = preposition::Config {
            folder: self.folder.or_else(|| Some(state?.join("fill")))?,
            audience: self.audience.or(named)?,
            keys: self.keys,
            limits: self.limits,
            memory_bytes: sections.memory.plans_bytes(),
            // Until the disks are open.
            capacity_bytes: u64::MAX,
            windows: self.windows,
            has_fast_track: self.has_fast_track,
            bytes_per_s: self.bytes_per_s,
            allowance: self.allowance,
            concurrency: self.concurrency,
            yields: self.yields,
            escalation: self.escalation,
            attempts: self.attempts,
            reconcile: self.reconcile,
            scrub: self.scrub,
            rehearsal: None,
        };
        Some(Fill {
            room,
            pull: self.pull,
            inventory: self.inventory,
            peers: self.peers,
        })
    }
}

impl Fill {
    /// What is allowed and hardly meant, on an edge with so many disks.
    pub(crate) fn warnings(&self, disks: usize) -> Vec<String> {
        let mut warnings = Vec::new();
        if disks == 0 {
            let what = "[fill] without a [[cache.disk]]: nothing that is planned can be held";
            warnings.push(what.to_owned());
        }
        if self.room.windows.is_empty() {
            let what = "[fill] has no [[fill.window]]: only the fast track is filled";
            warnings.push(what.to_owned());
        }
        warnings
    }
}

fn read_keys(section: &mut Section) -> Option<Keys> {
    let file = section.path("keys").required()?;
    let bytes = daemon::config::read_file(&file, KEYS_FILE_BYTES_MAX as u64);
    let keys = bytes.and_then(|bytes| {
        let keys = Keys::parse(&bytes);
        keys.map_err(|error| match SigningKey::parse(&bytes) {
            Ok(_) => "is a planner's secret: what belongs here is the file of public keys that \
                      `millpond manifest key --keys` has written"
                .to_owned(),
            Err(_) => error.to_string(),
        })
    });
    match keys {
        Ok(keys) => Some(keys),
        Err(what) => {
            section.problem("keys", &what, None);
            None
        }
    }
}

fn read_window(section: &mut Section) -> Option<Window> {
    let hours = section.text("hours").required();
    let zone = section.text("zone").or("UTC".to_owned());
    let days = section.list("days", 0..=7).or(Vec::new());
    match Window::parse(&hours?, &zone, &days) {
        Ok(window) => Some(window),
        Err(bad) => {
            let key = match bad {
                BadWindow::Hours(_) => "hours",
                BadWindow::Zone(_) => "zone",
                BadWindow::Day(_) => "days",
            };
            section.problem(key, &bad.to_string(), None);
            None
        }
    }
}

fn read_yields(section: &mut Section) -> preposition::Limits {
    let link_bytes_per_s = section.bytes("link", MIB..=TIB).optional();
    let percent = small(section, "egress_percent_max", 1..=100, 70);
    let times = Duration::from_millis(1)..=Duration::from_secs(10);
    let disk_p99_max = section.duration("disk_p99_max", times);
    preposition::Limits {
        link_bytes_per_s,
        egress_max: u32::try_from(percent).unwrap_or(100) * 10,
        disk_p99_max: disk_p99_max.or(Duration::from_millis(100)),
    }
}

fn read_pull(section: &mut Section) -> Option<Pull> {
    let path = "the path of an object, such as \"/manifests/edge-1\"";
    let parse = |text: &str| {
        signing::ObjectPath::parse(text)
            .ok()
            .map(|path| path.to_arc())
    };
    let name = section.parsed("object", path, parse).required();
    let intervals = Duration::from_secs(10)..=Duration::from_hours(24 * 7);
    let interval = section
        .duration("interval", intervals)
        .or(Duration::from_mins(5));
    let origin = section.section("origin", Origin::read);
    Some(Pull {
        name: ObjectName {
            site: Arc::from("manifests"),
            path: name?,
        },
        interval,
        origin: origin?,
    })
}

fn small(
    section: &mut Section,
    key: &'static str,
    range: RangeInclusive<u64>,
    default: u16,
) -> usize {
    let number = section.number(key, range).or(default.into());
    usize::try_from(number).unwrap_or_else(|_| default.into())
}

fn wait(section: &mut Section, key: &'static str, minutes: u64) -> Duration {
    let range = Duration::ZERO..=Duration::from_hours(24 * 7);
    section
        .duration(key, range)
        .or(Duration::from_mins(minutes))
}
