//! What is measured and against whom: the names that the command line knows.

use std::{fmt, str::FromStr};

use super::{Error, rows::herd::Herd};

/// How a body travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// Ours alone: no packaged peer has it.
    Http3,
}

impl Protocol {
    pub(crate) const ALL: [Self; 3] = [Self::Http1, Self::Http2, Self::Http3];
    pub(crate) const OVER_TCP: [Self; 2] = [Self::Http1, Self::Http2];

    pub(crate) fn alpn(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
            Self::Http3 => "h3",
        }
    }

    fn short(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
            Self::Http3 => "h3",
        }
    }
}

/// How long the bodies are: a playlist or a part of one, audio, a segment of video of a middle and
/// of a high rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Kib4,
    Kib64,
    Mib1,
    Mib4,
}

impl Size {
    pub(crate) const ALL: [Self; 4] = [Self::Kib4, Self::Kib64, Self::Mib1, Self::Mib4];

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Kib4 => 4 << 10,
            Self::Kib64 => 64 << 10,
            Self::Mib1 => 1 << 20,
            Self::Mib4 => 4 << 20,
        }
    }

    /// How many objects there are of it. Together they are more than the second-level cache holds
    /// (4 KiB) or the last level does (all others), as what a node serves does not lie there either.
    pub(crate) fn objects(self) -> u32 {
        match self {
            Self::Kib4 => 2048,
            Self::Kib64 => 768,
            Self::Mib1 => 128,
            Self::Mib4 => 32,
        }
    }

    /// Requests of one run: about a second of a server's time.
    pub(crate) fn requests(self) -> u64 {
        match self {
            Self::Kib4 => 40_000,
            Self::Kib64 => 12_000,
            Self::Mib1 => 1_000,
            Self::Mib4 => 256,
        }
    }

    fn short(self) -> &'static str {
        match self {
            Self::Kib4 => "4k",
            Self::Kib64 => "64k",
            Self::Mib1 => "1m",
            Self::Mib4 => "4m",
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kib4 => "4 KiB",
            Self::Kib64 => "64 KiB",
            Self::Mib1 => "1 MiB",
            Self::Mib4 => "4 MiB",
        })
    }
}

/// A protocol and the objects that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) protocol: Protocol,
    pub(crate) size: Size,
}

impl Shape {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Protocol::ALL
            .into_iter()
            .flat_map(|protocol| Size::ALL.map(move |size| Self { protocol, size }))
    }

    /// What `--only` calls it.
    pub(crate) fn name(self) -> String {
        format!("{}-{}", self.protocol.short(), self.size.short())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.protocol.short().to_uppercase();
        write!(f, "{protocol}, {}", self.size)
    }
}

/// Everything that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// Hits from RAM.
    Ram(Shape),
    /// Hits from disk, of 1 MiB.
    Disk(Protocol),
    Herd(Herd),
    /// After `kill -9`.
    Restart,
    Memory,
}

impl Row {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Shape::all()
            .map(Self::Ram)
            .chain(Protocol::OVER_TCP.map(Self::Disk))
            .chain([
                Self::Herd(Herd::Whole),
                Self::Herd(Herd::Ranges),
                Self::Restart,
                Self::Memory,
            ])
    }

    /// What `--only` calls it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Ram(shape) => shape.name(),
            Self::Disk(protocol) => format!("disk-{}-1m", protocol.short()),
            Self::Herd(Herd::Whole) => "herd".to_owned(),
            Self::Herd(Herd::Ranges) => "ranges".to_owned(),
            Self::Restart => "restart".to_owned(),
            Self::Memory => "memory".to_owned(),
        }
    }
}

impl Row {
    pub(crate) fn shape(self) -> Option<Shape> {
        match self {
            Self::Ram(shape) => Some(shape),
            Self::Disk(_) | Self::Herd(_) | Self::Restart | Self::Memory => None,
        }
    }

    pub(crate) fn disk(self) -> Option<Protocol> {
        match self {
            Self::Disk(protocol) => Some(protocol),
            Self::Ram(_) | Self::Herd(_) | Self::Restart | Self::Memory => None,
        }
    }

    pub(crate) fn herd(self) -> Option<Herd> {
        match self {
            Self::Herd(herd) => Some(herd),
            Self::Ram(_) | Self::Disk(_) | Self::Restart | Self::Memory => None,
        }
    }
}

/// A foreign server to stand beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Nginx,
    Varnish,
    TrafficServer,
    Haproxy,
    H2o,
}

impl Peer {
    pub(crate) const ALL: [Self; 5] = [
        Self::Nginx,
        Self::Varnish,
        Self::TrafficServer,
        Self::Haproxy,
        Self::H2o,
    ];

    /// Whether it has a disk tier that is empty of memory once the page cache is dropped. Pages of
    /// Varnish's file are mapped and stay; `HAProxy` has no disk tier, this h2o no cache.
    pub(crate) fn reads_disks(self) -> bool {
        match self {
            Self::Nginx | Self::TrafficServer => true,
            Self::Varnish | Self::Haproxy | Self::H2o => false,
        }
    }

    /// Whether it keeps what it has fetched.
    pub(crate) fn caches(self) -> bool {
        match self {
            Self::Nginx | Self::Varnish | Self::TrafficServer | Self::Haproxy => true,
            Self::H2o => false,
        }
    }

    /// What `--peers` and the table call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Varnish => "varnish",
            Self::TrafficServer => "trafficserver",
            Self::Haproxy => "haproxy",
            Self::H2o => "h2o",
        }
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|peer| peer.name() == text);
        named.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text} is none of {names}")
        })
    }
}

/// The rows that the user named, each by its name or a part of it, or all when he named none. Refuses a
/// name that selects nothing: a typing error must not look like a short table.
pub(crate) fn rows(only: &[String]) -> Result<Vec<Row>, Error> {
    for text in only {
        if !Row::all().any(|row| row.name().contains(text.as_str())) {
            let known: Vec<String> = Row::all().map(Row::name).collect();
            let known = known.join(", ");
            return Err(Error::Broken(format!(
                "no row has {text} in its name: {known}"
            )));
        }
    }
    let named = |row: &Row| {
        let name = row.name();
        only.is_empty() || only.iter().any(|text| names(text, &name))
    };
    Ok(Row::all().filter(named).collect())
}

/// Whether a text means a row: its name, or a part of it that is no name of its own.
fn names(text: &str, row: &str) -> bool {
    row == text || (row.contains(text) && !Row::all().any(|other| other.name() == text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_name_selects_and_a_wrong_one_is_refused() {
        let names = |only: &str| {
            let rows = rows(&[only.to_owned()]).unwrap();
            rows.into_iter().map(Row::name).collect::<Vec<_>>()
        };
        assert_eq!(names("h1-4k"), ["h1-4k"]);
        assert_eq!(names("h2-1m"), ["h2-1m"]);
        assert_eq!(names("disk"), ["disk-h1-1m", "disk-h2-1m"]);
        assert!(rows(&["h5".to_owned()]).is_err());
        assert_eq!(rows(&[]).unwrap().len(), Row::all().count());
    }
}
