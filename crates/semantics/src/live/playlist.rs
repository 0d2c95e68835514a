//! What a media playlist says of the live edge (RFC 8216, RFC 8216bis): no more than a cache needs.

use super::{Reload, Template, Window};
use crate::relative;

/// A media playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Playlist<'t> {
    /// How far it goes.
    pub position: Position,
    first_uri: Option<&'t str>,
    last_uri: Option<&'t str>,
    has_ended: bool,
}

/// How far a playlist goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The media sequence number of the segment after the last whole one.
    pub next: u64,
    /// How many parts of that one there are.
    pub parts: u64,
    /// Nothing will be added.
    pub has_ended: bool,
}

impl<'t> Playlist<'t> {
    /// Reads a media playlist; `None` for what is none (a multivariant playlist has no segments
    /// to wait for).
    pub fn read(text: &'t str) -> Option<Self> {
        let mut lines = text.trim_start_matches('\u{feff}').lines();
        if lines.next()?.trim_end() != "#EXTM3U" {
            return None;
        }
        let mut all = Self {
            position: Position {
                next: 0,
                parts: 0,
                has_ended: false,
            },
            first_uri: None,
            last_uri: None,
            has_ended: false,
        };
        let mut is_media = false;
        for line in lines {
            let line = line.trim();
            match line.split_once(':').unwrap_or((line, "")) {
                ("#EXT-X-STREAM-INF", _) => return None,
                ("#EXT-X-TARGETDURATION", _) => is_media = true,
                // RFC 8216 section 4.3.3.2: without this tag the first segment is number 0.
                ("#EXT-X-MEDIA-SEQUENCE", number) => {
                    let first: u64 = number.trim().parse().ok()?;
                    all.position.next = all.position.next.checked_add(first)?;
                }
                // RFC 8216bis section 4.4.5.2: they are there, and not repeated.
                ("#EXT-X-SKIP", list) => {
                    let skipped = attribute(list, "SKIPPED-SEGMENTS")?.parse::<u64>().ok()?;
                    all.position.next = all.position.next.checked_add(skipped)?;
                }
                ("#EXT-X-PART", _) => all.position.parts += 1,
                ("#EXT-X-ENDLIST", _) => all.has_ended = true,
                _ if line.is_empty() || line.starts_with('#') => {}
                _ => all.segment(line)?,
            }
        }
        all.position.has_ended = all.has_ended;
        is_media.then_some(all)
    }

    fn segment(&mut self, uri: &'t str) -> Option<()> {
        self.position.next = self.position.next.checked_add(1)?;
        self.position.parts = 0;
        self.first_uri = self.first_uri.or(Some(uri));
        self.last_uri = Some(uri);
        Some(())
    }

    /// The window that its first and last segment span, for a playlist at `path`: numbers are
    /// read from the segments' own paths. `None` if they are of another shape or on another host.
    pub fn window(&self, path: &str, template: &Template) -> Option<Window> {
        let number = |uri: Option<&str>| {
            let path = relative::resolve(path, uri?)?;
            let plain = path.split('?').next().unwrap_or(&path).to_owned();
            template.read(&plain).map(|numbered| numbered.number)
        };
        let (first, last) = (number(self.first_uri)?, number(self.last_uri)?);
        (first <= last).then_some(Window {
            first,
            next: last.checked_add(1)?,
            has_ended: self.has_ended,
        })
    }
}

impl Position {
    /// RFC 8216bis section 6.2.5.2: whether a playlist that goes so far answers a blocking reload.
    /// A part beyond the last of a whole segment is the next segment's first.
    pub fn answers(&self, wanted: Reload) -> bool {
        let whole = wanted.msn < self.next;
        let in_part = wanted.msn == self.next && wanted.part.is_some_and(|part| part < self.parts);
        whole || in_part || self.has_ended
    }

    /// RFC 8216bis section 6.2.5.2: a server should answer 400 to what is more than two segments
    /// beyond the last.
    pub fn is_far_from(&self, wanted: Reload) -> bool {
        wanted.msn > self.next.saturating_add(1)
    }
}

/// The value of an attribute without quotes around it.
fn attribute<'l>(list: &'l str, name: &str) -> Option<&'l str> {
    let mut pairs = list.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(known, _)| known.trim() == name)
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVE: &str = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n\
        #EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:266\n\
        #EXTINF:4.0,\nseg266.m4s\n#EXT-X-PART:DURATION=0.5,URI=\"seg267.0.m4s\"\n\
        #EXTINF:4.0,\r\nseg267.m4s\r\n#EXT-X-PART:DURATION=0.5,URI=\"seg268.0.m4s\"\n\
        #EXT-X-PART:DURATION=0.5,URI=\"seg268.1.m4s\"\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"seg268.2.m4s\"\n";

    fn at(next: u64, parts: u64) -> Position {
        Position {
            next,
            parts,
            has_ended: false,
        }
    }

    #[test]
    fn the_live_edge_is_the_last_part() {
        assert_eq!(Playlist::read(LIVE).unwrap().position, at(268, 2));
    }

    #[test]
    fn a_reload_is_answered_once_what_it_names_is_there() {
        // RFC 8216bis section 6.2.5.2.
        let position = at(268, 2);
        for (msn, part, answered) in [
            (267, None, true),
            (267, Some(99), true),
            (268, Some(1), true),
            (268, Some(2), false),
            (268, None, false),
            (269, Some(0), false),
        ] {
            assert_eq!(
                position.answers(Reload { msn, part }),
                answered,
                "{msn} {part:?}"
            );
        }
        let over = Position {
            has_ended: true,
            ..position
        };
        assert!(
            over.answers(Reload {
                msn: 999,
                part: None
            }),
            "nothing more comes"
        );
    }

    #[test]
    fn what_is_far_ahead_is_told_apart() {
        let wanted = |msn| Reload { msn, part: None };
        assert!(!at(10, 0).is_far_from(wanted(11)));
        assert!(at(10, 0).is_far_from(wanted(12)));
    }

    #[test]
    fn the_window_is_read_from_the_segments_own_numbers() {
        let template = Template::parse("/live/seg{number}.m4s").unwrap();
        let playlist = Playlist::read(LIVE).unwrap();
        let window = playlist.window("/live/index.m3u8", &template).unwrap();
        assert_eq!((window.first, window.next), (266, 268));
        assert_eq!(playlist.window("/other/index.m3u8", &template), None);
    }

    #[test]
    fn skipped_segments_count() {
        let delta = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:10\n\
            #EXT-X-SKIP:SKIPPED-SEGMENTS=5\n#EXTINF:4,\na15.ts\n";
        assert_eq!(Playlist::read(delta).unwrap().position, at(16, 0));
    }

    #[test]
    fn what_is_no_media_playlist_is_none() {
        for text in [
            "",
            "<MPD/>",
            "#EXTM3U",
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n",
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:x\n",
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\na\n",
        ] {
            assert_eq!(Playlist::read(text), None, "{text}");
        }
    }
}
