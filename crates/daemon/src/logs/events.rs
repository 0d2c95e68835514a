//! Events through `tracing`, to stderr.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt::MakeWriter, layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::Lines;
use crate::config::{Format, Level, Log};

/// Rooms whose events follow the configured level.
///
/// Everybody else is heard from `warn` on: at lower levels the protocol crates write header fields
/// and request targets, and with them tokens.
const OURS: [&str; 22] = [
    "cache",
    "daemon",
    "disk",
    "downstream",
    "edge",
    "forecast",
    "manifest",
    "message",
    "millpond",
    "node",
    "planner",
    "playlist",
    "popularity",
    "preposition",
    "semantics",
    "shield",
    "signing",
    "steering",
    "store",
    "tls",
    "traces",
    "upstream",
];

/// Sends this process's events to `lines`. Once per process: a second call is an error.
pub fn start_events(log: &Log, lines: Lines) -> Result<(), tracing_subscriber::util::TryInitError> {
    let writer = EventWriter(lines);
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(writer);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        Format::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
        Format::Text => layer.boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter(log.level)))
        .try_init()
}

fn filter(level: Level) -> Targets {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let ours = OURS.iter().map(|room| (*room, level));
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(ours)
}

/// Hands each formatted event to the queue; the formatter writes an event in one piece.
struct EventWriter(Lines);

impl<'w> MakeWriter<'w> for EventWriter {
    type Writer = EventPiece<'w>;

    fn make_writer(&'w self) -> Self::Writer {
        EventPiece(&self.0)
    }
}

struct EventPiece<'w>(&'w Lines);

impl io::Write for EventPiece<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level as Severity;

    use super::*;

    #[test]
    fn only_our_rooms_are_heard_below_warn() {
        let filter = filter(Level::Trace);
        assert!(filter.would_enable("cache::fill", &Severity::TRACE));
        assert!(!filter.would_enable("h2::codec", &Severity::INFO));
        assert!(filter.would_enable("h2::codec", &Severity::WARN));
    }

    #[test]
    fn no_room_is_silent() {
        let rooms = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let filter = filter(Level::Info);
        for room in std::fs::read_dir(rooms).unwrap() {
            let room = room.unwrap().file_name().into_string().unwrap();
            // The one package that is not named as its folder.
            let room = if room == "cli" { "millpond" } else { &room };
            assert!(filter.would_enable(room, &Severity::INFO), "{room}");
        }
    }

    #[test]
    fn a_level_above_warn_holds_for_all() {
        let filter = filter(Level::Error);
        assert!(!filter.would_enable("cache", &Severity::WARN));
        assert!(!filter.would_enable("h2::codec", &Severity::WARN));
    }
}
