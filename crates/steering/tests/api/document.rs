//! The `OpenAPI` document says what is served: every route and every shape in it is held against a
//! real answer.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Method;
use serde_json::{Value as Json, json};

use crate::{
    engine::manifest,
    support::{Got, STEERING, World, eventually, request},
};

const OCTETS: &str = "application/octet-stream";
const COMMAND: &str = "application/cdni; ptype=ci-trigger-command";
const TRIGGER: &str = "application/cdni; ptype=ci-trigger.v2";

/// What the document says of an answer, checked, and remembered as seen.
struct Checked<'a> {
    document: &'a Json,
    seen: BTreeSet<(String, String, String)>,
}

impl Checked<'_> {
    #[track_caller]
    fn check(&mut self, method: &str, path: &str, got: &Got) {
        let operation = &self.document["paths"][path][method];
        assert!(
            operation.is_object(),
            "{method} {path} is not in the document"
        );
        let status = got.status.as_u16().to_string();
        let known = &operation["responses"][&status];
        let (response, status) = if known.is_object() {
            (known, status)
        } else {
            (&operation["responses"]["default"], "default".to_owned())
        };
        match response.get("content") {
            Some(content) => {
                let media = got.field("content-type");
                let described = content.as_object().unwrap();
                // An operation that has two editions documents the first; the second is documented
                // where it is the only one.
                let schema = described.get(media).unwrap_or_else(|| {
                    panic!("{method} {path} {status}: {media} is not in the document")
                });
                self.matches(&schema["schema"], got);
            }
            None => assert!(got.body.is_empty(), "{method} {path} {status}: {got:?}"),
        }
        self.seen
            .insert((method.to_owned(), path.to_owned(), status));
    }

    fn matches(&self, schema: &Json, got: &Got) {
        if schema == &json!({}) || schema == &json!(true) {
            return;
        }
        let mut whole = schema.clone();
        whole["components"] = self.document["components"].clone();
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let value = got.json();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}\n{value:#}\n{schema:#}");
    }
}

#[tokio::test]
async fn every_route_and_shape_in_the_document_is_what_is_served() {
    let world = World::new().await;
    let document = world.get(STEERING, "/v1/openapi.json").await.is(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document, steering::document());
    let mut checked = Checked {
        document: &document,
        seen: BTreeSet::new(),
    };
    see_the_node(&world, &mut checked).await;
    see_triggers(&world, &mut checked).await;

    let mut missing = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for status in operation["responses"].as_object().unwrap().keys() {
                let one = (method.clone(), path.clone(), status.clone());
                // Errors look alike everywhere: one is enough.
                if status != "default" && !checked.seen.contains(&one) {
                    missing.push(one);
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "in the document, and never seen: {missing:?}"
    );
    assert!(
        checked
            .seen
            .iter()
            .any(|(_, _, status)| status == "default")
    );
}

async fn see_the_node(world: &World, checked: &mut Checked<'_>) {
    for path in [
        "/",
        "/v1/openapi.json",
        "/v1/heartbeat",
        "/v1/progress",
        "/v1/inventory",
        "/v1/popularity",
    ] {
        checked.check("get", path, &world.get(STEERING, path).await.is(200));
    }
    let push = || world.post(STEERING, "/v1/manifests", OCTETS, manifest(3));
    checked.check("post", "/v1/manifests", &push().await.is(201));
    checked.check("post", "/v1/manifests", &push().await.is(200));
    let refused = world.post(STEERING, "/v1/manifests", OCTETS, "junk").await;
    checked.check("post", "/v1/manifests", &refused.is(403));
    checked.check(
        "get",
        "/v1/manifests",
        &world.get(STEERING, "/v1/manifests").await.is(200),
    );
    let one = "/v1/manifests/{generation}";
    checked.check(
        "get",
        one,
        &world.get(STEERING, "/v1/manifests/3").await.is(200),
    );
    checked.check(
        "delete",
        one,
        &world.delete(STEERING, "/v1/manifests/3").await.is(200),
    );
    for path in ["/v1/drain", "/v1/undrain"] {
        checked.check(
            "post",
            path,
            &world.post(STEERING, path, "", "").await.is(200),
        );
    }
    let order = r#"{"site":"vod","everything":true}"#;
    let purged = world
        .post(STEERING, "/v1/purge", "application/json", order)
        .await;
    checked.check("post", "/v1/purge", &purged.is(200));
}

async fn see_triggers(world: &World, checked: &mut Checked<'_>) {
    let all = "/cdni/triggers";
    let one = "/cdni/triggers/{id}";
    let create =
        async |media: &str, body: Json| world.post(STEERING, all, media, body.to_string()).await;
    let slow = json!({ "trigger": { "type": "preposition", "content.urls": ["https://cdn.example/slow"] } });
    let got = create(COMMAND, slow).await.is(201);
    checked.check("post", all, &got);
    let url = got.field("location").to_owned();
    let path = url.strip_prefix("https://localhost").unwrap();
    eventually("it to be active", async || {
        (world.get(STEERING, path).await.json()["status"] == "active").then_some(())
    })
    .await;
    checked.check("get", one, &world.get(STEERING, path).await.is(200));
    let cancel = || create(COMMAND, json!({ "cancel": [url] }));
    checked.check("post", all, &cancel().await.is(202));
    eventually("it to be cancelled", async || {
        (world.get(STEERING, path).await.json()["status"] == "canceled").then_some(())
    })
    .await;
    checked.check("get", one, &world.get(STEERING, path).await.is(200));
    checked.check("post", all, &cancel().await.is(200));
    checked.check("get", all, &world.get(STEERING, all).await.is(200));
    let view = "/cdni/collections/{view}";
    checked.check(
        "get",
        view,
        &world
            .get(STEERING, "/cdni/collections/failed")
            .await
            .is(200),
    );
    checked.check("delete", one, &world.delete(STEERING, path).await.is(204));

    let spec = |url: &str| json!([{ "trigger-subject": "content", "cit-spec-type": "urls", "cit-spec-value": [url] }]);
    let body = json!({ "action": "preposition", "specs": spec("https://cdn.example/slow"), "labels": ["a=b"] });
    let got = create(TRIGGER, body).await.is(201);
    checked.check("post", all, &got);
    let path = got
        .field("location")
        .strip_prefix("https://localhost")
        .unwrap()
        .to_owned();
    eventually("it to be active", async || {
        (world.get(STEERING, &path).await.json()["state"] == "active").then_some(())
    })
    .await;
    checked.check("get", one, &world.get(STEERING, &path).await.is(200));
    let change = |state: &str| {
        let body = Bytes::from(json!({ "state": state }).to_string());
        world.send(STEERING, request(Method::POST, &path, TRIGGER, body))
    };
    checked.check("post", one, &change("active").await.is(200));
    checked.check("post", one, &change("cancelled").await.is(202));
    for (route, path) in [
        ("/cdni/v2/index", "/cdni/v2/index"),
        ("/cdni/v2/triggers", "/cdni/v2/triggers"),
        ("/cdni/v2/states/{state}", "/cdni/v2/states/cancelled"),
        ("/cdni/v2/labels/{label}", "/cdni/v2/labels/a=b"),
    ] {
        checked.check("get", route, &world.get(STEERING, path).await.is(200));
    }
}
