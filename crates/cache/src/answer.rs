//! The way of a request through the cache, as a table of steps.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};
use message::{Body, Carried, Error, ObjectName, Request, Response};
use semantics::{
    cache_status::Reason,
    forward,
    freshness::{self, Freshness, State},
    range::{self, Wanted},
    wish::{Use, Wish},
};

use crate::{
    Cache, Inner, SiteRules, Viewer,
    confirm::Prior,
    filling::Failure,
    head::{Entry, Head},
    id::{Identity, ObjectId},
    kept::forbid_keeping,
    lookup::Found,
    told::{Told, Way},
    verdict::Verdict,
};

/// One request on its way.
pub(crate) struct Visit<'a> {
    pub(crate) inner: &'a Arc<Inner>,
    pub(crate) viewer: Viewer,
    pub(crate) request: &'a Request,
    pub(crate) name: ObjectName,
    /// Of the name alone.
    pub(crate) id: ObjectId,
    /// Of the name and the request fields that the site has in its keys.
    pub(crate) base: ObjectId,
    /// What of the request goes upstream.
    pub(crate) carried: Carried,
    pub(crate) wish: Wish,
    /// The site's.
    pub(crate) site: &'a Arc<SiteRules>,
    /// Those for this object.
    pub(crate) rules: &'a Arc<SiteRules>,
    pub(crate) wanted: Wanted,
}

impl Cache {
    /// Who asks: by session if the gate knows one, otherwise by address.
    pub fn viewer(&self, request: &Request, session: Option<&str>) -> Viewer {
        self.inner.viewers.number(request, session)
    }

    /// As [`Self::answer_for`], for the viewer at the request's address.
    ///
    /// # Errors
    /// As [`Self::answer_for`].
    pub async fn answer(
        &self,
        request: &Request,
        name: ObjectName,
        rules: &Arc<SiteRules>,
    ) -> Result<Response, Error> {
        let viewer = self.viewer(request, None);
        self.answer_for(viewer, request, name, rules).await
    }

    /// Answers a GET or HEAD for `name`. The gate has decided that the viewer may have it. What one
    /// viewer wants again within a minute does not count as popular.
    ///
    /// Cancel safe: a fill that this request began goes on without it.
    ///
    /// # Errors
    /// What could not be answered: malformed ranges (400), or upstream's failure by its name in
    /// RFC 9209. No error is returned once a body has begun; from then on the body itself ends
    /// with an error.
    pub async fn answer_for(
        &self,
        viewer: Viewer,
        request: &Request,
        name: ObjectName,
        rules: &Arc<SiteRules>,
    ) -> Result<Response, Error> {
        let wanted = range::wanted(&request.head.method, &request.head.headers)
            .map_err(|bad| Error::request(StatusCode::BAD_REQUEST, bad.to_string()))?;
        let carried = forward::carried(&request.head.headers, &rules.forward)
            .map_err(|bad| Error::request(StatusCode::BAD_REQUEST, bad.to_string()))?;
        let carried = Carried::new(carried);
        let id = ObjectId::of(&name);
        let visit = Visit {
            inner: &self.inner,
            viewer,
            request,
            id,
            base: rules.base(id, &carried),
            carried,
            wish: Wish::of(&request.head.headers),
            site: rules,
            rules: rules.of(&name.path),
            name,
            wanted,
        };
        visit.answer_live().await
    }
}

