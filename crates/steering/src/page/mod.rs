//! The page on which people see how the node is: what the heartbeat and the progress say, in words.

mod style;
mod view;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::{
    Refused,
    api::{
        Api, reply,
        route::{Call, Reply},
    },
};

/// Where it is.
pub(crate) const PATH: &str = "/";

/// Its media type.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

pub(crate) fn show(api: &Arc<Api>, call: &Call) -> Result<Reply, Refused> {
    let shown = view::Shown {
        heartbeat: api.heartbeat(&call.at),
        failures: api.engine.progress().failures,
        manifests: api.engine.manifests(),
    };
    let text = view::page(&shown).into_string();
    let media = HeaderValue::from_static(HTML);
    let mut made = reply::bytes_of(StatusCode::OK, media, text.into());
    guard(made.headers_mut())?;
    Ok(made)
}

/// Nothing runs in it, nothing is loaded for it, and no other page has it in a frame.
fn guard(fields: &mut HeaderMap) -> Result<(), Refused> {
    let policy = HeaderValue::try_from(style::policy())
        .map_err(|error| Refused::new(crate::Reason::Failed, error.to_string()))?;
    fields.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    Ok(())
}

/// Whether somebody visits with a browser: the page as a whole, in a window of its own. What a script
/// or another page's frame asks for says otherwise, and `Origin` besides (Fetch Metadata, section 2).
pub(crate) fn is_visit(fields: &HeaderMap) -> bool {
    let says = |name: &str, wanted: &str| fields.get(name).is_some_and(|value| value == wanted);
    !fields.contains_key(header::ORIGIN)
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
}
