//! What is asked for most.

use std::sync::Arc;

use http::StatusCode;

use super::{
    Api, fill, reply,
    route::{Call, Reply},
};
use crate::Refused;

pub(super) fn top(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let top = fill::page(call, "top")?;
    let popularity = api.engine.popularity(top, call.query("site")?);
    reply::json(StatusCode::OK, &popularity)
}
