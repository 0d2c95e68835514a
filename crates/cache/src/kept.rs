//! Answers that are no objects: that there is none, where else it is, why it is refused.
//!
//! They are small, they are kept in memory alone, and nobody reads parts of them.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use message::{Body, Condition, ObjectName, Response, Timestamp};
use semantics::{
    conditional::Verdict,
    content_range, fields,
    freshness::{self, Freshness, State},
};
use store::Epoch;

use crate::{
    answer::Visit,
    confirm::{Confirmation, Refreshed},
    head::text,
    part::Part,
    pass::with_status,
    present::refusal_fields,
    tags::Tags,
    told::{Told, Way},
    variants::Selection,
};

/// A longer body is passed on and not kept.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

/// One answer.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) name: ObjectName,
    pub(crate) selection: Selection,
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) body: Bytes,
    /// Which bytes it has, if it is not the whole of what it is of.
    pub(crate) part: Option<Part>,
    pub(crate) freshness: Freshness,
    /// When it was asked for, since the Unix epoch.
    pub(crate) received: Duration,
    pub(crate) stamp: Epoch,
    pub(crate) tags: Tags,
    /// The origin did not say whether it may be kept.
    pub(crate) is_unsaid: bool,
}

impl Kept {
    /// Seconds that are left of its lifetime, negative past it; none if it has never had one.
    fn ttl_s(&self, now: &Timestamp) -> Option<i64> {
        let left = || freshness::ttl_s(&self.freshness, self.received, now.wall);
        self.freshness.storable.then(left)
    }

    /// For how long it may still be served.
    pub(crate) fn ttl(&self, now: &Timestamp) -> Option<Duration> {
        match freshness::state(&self.freshness, self.received, now.wall) {
            State::Fresh { ttl } if self.freshness.storable => Some(ttl),
            State::Fresh { .. } | State::StaleUsable { .. } | State::Stale { .. } => None,
        }
    }

    /// RFC 9111 section 4.3.1: the condition under which it is not sent again.
    pub(crate) fn condition(&self) -> Option<Condition> {
        let of = |name| text(&self.fields, name);
        let etag = of(&header::ETAG).map(|etag| Condition::IfNoneMatch(etag.into()));
        etag.or_else(|| {
            // When the text of a refusal was modified says nothing of an object that is there by
            // now and may be older.
            let modified = of(&header::LAST_MODIFIED).filter(|_| self.status.is_success())?;
            Some(Condition::IfModifiedSince(modified.into()))
        })
    }

    /// Whether it may be served in place of an error.
    pub(crate) fn stands_in(&self, now: &Timestamp) -> bool {
        freshness::may_serve_on_error(&self.freshness, self.received, now.wall)
    }

    /// Whether it is of any use once it is stale: it can be confirmed, or stand in for an error.
    pub(crate) fn is_of_use(&self, now: &Timestamp) -> bool {
        self.freshness.storable && (self.condition().is_some() || self.stands_in(now))
    }

    /// This answer, confirmed by a 304.
    pub(crate) fn confirmed(&self, by: &Confirmation<'_>) -> Self {
        let Refreshed {
            fields,
            freshness,
            tags,
        } = by.refresh(&self.name.site, self.status, &self.fields, &self.tags);
        Self {
            name: self.name.clone(),
            selection: self.selection.clone(),
            status: self.status,
            is_unsaid: !freshness::is_said(&fields),
            fields,
            body: self.body.clone(),
            part: self.part,
            freshness,
            received: by.at.wall,
            stamp: by.asked.min(self.stamp),
            tags,
        }
    }

    pub(crate) fn weight(&self) -> usize {
        let fields: usize = self
            .fields
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        size_of::<Self>() + self.name.path.len() + fields + self.body.len()
    }
}

impl Visit<'_> {
    /// The answer as it is, with its age.
    pub(crate) fn retell(&self, kept: &Arc<Kept>, own: Option<HeaderMap>, way: Way) -> Response {
        let now = &self.request.at;
        let mut headers = own.unwrap_or_else(|| kept.fields.clone());
        let age = freshness::current_age(&kept.freshness, kept.received, now.wall);
        if !way.is_news() || age > 0 {
            headers.insert(header::AGE, HeaderValue::from(age));
        }
        let ttl = kept.ttl(now);
        if kept.is_unsaid && kept.status.as_u16() >= 400 {
            forbid_keeping(&mut headers, ttl);
        }
        let told = Told::of_answer(way, kept.ttl_s(now));
        let has_body = fields::may_have_body(kept.status);
        // RFC 9110 section 13.2.1: preconditions are for what would otherwise be a success.
        let verdict = if kept.status.is_success() && has_body {
            self.preconditions_of_stored(&headers)
        } else {
            Verdict::Proceed
        };
        let mut response = match verdict {
            Verdict::NotModified => {
                headers = self.not_modified(&headers);
                with_status(StatusCode::NOT_MODIFIED, Body::empty())
            }
            Verdict::Failed => {
                headers = refusal_fields(&headers);
                with_status(StatusCode::PRECONDITION_FAILED, Body::empty())
            }
            Verdict::Proceed => {
                let body = self.body_of(kept, &mut headers);
                if has_body {
                    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
                }
                if self.is_head() || !has_body {
                    with_status(kept.status, Body::empty())
                } else {
                    with_status(kept.status, Body::from(body))
                }
            }
        };
        *response.headers_mut() = headers;
        self.sign_off(response, told)
    }

    /// All of it, or of a part the bytes that are wanted.
    fn body_of(&self, kept: &Kept, headers: &mut HeaderMap) -> Bytes {
        let Some(part) = &kept.part else {
            return kept.body.clone();
        };
        let bytes = self.bytes_of(part, &kept.fields);
        let bytes = bytes.unwrap_or((part.first, part.last));
        let told = content_range::format(part.told(bytes));
        headers.insert(header::CONTENT_RANGE, told);
        let Range { start, end } = part.offsets(bytes);
        let index = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        let end = index(end).min(kept.body.len());
        kept.body.slice(index(start).min(end)..end)
    }
}

/// An error whose origin did not say how long it holds is remembered here for a moment; no browser
/// should, because a segment that is not there yet may be there a second later. A tier of ours may,
/// for as long as we do (RFC 9213 section 2.2), so that two tiers do not add up to twice the time.
pub(crate) fn forbid_keeping(headers: &mut HeaderMap, ttl: Option<Duration>) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(ttl) = ttl
        && let Ok(value) = format!("max-age={}", ttl.as_secs()).parse()
    {
        headers.insert(HeaderName::from_static("cdn-cache-control"), value);
    }
}
