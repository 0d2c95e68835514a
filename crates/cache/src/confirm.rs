//! What is held and stale, and what a 304 makes of it.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use message::{Condition, Error, Kind, Timestamp};
use semantics::{cache_status, fields, validator};
use store::Epoch;

use crate::{
    Inner, SiteRules,
    head::{Entry, Head},
    id::Identity,
    kept::Kept,
    learn::{Lesson, Question},
    lookup,
    tags::Tags,
};

/// What is held of an object, to be confirmed.
#[derive(Debug, Clone)]
pub(crate) enum Prior {
    Object(Arc<Head>),
    Answer(Arc<Kept>),
}

impl Prior {
    /// Whether it may be served in place of an error.
    pub(crate) fn stands_in(&self, now: &Timestamp) -> bool {
        match self {
            Self::Object(head) => lookup::stands_in(head, now),
            Self::Answer(kept) => kept.stands_in(now),
        }
    }

    /// RFC 9111 section 4.3.1: the condition under which it is not sent again, by its entity tag or
    /// without one by when it was modified.
    pub(crate) fn condition(&self) -> Option<Condition> {
        match self {
            Self::Object(head) => {
                let etag = head.etag().map(|etag| Condition::IfNoneMatch(etag.into()));
                etag.or_else(|| {
                    let modified = head.last_modified()?;
                    Some(Condition::IfModifiedSince(modified.into()))
                })
            }
            Self::Answer(kept) => kept.condition(),
        }
    }
}

/// The stored fields as a 304 leaves them, and the tags that they name. RFC 9111 section 3.2: its fields
/// replace the stored ones, except those that describe the body.
pub(crate) fn refreshed(
    stored: &HeaderMap,
    update: &HeaderMap,
    (site, rules): (&Arc<str>, &SiteRules),
    now: &Timestamp,
) -> (HeaderMap, Option<Tags>) {
    let mut fields = stored.clone();
    fields::refresh(&mut fields, update, rules.cookies);
    fields::add_date(&mut fields, now.wall);
    let tags = Tags::take(site, &rules.tags, &mut fields);
    cache_status::settle(&mut fields);
    (fields, tags)
}

impl Inner {
    /// What a 304 makes of what is held.
    pub(crate) fn confirm(
        &self,
        question: &Question,
        update: &HeaderMap,
        stamp: Epoch,
    ) -> Result<Lesson, Error> {
        let (rules, now) = (&question.rules, &question.at);
        match &question.prior {
            Some(Prior::Object(prior)) => {
                let head = Arc::new(prior.confirmed(update, rules, now, stamp));
                if head.freshness.storable {
                    self.keep(&head);
                } else {
                    // RFC 9111 section 3: what it has become may not be stored. Who asked has it.
                    self.forget(prior);
                }
                self.confirm_others(&head, question, update, stamp);
                Ok(Lesson::Confirmed(head))
            }
            Some(Prior::Answer(prior)) => {
                let kept = Entry::Kept(Arc::new(prior.confirmed(update, rules, now, stamp)));
                self.keep_none(question.id, &question.name, kept.clone());
                Ok(Lesson::Learned(kept, StatusCode::NOT_MODIFIED))
            }
            None => {
                let detail = "a 304 to a plain request";
                Err(Error::new(Kind::HttpProtocolError, detail))
            }
        }
    }

    /// RFC 9111 section 4.3.4: all stored responses with the strong validator of the 304 are updated.
    fn confirm_others(&self, head: &Head, question: &Question, update: &HeaderMap, stamp: Epoch) {
        let Some(etag) = validator::strong(update) else {
            return;
        };
        let base = Identity {
            key: head.selection.base,
            ..head.id
        };
        let Some(Entry::Varies(note)) = self.remembered(base, &head.name) else {
            return;
        };
        let (rules, now) = (&question.rules, &question.at);
        let others = note.keys().filter(|key| *key != head.id.key);
        for key in others {
            let other = self.remembered(Identity { key, ..base }, &head.name);
            if let Some(Entry::Object(other)) = other
                && other.strong_etag() == Some(etag)
            {
                self.keep(&Arc::new(other.confirmed(update, rules, now, stamp)));
            }
        }
    }
}
