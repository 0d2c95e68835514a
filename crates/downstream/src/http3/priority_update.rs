//! `PRIORITY_UPDATE` frames on a client's control stream (RFC 9218 section 7.2). Pure.
//!
//! ```text
//! control stream   type 0, then frames
//! frame            type, length, payload
//! PRIORITY_UPDATE  type 0xf0700, length, stream id, text as in a `Priority` field
//! ```
//!
//! Types, lengths and ids are variable-length integers (RFC 9000 section 16). h3 reads the same bytes,
//! judges them, and skips these frames as it does unknown ones.

use crate::priority::Said;

const CONTROL_STREAM: u64 = 0;
const PRIORITY_UPDATE: u64 = 0xf_0700;

/// An id and more text than two parameters need. What is longer is skipped.
const PAYLOAD_BYTES_MAX: usize = 8 + 64;

/// A priority for a stream on which no client asks for anything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRequest;

/// Follows the frames of one one-way stream through the bytes that come.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    step: Step,
    number: Number,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    StreamType,
    FrameType,
    Length {
        frame: u64,
    },
    Update {
        left: usize,
        payload: Vec<u8>,
    },
    Skip {
        left: u64,
    },
    /// Not the control stream.
    Other,
}

impl Follower {
    /// Follows `bytes`, and tells which request (counted from 0) shall have which priority.
    pub(crate) fn follow(
        &mut self,
        mut bytes: &[u8],
        mut tell: impl FnMut(u64, Said),
    ) -> Result<(), NoRequest> {
        while let [byte, rest @ ..] = bytes {
            match &mut self.step {
                Step::Other => return Ok(()),
                Step::Skip { left } => {
                    let here = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    *left -= here as u64;
                    bytes = &bytes[here..];
                    if *left == 0 {
                        self.step = Step::FrameType;
                    }
                }
                Step::Update { left, payload } => {
                    let here = (*left).min(bytes.len());
                    payload.extend(&bytes[..here]);
                    *left -= here;
                    bytes = &bytes[here..];
                    if *left == 0 {
                        if let Some((stream, said)) = read(payload)? {
                            tell(stream, said);
                        }
                        self.step = Step::FrameType;
                    }
                }
                Step::StreamType | Step::FrameType | Step::Length { .. } => {
                    bytes = rest;
                    if let Some(number) = self.number.push(*byte) {
                        self.step = next(&self.step, number);
                    }
                }
            }
        }
        Ok(())
    }
}

/// What follows after a number.
fn next(step: &Step, number: u64) -> Step {
    match step {
        Step::StreamType if number == CONTROL_STREAM => Step::FrameType,
        Step::FrameType => Step::Length { frame: number },
        Step::Length { .. } if number == 0 => Step::FrameType,
        Step::Length {
            frame: PRIORITY_UPDATE,
        } => match usize::try_from(number) {
            Ok(left) if left <= PAYLOAD_BYTES_MAX => Step::Update {
                left,
                payload: Vec::with_capacity(left),
            },
            Ok(_) | Err(_) => Step::Skip { left: number },
        },
        Step::Length { .. } => Step::Skip { left: number },
        Step::StreamType | Step::Update { .. } | Step::Skip { .. } | Step::Other => Step::Other,
    }
}

/// A payload that ends within its id says nothing.
fn read(payload: &[u8]) -> Result<Option<(u64, Said)>, NoRequest> {
    let mut number = Number::default();
    for (at, byte) in payload.iter().enumerate() {
        let Some(id) = number.push(*byte) else {
            continue;
        };
        // RFC 9000 section 2.1: the two lowest bits of a client's stream for both ways are 0.
        if id & 0b11 != 0 {
            return Err(NoRequest);
        }
        return Ok(Some((id >> 2, Said::parse(&payload[at + 1..]))));
    }
    Ok(None)
}

/// A variable-length integer, byte by byte.
#[derive(Debug, Default)]
struct Number {
    value: u64,
    left: u8,
}

impl Number {
    fn push(&mut self, byte: u8) -> Option<u64> {
        if self.left == 0 {
            self.value = u64::from(byte & 0x3f);
            // One, two, four or eight bytes in all.
            self.left = 1 << (byte >> 6);
        } else {
            self.value = self.value << 8 | u64::from(byte);
        }
        self.left -= 1;
        (self.left == 0).then_some(self.value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UPDATE: [u8; 4] = [0x80, 0x0f, 0x07, 0x00];

    fn frame(kind: &[u8], payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap() | 0x4000;
        [kind, &length.to_be_bytes(), payload].concat()
    }

    fn update(id: u8, text: &str) -> Vec<u8> {
        frame(&UPDATE, &[&[id], text.as_bytes()].concat())
    }

    /// What is told of a stream of this type, in pieces of this size.
    fn told(kind: u8, frames: &[Vec<u8>], piece: usize) -> Result<Vec<(u64, Said)>, NoRequest> {
        let bytes = [vec![kind], frames.concat()].concat();
        let (mut follower, mut told) = (Follower::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            follower.follow(piece, |stream, said| told.push((stream, said)))?;
        }
        Ok(told)
    }

    #[test]
    fn an_update_among_other_frames_is_told_however_it_arrives() {
        // Settings, a reserved frame with an update inside of it, an empty frame.
        let inside = frame(&[0x21], &update(0, "u=7"));
        let frames = [
            frame(&[4], &[1, 2, 3]),
            update(8, "u=1, i"),
            inside,
            vec![0x21, 0],
            update(0, ""),
        ];
        let expected = vec![(2, Said::parse(b"u=1, i")), (0, Said::default())];
        for piece in 1..40 {
            assert_eq!(told(0, &frames, piece), Ok(expected.clone()), "{piece}");
        }
    }

    #[test]
    fn no_other_stream_and_no_longer_frame_is_read() {
        assert_eq!(told(2, &[update(0, "u=1")], 7), Ok(vec![]));
        let long = update(0, &format!("u=1, a={}", "1".repeat(80)));
        let expected = vec![(1, Said::parse(b"u=2"))];
        assert_eq!(told(0, &[long, update(4, "u=2")], 7), Ok(expected));
        assert_eq!(told(0, &[frame(&UPDATE, &[0xc0, 0, 0])], 7), Ok(vec![]));
    }

    #[test]
    fn a_priority_for_what_is_no_request_is_an_error() {
        for id in [1, 2, 3, 5] {
            assert_eq!(told(0, &[update(id, "u=1")], 7), Err(NoRequest), "{id}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_followed_and_little_is_kept(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut follower = Follower::default();
            for byte in [&[0], &bytes[..]].concat() {
                if follower.follow(&[byte], |_, _| {}).is_err() {
                    break;
                }
                if let Step::Update { payload, .. } = &follower.step {
                    prop_assert!(payload.capacity() <= PAYLOAD_BYTES_MAX);
                }
            }
        }
    }
}
