//! Live streams: what is handed on while it is written, what is waited for, and what is answered
//! without asking anybody.
//!
//! A request for a segment of a site with live rules goes another way only if the segment is not
//! at hand: its place in the stream's window decides. Outside of it the answer is 404 or 410,
//! here and now; just after it the request is held open until the segment is there; and under
//! overload what is far behind the live edge is shed. A playlist's blocking reload is held open
//! by this node if the site says that upstream does not.

mod growing;
mod reading;
mod resume;
mod rules;
mod wait;
mod windows;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, StatusCode, header};
use message::{Error, Kind, Response};
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use semantics::live::{self, NotANumber, Place, Reload, Waiting};
use store::Tier;

pub(crate) use growing::{Growing, Growth};
pub use rules::{LiveRules, Reloads, WindowRule, WindowSource};

use self::{
    wait::{Awaited, Seen},
    windows::Windows,
};
use crate::{
    Inner, answer::Visit, flights::Flights, head::Entry, id::ObjectId, lookup::Found, site::plain,
    told::Way,
};

/// What is known of live streams, and who waits.
pub(crate) struct Live {
    awaited: Arc<Flights<ObjectId, Awaited>>,
    windows: Windows,
    held: Arc<Held>,
    shed: IntCounter,
    outside: IntCounter,
}

/// Who is held open.
struct Held {
    count: AtomicUsize,
    gauge: IntGauge,
    ends: IntCounterVec,
}

/// One request that is held open, counted until it is dropped.
struct Hold(Arc<Held>);

impl Live {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = IntGauge::new(
            "millpond_live_held",
            "Requests held open for what is not there yet.",
        )?;
        let ends = IntCounterVec::new(
            Opts::new(
                "millpond_live_holds_total",
                "Requests for what was not there yet, by how they ended: published, late or refused.",
            ),
            &["end"],
        )?;
        let shed = IntCounter::new(
            "millpond_live_shed_total",
            "Requests behind the live edge that were answered 503 under overload.",
        )?;
        let outside = IntCounter::new(
            "millpond_live_outside_total",
            "Requests outside of a live window that were answered without asking upstream.",
        )?;
        registry.register(Box::new(gauge.clone()))?;
        registry.register(Box::new(ends.clone()))?;
        registry.register(Box::new(shed.clone()))?;
        registry.register(Box::new(outside.clone()))?;
        Ok(Self {
            awaited: Flights::new(),
            windows: Windows::default(),
            held: Arc::new(Held {
                count: AtomicUsize::new(0),
                gauge,
                ends,
            }),
            shed,
            outside,
        })
    }

    /// The right to be held open, unless too many are.
    fn admit(&self, what: Waiting, rules: &LiveRules, is_short: bool) -> Option<Hold> {
        let held = &self.held;
        let mut count = held.count.load(Ordering::Relaxed);
        loop {
            if !live::may_wait(what, count, rules.held_max, is_short) {
                held.ended("refused");
                return None;
            }
            let more = held.count.compare_exchange_weak(
                count,
                count + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match more {
                Ok(_) => break,
                Err(now) => count = now,
            }
        }
        held.gauge.inc();
        Some(Hold(Arc::clone(held)))
    }
}

impl Held {
    fn ended(&self, end: &str) {
        self.ends.with_label_values(&[end]).inc();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.gauge.dec();
    }
}

impl Inner {
    /// Whether memory for slices or places for fills run short.
    pub(crate) fn is_short(&self) -> bool {
        self.store.budget().is_short() || self.places.is_short()
    }
}

