//! A packager of low-latency HLS in small: what an encoder has made is published as if it came
//! from a camera, a piece every 125 ms.

use std::{fmt::Write as _, ops::Range, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::{Gate, LiveOrigin};

/// How long a piece lasts: a `moof` and its `mdat`.
const PIECE: Duration = Duration::from_millis(125);
/// Pieces of a part.
const PART: usize = 2;
/// Pieces between two key frames.
const GROUP: usize = 8;
/// Pieces of a segment.
const SEGMENT: usize = 16;
/// Segments that are there at the start, as if the stream had run for a while.
const BEFORE: usize = 3;
/// Segments of a playlist.
const WINDOW: usize = 6;

/// Where its playlist is.
pub const PLAYLIST: &str = "/ll/index.m3u8";

/// A stream to be published.
pub struct Packager {
    init: Vec<u8>,
    pieces: Vec<Vec<u8>>,
}

impl Packager {
    /// Of a fragmented MP4 whose fragments last 125 ms, with a key frame each second.
    pub fn of(mp4: &[u8]) -> Self {
        let (mut init, mut pieces) = (Vec::new(), Vec::<Vec<u8>>::new());
        let mut rest = mp4;
        while let [a, b, c, d, kind @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let (one, others) = rest.split_at(length);
            match &kind[..4] {
                b"ftyp" | b"moov" => init.extend_from_slice(one),
                b"moof" => pieces.push(one.to_vec()),
                b"mdat" => pieces.last_mut().unwrap().extend_from_slice(one),
                _ => {}
            }
            rest = others;
        }
        Self { init, pieces }
    }

    /// How long it goes on.
    pub fn length(&self) -> Duration {
        PIECE * u32::try_from(self.pieces.len()).unwrap()
    }

    /// The path of a part.
    pub fn part(segment: usize, part: usize) -> String {
        format!("/ll/s{segment}.p{part}.m4s")
    }

    /// The first piece of a part: what can be read of it while it is written.
    pub fn first_piece(&self, segment: usize, part: usize) -> &[u8] {
        &self.pieces[segment * SEGMENT + part * PART]
    }

    /// Publishes all of it as time goes by. The last piece of each part in `held` waits at its gate.
    ///
    /// RFC 8216bis section 6.2.2: what a preload hint names is answered as soon as there are bytes
    /// of it; so it is open before the playlist tells of it.
    pub async fn publish(&self, origin: &LiveOrigin, held: &[(String, Gate)]) {
        origin.publish("/ll/init.mp4", &self.init);
        origin.open(&Self::part(0, 0), &[]);
        let mut turns = interval(PIECE);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for (n, piece) in self.pieces.iter().enumerate() {
            let (segment, within) = (n / SEGMENT, n % SEGMENT);
            if segment >= BEFORE {
                turns.tick().await;
            }
            let (whole, part) = (whole(segment), Self::part(segment, within / PART));
            let is_last = within % PART == PART - 1;
            if is_last && let Some((_, gate)) = held.iter().find(|(held, _)| *held == part) {
                gate.pass().await;
            }
            if within == 0 {
                origin.open(&whole, &[]);
            }
            origin.append(&whole, piece);
            origin.append(&part, piece);
            if !is_last {
                continue;
            }
            origin.close(&part);
            if within == SEGMENT - 1 {
                origin.close(&whole);
            }
            let next = n + 1;
            let hint = Self::part(next / SEGMENT, next % SEGMENT / PART);
            origin.open(&hint, &[]);
            if segment >= BEFORE - 1 {
                let text = playlist(next / PART, hint.rsplit('/').next().unwrap());
                origin.publish(PLAYLIST, text.as_bytes());
            }
        }
    }
}

fn whole(segment: usize) -> String {
    format!("/ll/s{segment}.m4s")
}

/// The playlist once so many parts are there.
fn playlist(parts: usize, hint: &str) -> String {
    let of_segment = SEGMENT / PART;
    let done = parts / of_segment;
    let first = done.saturating_sub(WINDOW);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=0.25\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0\n\
         #EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-MAP:URI=\"init.mp4\"\n"
    );
    for segment in first..done {
        if segment + 3 >= done {
            tell_parts(&mut text, segment, 0..of_segment);
        }
        let _infallible = writeln!(text, "#EXTINF:2.0,\ns{segment}.m4s");
    }
    tell_parts(&mut text, done, 0..parts % of_segment);
    let _infallible = writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\"");
    text
}

fn tell_parts(text: &mut String, segment: usize, parts: Range<usize>) {
    for part in parts {
        let is_independent = (part * PART).is_multiple_of(GROUP);
        let independent = if is_independent {
            ",INDEPENDENT=YES"
        } else {
            ""
        };
        let _infallible = writeln!(
            text,
            "#EXT-X-PART:DURATION=0.25,URI=\"s{segment}.p{part}.m4s\"{independent}"
        );
    }
}
