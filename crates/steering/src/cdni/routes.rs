//! The triggers' addresses: create, list, show, change, delete.

use std::{future::ready, sync::Arc};

use http::{HeaderValue, Method, StatusCode, header};
use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::{
    book::Cancelled,
    model::{Edition, State, Trigger},
    v1::{self, Asked, Context},
    v2::{self, Change},
};
use crate::{
    Reason, Refused,
    access::Right,
    api::{
        Api, hex, is_same_media, reply,
        route::{Action, Call, Gives, Reply, Route, SchemaOf, Takes},
    },
    rates::Class,
};

const COMMAND: &str = "application/cdni; ptype=ci-trigger-command";
const STATUS: &str = "application/cdni; ptype=ci-trigger-status";
const COLLECTION: &str = "application/cdni; ptype=ci-trigger-collection";
const TRIGGER_2: &str = "application/cdni; ptype=ci-trigger.v2";
const INDEX_2: &str = "application/cdni; ptype=ci-trigger-index.v2";
const COLLECTION_2: &str = "application/cdni; ptype=ci-trigger-collection.v2";

/// A command with 10,000 URLs of 400 bytes.
const COMMAND_BYTES_MAX: usize = 4 << 20;

/// How long a status may be believed: while something happens, and once it has.
const POLL: &str = "private, max-age=2";
const SETTLED: &str = "private, max-age=60";

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = vec![create(), modify(), delete()];
    routes.extend(views());
    routes
}

fn gives(status: StatusCode, media: &'static str, schema: SchemaOf) -> Gives {
    Gives {
        status,
        body: Some((media, schema)),
    }
}

fn see(
    path: &'static str,
    name: &'static str,
    about: &'static str,
    gives: Vec<Gives>,
    action: Action,
) -> Route {
    Route {
        method: Method::GET,
        path,
        name,
        about,
        right: Right::SeeOwn,
        class: Class::Read,
        takes: None,
        query: &[],
        gives,
        action,
    }
}

fn create() -> Route {
    let nothing = |status| Gives { status, body: None };
    Route {
        method: Method::POST,
        right: Right::Own,
        class: Class::Change,
        takes: Some(Takes {
            kinds: vec![
                (COMMAND, SchemaOf::json::<v1::Command>()),
                (TRIGGER_2, SchemaOf::json::<v2::Resource>()),
            ],
            bytes_max: COMMAND_BYTES_MAX,
        }),
        ..see(
            "/cdni/triggers",
            "createTrigger",
            "RFC 8007: a trigger (201, with its address in Location) or a cancellation (200, or 202 \
             while it is under way). The second edition's triggers are told by their media type.",
            vec![
                gives(StatusCode::CREATED, STATUS, SchemaOf::json::<v1::Status>()),
                gives(
                    StatusCode::CREATED,
                    TRIGGER_2,
                    SchemaOf::json::<v2::Resource>(),
                ),
                nothing(StatusCode::OK),
                nothing(StatusCode::ACCEPTED),
            ],
            |api, call| Box::pin(take(api, call)),
        )
    }
}

fn modify() -> Route {
    Route {
        method: Method::POST,
        right: Right::Own,
        class: Class::Change,
        takes: Some(Takes {
            kinds: vec![(TRIGGER_2, SchemaOf::json::<v2::Resource>())],
            bytes_max: COMMAND_BYTES_MAX,
        }),
        ..see(
            "/cdni/triggers/{id}",
            "modifyTrigger",
            "Second edition: `state` \"active\" starts a trigger before its time, \"cancelled\" stops \
             it. A trigger of the first edition is not modified (405).",
            vec![
                gives(StatusCode::OK, TRIGGER_2, SchemaOf::json::<v2::Resource>()),
                gives(
                    StatusCode::ACCEPTED,
                    TRIGGER_2,
                    SchemaOf::json::<v2::Resource>(),
                ),
            ],
            |api, call| Box::pin(change(api, call)),
        )
    }
}

fn delete() -> Route {
    Route {
        method: Method::DELETE,
        right: Right::Own,
        class: Class::Change,
        ..see(
            "/cdni/triggers/{id}",
            "deleteTrigger",
            "Forgets a trigger, and stops it if it is under way.",
            vec![Gives {
                status: StatusCode::NO_CONTENT,
                body: None,
            }],
            |api, call| Box::pin(remove(api, call)),
        )
    }
}

