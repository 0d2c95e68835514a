//! What is asked for most.

use std::sync::Arc;

use http::StatusCode;

use super::{
    Api, fill, reply,
    route::{Call, Reply},
};
use crate::{Reason, Refused};

pub(super) fn top(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let top = fill::page(call, "top")?;
    let site = call.query("site")?;
    if let Some(site) = site
        && !api.engine.sites().iter().any(|(own, _)| **own == *site)
    {
        // Nothing is asked for there, and nothing ever will be.
        let detail = format!("no site {site:?} on this node");
        return Err(Refused::new(Reason::NotFound, detail));
    }
    let popularity = api.engine.popularity(top, site);
    reply::json(StatusCode::OK, &popularity)
}
