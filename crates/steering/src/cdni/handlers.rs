//! What the triggers' addresses answer.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::{
    book::Cancelled,
    draft::Context,
    model::{Edition, State, Trigger},
    routes::{COLLECTION, COLLECTION_2, INDEX_2, STATUS, TRIGGER_2},
    v1::{self, Asked},
    v2::{self, Change},
};
use crate::{
    Reason, Refused,
    api::{
        Api, hex, is_same_media, reply,
        route::{Call, Reply},
    },
};

/// How long a status may be believed: while something happens, and once it has.
const POLL: &str = "private, max-age=2";
const SETTLED: &str = "private, max-age=60";

pub(super) async fn take(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let context = Context {
        engine: &*api.engine,
        role: &call.caller.role,
        owner: &call.caller.name,
        cdn_id: &api.config.cdn_id,
        has_trigger: &|id| find(api, &call, id).is_ok(),
    };
    let draft = if has_media(&call, TRIGGER_2) {
        v2::read(&call.body, &context)?
    } else {
        match v1::read(&call.body, &context)? {
            Asked::Trigger(draft) => *draft,
            Asked::Cancel(ids) => return cancel(api, &call, &ids).await,
        }
    };
    let trigger = api.book.accept(draft, call.at.unix_s()).await?;
    let mut reply = shown(api, &trigger, StatusCode::CREATED)?;
    let location = HeaderValue::try_from(v1::address(&call.base, &trigger.id));
    if let Ok(location) = location {
        reply.headers_mut().insert(header::LOCATION, location);
    }
    Ok(reply)
}

fn has_media(call: &Call, wanted: &str) -> bool {
    let media = call.headers.get(header::CONTENT_TYPE);
    let media = media.and_then(|value| value.to_str().ok());
    is_same_media(wanted, media.unwrap_or_default())
}

/// All are found before the first is cancelled.
async fn cancel(api: &Arc<Api>, call: &Call, ids: &[String]) -> Result<Reply, Refused> {
    for id in ids {
        find(api, call, id)?;
    }
    let mut status = StatusCode::OK;
    for id in ids {
        match api.book.cancel(id, call.at.unix_s()).await {
            Ok(Cancelled::Done) => {}
            Ok(Cancelled::UnderWay) => status = StatusCode::ACCEPTED,
            // RFC 8007 section 4.3: what has ended stays as it is.
            Err(refused) if refused.reason == Reason::Conflict => {}
            Err(refused) => return Err(refused),
        }
    }
    Ok(reply::empty(status))
}

pub(super) async fn change(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let id = call.parameter.clone().unwrap_or_default();
    let trigger = find(api, &call, &id)?;
    match trigger.draft.edition {
        Edition::First => return Ok(not_posted_to()),
        Edition::Second if has_media(&call, TRIGGER_2) => {}
        Edition::Second => {
            let what = format!("expected {TRIGGER_2}");
            return Err(Refused::new(Reason::MediaType, what));
        }
    }
    let now = call.at.unix_s();
    match v2::read_change(&call.body, &trigger.draft)? {
        Change::Start => {
            let trigger = api.book.hurry(&id, now).await?;
            shown(api, &trigger, StatusCode::OK)
        }
        Change::Cancel => {
            let status = match api.book.cancel(&id, now).await? {
                Cancelled::Done => StatusCode::OK,
                Cancelled::UnderWay => StatusCode::ACCEPTED,
            };
            let trigger = find(api, &call, &id)?;
            shown(api, &trigger, status)
        }
    }
}

/// RFC 8007 section 5.1.2: a status resource takes no POST.
fn not_posted_to() -> Reply {
    let refused = Refused::new(Reason::Method, "a first edition's trigger");
    let mut reply = reply::refusal(&refused);
    let methods = HeaderValue::from_static("GET, DELETE, HEAD");
    reply.headers_mut().insert(header::ALLOW, methods);
    reply
}

