//! What becomes of an answer that is no object, and of one that may not be stored.

use std::sync::Arc;

use http::{StatusCode, response::Parts};
use message::{Body, Error, Response};
use semantics::freshness;
use store::Epoch;

use crate::{
    Inner,
    ask::{Answered, Gathered},
    confirm::Prior,
    head::Entry,
    id::Identity,
    kept::{BODY_BYTES_MAX, Kept},
    part::Part,
    question::{Handed, Lesson, Own, Question},
    reply,
    terms::{Terms, own_fields},
};

impl Inner {
    /// An answer that is no object is kept if it may be and is small, and goes to who asked in any
    /// case. That there is none, and a server's failure, go to all who wait for it: each asking anew
    /// would be no help.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        question: &Question,
        (parts, body): (Parts, Body),
        part: Option<Part>,
        stamp: Epoch,
    ) -> Result<Answered, Error> {
        let status = parts.status;
        let stands_in = |prior: &Prior| prior.stands_in(&question.at);
        if reply::is_failure(status) && question.prior.as_ref().is_some_and(stands_in) {
            // RFC 9111 section 4.3.3: as if the server failed to respond.
            return Err(reply::refusal(status));
        }
        let terms = self.terms(question, status, &parts.headers);
        let is_absent = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
        if terms.is_none() && !is_absent && !status.is_server_error() {
            return Ok(self.hand_over(question, parts, body, stamp));
        }
        let body = match self.gather(body, BODY_BYTES_MAX as u64).await? {
            Gathered::Whole(bytes) => bytes,
            Gathered::Part(body) => return Ok(self.hand_over(question, parts, body, stamp)),
        };
        // What is gone is not held any longer, be it that the answer itself may not be.
        let is_stored = terms.is_some() || is_absent;
        let terms = terms.unwrap_or_else(|| Terms::of_one_moment(question, &parts.headers));
        let own = own_fields(question, &parts.headers, &terms.fields);
        let id = Identity {
            key: terms.selection.key(),
            ..question.id
        };
        let kept = Kept {
            name: question.name.clone(),
            selection: terms.selection,
            status,
            fields: terms.fields,
            body,
            part,
            freshness: terms.freshness,
            received: question.at.wall,
            stamp,
            tags: terms.tags,
            is_unsaid: !freshness::is_said(&parts.headers),
        };
        let entry = Entry::Kept(Arc::new(kept));
        if is_stored && let Entry::Kept(kept) = &entry {
            self.note(id, &kept.name, &kept.selection, stamp);
            self.keep_none(id, &kept.name, entry.clone());
        }
        Ok(Answered {
            lesson: Lesson::Learned(entry, status),
            fill: None,
            own,
        })
    }

    /// Gives an answer that may not be stored to the one who asked. Others ask for themselves, for
    /// a while.
    pub(crate) fn hand_over(
        &self,
        question: &Question,
        parts: Parts,
        body: Body,
        stamp: Epoch,
    ) -> Answered {
        let lesson = self.pass_for_now(question, parts.status, stamp);
        // Without a free place it is asked for again, by who waits for one.
        let own = self.places.pass_now().map(|place| {
            let response = Response::from_parts(parts, body);
            Own::Answer(Box::new(Handed { response, place }))
        });
        Answered {
            lesson,
            fill: None,
            own,
        }
    }

    pub(crate) fn pass_for_now(
        &self,
        question: &Question,
        status: StatusCode,
        stamp: Epoch,
    ) -> Lesson {
        let until = question.at.mono + self.config.pass_ttl;
        let entry = Entry::Pass { until, stamp };
        self.keep_none(question.id, &question.name, entry.clone());
        Lesson::Learned(entry, status)
    }
}
