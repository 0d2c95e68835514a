//! A part of an object that came in place of the range that was asked for.
//!
//! RFC 9110 section 15.3.7: a server may send less than it was asked for, and says what it sends.
//! Such a part, which begins where was asked, is for who wants bytes of it. Only one that is long
//! enough to be gone on with becomes slices (`ask.rs`); a small one is kept as it is, and parts are
//! not put together.

use std::{ops::Range, sync::Arc};

use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode, header, response::Parts};
use message::{Body, BodyStream, Error, Response};
use semantics::{
    content_range::{self, ContentRange},
    range::{self, Wanted},
};
use store::Epoch;

use crate::{
    Inner,
    answer::Visit,
    ask::Answered,
    kept::Kept,
    question::{Handed, Question},
};

/// A part at least so long is gone on with: a server that sends so much at a time is asked for the rest
/// of a slice in as many questions as that takes, 16 of 4 MiB.
pub(crate) const CONTINUED_BYTES_MIN: u64 = 256 << 10;

/// Which bytes of how many, `first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) total: Option<u64>,
}

impl Part {
    pub(crate) fn length(&self) -> u64 {
        self.last - self.first + 1
    }

    fn of(response: &Response) -> Option<Self> {
        match content_range::parse(response.headers()) {
            Ok(Some(ContentRange::Part { first, last, total })) => {
                Some(Self { first, last, total })
            }
            Ok(Some(ContentRange::Unsatisfied { .. }) | None) | Err(_) => None,
        }
    }

    /// These of its bytes, as `Content-Range` tells them.
    pub(crate) fn told(&self, (first, last): (u64, u64)) -> ContentRange {
        let total = self.total;
        ContentRange::Part { first, last, total }
    }

    /// Where in the part these of the object's bytes are.
    pub(crate) fn offsets(&self, (first, last): (u64, u64)) -> Range<u64> {
        first - self.first..last + 1 - self.first
    }
}

impl Inner {
    /// Less came than was asked for.
    pub(crate) async fn less(
        self: &Arc<Self>,
        question: &Question,
        (parts, body): (Parts, Body),
        part: Part,
        stamp: Epoch,
    ) -> Result<Answered, Error> {
        let is_enough = part.length() >= CONTINUED_BYTES_MIN;
        let carried = part.first..part.last + 1;
        let head = part.total.filter(|_| is_enough).and_then(|total| {
            let head = self.head(question, &parts.headers, total, &carried, stamp);
            head.filter(|head| head.strong_etag().is_some())
        });
        match head {
            Some(head) => {
                let room = self.room_for(&head, part.first).await?;
                Ok(self.publish(question, head, &parts, part.first, (body, room)))
            }
            None => {
                self.answer(question, (parts, body), Some(part), stamp)
                    .await
            }
        }
    }
}

impl Visit<'_> {
    /// Whether an answer that is kept is one to this request.
    pub(crate) fn is_served_by(&self, kept: &Kept) -> bool {
        let bytes = |part| self.bytes_of(&part, &kept.fields);
        kept.part.is_none_or(|part| bytes(part).is_some())
    }

    /// Which bytes of a part with these fields this request is answered with, if it has them.
    pub(crate) fn bytes_of(&self, part: &Part, fields: &HeaderMap) -> Option<(u64, u64)> {
        if self.is_head() {
            return None;
        }
        let (first, last) = (part.first, part.last);
        let wanted = self.wanted_for(fields);
        let is_less = |from: u64, to: u64| from <= first && last <= to;
        match wanted {
            // A tier of ours asks as this one has asked, and makes of the answer what this one does.
            Wanted::FromTo {
                first: from,
                last: to,
            } if self.rules.asked_by_tiers && is_less(from, to) => Some((first, last)),
            wanted => range::within(wanted, (first, last), part.total),
        }
    }

    /// What of an answer that is not stored is for this viewer: all of it, or the bytes that he wants of
    /// a part. Nothing, if the part has them not.
    pub(crate) fn fitted(&self, handed: Handed) -> Option<Handed> {
        let Handed { response, place } = handed;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Some(Handed { response, place });
        }
        let part = Part::of(&response)?;
        let bytes = self.bytes_of(&part, response.headers())?;
        let mut response = response.map(|body| cut(body, part.offsets(bytes)));
        let told = content_range::format(part.told(bytes));
        response.headers_mut().insert(header::CONTENT_RANGE, told);
        Some(Handed { response, place })
    }
}

/// These bytes of a body. It ends as soon as they are there; a body that ends before is an error.
fn cut(body: Body, bytes: Range<u64>) -> Body {
    let length = bytes.end - bytes.start;
    if body.length() == Some(length) {
        return body;
    }
    let pieces = stream::unfold(
        (body, bytes.start, length),
        |(mut body, skip, left)| async move {
            if left == 0 {
                return None;
            }
            let item: Result<bytes::Bytes, Error> = body.next().await?;
            let mut whole = match item {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error), (body, skip, 0))),
            };
            let skipped = skip.min(whole.len() as u64);
            let mut piece = whole.split_off(index(skipped));
            piece.truncate(index(left.min(piece.len() as u64)));
            let left = left - piece.len() as u64;
            Some((Ok(piece), (body, skip - skipped, left)))
        },
    );
    let pieces: BodyStream = pieces.boxed();
    Body::sized(pieces, length)
}

/// A length within a piece of a body that is in memory.
fn index(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    async fn read(body: Body) -> Result<Vec<u8>, Error> {
        let pieces: Vec<_> = body.collect().await;
        let pieces: Result<Vec<Bytes>, Error> = pieces.into_iter().collect();
        Ok(pieces?.concat())
    }

    fn pieces(length: Option<u64>) -> Body {
        let pieces = ["012", "3", "", "456", "789"];
        let pieces = pieces.map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        let pieces = stream::iter(pieces).boxed();
        match length {
            Some(length) => Body::sized(pieces, length),
            None => Body::of_unknown_length(pieces),
        }
    }

    #[tokio::test]
    async fn a_body_is_cut_to_the_bytes_that_are_wanted() {
        for (wanted, expected) in [
            (0..10, "0123456789"),
            (0..1, "0"),
            (2..5, "234"),
            (3..4, "3"),
            (9..10, "9"),
        ] {
            for length in [Some(10), None] {
                let cut = cut(pieces(length), wanted.clone());
                assert_eq!(cut.length(), Some(wanted.end - wanted.start));
                assert_eq!(read(cut).await.unwrap(), expected.as_bytes());
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_ends_before_the_last_byte_that_is_wanted_is_an_error() {
        assert!(read(cut(pieces(None), 5..11)).await.is_err());
    }
}
