//! What a request comes to: asking upstream where that is needed, and obeying what was learned.

use std::sync::Arc;

use http::HeaderMap;
use message::{Error, Kind, Response};
use semantics::{cache_status::Reason, range::Wanted};

use crate::{
    answer::Visit,
    confirm::Prior,
    filling::Failure,
    head::{Entry, Head},
    id::Identity,
    kept::Kept,
    live::Growing,
    question::{Handed, Lesson, Own, Question, Taught},
    told::Way,
};

/// What the lookup, and upstream where it was asked, came to.
pub(crate) enum Verdict {
    Serve(Arc<Head>, Option<HeaderMap>, Way),
    Retell(Arc<Kept>, Option<HeaderMap>, Way),
    /// It is coming, and nobody knows how long it will be.
    Growing(Arc<Growing>, Way),
    /// The answer may not be stored, and is this viewer's.
    HandOver(Box<Handed>, Reason),
    /// To be asked for alone.
    Pass(Identity, Reason),
    /// What the leader of the question learned is for other request fields.
    Again,
}

impl Visit<'_> {
    pub(crate) async fn ask(
        &self,
        id: Identity,
        prior: Option<Prior>,
        reason: Reason,
    ) -> Result<Verdict, Error> {
        self.may_go_upstream()?;
        let question = self.question(id, prior, reason);
        // What is under way was asked before this request: a tier that was purged since would be told
        // what it was purged of.
        let taught = if question.end_to_end {
            self.inner.learn_alone(&question).await
        } else {
            self.inner.learn(question).await
        };
        self.conclude(id, taught, reason)
    }

    /// Asks for this viewer alone. A closed range is asked for as such, and not stored.
    pub(crate) async fn alone(&self, id: Identity, reason: Reason) -> Result<Response, Failure> {
        let stores_nothing = reason == Reason::Request;
        if self.passed_range().is_some() || stores_nothing {
            return self.pass(reason).await.map_err(Failure::Upstream);
        }
        let question = Question {
            alone: true,
            ..self.question(id, None, reason)
        };
        let taught = self.inner.learn_alone(&question).await;
        let verdict = self.conclude(id, taught, reason);
        self.obey(verdict.map_err(Failure::Upstream)?).await
    }

    /// Answers as was decided; what is still to be asked for is passed.
    pub(crate) async fn obey(&self, verdict: Verdict) -> Result<Response, Failure> {
        match verdict {
            Verdict::Serve(head, own, way) => self.present(head, own, way).await,
            Verdict::Retell(kept, own, way) => Ok(self.retell(&kept, own, way)),
            Verdict::Growing(growing, way) => self.present_growing(growing, way).await,
            Verdict::HandOver(handed, reason) => match self.fitted(*handed) {
                Some(handed) => Ok(self.hand_on(handed, reason)),
                None => self.pass(reason).await.map_err(Failure::Upstream),
            },
            Verdict::Pass(_, reason) => self.pass(reason).await.map_err(Failure::Upstream),
            Verdict::Again => self.pass(Reason::VaryMiss).await.map_err(Failure::Upstream),
        }
    }

    fn conclude(&self, id: Identity, taught: Taught, reason: Reason) -> Result<Verdict, Error> {
        let Taught { lesson, led, own } = taught;
        let way = |status| Way::Miss {
            status,
            led,
            reason,
        };
        let (fields, handed) = match own {
            Some(Own::Fields(fields)) => (Some(fields), None),
            Some(Own::Answer(handed)) => (None, Some(handed)),
            None => (None, None),
        };
        match lesson {
            Lesson::Learned(entry, _) if !led && !self.is_for_me(&entry) => Ok(Verdict::Again),
            Lesson::Learned(Entry::Object(head), status) => {
                Ok(Verdict::Serve(head, fields, way(status)))
            }
            Lesson::Learned(Entry::Kept(kept), _) if !self.is_served_by(&kept) => {
                Ok(Verdict::Pass(id, Reason::Partial))
            }
            Lesson::Learned(Entry::Kept(kept), status) => {
                Ok(Verdict::Retell(kept, fields, way(status)))
            }
            Lesson::Learned(Entry::Pass { .. } | Entry::Varies(_), _) => Ok(match handed {
                Some(handed) => Verdict::HandOver(handed, reason),
                None => Verdict::Pass(id, Reason::Bypass),
            }),
            Lesson::Growing(growing, _) if !growing.head.selection.matches(&self.carried) => {
                Ok(Verdict::Again)
            }
            Lesson::Growing(growing, status) => Ok(Verdict::Growing(growing, way(status))),
            Lesson::Confirmed(head) => {
                Ok(Verdict::Serve(head, None, Way::Revalidated { led, reason }))
            }
            Lesson::Stale(prior) => {
                let way = Way::StandsIn { led, reason };
                Ok(match prior {
                    Prior::Object(head) => Verdict::Serve(head, None, way),
                    // Who led wants bytes of a part that others want the whole of.
                    Prior::Answer(kept) if !self.is_served_by(&kept) => {
                        Verdict::Pass(id, Reason::Partial)
                    }
                    Prior::Answer(kept) => Verdict::Retell(kept, None, way),
                })
            }
            Lesson::Failed(error) => Err(error),
        }
    }

    /// RFC 9111 section 5.2.1.7: who asks for what is cached alone gets that, or 504.
    pub(crate) fn may_go_upstream(&self) -> Result<(), Error> {
        if self.only_if_cached() {
            return Err(Error::new(
                Kind::HttpResponseTimeout,
                "only-if-cached, and it is not",
            ));
        }
        Ok(())
    }

    pub(crate) fn only_if_cached(&self) -> bool {
        self.wish.only_if_cached()
    }

    pub(crate) fn question(&self, id: Identity, prior: Option<Prior>, reason: Reason) -> Question {
        let offset = match self.wanted {
            Wanted::FromTo { first, .. } | Wanted::From { first } => first,
            Wanted::Whole | Wanted::Suffix { .. } | Wanted::Empty => 0,
        };
        Question {
            name: self.name.clone(),
            id,
            base: self.base,
            carried: self.carried.clone(),
            rules: Arc::clone(self.rules),
            prior,
            offset,
            end_to_end: reason == Reason::Request,
            alone: false,
            at: self.request.at,
        }
    }
}
