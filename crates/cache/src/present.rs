//! From a head to a response: preconditions, range, header fields.

use std::{ops::Range, sync::Arc};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use message::{Body, Response};
use semantics::{
    conditional::{self, Verdict},
    content_range::{self, ContentRange},
    freshness,
    range::{self, Resolved, Wanted},
    validator,
};

use crate::{
    answer::Visit,
    deliver::Delivery,
    filling::Failure,
    head::{Head, text},
    told::{Served, Told, Way},
};

/// `Cache-Status` looks at this many slices of a range before it calls a hit whole.
const SLICES_LOOKED_AT_MAX: u32 = 64;

/// Fields that an answer has beside its head's, most of the time, the gate's and the listener's
/// included: the map grows once.
const FIELDS_ADDED: usize = 12;

impl Visit<'_> {
    /// `own` are the fields for this viewer, where they are others than the head's.
    pub(crate) async fn present(
        &self,
        head: Arc<Head>,
        own: Option<HeaderMap>,
        way: Way,
    ) -> Result<Response, Failure> {
        match self.preconditions(&head) {
            Verdict::Proceed => {}
            Verdict::NotModified => return Ok(self.unchanged(&head, own, way)),
            Verdict::Failed => {
                return Ok(self.refused(StatusCode::PRECONDITION_FAILED, &head, way));
            }
        }
        let total = head.geometry.total_bytes();
        match range::resolve(self.wanted_of(&head), total) {
            Resolved::Unsatisfiable => {
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                let mut response = self.refused(status, &head, way);
                let unsatisfied = content_range::format(ContentRange::Unsatisfied { total });
                response
                    .headers_mut()
                    .insert(header::CONTENT_RANGE, unsatisfied);
                Ok(response)
            }
            Resolved::Whole => {
                let fields = self.fields(&head, own, way);
                self.deliver(head, 0..total, (StatusCode::OK, fields), way)
                    .await
            }
            Resolved::Partial { first, last } => {
                let mut fields = self.fields(&head, own, way);
                let parts = range::parts(&self.request.head.headers, total);
                if !parts.is_empty() {
                    return self.multipart(head, &parts, fields, way).await;
                }
                let part = ContentRange::Part {
                    first,
                    last,
                    total: Some(total),
                };
                fields.insert(header::CONTENT_RANGE, content_range::format(part));
                let answer = (StatusCode::PARTIAL_CONTENT, fields);
                self.deliver(head, first..last + 1, answer, way).await
            }
        }
    }

    /// A segment's first request has none, and then no date is parsed.
    pub(crate) fn preconditions(&self, head: &Head) -> Verdict {
        let request = &self.request.head;
        if !conditional::is_conditional(&request.headers) {
            return Verdict::Proceed;
        }
        self.preconditions_of_stored(&head.fields)
    }

    pub(crate) fn wanted_of(&self, head: &Head) -> Wanted {
        self.wanted_for(&head.fields)
    }

    /// What is wanted of a version with these fields.
    pub(crate) fn wanted_for(&self, fields: &HeaderMap) -> Wanted {
        let headers = &self.request.head.headers;
        if !headers.contains_key(header::IF_RANGE) {
            return self.wanted;
        }
        let etag = text(fields, &header::ETAG);
        if range::if_range_allows(headers, etag, strong_date(fields)) {
            self.wanted
        } else {
            Wanted::Whole
        }
    }

    async fn deliver(
        &self,
        head: Arc<Head>,
        wanted: Range<u64>,
        (status, mut fields): (StatusCode, HeaderMap),
        way: Way,
    ) -> Result<Response, Failure> {
        fields.insert(
            header::CONTENT_LENGTH,
            HeaderValue::from(wanted.end - wanted.start),
        );
        // Of one slice the first byte will tell; but who takes only what is cached must know before.
        let slices = head.geometry.covering(&wanted);
        let tells_itself = slices.len() <= 1 && !self.only_if_cached();
        let whole = tells_itself || self.all_held(&head, &slices);
        if !whole && !self.is_head() {
            self.may_go_upstream().map_err(Failure::Upstream)?;
        }
        let ttl = self.ttl_s(&head);
        let (body, first_byte) = if self.is_head() {
            (Body::empty(), None)
        } else {
            let inner = Arc::clone(self.inner);
            let delivery =
                Delivery::new(inner, (self.viewer, self.id), head, self.request.at, wanted);
            let (body, first_byte) = delivery.start().await?;
            (body, Some(first_byte))
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        let served = first_byte.map(|first_byte| Served { first_byte, whole });
        let told = Told {
            way,
            served,
            ttl: Some(ttl),
        };
        Ok(self.sign_off(response, told))
    }

    pub(crate) fn unchanged(&self, head: &Head, own: Option<HeaderMap>, way: Way) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.headers_mut() = self.not_modified(&self.fields(head, own, way));
        self.sign_off(response, Told::of_answer(way, Some(self.ttl_s(head))))
    }

    pub(crate) fn refused(&self, status: StatusCode, head: &Head, way: Way) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let mut fields = refusal_fields(&head.fields);
        fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        *response.headers_mut() = fields;
        self.sign_off(response, Told::of_answer(way, Some(self.ttl_s(head))))
    }

    pub(crate) fn fields(&self, head: &Head, own: Option<HeaderMap>, way: Way) -> HeaderMap {
        let mut fields = own.unwrap_or_else(|| head.fields.clone());
        fields.reserve(FIELDS_ADDED);
        // RFC 9111 section 5.1: Age says that it does not come from the origin just now.
        let age = head.age_s(&self.request.at);
        if !way.is_news() || age > 0 {
            fields.insert(header::AGE, HeaderValue::from(age));
        }
        fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        fields
    }

    pub(crate) fn ttl_s(&self, head: &Head) -> i64 {
        freshness::ttl_s(&head.freshness, head.received, self.request.at.wall)
    }

    pub(crate) fn all_held(&self, head: &Head, slices: &Range<u32>) -> bool {
        let looked_at = slices.start..slices.end.min(slices.start + SLICES_LOOKED_AT_MAX);
        looked_at
            .into_iter()
            .all(|slice| self.inner.holds(head, slice))
    }
}

/// A refusal has the validator of the answer in whose place it stands, and nothing else of it: least
/// of all its lifetime, by which a cache on the way might keep the refusal.
pub(crate) fn refusal_fields(full: &HeaderMap) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    if let Some(etag) = full.get(header::ETAG) {
        fields.insert(header::ETAG, etag.clone());
    }
    fields
}

/// The modification date, where it may stand for a version in `If-Range`.
fn strong_date(fields: &HeaderMap) -> Option<&str> {
    let date = text(fields, &header::DATE)?;
    text(fields, &header::LAST_MODIFIED)
        .filter(|modified| validator::is_strong_date(modified, date))
}
