//! The one gate that every request passes, whatever protocol carried it.
//!
//! Pure: facts in, a canonical head or the error to answer out. The order is fixed: method,
//! sizes, framing, target, host, server name; so a request with two faults always gets the same
//! answer.

use http::{
    HeaderMap, HeaderName, Method, StatusCode, Uri, Version, header,
    request::Parts,
    uri::{PathAndQuery, Scheme},
};
use message::{Error, Protocol};

use crate::{config::Limits, host};

/// What a connection knows that the head does not say.
pub(crate) struct Facts<'a> {
    pub(crate) protocol: Protocol,
    /// Whether any byte of a body came.
    pub(crate) has_body: bool,
    /// The name in the handshake, in lower case.
    pub(crate) server_name: Option<&'a str>,
    /// Whether the certificates are for a host; `None` admits any.
    pub(crate) serves: Option<&'a dyn Fn(&str) -> bool>,
    pub(crate) limits: &'a Limits,
}

/// Checks a head and puts it in canonical form: an `https` URI whose authority is the host alone,
/// without the fields that concern one connection only.
pub(crate) fn admit(head: &mut Parts, facts: &Facts<'_>) -> Result<(), Error> {
    check_method(&head.method)?;
    check_sizes(head, facts.limits)?;
    check_framing(head, facts)?;
    check_repeats(&head.headers)?;
    let path = check_target(&head.uri)?;
    let host = check_host(head, facts.protocol)?;
    check_server_name(&host, facts)?;
    let uri = Uri::builder()
        .scheme(Scheme::HTTPS)
        .authority(host)
        .path_and_query(path)
        .build();
    head.uri = uri.map_err(|error| bad(format!("target does not parse: {error}")))?;
    for name in CONNECTION_FIELDS {
        head.headers.remove(name);
    }
    Ok(())
}

/// Fields that RFC 9110 section 7.6.1 keeps to one connection, and the host, which the URI has.
const CONNECTION_FIELDS: [HeaderName; 9] = [
    header::HOST,
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::CONTENT_LENGTH,
];

/// What RFC 9113 section 8.2.2 (and RFC 9114 section 4.2) forbids on a multiplexed connection.
const FORBIDDEN_FIELDS: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

fn bad(detail: String) -> Error {
    Error::request(StatusCode::BAD_REQUEST, detail)
}

/// RFC 9110 section 9.1: a method that is known but not offered is 405, an unknown one 501.
pub(crate) fn check_method(method: &Method) -> Result<(), Error> {
    match method.as_str() {
        "GET" | "HEAD" | "OPTIONS" => Ok(()),
        "POST" | "PUT" | "DELETE" | "CONNECT" | "TRACE" | "PATCH" => Err(Error::request(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("method {method}"),
        )),
        other => Err(Error::request(
            StatusCode::NOT_IMPLEMENTED,
            format!("method {other:?}"),
        )),
    }
}

fn check_sizes(head: &Parts, limits: &Limits) -> Result<(), Error> {
    let target = head.uri.path().len() + head.uri.query().map_or(0, |query| query.len() + 1);
    if target > limits.target_bytes {
        return Err(Error::request(
            StatusCode::URI_TOO_LONG,
            format!("target of {target} bytes"),
        ));
    }
    let too_large = |detail| Error::request(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail);
    let fields = head.headers.len();
    if fields > limits.fields {
        return Err(too_large(format!("{fields} fields")));
    }
    // Colon, space and line end count as they would on an HTTP/1 connection.
    let size =
        |(name, value): (&HeaderName, &http::HeaderValue)| name.as_str().len() + value.len() + 4;
    let bytes = target + head.headers.iter().map(size).sum::<usize>();
    if bytes > limits.head_bytes {
        return Err(too_large(format!("head of {bytes} bytes")));
    }
    Ok(())
}

