//! A response body that cannot end early and look complete.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Frame, SizeHint};

use crate::{Error, Kind};

/// A stream of body bytes; an `Err` item is its last.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// A response body: nothing, one piece, or a stream.
///
/// A stream of known length that ends short, or goes on too long, yields an error in place of its
/// end, so that a listener resets the stream (HTTP/2, 3) or cuts the connection (HTTP/1) and no
/// client takes the part for the whole.
#[derive(Default)]
pub struct Body(State);

#[derive(Default)]
enum State {
    #[default]
    Done,
    Full(Bytes),
    Sized {
        stream: BodyStream,
        left: u64,
    },
    Unsized(BodyStream),
}

impl Body {
    /// A body without bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A stream that must yield exactly `length` bytes.
    pub fn sized(stream: BodyStream, length: u64) -> Self {
        Self(State::Sized {
            stream,
            left: length,
        })
    }

    /// A stream whose length nobody knows, ended by its end.
    pub fn of_unknown_length(stream: BodyStream) -> Self {
        Self(State::Unsized(stream))
    }

    /// How many bytes are left, where that is known.
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            State::Done => Some(0),
            State::Full(bytes) => Some(bytes.len() as u64),
            State::Sized { left, .. } => Some(*left),
            State::Unsized(_) => None,
        }
    }

    fn poll_sized(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let State::Sized { stream, left } = &mut self.0 else {
            return Poll::Ready(None);
        };
        let item = std::task::ready!(stream.as_mut().poll_next(cx));
        let failure = match item {
            Some(Ok(bytes)) if bytes.len() as u64 <= *left => {
                *left -= bytes.len() as u64;
                return Poll::Ready(Some(Ok(bytes)));
            }
            Some(Ok(bytes)) => format!("{} bytes beyond the announced length", bytes.len()),
            Some(Err(error)) => {
                self.0 = State::Done;
                return Poll::Ready(Some(Err(error)));
            }
            None if *left == 0 => {
                self.0 = State::Done;
                return Poll::Ready(None);
            }
            None => format!("{left} bytes short of the announced length"),
        };
        self.0 = State::Done;
        Poll::Ready(Some(Err(Error::new(Kind::HttpResponseIncomplete, failure))))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::empty()
        } else {
            Self(State::Full(bytes))
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({:?} bytes)", self.length())
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            State::Done => Poll::Ready(None),
            State::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = State::Done;
                Poll::Ready(Some(Ok(bytes)))
            }
            State::Sized { .. } => self.poll_sized(cx),
            State::Unsized(stream) => stream.as_mut().poll_next(cx),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.poll_next(cx)
            .map(|item| item.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        // A sized stream with nothing left is polled once more: it may still hold a surplus.
        matches!(self.0, State::Done)
    }

    fn size_hint(&self) -> SizeHint {
        self.length()
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::BodyExt;

    use super::*;

    fn of(pieces: &'static [&'static str], length: u64) -> Body {
        let pieces = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        Body::sized(stream::iter(pieces).boxed(), length)
    }

    #[tokio::test]
    async fn an_exact_stream_ends_cleanly() {
        let all = BodyExt::collect(of(&["mill", "pond"], 8))
            .await
            .unwrap()
            .to_bytes();
        assert_eq!(all, "millpond");
    }

    #[tokio::test]
    async fn a_short_stream_ends_with_an_error() {
        let error = BodyExt::collect(of(&["mill"], 8)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::HttpResponseIncomplete);
    }

    #[tokio::test]
    async fn a_long_stream_ends_with_an_error() {
        let error = BodyExt::collect(of(&["millpond", "!"], 8))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), Kind::HttpResponseIncomplete);
    }
}
