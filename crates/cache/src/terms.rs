//! Under what terms an answer may be stored: as what, for whom, and what of it is for one alone.

use http::{HeaderMap, StatusCode, header};
use semantics::{
    cache_status,
    fields::{self, Cookies},
    freshness::{self, Freshness},
    media,
};

use crate::{
    Inner,
    question::{Own, Question},
    tags::Tags,
    variants::Selection,
};

/// Under what terms an answer may be stored.
pub(crate) struct Terms {
    pub(crate) freshness: Freshness,
    pub(crate) fields: HeaderMap,
    pub(crate) selection: Selection,
    pub(crate) tags: Tags,
}

impl Inner {
    /// Whether an answer may be stored, as what, and for whom.
    pub(crate) fn terms(
        &self,
        question: &Question,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<Terms> {
        let rules = &question.rules;
        // Counted from when it was asked for, so that the response's delay counts as age. All
        // fields as they came: the age that the next hop tells is no stored field, and counts.
        let freshness = freshness::assess(status, headers, question.at.wall, &rules.ttl);
        let is_authorized = question.carried.value(&header::AUTHORIZATION).is_some();
        let has_cookies = headers.contains_key(header::SET_COOKIE);
        let may_be_stored = freshness.storable
            // RFC 9111 section 3.5.
            && (!is_authorized || freshness::is_shared_in_spite_of_authorization(headers))
            && !(has_cookies && rules.cookies == Cookies::Pass);
        if !may_be_stored {
            return None;
        }
        let (base, carried) = (question.base, &question.carried);
        let selection = Selection::of(base, carried, &rules.forward, headers)?;
        if !self.admits(question.id.object, &question.name, &selection) {
            return None;
        }
        let mut fields = fields::stored(headers, rules.cookies);
        made_ours(&mut fields, question);
        let (site, tags) = (&question.name.site, &rules.tags);
        let tags = Tags::take(site, tags, &mut fields).unwrap_or_default();
        Some(Terms {
            freshness,
            fields,
            selection,
            tags,
        })
    }
}

impl Terms {
    /// Of a failure that is told to those who wait for it now, and to nobody after them.
    pub(crate) fn of_one_moment(question: &Question, headers: &HeaderMap) -> Self {
        let mut fields = fields::stored(headers, Cookies::Drop);
        made_ours(&mut fields, question);
        let (site, tags) = (&question.name.site, &question.rules.tags);
        Self {
            freshness: freshness::NEVER,
            tags: Tags::take(site, tags, &mut fields).unwrap_or_default(),
            fields,
            selection: Selection::none(question.id.key),
        }
    }
}

/// What a node corrects in the fields of an answer.
fn made_ours(fields: &mut HeaderMap, question: &Question) {
    cache_status::settle(fields);
    media::correct(fields, &question.name.path);
    fields::add_date(fields, question.at.wall);
}

/// The fields that are for who asked, if they are others than those that are stored.
pub(crate) fn own_fields(
    question: &Question,
    received: &HeaderMap,
    stored: &HeaderMap,
) -> Option<Own> {
    let mut fields = fields::passed(received);
    // Who asks is told tags only where all are.
    let _tags = Tags::take(&question.name.site, &question.rules.tags, &mut fields);
    cache_status::settle(&mut fields);
    let is_same = fields.keys().all(|name| stored.contains_key(name));
    if is_same {
        return None;
    }
    for name in stored.keys() {
        fields.remove(name);
    }
    for (name, value) in stored {
        fields.append(name, value.clone());
    }
    Some(Own::Fields(fields))
}