fn check_framing(head: &Parts, facts: &Facts<'_>) -> Result<(), Error> {
    if facts.has_body {
        return Err(bad("request with a body".to_owned()));
    }
    let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
    if lengths.next().is_some_and(|length| length != "0") || lengths.next().is_some() {
        return Err(bad("content-length of a request without a body".to_owned()));
    }
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(bad("transfer-encoding in a request".to_owned()));
    }
    if head.headers.contains_key(header::EXPECT) {
        let status = StatusCode::EXPECTATION_FAILED;
        return Err(Error::request(status, "expect in a request without a body"));
    }
    match facts.protocol {
        Protocol::Http1 => match head.version {
            Version::HTTP_10 | Version::HTTP_11 => Ok(()),
            other => {
                let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
                Err(Error::request(status, format!("version {other:?}")))
            }
        },
        Protocol::Http2 | Protocol::Http3 => check_multiplexed(&head.headers),
    }
}

fn check_multiplexed(headers: &HeaderMap) -> Result<(), Error> {
    if let Some(name) = FORBIDDEN_FIELDS
        .iter()
        .find(|name| headers.contains_key(*name))
    {
        return Err(bad(format!("{name} on a multiplexed connection")));
    }
    if headers
        .get_all(header::TE)
        .iter()
        .any(|value| value != "trailers")
    {
        return Err(bad(
            "te other than trailers on a multiplexed connection".to_owned()
        ));
    }
    Ok(())
}

/// Fields whose repetition two readers could understand differently.
fn check_repeats(headers: &HeaderMap) -> Result<(), Error> {
    for name in [header::HOST, header::RANGE, header::IF_RANGE] {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return Err(bad(format!("two {name} fields")));
        }
    }
    Ok(())
}

/// The path and query, from origin-form or absolute-form. RFC 9112 section 3.2.
fn check_target(uri: &Uri) -> Result<PathAndQuery, Error> {
    if uri.scheme_str().is_some_and(|scheme| scheme != "https") {
        return Err(bad(format!(
            "scheme {:?}",
            uri.scheme_str().unwrap_or_default()
        )));
    }
    match uri.path_and_query() {
        Some(path) if path.as_str().starts_with('/') => Ok(path.clone()),
        Some(path) if path.as_str() == "*" => Err(bad("asterisk-form target".to_owned())),
        // What it is may hold a token, and the reason is logged.
        Some(_) => Err(bad("target does not start with a slash".to_owned())),
        None => Err(bad("authority-form target".to_owned())),
    }
}

/// RFC 9112 section 3.2: exactly one host; RFC 9113 section 8.3.1: an authority and a `Host` must
/// agree.
fn check_host(head: &Parts, protocol: Protocol) -> Result<String, Error> {
    let field = match head.headers.get(header::HOST) {
        Some(value) => {
            let text = value.to_str().ok().and_then(host::canonical);
            Some(text.ok_or_else(|| bad(format!("host {value:?}")))?)
        }
        None if protocol == Protocol::Http1 => return Err(bad("no host".to_owned())),
        None => None,
    };
    let Some(authority) = head.uri.authority() else {
        return field.ok_or_else(|| bad("no authority".to_owned()));
    };
    let authority = host::canonical(authority.as_str())
        .ok_or_else(|| bad(format!("authority {:?}", authority.as_str())))?;
    if field.as_ref().is_some_and(|field| *field != authority) {
        return Err(bad(format!(
            "authority {authority:?} beside host {field:?}"
        )));
    }
    Ok(authority)
}

/// RFC 9110 section 7.4: a request for an origin that this connection is not for is 421.
fn check_server_name(host: &str, facts: &Facts<'_>) -> Result<(), Error> {
    let Some(serves) = facts.serves else {
        return Ok(());
    };
    let detail = match facts.server_name {
        Some(name) if name != host::bare(host) => format!("host {host} on a connection for {name}"),
        _ if !serves(host::bare(host)) => format!("host {host} is not ours"),
        _ => return Ok(()),
    };
    Err(Error::request(StatusCode::MISDIRECTED_REQUEST, detail))
}

#[cfg(test)]
mod tests;
