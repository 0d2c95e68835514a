//! Every route, with all that is to be known of it.

use std::future::ready;

use http::{Method, StatusCode};

use super::{
    fill, manifests, node, openapi, popularity, purge,
    reply::JSON,
    route::{Gives, Parameter, Route, SchemaOf, Takes},
};
use crate::{
    access::Right,
    cdni, page,
    rates::Class,
    report::{
        Drain, Heartbeat, Inventory, ManifestSummary, Manifests, Popularity, Progress, PurgeOrder,
        Purged, Pushed,
    },
};

/// The largest manifest (hardening row M06).
pub(crate) const MANIFEST_BYTES_MAX: usize = 64 << 20;

/// Of what is read as JSON without a type: two bytes of it, such as `0,`, make a value of 32.
pub(crate) const JSON_WEIGHT: u64 = 18;

/// Of anything small.
const ORDER_BYTES_MAX: usize = 64 << 10;

pub(crate) fn routes() -> Vec<Route> {
    let mut routes = manifests();
    routes.extend(fills());
    routes.extend(nodes());
    routes.extend(contents());
    routes.extend(cdni::routes::routes());
    routes
}

fn json<T: schemars::JsonSchema>(status: StatusCode) -> Gives {
    Gives {
        status,
        body: Some((JSON, SchemaOf::json::<T>())),
    }
}

fn see(
    path: &'static str,
    name: &'static str,
    about: &'static str,
    gives: Gives,
    action: super::route::Action,
) -> Route {
    Route::see(path, name, about, vec![gives], action)
}

fn manifests() -> Vec<Route> {
    let push = Route {
        method: Method::POST,
        class: Class::Push,
        right: Right::Change,
        takes: Some(Takes {
            kinds: [
                "application/json",
                "application/zstd",
                "application/octet-stream",
            ]
            .map(|media| (media, SchemaOf::Bytes))
            .to_vec(),
            bytes_max: MANIFEST_BYTES_MAX,
            // A buffer that grows is there twice while it does.
            weight: 2,
        }),
        gives: vec![
            json::<Pushed>(StatusCode::CREATED),
            json::<Pushed>(StatusCode::OK),
        ],
        ..see(
            "/v1/manifests",
            "pushManifest",
            "Takes a signed manifest: whole or not at all. 201 if it is followed from now on, 200 if \
             it was already. Its generation must be higher than any before (409).",
            json::<Pushed>(StatusCode::CREATED),
            |api, call| Box::pin(manifests::push(api, call)),
        )
    };
    let list = see(
        "/v1/manifests",
        "listManifests",
        "The manifests that are kept, newest first.",
        json::<Manifests>(StatusCode::OK),
        |api, call| Box::pin(ready(manifests::list(api, &call))),
    );
    let show = see(
        "/v1/manifests/{generation}",
        "showManifest",
        "A manifest as it was signed.",
        Gives {
            status: StatusCode::OK,
            body: Some(("application/octet-stream", SchemaOf::Bytes)),
        },
        |api, call| Box::pin(manifests::show(api, call)),
    );
    let withdraw = Route {
        method: Method::DELETE,
        right: Right::Change,
        class: Class::Change,
        ..see(
            "/v1/manifests/{generation}",
            "withdrawManifest",
            "Takes the active manifest back. Nothing is planned any more and nothing is deleted. A \
             manifest of the same generation is not taken again.",
            json::<ManifestSummary>(StatusCode::OK),
            |api, call| Box::pin(manifests::withdraw(api, call)),
        )
    };
    vec![push, list, show, withdraw]
}

fn fills() -> Vec<Route> {
    let progress = see(
        "/v1/progress",
        "showProgress",
        "How far the fill has come, and when it will be done.",
        json::<Progress>(StatusCode::OK),
        |api, call| Box::pin(ready(fill::progress(api, &call))),
    );
    let inventory = Route {
        query: &[
            Parameter {
                name: "after",
                about: "Where the page begins: `next` of the page before.",
                is_number: false,
            },
            Parameter {
                name: "limit",
                about: "Objects on the page: 1 to 1000, 100 where it is not said.",
                is_number: true,
            },
        ],
        ..see(
            "/v1/inventory",
            "showInventory",
            "What is held of the active manifest, object by object.",
            json::<Inventory>(StatusCode::OK),
            |api, call| Box::pin(fill::inventory(api, call)),
        )
    };
    vec![progress, inventory]
}

fn nodes() -> Vec<Route> {
    let heartbeat = see(
        "/v1/heartbeat",
        "showHeartbeat",
        "How the node is: state, load, disks, fill, versions. The same is pushed where that is \
         configured.",
        json::<Heartbeat>(StatusCode::OK),
        |api, call| Box::pin(ready(node::heartbeat(api, &call))),
    );
    let order = |path, name, about, action| Route {
        method: Method::POST,
        right: Right::Change,
        class: Class::Change,
        ..see(path, name, about, json::<Drain>(StatusCode::OK), action)
    };
    let drain = order(
        "/v1/drain",
        "drain",
        "Lets nobody in who is not there yet: readiness is false, addresses without an open \
         connection get none, and those that have one go on. A restart undoes it.",
        |api, call| Box::pin(ready(node::drain(api, &call))),
    );
    let undrain = order(
        "/v1/undrain",
        "undrain",
        "Lets everybody in again.",
        |api, call| Box::pin(ready(node::undrain(api, &call))),
    );
    let document = see(
        "/v1/openapi.json",
        "showDocument",
        "This document.",
        Gives {
            status: StatusCode::OK,
            body: Some((JSON, SchemaOf::json::<serde_json::Value>())),
        },
        |api, call| Box::pin(ready(openapi::show(api, &call))),
    );
    let page = see(
        page::PATH,
        "showPage",
        "The same for people, in a browser that has a certificate: a page that is renewed every few \
         seconds.",
        Gives {
            status: StatusCode::OK,
            body: Some((page::HTML, SchemaOf::Bytes)),
        },
        |api, call| Box::pin(ready(page::show(api, &call))),
    );
    vec![heartbeat, page, drain, undrain, document]
}

fn contents() -> Vec<Route> {
    let popularity = Route {
        query: &[
            Parameter {
                name: "top",
                about: "How many: 1 to 1000, 100 where it is not said.",
                is_number: true,
            },
            Parameter {
                name: "site",
                about: "Of one site alone.",
                is_number: false,
            },
        ],
        ..see(
            "/v1/popularity",
            "showPopularity",
            "What is asked for most.",
            json::<Popularity>(StatusCode::OK),
            |api, call| Box::pin(ready(popularity::top(api, &call))),
        )
    };
    let purge = Route {
        method: Method::POST,
        right: Right::Own,
        class: Class::Change,
        takes: Some(Takes {
            kinds: vec![(JSON, SchemaOf::json::<PurgeOrder>())],
            bytes_max: ORDER_BYTES_MAX,
            weight: JSON_WEIGHT,
        }),
        ..see(
            "/v1/purge",
            "purge",
            "Forgets an object, what begins or matches or has a tag, or a whole site; or has it confirmed before \
             it is served again. In force, and durable, when it is answered.",
            json::<Purged>(StatusCode::OK),
            |api, call| Box::pin(purge::purge(api, call)),
        )
    };
    vec![popularity, purge]
}
