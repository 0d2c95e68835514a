//! How the node is, and whether it lets anybody in.

use std::sync::Arc;

use http::StatusCode;

use super::{
    Api, reply,
    route::{Call, Reply},
};
use crate::{Refused, pulse, report::Drain};

pub(super) fn heartbeat(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    reply::json(StatusCode::OK, &api.heartbeat(&call.at))
}

pub(super) fn drain(api: &Arc<Api>, _call: &Call) -> Result<Reply, Refused> {
    rest(api, true)
}

pub(super) fn undrain(api: &Arc<Api>, _call: &Call) -> Result<Reply, Refused> {
    rest(api, false)
}

fn rest(api: &Arc<Api>, rest: bool) -> Result<Reply, Refused> {
    api.engine.rest(rest);
    let vitals = api.engine.vitals();
    let drain = Drain {
        state: pulse::state(&vitals),
        connections: vitals.connections,
    };
    reply::json(StatusCode::OK, &drain)
}