impl Visit<'_> {
    pub(crate) async fn answer(&self) -> Result<Response, Error> {
        match self.attempt().await {
            // The version went away before its first byte was sent: its successor is asked for,
            // once. A version that changes under every read is an upstream failure.
            Err(Failure::VersionChanged) => self.attempt().await.map_err(Error::from),
            outcome => outcome.map_err(Error::from),
        }
    }

    async fn attempt(&self) -> Result<Response, Failure> {
        let verdict = match self.verdict().await.map_err(Failure::Upstream)? {
            // By now it is noted how the responses vary.
            Verdict::Again => self.verdict().await.map_err(Failure::Upstream)?,
            verdict => verdict,
        };
        match verdict {
            Verdict::Pass(id, reason) => self.alone(id, reason).await,
            Verdict::Again => self.alone(self.base.into(), Reason::VaryMiss).await,
            verdict => self.obey(verdict).await,
        }
    }

    async fn verdict(&self) -> Result<Verdict, Error> {
        let (id, entry, missing) = self.find().await;
        self.tell_use(entry.as_ref());
        let pause = self.inner.config.revalidation_pause;
        let found = Found::judge(entry, &self.request.at, pause);
        let is_to_be_asked = matches!(
            found,
            Found::Stale(_) | Found::KeptStale(_) | Found::Pass | Found::Nothing
        );
        if is_to_be_asked && self.rules.heeds_requests && self.wish.forbids_storing() {
            // RFC 9111 section 5.2.1.5: what is held may be served, what comes is not stored.
            self.may_go_upstream()?;
            return Ok(Verdict::Pass(id, Reason::Request));
        }
        match found {
            Found::Fresh(head) if self.wants_news(&head.freshness, head.received) => {
                self.ask(id, Some(Prior::Object(head)), Reason::Request)
                    .await
            }
            Found::Fresh(head) => Ok(Verdict::Serve(head, None, Way::Hit)),
            Found::StaleUsable { head, .. } if self.wants_news(&head.freshness, head.received) => {
                self.ask(id, Some(Prior::Object(head)), Reason::Stale).await
            }
            Found::StaleUsable { head, refresh } => {
                if refresh {
                    let prior = Some(Prior::Object(Arc::clone(&head)));
                    self.inner.refresh(self.question(id, prior, Reason::Stale));
                }
                Ok(Verdict::Serve(head, None, Way::Stale))
            }
            Found::Stale(head) if self.wants_old(&head) => {
                Ok(Verdict::Serve(head, None, Way::Stale))
            }
            Found::Stale(head) => self.ask(id, Some(Prior::Object(head)), Reason::Stale).await,
            Found::Kept(kept) | Found::KeptStale(kept) if !self.is_served_by(&kept) => {
                self.ask(id, None, Reason::Partial).await
            }
            Found::Kept(kept) if self.wants_news(&kept.freshness, kept.received) => {
                self.ask(id, Some(Prior::Answer(kept)), Reason::Request)
                    .await
            }
            Found::KeptStale(kept) => self.ask(id, Some(Prior::Answer(kept)), Reason::Stale).await,
            Found::Kept(kept) => Ok(Verdict::Retell(kept, None, Way::Hit)),
            Found::Pass => self
                .may_go_upstream()
                .map(|()| Verdict::Pass(id, Reason::Bypass)),
            Found::Nothing => self.ask(id, None, missing).await,
        }
    }

    /// Where what has one response is.
    pub(crate) fn at(&self) -> Identity {
        let (object, key) = (self.id, self.base);
        Identity { object, key }
    }

    /// What is held for this request, where it is or would be, and why it may be missing.
    async fn find(&self) -> (Identity, Option<Entry>, Reason) {
        let base = self.at();
        match self.inner.find(base, &self.name, self.rules).await {
            Some(Entry::Varies(note)) => {
                let key = note.key(self.base, &self.carried);
                let id = Identity { key, ..base };
                let entry = self.inner.find(id, &self.name, self.rules).await;
                (
                    id,
                    entry.filter(|entry| self.is_for_me(entry)),
                    Reason::VaryMiss,
                )
            }
            entry => (
                base,
                entry.filter(|entry| self.is_for_me(entry)),
                Reason::UriMiss,
            ),
        }
    }

    /// Has the store keep what memory answers for.
    fn tell_use(&self, entry: Option<&Entry>) {
        let Some(Entry::Object(head)) = entry else {
            return;
        };
        if head.told.is_due(self.request.at.wall) {
            let store = &self.inner.store;
            store.touch(&head.id.key.head_key());
            // The note of what it varies by leads to it.
            if head.id.key != self.base {
                store.touch(&self.base.head_key());
            }
        }
    }

    pub(crate) fn is_for_me(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Object(head) => head.selection.matches(&self.carried),
            Entry::Kept(kept) => kept.selection.matches(&self.carried),
            Entry::Varies(_) => false,
            Entry::Pass { .. } => true,
        }
    }

    /// Whether the request's directives want what is fresh, or may be served, confirmed first.
    fn wants_news(&self, freshness: &Freshness, received: Duration) -> bool {
        let now = self.request.at.wall;
        let ttl = match freshness::state(freshness, received, now) {
            State::Fresh { ttl } => ttl,
            State::StaleUsable { .. } | State::Stale { .. } => Duration::ZERO,
        };
        let age = freshness::age(freshness, received, now);
        self.rules.heeds_requests && self.wish.of_fresh(freshness, age, ttl) == Use::Confirm
    }

    /// Whether the request's directives take what is stale as it is.
    fn wants_old(&self, head: &Head) -> bool {
        let (freshness, now) = (&head.freshness, self.request.at.wall);
        let since = match freshness::state(freshness, head.received, now) {
            State::Stale { since } => since,
            State::Fresh { .. } | State::StaleUsable { .. } => Duration::ZERO,
        };
        let age = freshness::age(freshness, head.received, now);
        self.rules.heeds_requests && self.wish.of_stale(freshness, age, since) == Use::Serve
    }

    pub(crate) fn is_head(&self) -> bool {
        self.request.head.method == Method::HEAD
    }

    /// That it is not there, as this node knows for itself for so long.
    pub(crate) fn absent(&self, status: StatusCode, left: Duration, way: Way) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        forbid_keeping(response.headers_mut(), Some(left));
        self.sign_off(response, Told::of_answer(way, None))
    }
}
