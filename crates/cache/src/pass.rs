//! Passing: answers that may not be stored go from upstream to the one viewer who asked.

use std::sync::Arc;

use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use message::{Body, ByteRange, Demand, Error, Fetch, Kind, Response, Trail};
use semantics::{
    cache_status::{self, Forward, Member, Outcome, Reason},
    conditional::{self, Known, Verdict},
    content_range::{self, ContentRange},
    fields, freshness, media,
    range::Wanted,
};

use crate::{
    answer::Visit, geometry::OBJECT_BYTES_MAX, head::text, kept::forbid_keeping, metrics::Source,
    place::Place, question::Handed, reply, tags::Tags,
};

impl Visit<'_> {
    /// Reads from upstream for this viewer alone, and stores nothing. A closed range is asked for as
    /// such; any other is answered with the whole, as RFC 9110 section 14.2 permits.
    pub(crate) async fn pass(&self, reason: Reason) -> Result<Response, Error> {
        let range = self.passed_range();
        let demand = if reason == Reason::Request {
            Demand::Unstored
        } else {
            Demand::Any
        };
        let place = self.inner.places.pass().await?;
        let response = match self.fetch_passed(range, demand).await {
            // Upstream does no ranges. The whole goes at the viewer's pace and ends with it.
            Err(error) if error.kind() == Kind::HttpProtocolError && range.is_some() => {
                self.fetch_passed(None, demand).await?
            }
            upstream => upstream?,
        };
        Ok(self.hand_on(Handed { response, place }, reason))
    }

    /// The range that is asked for as it is. With `If-Range` none is: what comes may be of another version
    /// than the viewer has, and then he must have all of it (RFC 9110 section 13.1.5).
    pub(crate) fn passed_range(&self) -> Option<ByteRange> {
        let is_bound = self.request.head.headers.contains_key(header::IF_RANGE);
        match self.wanted {
            // What lies beyond all objects is no place to ask for, and the byte after the last one
            // has a number.
            Wanted::FromTo { first, last }
                if !self.is_head() && !is_bound && first < OBJECT_BYTES_MAX =>
            {
                let last = last.min(ByteRange::OPEN);
                Some(ByteRange { first, last })
            }
            Wanted::FromTo { .. }
            | Wanted::From { .. }
            | Wanted::Suffix { .. }
            | Wanted::Whole
            | Wanted::Empty => None,
        }
    }

    /// Hands an answer that is not stored to this viewer.
    pub(crate) fn hand_on(&self, handed: Handed, reason: Reason) -> Response {
        let Handed { response, place } = handed;
        let received = response.status();
        let mut response = self.passed_on(response, place);
        let forward = Forward {
            reason,
            status: Some(received),
            stored: false,
            collapsed: false,
        };
        let outcome = Outcome::Forwarded(forward);
        let member = Member {
            outcome,
            ..self.member()
        };
        cache_status::append(response.headers_mut(), &member);
        self.inner.metrics.answered("pass");
        response.extensions_mut().insert(Trail {
            site: Some(Arc::clone(&self.name.site)),
            outcome: Some("pass"),
            source: Some(Source::Upstream.name()),
            ..Trail::default()
        });
        response
    }

    async fn fetch_passed(
        &self,
        range: Option<ByteRange>,
        demand: Demand,
    ) -> Result<Response, Error> {
        self.inner.metrics.fills.inc();
        let fetch = Fetch {
            object: self.name.clone(),
            range,
            condition: None,
            carried: self.carried.clone(),
            demand,
            at: self.request.at,
        };
        let upstream = self.inner.upstream.fetch(fetch).await?;
        usable(&upstream, range)?;
        Ok(upstream)
    }

    fn passed_on(&self, upstream: Response, place: Place) -> Response {
        let (head, body) = upstream.into_parts();
        let mut fields = fields::passed(&head.headers);
        media::correct(&mut fields, &self.name.path);
        let _tags = Tags::take(&self.name.site, &self.rules.tags, &mut fields);
        for name in [header::CONTENT_RANGE, header::AGE] {
            if let Some(value) = head.headers.get(&name) {
                fields.insert(name, value.clone());
            }
        }
        if head.status.as_u16() >= 400 && !freshness::is_said(&head.headers) {
            forbid_keeping(&mut fields, None);
        }
        // RFC 9110 section 13.2.1: preconditions are for what would otherwise be a success.
        let verdict = match head.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => self.preconditions_of(&fields, None),
            _ => Verdict::Proceed,
        };
        let mut response = match verdict {
            Verdict::NotModified => {
                fields = self.not_modified(&fields);
                with_status(StatusCode::NOT_MODIFIED, Body::empty())
            }
            Verdict::Failed => {
                fields.remove(header::CONTENT_TYPE);
                fields.remove(header::CONTENT_RANGE);
                fields.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
                with_status(StatusCode::PRECONDITION_FAILED, Body::empty())
            }
            Verdict::Proceed => {
                let may_have_body = fields::may_have_body(head.status);
                if let (Some(length), true) = (body.length(), may_have_body) {
                    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                }
                let body = if self.is_head() || !may_have_body {
                    Body::empty()
                } else {
                    self.counted(body, place)
                };
                with_status(head.status, body)
            }
        };
        *response.headers_mut() = fields;
        response
    }

    /// The fields of a 304 in place of a full response with these.
    pub(crate) fn not_modified(&self, full: &HeaderMap) -> HeaderMap {
        if self.rules.asked_by_tiers {
            fields::not_modified_for_caches(full)
        } else {
            fields::not_modified(full)
        }
    }

    /// What the preconditions of the request come to for a stored response with these fields.
    pub(crate) fn preconditions_of_stored(&self, fields: &HeaderMap) -> Verdict {
        self.preconditions_of(fields, text(fields, &header::DATE))
    }

    fn preconditions_of(&self, fields: &HeaderMap, stored_date: Option<&str>) -> Verdict {
        let known = Known {
            etag: text(fields, &header::ETAG),
            last_modified: text(fields, &header::LAST_MODIFIED),
            stored_date,
        };
        let (request, now) = (&self.request.head, self.request.at.wall);
        conditional::evaluate(&request.method, &request.headers, known, now)
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

pub(crate) fn with_status(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// Whether a reply may be passed on to a viewer whose `range` was asked for.
fn usable(response: &Response, range: Option<ByteRange>) -> Result<(), Error> {
    match response.status() {
        StatusCode::PARTIAL_CONTENT => match (content_range::parse(response.headers()), range) {
            (Ok(Some(ContentRange::Part { first, last, total })), Some(asked))
                if first == asked.first
                    && last == total.map_or(asked.last, |total| asked.last.min(total - 1)) =>
            {
                Ok(())
            }
            _ => Err(Error::new(
                Kind::HttpProtocolError,
                "a 206 for another range",
            )),
        },
        // What a tier of ours could not get is our failure too.
        _ => reply::read(response, None).map(drop),
    }
}
