//! Passing: answers that may not be stored go from upstream to the one viewer who asked.

use std::sync::Arc;

use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use message::{Body, ByteRange, Error, Fetch, Kind, Response, Trail};
use semantics::{
    cache_status::{self, Forward, Member, Outcome, Reason},
    conditional::{self, Verdict},
    content_range::{self, ContentRange},
    fields, media,
    range::Wanted,
};

use crate::{answer::Visit, head::text, metrics::Source, place::Place, reply};

/// RFC 9213.
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

impl Visit<'_> {
    /// Reads from upstream for this viewer alone. A closed range is asked for as such; any other
    /// is answered with the whole, as RFC 9110 section 14.2 permits.
    pub(crate) async fn pass(&self) -> Result<Response, Error> {
        let range = match self.wanted {
            Wanted::FromTo { first, last } if !self.is_head() => Some(ByteRange { first, last }),
            _ => None,
        };
        let place = self.inner.places.pass().await?;
        let upstream = match self.fetch_passed(range).await {
            // Upstream does no ranges. The whole goes at the viewer's pace and ends with it.
            Err(error) if error.kind() == Kind::HttpProtocolError && range.is_some() => {
                self.fetch_passed(None).await?
            }
            upstream => upstream?,
        };
        let received = upstream.status();
        let mut response = self.passed_on(upstream, place);
        let forward = Forward {
            reason: Reason::Bypass,
            status: Some(received),
            stored: false,
            collapsed: false,
        };
        let outcome = Outcome::Forwarded(forward);
        let member = Member {
            node: &self.inner.config.node,
            outcome,
            ttl: None,
            detail: None,
        };
        cache_status::append(response.headers_mut(), &member);
        self.inner.metrics.answered("pass");
        response.extensions_mut().insert(Trail {
            site: Some(Arc::clone(&self.name.site)),
            outcome: Some("pass"),
            source: Some(Source::Upstream.name()),
            ..Trail::default()
        });
        Ok(response)
    }

    async fn fetch_passed(&self, range: Option<ByteRange>) -> Result<Response, Error> {
        self.inner.metrics.fills.inc();
        let fetch = Fetch {
            object: self.name.clone(),
            range,
            condition: None,
            at: self.request.at,
        };
        let upstream = self.inner.upstream.fetch(fetch).await?;
        usable(&upstream, range)?;
        Ok(upstream)
    }

    fn passed_on(&self, upstream: Response, place: Place) -> Response {
        let (head, body) = upstream.into_parts();
        let mut fields = fields::stored(&head.headers);
        media::correct(&mut fields, &self.name.path);
        if let Some(value) = head.headers.get(header::CONTENT_RANGE) {
            fields.insert(header::CONTENT_RANGE, value.clone());
        }
        if head.status.is_client_error() {
            // Nobody keeps a refusal, whatever upstream says.
            for name in [CDN_CACHE_CONTROL, header::EXPIRES] {
                fields.remove(name);
            }
            fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if let Some(length) = body.length() {
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let (status, fields, body) = if head.status == StatusCode::OK && self.is_unchanged(&fields)
        {
            (
                StatusCode::NOT_MODIFIED,
                fields::not_modified(&fields),
                Body::empty(),
            )
        } else if self.is_head() {
            (head.status, fields, Body::empty())
        } else {
            (head.status, fields, self.counted(body, place))
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        response
    }

    fn is_unchanged(&self, fields: &HeaderMap) -> bool {
        let (etag, modified) = (
            text(fields, &header::ETAG),
            text(fields, &header::LAST_MODIFIED),
        );
        let (request, now) = (&self.request.head, self.request.at.wall);
        conditional::evaluate(&request.method, &request.headers, etag, modified, now)
            == Verdict::NotModified
    }

    /// The body, counted, with its place among the fills held until it ends.
    fn counted(&self, body: Body, place: Place) -> Body {
        let inner = Arc::clone(self.inner);
        let length = body.length();
        let stream = body
            .map(move |item| {
                let _held = &place;
                item.inspect(|bytes| {
                    inner.metrics.fill_bytes.inc_by(bytes.len() as u64);
                    inner
                        .metrics
                        .body_bytes(Source::Upstream, bytes.len() as u64);
                })
            })
            .boxed();
        match length {
            Some(length) => Body::sized(stream, length),
            None => Body::of_unknown_length(stream),
        }
    }
}

/// Whether a reply may be passed on to a viewer whose `range` was asked for.
fn usable(response: &Response, range: Option<ByteRange>) -> Result<(), Error> {
    match response.status() {
        StatusCode::OK
        | StatusCode::NOT_FOUND
        | StatusCode::GONE
        | StatusCode::RANGE_NOT_SATISFIABLE => Ok(()),
        StatusCode::PARTIAL_CONTENT => match (content_range::parse(response.headers()), range) {
            (Ok(Some(ContentRange::Part { first, last, .. })), Some(asked))
                if first == asked.first && last <= asked.last =>
            {
                Ok(())
            }
            _ => Err(Error::new(
                Kind::HttpProtocolError,
                "a 206 for another range",
            )),
        },
        status => Err(reply::refusal(status)),
    }
}
