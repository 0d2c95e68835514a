//! The sections that every node has: `[node]`, `[admin]`, `[log]` and `[drain]`.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::Section;

/// Cores of the largest machines that there are.
const WORKERS_MAX: u64 = 1024;

/// What every node is told.
#[derive(Debug, Clone)]
pub struct Common {
    /// The node's name, a token (RFC 9110 section 5.6.2): it stands in `Via`, `Cache-Status` and
    /// `Proxy-Status`.
    pub name: Arc<str>,
    /// How many workers serve connections; one for each core where none is given.
    pub workers: Option<NonZeroUsize>,
    /// The admin listener.
    pub admin: Admin,
    /// Logs.
    pub log: Log,
    /// How long requests in flight may go on once the process was asked to end.
    pub drain_deadline: Duration,
}

/// `[admin]`.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where metrics, health and the effective config are served in clear text: on a loopback or
    /// private address, unless the operator insists.
    pub address: SocketAddr,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct Log {
    /// From which level on events are written to stderr.
    pub level: Level,
    /// How.
    pub format: Format,
    /// Where one line for each request goes.
    pub access: AccessTarget,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something failed that an operator must see to.
    Error,
    /// Something is wrong, and the node goes on.
    Warn,
    /// What changed.
    Info,
    /// What happens, connection by connection.
    Debug,
    /// Everything.
    Trace,
}

/// The form of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For eyes.
    Text,
}

/// Where access lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessTarget {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to, opened again on SIGHUP.
    File(PathBuf),
}

impl Common {
    /// Reads the four sections from the top of a config file.
    pub fn read(top: &mut Section) -> Option<Self> {
        let node = top.section("node", |node| {
            let expected = "a name of up to 64 letters, digits, '-', '_' or '.'";
            let name = node
                .parsed("name", expected, |text| {
                    is_name(text).then(|| text.to_owned())
                })
                .required();
            let workers = node.number("workers", 1..=WORKERS_MAX).optional();
            let workers = workers.and_then(|workers| usize::try_from(workers).ok());
            Some((name?, workers.and_then(NonZeroUsize::new)))
        });
        let admin = top.section("admin", |admin| Some(Admin::read(admin)));
        let log = top.section("log", |log| Some(Log::read(log)));
        let drain_deadline = top.section("drain", |drain| {
            let range = Duration::from_secs(1)..=Duration::from_hours(2);
            Some(drain.duration("deadline", range).or(Duration::from_mins(2)))
        });
        let ((name, workers), admin, log) = (node?, admin?, log?);
        Some(Self {
            name: name.into(),
            workers,
            admin,
            log,
            drain_deadline: drain_deadline?,
        })
    }
}

impl Admin {
    fn read(section: &mut Section) -> Self {
        let allow_public = section.flag("allow_public").or(false);
        let address = section
            .address("address")
            .or(SocketAddr::from(([127, 0, 0, 1], 9090)));
        if !allow_public && !is_private(address.ip()) {
            let what = format!("is {}, which strangers may reach", address.ip());
            let hint = "take a loopback or private address, or set allow_public = true";
            section.problem("address", &what, Some(hint));
        }
        Self { address }
    }
}

impl Log {
    fn read(section: &mut Section) -> Self {
        const LEVELS: &[(&str, Level)] = &[
            ("error", Level::Error),
            ("warn", Level::Warn),
            ("info", Level::Info),
            ("debug", Level::Debug),
            ("trace", Level::Trace),
        ];
        const FORMATS: &[(&str, Format)] = &[("json", Format::Json), ("text", Format::Text)];
        let level = section.choice("level", LEVELS).or(Level::Info);
        let format = section.choice("format", FORMATS).or(Format::Json);
        let folder = section.folder().to_owned();
        let expected = "\"off\", \"stdout\" or the path of a file";
        let access = section.parsed("access", expected, |text| match text {
            "off" => Some(AccessTarget::Off),
            "stdout" => Some(AccessTarget::Stdout),
            path if path.contains('/') => Some(AccessTarget::File(folder.join(path))),
            _ => None,
        });
        Self {
            level,
            format,
            access: access.or(AccessTarget::Stdout),
        }
    }
}

impl std::fmt::Display for AccessTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A token, without the characters that look strange in a host's name.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// Loopback, private (RFC 1918, RFC 4193) or link-local. The unspecified address is none of them:
/// it listens everywhere.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
