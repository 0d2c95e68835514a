//! How an answer came about, and who is told: `Cache-Status`, the access log, the counters.

use std::sync::Arc;

use http::StatusCode;
use message::{Response, Trail};
use semantics::cache_status::{self, Forward, Member, Outcome, Reason};

use crate::{answer::Visit, deliver::FirstByte, metrics::Source};

/// How the head of an answer came about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// It was held and fresh.
    Hit,
    /// Upstream was asked; `led` unless the question was somebody else's.
    Miss {
        status: StatusCode,
        led: bool,
        reason: Reason,
    },
    /// Upstream confirmed it.
    Revalidated { led: bool, reason: Reason },
    /// It is stale and may be served so.
    Stale,
    /// It is stale, and stands in for what upstream failed to answer.
    StandsIn { led: bool, reason: Reason },
}

impl Way {
    /// Whether the origin has spoken just now, so that there is no age to tell.
    pub(crate) fn is_news(self) -> bool {
        match self {
            // Who was told what somebody else has asked for has not asked himself: it may be from
            // before his question.
            Self::Miss { led, .. } | Self::Revalidated { led, .. } => led,
            Self::Hit | Self::Stale | Self::StandsIn { .. } => false,
        }
    }
}

/// What is told of an answer in `Cache-Status` and the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) way: Way,
    /// Of a delivery.
    pub(crate) served: Option<Served>,
    /// Seconds that are left of its lifetime.
    pub(crate) ttl: Option<i64>,
}

impl Told {
    /// Of an answer that no slice is read for.
    pub(crate) fn of_answer(way: Way, ttl: Option<i64>) -> Self {
        Self {
            way,
            served: None,
            ttl,
        }
    }
}

impl Visit<'_> {
    /// What each `Cache-Status` of this visit says.
    pub(crate) fn member(&self) -> Member<'_> {
        Member {
            node: &self.inner.config.node,
            outcome: Outcome::Hit,
            ttl: None,
            key: self.rules.tells_key.then_some(&*self.name.path),
            detail: None,
        }
    }

    /// Adds `Cache-Status` (RFC 9211) and the trail for the access log, and counts the answer.
    pub(crate) fn sign_off(&self, mut response: Response, told: Told) -> Response {
        let Told { way, served, ttl } = told;
        let (told, detail) = cache_status_of(way, served);
        let member = Member {
            outcome: told,
            ttl,
            detail,
            ..self.member()
        };
        cache_status::append_to_settled(response.headers_mut(), &member);
        let outcome = outcome(way, served, response.status());
        self.inner.metrics.answered(outcome);
        let source = served.map(|served| match served.first_byte {
            FirstByte::Held(source) => source.name(),
            FirstByte::Filled { .. } => Source::Upstream.name(),
        });
        response.extensions_mut().insert(Trail {
            site: Some(Arc::clone(&self.name.site)),
            outcome: Some(outcome),
            source,
            ..Trail::default()
        });
        response
    }
}

/// What is known of a delivery when its head is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) first_byte: FirstByte,
    /// All of its slices were held.
    pub(crate) whole: bool,
}

fn cache_status_of(way: Way, served: Option<Served>) -> (Outcome, Option<&'static str>) {
    let first_byte = served.map(|served| served.first_byte);
    let outcome = match (way, first_byte) {
        (Way::Hit | Way::Stale, Some(FirstByte::Filled { led })) => {
            forwarded(Reason::Miss, None, led, true)
        }
        (Way::Hit | Way::Stale, Some(FirstByte::Held(_)) | None) => {
            if served.is_none_or(|served| served.whole) {
                Outcome::Hit
            } else {
                forwarded(Reason::Partial, None, true, true)
            }
        }
        (
            Way::Miss {
                status,
                led,
                reason,
            },
            _,
        ) => forwarded(reason, Some(status), led, true),
        // RFC 9211 section 2.2: it went forward, whatever came of it.
        (Way::StandsIn { led, reason }, _) => forwarded(reason, None, led, false),
        (Way::Revalidated { led, reason }, _) => {
            forwarded(reason, Some(StatusCode::NOT_MODIFIED), led, false)
        }
    };
    // The tier is told of hits alone: a miss may find its slice in memory by the time it is served.
    let detail = match (outcome, first_byte) {
        (Outcome::Hit, Some(FirstByte::Held(source))) => Some(source.detail()),
        _ => None,
    };
    (outcome, detail)
}

fn forwarded(reason: Reason, status: Option<StatusCode>, led: bool, stored: bool) -> Outcome {
    Outcome::Forwarded(Forward {
        reason,
        status,
        stored,
        collapsed: !led,
    })
}

fn outcome(way: Way, served: Option<Served>, status: StatusCode) -> &'static str {
    let filled = served.map(|served| served.first_byte);
    match (way, filled) {
        (Way::Hit, _) if status == StatusCode::NOT_FOUND || status == StatusCode::GONE => {
            "negative"
        }
        (Way::Hit, Some(FirstByte::Filled { led })) | (Way::Miss { led, .. }, _) => {
            if led {
                "miss"
            } else {
                "collapsed"
            }
        }
        (Way::Hit, Some(FirstByte::Held(_)) | None) => "hit",
        (Way::Revalidated { .. }, _) => "revalidated",
        (Way::Stale | Way::StandsIn { .. }, _) => "stale",
    }
}