fn views() -> Vec<Route> {
    let ok = |media, schema| vec![gives(StatusCode::OK, media, schema)];
    let collection = || ok(COLLECTION, SchemaOf::json::<v1::Collection>());
    let collection_2 = || ok(COLLECTION_2, SchemaOf::json::<v2::Collection>());
    vec![
        see(
            "/cdni/triggers",
            "listTriggers",
            "The client's triggers of the first edition.",
            collection(),
            |api, call| Box::pin(ready(list(api, &call))),
        ),
        see(
            "/cdni/collections/{view}",
            "listTriggersByStatus",
            "Those that are pending, active, complete or failed; what was cancelled is among the failed.",
            collection(),
            |api, call| Box::pin(ready(list(api, &call))),
        ),
        see(
            "/cdni/triggers/{id}",
            "showTrigger",
            "What has become of a trigger, in the edition in which it came. 304 to a known ETag.",
            vec![
                gives(StatusCode::OK, STATUS, SchemaOf::json::<v1::Status>()),
                gives(StatusCode::OK, TRIGGER_2, SchemaOf::json::<v2::Resource>()),
            ],
            |api, call| Box::pin(ready(show(api, &call))),
        ),
        see(
            "/cdni/v2/index",
            "showTriggerIndex",
            "Second edition: where the collections are.",
            ok(INDEX_2, SchemaOf::json::<v2::Index>()),
            |api, call| Box::pin(ready(index(api, &call))),
        ),
        see(
            "/cdni/v2/states/{state}",
            "listTriggersByState",
            "Second edition: triggers in one state.",
            collection_2(),
            |api, call| Box::pin(ready(by_state(api, &call))),
        ),
        see(
            "/cdni/v2/labels/{label}",
            "listTriggersByLabel",
            "Second edition: triggers with one label, `name=value`.",
            collection_2(),
            |api, call| Box::pin(ready(by_label(api, &call))),
        ),
    ]
}

async fn take(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let media = call.headers.get(header::CONTENT_TYPE);
    let media = media
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let context = Context {
        engine: &*api.engine,
        role: &call.caller.role,
        owner: &call.caller.name,
        cdn_id: &api.config.cdn_id,
    };
    let draft = if is_same_media(TRIGGER_2, media) {
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

async fn change(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let id = call.parameter.clone().unwrap_or_default();
    match find(api, &call, &id)?.draft.edition {
        // RFC 8007 section 5.1.2: a status resource takes no POST.
        Edition::First => return Err(Refused::new(Reason::Method, "a first edition's trigger")),
        Edition::Second => {}
    }
    let now = call.at.unix_s();
    match v2::read_change(&call.body)? {
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

async fn remove(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let id = call.parameter.clone().unwrap_or_default();
    find(api, &call, &id)?;
    api.book.remove(&id).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

fn show(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let trigger = find(api, call, call.parameter.as_deref().unwrap_or_default())?;
    let made = shown(api, &trigger, StatusCode::OK)?;
    Ok(unless_known(call, made))
}

fn list(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let view = call.parameter.as_deref();
    if view.is_some_and(|view| v1::is_in(view, State::Pending).is_none()) {
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

fn index(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let triggers = own(api, call, is_second);
    let index = v2::index(&call.base, &triggers, &api.config.cdn_id);
    listed(call, INDEX_2, &index)
}

fn by_state(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let name = call.parameter.clone().unwrap_or_default();
    let state = v2::state(&name)
        .ok_or_else(|| Refused::new(Reason::NotFound, format!("no state {name:?}")))?;
    let triggers = own(api, call, |trigger| {
        is_second(trigger) && trigger.state == state
    });
    let collection = v2::collection(&call.base, &triggers, "state", &name);
    listed(call, COLLECTION_2, &collection)
}

fn by_label(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let label = call.parameter.clone().unwrap_or_default();
    let triggers = own(api, call, |trigger| {
        is_second(trigger) && trigger.draft.labels.contains(&label)
    });
    let collection = v2::collection(&call.base, &triggers, "label", &label);
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
