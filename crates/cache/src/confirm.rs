//! What is held and stale, and what a 304 makes of it.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use message::{Condition, Error, Kind, Timestamp};
use semantics::{
    cache_status, fields,
    freshness::{self, Freshness},
    validator,
};
use store::Epoch;

use crate::{
    Inner, SiteRules,
    head::{Entry, Head},
    id::Identity,
    kept::Kept,
    lookup,
    question::{Lesson, Question},
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

/// A 304 to the question about what is held.
pub(crate) struct Confirmation<'a> {
    pub(crate) update: &'a HeaderMap,
    pub(crate) rules: &'a SiteRules,
    pub(crate) at: &'a Timestamp,
    /// The purge epoch at which upstream was asked.
    pub(crate) asked: Epoch,
}

/// What a 304 leaves of a stored response.
pub(crate) struct Refreshed {
    pub(crate) fields: HeaderMap,
    pub(crate) freshness: Freshness,
    pub(crate) tags: Tags,
}

impl Confirmation<'_> {
    /// The stored fields, tags and freshness as it leaves them. RFC 9111 section 3.2: its fields
    /// replace the stored ones, except those that describe the body.
    pub(crate) fn refresh(
        &self,
        site: &Arc<str>,
        status: StatusCode,
        stored: &HeaderMap,
        tags: &Tags,
    ) -> Refreshed {
        let (update, rules, now) = (self.update, self.rules, self.at.wall);
        let mut fields = stored.clone();
        fields::refresh(&mut fields, update, rules.cookies);
        fields::add_date(&mut fields, now);
        let told = Tags::take(site, &rules.tags, &mut fields);
        cache_status::settle(&mut fields);
        Refreshed {
            freshness: freshness::assess_refreshed(status, &fields, update, now, &rules.ttl),
            fields,
            tags: told.unwrap_or_else(|| tags.clone()),
        }
    }
}

impl Inner {
    /// What a 304 makes of what is held.
    pub(crate) fn confirm(
        &self,
        question: &Question,
        update: &HeaderMap,
        stamp: Epoch,
    ) -> Result<Lesson, Error> {
        let by = Confirmation {
            update,
            rules: &question.rules,
            at: &question.at,
            asked: stamp,
        };
        match &question.prior {
            Some(Prior::Object(prior)) => {
                let head = self.keep_confirmed(prior, &by);
                self.confirm_others(&head, &by);
                Ok(Lesson::Confirmed(head))
            }
            Some(Prior::Answer(prior)) => {
                let kept = Entry::Kept(Arc::new(prior.confirmed(&by)));
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
    fn confirm_others(&self, head: &Head, by: &Confirmation<'_>) {
        let Some(etag) = validator::strong(by.update) else {
            return;
        };
        let base = Identity {
            key: head.selection.base,
            ..head.id
        };
        let Some(Entry::Varies(note)) = self.remembered(base, &head.name) else {
            return;
        };
        let others = note.keys().filter(|key| *key != head.id.key);
        for key in others {
            let other = self.remembered(Identity { key, ..base }, &head.name);
            if let Some(Entry::Object(other)) = other
                && other.strong_etag() == Some(etag)
            {
                self.keep_confirmed(&other, by);
            }
        }
    }

    /// RFC 9111 section 3: what has become of it is kept, unless that may not be stored. Who asked
    /// has it in any case.
    fn keep_confirmed(&self, prior: &Head, by: &Confirmation<'_>) -> Arc<Head> {
        let head = Arc::new(prior.confirmed(by));
        if head.freshness.storable {
            self.keep(&head);
        } else {
            self.forget(prior);
        }
        head
    }
}
