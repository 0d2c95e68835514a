//! Several parts of one version in one body: `multipart/byteranges`.
//!
//! ```text
//! --boundary\r\ncontent-type: ..\r\ncontent-range: bytes 0-9/1000\r\n\r\n <10 bytes> \r\n
//! --boundary\r\n..                                                    <part>    \r\n
//! --boundary--\r\n
//! ```
//!
//! Its length is known before its first byte, so that a body that breaks off cannot look complete.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use message::{Body, Error, Response};
use semantics::content_range::ContentRange;

use crate::{
    answer::Visit,
    deliver::Delivery,
    filling::Failure,
    head::{Head, text},
    told::{Told, Way},
};

impl Visit<'_> {
    /// Answers with these parts, each first and last byte. Slices are read part by part.
    pub(crate) async fn multipart(
        &self,
        head: Arc<Head>,
        parts: &[(u64, u64)],
        mut fields: HeaderMap,
        way: Way,
    ) -> Result<Response, Failure> {
        let is_held = |&(first, last): &(u64, u64)| {
            let slices = head.geometry.covering(&(first..last + 1));
            self.all_held(&head, &slices)
        };
        if !parts.iter().all(is_held) {
            self.may_go_upstream().map_err(Failure::Upstream)?;
        }
        // 128 bits that no content can have been made to hold.
        let boundary = format!("{:032x}", u128::from_be_bytes(self.inner.unique.next()));
        let total = head.geometry.total_bytes();
        let content_type = text(&head.fields, &header::CONTENT_TYPE);
        let content_type = content_type.map(|it| format!("content-type: {it}\r\n"));
        let content_type = content_type.unwrap_or_default();
        let openings = parts.iter().enumerate().map(|(n, &(first, last))| {
            let range = ContentRange::Part {
                first,
                last,
                total: Some(total),
            };
            let line_end = if n == 0 { "" } else { "\r\n" };
            let opening =
                format!("{line_end}--{boundary}\r\n{content_type}content-range: {range}\r\n\r\n");
            (Bytes::from(opening), first..last + 1)
        });
        let openings: Vec<_> = openings.collect();
        let closing = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let lengths = openings
            .iter()
            .map(|(opening, bytes)| opening.len() as u64 + bytes.end - bytes.start);
        let length = lengths.sum::<u64>() + closing.len() as u64;
        let kind = format!("multipart/byteranges; boundary={boundary}");
        if let Ok(kind) = HeaderValue::try_from(kind) {
            fields.insert(header::CONTENT_TYPE, kind);
        }
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        let (inner, viewer, id) = (Arc::clone(self.inner), self.viewer, self.id);
        let ttl = self.ttl_s(&head);
        let at = self.request.at;
        let delivery = move |bytes| {
            let (inner, head) = (Arc::clone(&inner), Arc::clone(&head));
            Delivery::new(inner, (viewer, id), head, at, bytes)
        };
        let mut openings = openings.into_iter();
        let Some((opening, bytes)) = openings.next() else {
            return Err(Failure::VersionChanged);
        };
        // What fails before the first byte can still become an honest status.
        let (first, _) = delivery(bytes).start().await?;
        let part = move |(opening, bytes)| {
            let starting = delivery(bytes).start();
            let body = async move {
                match starting.await {
                    Ok((body, _first_byte)) => body.left_stream(),
                    Err(failure) => stream::iter([Err(Error::from(failure))]).right_stream(),
                }
            };
            stream::iter([Ok(opening)]).chain(stream::once(body).flatten())
        };
        let body = stream::iter([Ok(opening)])
            .chain(first)
            .chain(stream::iter(openings).flat_map(part))
            .chain(stream::iter([Ok(closing)]));
        let mut response = Response::new(Body::sized(body.boxed(), length));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        *response.headers_mut() = fields;
        Ok(self.sign_off(response, Told::of_answer(way, Some(ttl))))
    }
}
