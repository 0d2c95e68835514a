//! What a scripted origin does with one object.

use std::time::Duration;

use super::Gate;

/// How the origin treats one object. The default is an honest, quick origin.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Waits before the status line.
    pub first_byte: Option<Duration>,
    /// Waits at a gate before the status line.
    pub before: Option<Gate>,
    /// Sends at most so many bytes a second.
    pub bytes_per_second: Option<u64>,
    /// Waits at a gate before it sends the byte at this offset of the object.
    pub hold: Option<(u64, Gate)>,
    /// Breaks the connection before the byte at this offset of the object, this many times.
    pub die: Option<(u64, Death, usize)>,
    /// Says what is not so.
    pub lie: Option<Lie>,
    /// Answers with this status and a short text.
    pub status: Option<u16>,
    /// Sends no content type of its own.
    pub untyped: bool,
    /// More header lines, such as `cache-control: max-age=60`.
    pub headers: Vec<String>,
}

impl Script {
    /// An honest origin that says this in `Cache-Control`.
    pub fn under(cache_control: &str) -> Self {
        Self {
            headers: vec![format!("cache-control: {cache_control}")],
            ..Self::default()
        }
    }
}

/// How a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// It is closed, as if all had been said.
    Fin,
    /// It is reset.
    Rst,
}

/// What an origin may say that is not so, or that a cache cannot build upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// The body ends this many bytes before its announced length.
    Short(u64),
    /// This many bytes follow the announced length.
    Long(u64),
    /// `Content-Range` begins one byte later than asked; the bytes are those asked for.
    ShiftedRange,
    /// `Content-Range` tells another length of the object.
    WrongTotal,
    /// 200 and the whole object, to a range request.
    IgnoreRange,
    /// 206 with a range, to a request for the whole.
    UnaskedRange,
    /// 416 to a range that exists.
    Unsatisfiable,
    /// 304 to a request without a validator.
    NotModified,
    /// The entity tag is weak.
    WeakTag,
    /// No entity tag and no date.
    NoValidator,
    /// Chunked, so the length is not told.
    Chunked,
    /// Chunked, and the connection ends before the last bytes and the last chunk.
    ChunkedCut,
    /// Neither length nor chunks: the end of the connection ends the body.
    UntilClose,
    /// Two lengths that differ.
    TwoLengths,
    /// A length and chunks.
    LengthAndChunks,
    /// A bare line feed within a header field.
    BareLineFeed,
    /// Not HTTP at all.
    Garbage,
    /// Header fields of more than a MiB.
    HugeHeaders,
    /// The right validator and length, with `If-Match` ignored.
    IgnoreConditions,
}
