//! Manifests: push, list, show, withdraw.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::{
    Api, reply,
    route::{Call, Reply},
    table::MANIFEST_BYTES_MAX,
};
use crate::{Reason, Refused, report::Manifests};

pub(super) async fn push(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let pushed = api
        .engine
        .push(&call.caller.name, call.body, call.at)
        .await?;
    let status = if pushed.fresh {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    reply::json(status, &pushed)
}

pub(super) fn list(api: &Arc<Api>, _call: &Call) -> Result<Reply, Refused> {
    let manifests = api.engine.manifests();
    reply::json(StatusCode::OK, &Manifests { manifests })
}

pub(super) async fn show(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let lent = api.bodies.lend(MANIFEST_BYTES_MAX)?;
    let bytes = api.engine.manifest(generation(&call)?).await?;
    let bytes = lent.hold(bytes);
    let media = HeaderValue::from_static("application/octet-stream");
    Ok(reply::bytes_of(StatusCode::OK, media, bytes))
}

pub(super) async fn withdraw(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let withdrawn = api.engine.withdraw(generation(&call)?).await?;
    reply::json(StatusCode::OK, &withdrawn)
}

fn generation(call: &Call) -> Result<u64, Refused> {
    let text = call.parameter.as_deref().unwrap_or_default();
    text.parse()
        .map_err(|_not_a_number| Refused::new(Reason::NotFound, format!("no generation {text:?}")))
}
