//! The way of a request through the cache, as a table of steps.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use message::{Body, Error, Kind, ObjectName, Request, Response};
use semantics::{
    freshness,
    range::{self, Wanted},
};

use crate::{
    Cache, Inner, SiteRules, Viewer,
    filling::Failure,
    head::{Entry, Head},
    id::ObjectId,
    learn::{Lesson, Question},
    live::Growing,
    lookup::Found,
    present::Way,
};

/// One request on its way.
pub(crate) struct Visit<'a> {
    pub(crate) inner: &'a Arc<Inner>,
    pub(crate) viewer: Viewer,
    pub(crate) request: &'a Request,
    pub(crate) name: ObjectName,
    pub(crate) id: ObjectId,
    /// The site's.
    pub(crate) site: &'a Arc<SiteRules>,
    /// Those for this object.
    pub(crate) rules: &'a Arc<SiteRules>,
    pub(crate) wanted: Wanted,
}

/// What the lookup, and upstream where it was asked, came to.
enum Verdict {
    Serve(Arc<Head>, Way),
    /// For how long that is believed comes with it.
    Absent(StatusCode, Duration, Way),
    /// It is coming, and nobody knows how long it will be.
    Growing(Arc<Growing>, Way),
    Pass,
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
        let id = ObjectId::of(&name);
        let visit = Visit {
            inner: &self.inner,
            viewer,
            request,
            id,
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
        match self.verdict().await.map_err(Failure::Upstream)? {
            Verdict::Serve(head, way) => self.present(head, way).await,
            Verdict::Absent(status, left, way) => Ok(self.absent(status, left, way)),
            Verdict::Growing(growing, way) => self.present_growing(growing, way).await,
            Verdict::Pass => self.pass().await.map_err(Failure::Upstream),
        }
    }

    async fn verdict(&self) -> Result<Verdict, Error> {
        let entry = self.inner.find(self.id, &self.name, self.rules).await;
        let pause = self.inner.config.revalidation_pause;
        match Found::judge(entry, &self.request.at, pause) {
            Found::Fresh(head) => Ok(Verdict::Serve(head, Way::Hit)),
            Found::StaleUsable { head, refresh } => {
                if refresh {
                    self.inner.refresh(self.question(Some(Arc::clone(&head))));
                }
                Ok(Verdict::Serve(head, Way::Stale))
            }
            Found::Stale(head) => self.ask(Some(head)).await,
            Found::Absent(status, left) => Ok(Verdict::Absent(status, left, Way::Hit)),
            Found::Pass => self.may_go_upstream().map(|()| Verdict::Pass),
            Found::Nothing => self.ask(None).await,
        }
    }

    async fn ask(&self, prior: Option<Arc<Head>>) -> Result<Verdict, Error> {
        self.may_go_upstream()?;
        let stale = prior.is_some();
        let (lesson, led) = self.inner.learn(self.question(prior)).await;
        match lesson {
            Lesson::Learned(Entry::Object(head), status) => {
                Ok(Verdict::Serve(head, Way::Miss { status, led, stale }))
            }
            Lesson::Learned(Entry::Absent { status, until, .. }, _) => {
                let left = until.saturating_duration_since(self.request.at.mono);
                let way = Way::Miss { status, led, stale };
                Ok(Verdict::Absent(status, left, way))
            }
            Lesson::Learned(Entry::Pass { .. }, _) => Ok(Verdict::Pass),
            Lesson::Growing(growing, status) => {
                let way = Way::Miss { status, led, stale };
                Ok(Verdict::Growing(growing, way))
            }
            Lesson::Confirmed(head) => Ok(Verdict::Serve(head, Way::Revalidated { led })),
            Lesson::Stale(head) => Ok(Verdict::Serve(head, Way::Stale)),
            Lesson::Failed(error) => Err(error),
        }
    }

    /// RFC 9111 section 5.2.1.7: who asks for what is cached alone gets that, or 504.
    pub(crate) fn may_go_upstream(&self) -> Result<(), Error> {
        if freshness::only_if_cached(&self.request.head.headers) {
            return Err(Error::new(
                Kind::HttpResponseTimeout,
                "only-if-cached, and it is not",
            ));
        }
        Ok(())
    }

    fn question(&self, prior: Option<Arc<Head>>) -> Question {
        let offset = match self.wanted {
            Wanted::FromTo { first, .. } | Wanted::From { first } => first,
            Wanted::Whole | Wanted::Suffix { .. } | Wanted::Empty => 0,
        };
        Question {
            name: self.name.clone(),
            id: self.id,
            rules: Arc::clone(self.rules),
            prior,
            offset,
            at: self.request.at,
        }
    }

    pub(crate) fn is_head(&self) -> bool {
        self.request.head.method == Method::HEAD
    }

    pub(crate) fn absent(&self, status: StatusCode, left: Duration, way: Way) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        // This cache remembers an absence for a moment; no browser should, because a segment that
        // is not there yet may be there a second later. A tier of ours may, for as long as we do
        // (RFC 9213 section 2.2), so that two tiers do not add up to twice the time.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(value) = format!("max-age={}", left.as_secs()).parse() {
            headers.insert(HeaderName::from_static("cdn-cache-control"), value);
        }
        self.sign_off(response, way, None)
    }
}