pub(super) async fn remove(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let id = call.parameter.clone().unwrap_or_default();
    find(api, &call, &id)?;
    api.book.remove(&id).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

pub(super) fn show(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let trigger = find(api, call, call.parameter.as_deref().unwrap_or_default())?;
    let made = shown(api, &trigger, StatusCode::OK)?;
    Ok(unless_known(call, made))
}

pub(super) fn list(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let view = call.parameter.as_deref();
    if let Some(view) = view
        && v1::is_in(view, State::Pending).is_none()
    {
        return Err(Refused::new(Reason::NotFound, format!("no view {view:?}")));
    }
    let triggers = own(api, call, |trigger| {
        let is_wanted = view.is_none_or(|view| v1::is_in(view, trigger.state) == Some(true));
        trigger.draft.edition == Edition::First && is_wanted
    });
    let ids = triggers.iter().map(|trigger| trigger.id.clone());
    let collection = v1::collection(&call.base, ids, &api.config.cdn_id);
    listed(call, COLLECTION, &collection)
}

pub(super) fn index(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let triggers = own(api, call, is_second);
    let index = v2::index(&call.base, &triggers, &api.config.cdn_id);
    listed(call, INDEX_2, &index)
}

pub(super) fn all(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let triggers = own(api, call, is_second);
    listed(
        call,
        COLLECTION_2,
        &v2::collection(&call.base, &triggers, None),
    )
}

pub(super) fn by_state(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let name = call.parameter.clone().unwrap_or_default();
    let state = v2::state(&name)
        .ok_or_else(|| Refused::new(Reason::NotFound, format!("no state {name:?}")))?;
    let triggers = own(api, call, |trigger| {
        is_second(trigger) && trigger.state == state
    });
    let collection = v2::collection(&call.base, &triggers, Some(("state", &name)));
    listed(call, COLLECTION_2, &collection)
}

pub(super) fn by_label(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let label = call.parameter.clone().unwrap_or_default();
    let triggers = own(api, call, |trigger| {
        is_second(trigger) && trigger.draft.labels.contains(&label)
    });
    let collection = v2::collection(&call.base, &triggers, Some(("label", &label)));
    listed(call, COLLECTION_2, &collection)
}

fn is_second(trigger: &Trigger) -> bool {
    trigger.draft.edition == Edition::Second
}

fn find(api: &Api, call: &Call, id: &str) -> Result<Arc<Trigger>, Refused> {
    api.book.find(id, &call.caller.name, &call.caller.role)
}

fn own(api: &Api, call: &Call, wanted: impl Fn(&Trigger) -> bool) -> Vec<Arc<Trigger>> {
    api.book.list(&call.caller.name, &call.caller.role, wanted)
}

/// A trigger, in the edition in which it came.
fn shown(api: &Api, trigger: &Trigger, status: StatusCode) -> Result<Reply, Refused> {
    let made = match trigger.draft.edition {
        Edition::First => {
            let media = HeaderValue::from_static(STATUS);
            reply::typed(status, media, &v1::status(trigger))?
        }
        Edition::Second => {
            let media = HeaderValue::from_static(TRIGGER_2);
            reply::typed(status, media, &v2::resource(trigger, &api.config.cdn_id))?
        }
    };
    let cache = if trigger.state.is_final() {
        SETTLED
    } else {
        POLL
    };
    Ok(tagged(made, cache))
}

fn listed<T: Serialize>(call: &Call, media: &'static str, list: &T) -> Result<Reply, Refused> {
    let made = reply::typed(StatusCode::OK, HeaderValue::from_static(media), list)?;
    Ok(unless_known(call, tagged(made, POLL)))
}

/// An entity tag that is made of the body: it says the same after a restart.
fn tagged(mut reply: Reply, cache: &'static str) -> Reply {
    let digest = digest(&SHA256, reply.body());
    let tag = format!("\"{}\"", hex(&digest.as_ref()[..12]));
    let headers = reply.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    reply
}

/// 304 to who has it already.
fn unless_known(call: &Call, reply: Reply) -> Reply {
    let tag = reply.headers().get(header::ETAG);
    if !tag
        .and_then(|tag| tag.to_str().ok())
        .is_some_and(|tag| is_known(call, tag))
    {
        return reply;
    }
    let mut known = reply::empty(StatusCode::NOT_MODIFIED);
    for name in [header::ETAG, header::CACHE_CONTROL] {
        if let Some(value) = reply.headers().get(&name) {
            known.headers_mut().insert(name, value.clone());
        }
    }
    known
}

/// RFC 9110 section 13.1.2: a list of entity tags, or any.
fn is_known(call: &Call, tag: &str) -> bool {
    let fields = call.headers.get_all(header::IF_NONE_MATCH).iter();
    let tags = fields.filter_map(|field| field.to_str().ok());
    let mut tags = tags.flat_map(|field| field.split(','));
    tags.any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    })
}
