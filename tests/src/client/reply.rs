//! A response: read to its end, or piece by piece.

use std::{ops::Range, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::Connection;
use crate::{oracle::Object, within};

/// No piece of a body takes longer to come.
const PIECE_S: u64 = 60;

type H3Stream = h3::client::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

/// Where body bytes come from.
pub(super) enum Source {
    Hyper(Incoming),
    H3(Box<H3Stream>),
}

/// A response whose body is still coming. Dropping it abandons the rest.
pub struct Streaming {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: HeaderMap,
    /// From the request to the head.
    pub head_after: Duration,
    at: Instant,
    source: Source,
    connection: Option<Connection>,
}

/// A response that has ended, one way or the other.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: HeaderMap,
    /// What came of its body.
    pub body: Bytes,
    /// `Ok` when the protocol said that the body is complete.
    pub end: Result<(), String>,
    /// From the request to the first byte of the body, or to the end when there was none.
    pub first_byte: Duration,
}

impl Streaming {
    pub(super) fn new(at: Instant, response: Response<Source>) -> Self {
        let (head, source) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            head_after: at.elapsed(),
            at,
            source,
            connection: None,
        }
    }

    /// Has the connection live as long as this.
    pub(super) fn keep(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }

    /// The next piece; `None` at a clean end.
    pub async fn next(&mut self) -> Option<Result<Bytes, String>> {
        let piece = async {
            match &mut self.source {
                Source::Hyper(body) => loop {
                    match body.frame().await? {
                        Err(error) => return Some(Err(format!("{error:?}"))),
                        Ok(frame) => {
                            if let Ok(data) = frame.into_data() {
                                return Some(Ok(data));
                            }
                        }
                    }
                },
                Source::H3(stream) => match stream.recv_data().await {
                    Ok(None) => None,
                    Ok(Some(mut data)) => Some(Ok(data.copy_to_bytes(data.remaining()))),
                    Err(error) => Some(Err(error.to_string())),
                },
            }
        };
        within(PIECE_S, "a piece of a body", piece).await
    }

    /// Reads exactly `count` bytes, or more where pieces are larger.
    pub async fn read(&mut self, count: usize) -> Bytes {
        let mut body = BytesMut::new();
        while body.len() < count {
            match self.next().await {
                Some(Ok(piece)) => body.extend_from_slice(&piece),
                Some(Err(error)) => panic!("{error} after {} bytes", body.len()),
                None => panic!("the body ended after {} bytes", body.len()),
            }
        }
        body.freeze()
    }

    /// Reads to the end and checks as it goes, so that a large body is never held as a whole;
    /// gives the count of bytes.
    pub async fn check(mut self, object: &Object, mut offset: u64) -> u64 {
        let start = offset;
        while let Some(piece) = self.next().await {
            let piece = piece.unwrap_or_else(|error| panic!("{error} at offset {offset}"));
            object
                .check(offset, &piece)
                .unwrap_or_else(|error| panic!("{error}"));
            offset += piece.len() as u64;
        }
        offset - start
    }

    /// Reads to the end.
    pub async fn finish(mut self) -> Reply {
        let mut body = BytesMut::new();
        let mut first_byte = None;
        let end = loop {
            match self.next().await {
                None => break Ok(()),
                Some(Err(error)) => break Err(error),
                Some(Ok(piece)) => {
                    first_byte.get_or_insert_with(|| self.at.elapsed());
                    body.extend_from_slice(&piece);
                }
            }
        };
        let first_byte = first_byte.unwrap_or_else(|| self.at.elapsed());
        let (status, headers) = (self.status, self.headers);
        Reply {
            status,
            headers,
            body: body.freeze(),
            end,
            first_byte,
        }
    }
}

impl Reply {
    /// A header field as text; several lines are joined by `, `.
    pub fn header(&self, name: &str) -> Option<String> {
        let lines = self.headers.get_all(name).iter();
        let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// What the node that answered says about itself: the last member of `Cache-Status`.
    #[track_caller]
    pub fn cache_status(&self) -> String {
        let all = self.field("cache-status");
        all.rsplit(',').next().unwrap_or_default().trim().to_owned()
    }

    /// A header field that must be there.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        self.header(name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// Asserts the status.
    #[track_caller]
    pub fn is(&self, status: u16) -> &Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{:?} {:?}",
            self.headers,
            self.body
        );
        self
    }

    /// Asserts 200, a clean end, the right length and every byte of the whole object.
    #[track_caller]
    pub fn is_whole(&self, object: &Object) -> &Self {
        self.is(200).holds(object, 0..object.bytes)
    }

    /// Asserts 206, a clean end, the right `Content-Range` and every byte of a part.
    #[track_caller]
    pub fn is_part(&self, object: &Object, range: Range<u64>) -> &Self {
        self.is(206);
        let told = format!("bytes {}-{}/{}", range.start, range.end - 1, object.bytes);
        assert_eq!(self.field("content-range"), told);
        self.holds(object, range)
    }

    /// Asserts that the body never came to a clean end, and that what came of it is right.
    #[track_caller]
    pub fn is_cut(&self, object: &Object, offset: u64) -> &Self {
        assert!(
            self.end.is_err(),
            "a clean end after {} bytes: {:?}",
            self.body.len(),
            self.headers
        );
        object
            .check(offset, &self.body)
            .unwrap_or_else(|error| panic!("{error}"));
        self
    }

    #[track_caller]
    fn holds(&self, object: &Object, range: Range<u64>) -> &Self {
        object
            .check(range.start, &self.body)
            .unwrap_or_else(|error| panic!("{error}"));
        self.end
            .as_ref()
            .unwrap_or_else(|error| panic!("{error} after {} bytes", self.body.len()));
        assert_eq!(
            self.body.len() as u64,
            range.end - range.start,
            "{:?}",
            self.headers
        );
        self
    }
}
