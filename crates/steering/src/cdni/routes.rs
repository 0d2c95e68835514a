//! The triggers' addresses: create, list, show, change, delete.

use std::future::ready;

use http::{Method, StatusCode};

use super::{handlers, v1, v2};
use crate::{
    access::Right,
    api::{
        route::{Action, Gives, Route, SchemaOf, Takes},
        table::JSON_WEIGHT,
    },
    rates::Class,
};

const COMMAND: &str = "application/cdni; ptype=ci-trigger-command";
pub(super) const STATUS: &str = "application/cdni; ptype=ci-trigger-status";
pub(super) const COLLECTION: &str = "application/cdni; ptype=ci-trigger-collection";
pub(super) const TRIGGER_2: &str = "application/cdni; ptype=ci-trigger.v2";
pub(super) const INDEX_2: &str = "application/cdni; ptype=ci-trigger-index.v2";
pub(super) const COLLECTION_2: &str = "application/cdni; ptype=ci-trigger-collection.v2";

/// A command with 10,000 URLs of 400 bytes.
const COMMAND_BYTES_MAX: usize = 4 << 20;

/// It is there twice while it is read: as it was told, and by what it names.
const COMMAND_WEIGHT: u64 = 2 * JSON_WEIGHT;

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
        right: Right::SeeOwn,
        ..Route::see(path, name, about, gives, action)
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
            weight: COMMAND_WEIGHT,
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
            |api, call| Box::pin(handlers::take(api, call)),
        )
    }
}

fn modify() -> Route {
    Route {
        method: Method::POST,
        right: Right::Own,
        class: Class::Change,
        takes: Some(Takes {
            kinds: vec![
                (TRIGGER_2, SchemaOf::json::<v2::Resource>()),
                // So that who sends one to a status is told that it takes none.
                (COMMAND, SchemaOf::json::<v1::Command>()),
            ],
            bytes_max: COMMAND_BYTES_MAX,
            weight: COMMAND_WEIGHT,
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
            |api, call| Box::pin(handlers::change(api, call)),
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
            |api, call| Box::pin(handlers::remove(api, call)),
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
            |api, call| Box::pin(ready(handlers::list(api, &call))),
        ),
        see(
            "/cdni/collections/{view}",
            "listTriggersByStatus",
            "Those that are pending, active, complete or failed; what was cancelled is among the failed.",
            collection(),
            |api, call| Box::pin(ready(handlers::list(api, &call))),
        ),
        see(
            "/cdni/triggers/{id}",
            "showTrigger",
            "What has become of a trigger, in the edition in which it came. 304 to a known ETag.",
            vec![
                gives(StatusCode::OK, STATUS, SchemaOf::json::<v1::Status>()),
                gives(StatusCode::OK, TRIGGER_2, SchemaOf::json::<v2::Resource>()),
            ],
            |api, call| Box::pin(ready(handlers::show(api, &call))),
        ),
        see(
            "/cdni/v2/index",
            "showTriggerIndex",
            "Second edition: where the collections are.",
            ok(INDEX_2, SchemaOf::json::<v2::Index>()),
            |api, call| Box::pin(ready(handlers::index(api, &call))),
        ),
        see(
            "/cdni/v2/triggers",
            "listTriggersOfSecondEdition",
            "Second edition: all triggers.",
            collection_2(),
            |api, call| Box::pin(ready(handlers::all(api, &call))),
        ),
        see(
            "/cdni/v2/states/{state}",
            "listTriggersByState",
            "Second edition: triggers in one state.",
            collection_2(),
            |api, call| Box::pin(ready(handlers::by_state(api, &call))),
        ),
        see(
            "/cdni/v2/labels/{label}",
            "listTriggersByLabel",
            "Second edition: triggers with one label, `name=value`.",
            collection_2(),
            |api, call| Box::pin(ready(handlers::by_label(api, &call))),
        ),
    ]
}
