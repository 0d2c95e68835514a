//! How a site's live streams are served.

use std::time::Duration;

use semantics::live::{Clock, Margins, Numbered, Template};

use crate::{SiteRules, site::plain};

/// How a site's live streams are served.
#[derive(Debug, Clone)]
pub struct LiveRules {
    /// Endings of the paths of playlists.
    pub playlists: Vec<String>,
    /// Endings of the paths of what is handed on while upstream still writes it, if it comes
    /// without a length.
    pub streams: Vec<String>,
    /// Which segments there are.
    pub windows: Vec<WindowRule>,
    /// How far around the window requests go on.
    pub margins: Margins,
    /// So many segments from the newest are the live edge, which is shed last.
    pub live_edge: u64,
    /// For how long an absence outside the window is believed by the tier that asks.
    pub absent: Duration,
    /// Who holds a blocking reload of a playlist.
    pub reloads: Reloads,
    /// How long a request may be held open.
    pub hold: Duration,
    /// How often upstream is asked for what is waited for; and for how long a window is believed.
    pub poll: Duration,
    /// Requests of this site held open at a time.
    pub held_max: usize,
}

/// Who holds a blocking reload (`_HLS_msn`, `_HLS_part`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloads {
    /// Upstream does: the directives go there.
    Upstream,
    /// This node does: upstream is asked for the plain playlist until it has what is waited for.
    Here,
}

/// Where the window of some segments comes from.
#[derive(Debug, Clone)]
pub struct WindowRule {
    /// Which segments.
    pub segments: Template,
    /// What says which of them there are.
    pub source: WindowSource,
}

/// What says which segments there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowSource {
    /// A media playlist, by a reference that is relative to the segment.
    Playlist(String),
    /// A time formula.
    Clock(Clock),
}

impl LiveRules {
    pub(crate) fn is_playlist(&self, path: &str) -> bool {
        ends(&self.playlists, path)
    }

    /// The rule for a segment, and its number.
    pub(crate) fn numbered<'p>(&self, path: &'p str) -> Option<(&WindowRule, Numbered<'p>)> {
        let mut rules = self.windows.iter();
        rules.find_map(|rule| Some((rule, rule.segments.read(path)?)))
    }
}

impl SiteRules {
    /// Whether an object is handed on while upstream still writes it.
    pub(crate) fn streams(&self, path: &str) -> bool {
        let live = self.live.as_ref();
        live.is_some_and(|live| ends(&live.streams, plain(path)))
    }
}

fn ends(endings: &[String], path: &str) -> bool {
    endings.iter().any(|ending| path.ends_with(ending.as_str()))
}