impl Visit<'_> {
    /// Answers a request of a site that may have live streams.
    pub(crate) async fn answer_live(&self) -> Result<Response, Error> {
        let Some(rules) = &self.site.live else {
            return self.answer().await;
        };
        let path = plain(&self.name.path);
        if rules.is_playlist(path) {
            let held_here = rules.reloads == Reloads::Here;
            return match live::reload(&self.name.path).filter(|_| held_here) {
                Some(wanted) => self.reload(rules, wanted).await,
                None => self.answer().await,
            };
        }
        match rules.numbered(path) {
            Some((rule, numbered)) => self.segment(rules, rule, numbered.number).await,
            None => self.answer().await,
        }
    }

    async fn segment(
        &self,
        rules: &LiveRules,
        rule: &WindowRule,
        number: u64,
    ) -> Result<Response, Error> {
        let is_short = self.inner.is_short();
        let held = self.inner.remembered(self.at(), &self.name);
        let is_at_hand = matches!(&held, Some(Entry::Object(_)));
        if is_at_hand && !is_short {
            return self.answer().await;
        }
        let Some(window) = self.window(rules, rule).await else {
            return self.answer().await;
        };
        let place = live::place(number, &window, &rules.margins);
        if live::is_shed(place, rules.live_edge, is_short) && !self.is_in_ram(held) {
            self.inner.live.shed.inc();
            let detail = format!("segment {number} is behind the live edge, under overload");
            return Err(Error::new(Kind::DestinationUnavailable, detail));
        }
        match place {
            Place::Inside { .. } => self.answer().await,
            Place::Coming { .. } | Place::Gone | Place::Beyond if is_at_hand => self.answer().await,
            Place::Coming { ahead } => self.wait_for_segment(rules, ahead, is_short).await,
            Place::Gone => Ok(self.outside(StatusCode::GONE, rules)),
            Place::Beyond => Ok(self.outside(StatusCode::NOT_FOUND, rules)),
        }
    }

    /// Whether its first byte would come from memory, as it is.
    fn is_in_ram(&self, held: Option<Entry>) -> bool {
        let pause = Duration::ZERO;
        match Found::judge(held, &self.request.at, pause) {
            Found::Fresh(head) | Found::StaleUsable { head, .. } => {
                let first = self.inner.store.tier(&head.version.slice_key(0));
                first == Some(Tier::Ram)
            }
            Found::Stale(_)
            | Found::Kept(_)
            | Found::KeptStale(_)
            | Found::Pass
            | Found::Nothing => false,
        }
    }

    /// What is gone stays so for a while; what nobody can know of yet may be there in a moment, so
    /// no player's cache keeps that.
    fn outside(&self, status: StatusCode, rules: &LiveRules) -> Response {
        self.inner.live.outside.inc();
        let mut response = self.absent(status, rules.absent, Way::Hit);
        if status == StatusCode::GONE
            && let Ok(value) = format!("max-age={}", rules.absent.as_secs()).parse::<HeaderValue>()
        {
            response.headers_mut().insert(header::CACHE_CONTROL, value);
        }
        response
    }

    async fn wait_for_segment(
        &self,
        rules: &LiveRules,
        ahead: u64,
        is_short: bool,
    ) -> Result<Response, Error> {
        let waiting = Waiting::Segment { ahead };
        let late = || self.absent(StatusCode::NOT_FOUND, Duration::ZERO, Way::Hit);
        if rules.hold.is_zero() || self.may_go_upstream().is_err() {
            return self.answer().await;
        }
        let Some(hold) = self.inner.live.admit(waiting, rules, is_short) else {
            return Ok(late());
        };
        let is_there = |seen: &Seen| matches!(seen, Seen::There(_));
        let outcome = self.wait(rules, is_there).await;
        drop(hold);
        match outcome {
            Some(Seen::There(_) | Seen::Unknowable) => self.answer().await,
            None => Ok(late()),
        }
    }

    /// RFC 8216bis section 6.2.5.2: holds the request until the playlist has what it names.
    async fn reload(
        &self,
        rules: &LiveRules,
        wanted: Result<(String, Reload), NotANumber>,
    ) -> Result<Response, Error> {
        let malformed = |what: &str| Error::request(StatusCode::BAD_REQUEST, what);
        let (plain, wanted) = wanted.map_err(|what| malformed(&what.to_string()))?;
        let visit = self.of(&plain);
        let at_once = visit.held_position().await;
        if at_once.is_some_and(|position| position.answers(wanted)) {
            return visit.answer().await;
        }
        self.may_go_upstream()?;
        let is_short = self.inner.is_short();
        let Some(hold) = self.inner.live.admit(Waiting::Playlist, rules, is_short) else {
            let detail = "no room for another blocking reload";
            return Err(Error::new(Kind::ConnectionLimitReached, detail));
        };
        // A reload that names what is far ahead is told so, once it is known how far the playlist
        // goes.
        let settles = |seen: &Seen| match seen {
            Seen::There(Some(position)) => position.answers(wanted) || position.is_far_from(wanted),
            Seen::There(None) | Seen::Unknowable => true,
        };
        let outcome = visit.wait(rules, settles).await;
        drop(hold);
        match outcome {
            Some(Seen::There(Some(position))) if !position.answers(wanted) => {
                Err(malformed("a media sequence number too far ahead"))
            }
            Some(Seen::There(_) | Seen::Unknowable) => visit.answer().await,
            None => {
                let detail = format!("no playlist with {wanted:?} within {:?}", rules.hold);
                Err(Error::new(Kind::DestinationUnavailable, detail))
            }
        }
    }
}
