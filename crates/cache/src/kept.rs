//! Answers that are no objects: that there is none, where else it is, why it is refused.
//!
//! They are small, they are kept in memory alone, and nobody reads parts of them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use message::{Body, ObjectName, Response, Timestamp};
use semantics::{
    conditional::Verdict,
    fields,
    freshness::{self, Freshness, State},
};
use store::Epoch;

use crate::{
    answer::Visit,
    present::{Told, Way},
    tags::Tags,
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
    pub(crate) freshness: Freshness,
    /// When it was asked for, since the Unix epoch.
    pub(crate) received: Duration,
    pub(crate) stamp: Epoch,
    pub(crate) tags: Tags,
    /// The origin did not say whether it may be kept.
    pub(crate) is_unsaid: bool,
}

impl Kept {
    /// For how long it may still be served.
    pub(crate) fn ttl(&self, now: &Timestamp) -> Option<Duration> {
        match freshness::state(&self.freshness, self.received, now.wall) {
            State::Fresh { ttl } if self.freshness.storable => Some(ttl),
            // Nobody waits for an old refusal to be confirmed.
            State::Fresh { .. } | State::StaleUsable { .. } | State::Stale { .. } => None,
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
        let has_body = fields::may_have_body(kept.status);
        // RFC 9110 section 13.2.1: preconditions are for what would otherwise be a success.
        if kept.status.is_success()
            && has_body
            && self.preconditions_of(&headers) == Verdict::NotModified
        {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.headers_mut() = self.not_modified(&headers);
            return self.sign_off(response, Told::of_answer(way, ttl));
        }
        if has_body {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(kept.body.len()));
        }
        let body = if self.is_head() || !has_body {
            Body::empty()
        } else {
            Body::from(kept.body.clone())
        };
        let mut response = Response::new(body);
        *response.status_mut() = kept.status;
        *response.headers_mut() = headers;
        self.sign_off(response, Told::of_answer(way, ttl))
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
