//! How far the fill is, and what is held.

use std::sync::Arc;

use http::StatusCode;

use super::{
    Api, reply,
    route::{Call, Reply},
};
use crate::Refused;

/// Objects on a page of the inventory.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;

pub(super) fn progress(api: &Arc<Api>, _call: &Call) -> Result<Reply, Refused> {
    reply::json(StatusCode::OK, &api.engine.progress())
}

pub(super) async fn inventory(api: &Arc<Api>, call: Call) -> Result<Reply, Refused> {
    let limit = page(&call, "limit")?;
    let after = call.query("after")?.map(str::to_owned);
    let inventory = api.engine.inventory(after, limit).await?;
    reply::json(StatusCode::OK, &inventory)
}

/// How many items are asked for.
pub(super) fn page(call: &Call, name: &str) -> Result<usize, Refused> {
    let Some(wanted) = call.number(name)? else {
        return Ok(PAGE);
    };
    let fits = usize::try_from(wanted)
        .ok()
        .filter(|many| (1..=PAGE_MAX).contains(many));
    fits.ok_or_else(|| Refused::malformed(format!("{name}={wanted}: expected 1 to {PAGE_MAX}")))
}
