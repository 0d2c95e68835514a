//! The document of the API, `OpenAPI` 3.1, made of the table of routes and the types themselves.

use std::sync::Arc;

use http::StatusCode;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value as Json, json};

use super::{
    Api, reply,
    route::{Call, Reply, Route, SchemaOf},
    table,
};
use crate::{Reason, Refused, pulse::API_VERSION, report::Problem};

pub(super) fn show(api: &Arc<Api>, _call: &Call) -> Result<Reply, Refused> {
    reply::json(StatusCode::OK, &of(api.routes()))
}

/// The document, as `/v1/openapi.json` serves it.
pub fn document() -> Json {
    of(&table::routes())
}

fn of(routes: &[Route]) -> Json {
    // `OpenAPI` 3.1 speaks the JSON Schema of 2020-12, and keeps its schemas in one place.
    let settings = SchemaSettings::draft2020_12();
    let settings = settings.with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for route in routes {
        let operation = operation(route, &mut generator, &json!(problem));
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Millpond steering API",
            "version": API_VERSION,
            "description": "How an appliance is steered, over TLS with a certificate on both sides. \
                Times are seconds since the Unix epoch, sizes are bytes. Errors are \
                application/problem+json with a word for programs in `code`.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "certificate": { "type": "mutualTLS" } },
        },
        "security": [{ "certificate": [] }],
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator, problem: &Json) -> Json {
    let mut responses = Map::new();
    for gives in &route.gives {
        let description = gives.status.canonical_reason().unwrap_or_default();
        let response = responses
            .entry(gives.status.as_u16().to_string())
            .or_insert_with(|| json!({ "description": description }));
        if let Some((media, of)) = gives.body {
            response["content"][media] = json!({ "schema": schema(of, generator) });
        }
    }
    let codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    responses.insert(
        "default".to_owned(),
        json!({
            "description": format!("An error; `code` is one of {}.", codes.join(", ")),
            "content": { (reply::PROBLEM): { "schema": problem } },
        }),
    );
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.about,
        "responses": responses,
    });
    let parameters = parameters(route);
    if let Some(operation) = operation.as_object_mut() {
        if !parameters.is_empty() {
            operation.insert("parameters".to_owned(), Json::from(parameters));
        }
        if let Some(takes) = &route.takes {
            let content = takes.kinds.iter().map(|(media, of)| {
                (
                    (*media).to_owned(),
                    json!({ "schema": schema(*of, generator) }),
                )
            });
            let content: Map<String, Json> = content.collect();
            let body = json!({ "required": true, "content": content });
            operation.insert("requestBody".to_owned(), body);
        }
    }
    operation
}

fn parameters(route: &Route) -> Vec<Json> {
    let mut all = Vec::new();
    let in_path = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for name in in_path {
        all.push(
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }),
        );
    }
    for parameter in route.query {
        let kind = if parameter.is_number {
            "integer"
        } else {
            "string"
        };
        all.push(json!({
            "name": parameter.name,
            "in": "query",
            "description": parameter.about,
            "schema": { "type": kind },
        }));
    }
    all
}

fn schema(of: SchemaOf, generator: &mut SchemaGenerator) -> Json {
    match of {
        SchemaOf::Json(make) => json!(make(generator)),
        SchemaOf::Bytes => json!({}),
    }
}
