//! What a request's head says, judged before a body is read. Pure.

use http::{HeaderMap, HeaderValue, Method, Uri, header};

use super::route::Route;
use crate::{Config, Reason, Refused, body, memory::Bodies};

pub(super) fn check_body(
    route: &Route,
    headers: &HeaderMap,
    bodies: &Bodies,
) -> Result<(), Refused> {
    let Some(takes) = &route.takes else {
        return body::check_length(headers, 0);
    };
    let media = headers.get(header::CONTENT_TYPE);
    let media = media
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !takes.kinds.iter().any(|(own, _)| is_same_media(own, media)) {
        let kinds: Vec<&str> = takes.kinds.iter().map(|(own, _)| *own).collect();
        let detail = format!("content-type {media:?}: expected {}", kinds.join(" or "));
        return Err(Refused::new(Reason::MediaType, detail));
    }
    body::check_length(headers, bodies.bytes_max(takes.bytes_max, takes.weight))
}

/// Whether two media types name the same: type and `ptype`, whatever other parameters there are.
pub(crate) fn is_same_media(one: &str, other: &str) -> bool {
    media(one) == media(other)
}

/// A media type without its parameters, and its `ptype`.
fn media(text: &str) -> (String, Option<String>) {
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let name = parts.next().unwrap_or_default();
    let ptype = parts.find_map(|part| {
        let value = part.strip_prefix("ptype=")?;
        Some(value.trim_matches('"').to_owned())
    });
    (name, ptype)
}

/// Whether a page in a browser may have sent this: `Origin` comes with every request that a script
/// makes across sites, `Sec-Fetch-Site` with every request of a browser to a trusted address.
pub(super) fn is_from_a_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

pub(super) fn allow(methods: &[&Method]) -> Option<HeaderValue> {
    // Whatever is got has a head.
    let head = methods.contains(&&Method::GET).then_some("HEAD");
    let methods = methods.iter().map(|method| method.as_str());
    let methods: Vec<&str> = methods.chain(head).collect();
    HeaderValue::try_from(methods.join(", ")).ok()
}

/// How the client names this server. A verified client is believed; what is no authority is not.
pub(super) fn base(uri: &Uri, headers: &HeaderMap, config: &Config) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = uri.authority().map(http::uri::Authority::as_str).or(host);
    let authority = authority.filter(|text| text.parse::<http::uri::Authority>().is_ok());
    match authority {
        Some(authority) => format!("https://{authority}"),
        None => format!("https://{}", config.address),
    }
}
