//! The one door that every response leaves by: framing, dates, and where else we are.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use message::{Body, Error, Kind, Protocol, Response, Timestamp};

/// What a response answers.
pub(crate) struct Answered<'a> {
    pub(crate) method: &'a Method,
    pub(crate) protocol: Protocol,
    pub(crate) at: Timestamp,
    pub(crate) node: &'a str,
    pub(crate) alt_svc: Option<&'a HeaderValue>,
}

/// How long clients may remember `Alt-Svc`: a day.
const ALT_SVC_AGE: Duration = Duration::from_hours(24);

/// RFC 7838 section 3.
pub(crate) fn alt_svc(port: u16) -> Option<HeaderValue> {
    format!("h3=\":{port}\"; ma={}", ALT_SVC_AGE.as_secs())
        .parse()
        .ok()
}

/// Fields that belong to one connection and are ours to set.
const CONNECTION_FIELDS: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Makes a handler's response fit to be sent: a body exactly where one belongs, and a length that
/// is true or absent.
pub(crate) fn finish(response: Response, answered: &Answered<'_>) -> Response {
    let mut response = match frame(response, answered.method) {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "a handler's response cannot be framed");
            let response = error.into_response(answered.node);
            if *answered.method == Method::HEAD {
                response.map(|_| Body::empty())
            } else {
                response
            }
        }
    };
    let status = response.status();
    let headers = response.headers_mut();
    for name in CONNECTION_FIELDS {
        headers.remove(name);
    }
    if let Some(value) = answered.alt_svc {
        // RFC 7838 section 6: not in a 421.
        if answered.protocol != Protocol::Http3 && status != StatusCode::MISDIRECTED_REQUEST {
            headers.insert(header::ALT_SVC, value.clone());
        }
    }
    // RFC 9110 section 6.6.1. On HTTP/1 and 2 hyper adds a date that it formats once a second.
    if answered.protocol == Protocol::Http3 && !headers.contains_key(header::DATE) {
        let date = httpdate::fmt_http_date(answered.at.system_time());
        if let Ok(value) = HeaderValue::try_from(date) {
            headers.insert(header::DATE, value);
        }
    }
    response
}

fn frame(response: Response, method: &Method) -> Result<Response, Error> {
    let (mut head, body) = response.into_parts();
    let internal = |detail: String| Error::new(Kind::ProxyInternalError, detail);
    if head.status.is_informational() {
        return Err(internal(format!(
            "final response with status {}",
            head.status
        )));
    }
    let mut lengths = head.headers.get_all(header::CONTENT_LENGTH).iter();
    let announced = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(value), None) => Some(
            value
                .to_str()
                .ok()
                .and_then(|text| text.parse::<u64>().ok())
                .ok_or_else(|| internal(format!("content-length {value:?}")))?,
        ),
        (Some(_), Some(_)) => return Err(internal("two content-lengths".to_owned())),
    };
    // RFC 9110 section 8.6: no length in a 204. A 304 may have one, but hyper sends none on HTTP/1,
    // and one answer on all protocols is worth more than a number that changes nothing.
    if matches!(
        head.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    ) {
        head.headers.remove(header::CONTENT_LENGTH);
        return Ok(Response::from_parts(head, Body::empty()));
    }
    // RFC 9110 section 9.3.2: no body, but the length that it would have had.
    if *method == Method::HEAD {
        let known = body.length().filter(|length| *length > 0);
        if let (None, Some(length)) = (announced, known) {
            head.headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        return Ok(Response::from_parts(head, Body::empty()));
    }
    let body = match (announced, body.length()) {
        (Some(announced), Some(length)) if announced != length => {
            return Err(internal(format!(
                "body of {length} bytes announced as {announced}"
            )));
        }
        (Some(announced), None) => Body::sized(Box::pin(body), announced),
        (None, Some(length)) => {
            head.headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            body
        }
        (Some(_), Some(_)) | (None, None) => body,
    };
    Ok(Response::from_parts(head, body))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn finished(method: &Method, protocol: Protocol, response: Response) -> Response {
        let value = alt_svc(8443).unwrap();
        let at = message::now();
        finish(
            response,
            &Answered {
                method,
                protocol,
                at,
                node: "n",
                alt_svc: Some(&value),
            },
        )
    }

    fn response(status: u16, body: &'static str) -> Response {
        let mut response = Response::new(Body::from(Bytes::from_static(body.as_bytes())));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    }

    #[tokio::test]
    async fn alt_svc_goes_where_it_helps() {
        let value = "h3=\":8443\"; ma=86400";
        let one = finished(&Method::GET, Protocol::Http1, response(200, "a"));
        assert_eq!(one.headers()["alt-svc"], value);
        let three = finished(&Method::GET, Protocol::Http3, response(200, "a"));
        assert!(!three.headers().contains_key("alt-svc"));
        assert!(three.headers().contains_key("date"));
        let misdirected = finished(&Method::GET, Protocol::Http2, response(421, "a"));
        assert!(!misdirected.headers().contains_key("alt-svc"));
    }

    #[tokio::test]
    async fn a_head_response_keeps_the_length_and_loses_the_body() {
        let answer = finished(&Method::HEAD, Protocol::Http3, response(200, "abc"));
        assert_eq!(answer.headers()["content-length"], "3");
        assert_eq!(answer.body().length(), Some(0));
        let mut bare = response(200, "");
        bare.headers_mut().insert("content-length", 77.into());
        let answer = finished(&Method::HEAD, Protocol::Http3, bare);
        assert_eq!(answer.headers()["content-length"], "77");
    }

    #[tokio::test]
    async fn a_length_that_lies_becomes_an_error_before_it_is_sent() {
        let mut lie = response(200, "abc");
        lie.headers_mut().insert("content-length", 4.into());
        assert_eq!(finished(&Method::GET, Protocol::Http1, lie).status(), 500);
    }

    #[tokio::test]
    async fn a_stream_is_held_to_its_announced_length() {
        let stream = futures_util::stream::iter([Ok(Bytes::from_static(b"abc"))]);
        let mut short = Response::new(Body::of_unknown_length(Box::pin(stream)));
        short.headers_mut().insert("content-length", 4.into());
        let answer = finished(&Method::GET, Protocol::Http3, short);
        let end = http_body_util::BodyExt::collect(answer.into_body()).await;
        assert_eq!(end.unwrap_err().kind(), Kind::HttpResponseIncomplete);
    }

    #[tokio::test]
    async fn connection_fields_of_a_handler_go_nowhere() {
        let mut odd = response(200, "abc");
        odd.headers_mut()
            .insert("connection", HeaderValue::from_static("upgrade"));
        odd.headers_mut()
            .insert("transfer-encoding", HeaderValue::from_static("chunked"));
        let answer = finished(&Method::GET, Protocol::Http3, odd);
        assert!(!answer.headers().contains_key("connection"));
        assert!(!answer.headers().contains_key("transfer-encoding"));
        assert_eq!(
            finished(&Method::GET, Protocol::Http3, response(101, "")).status(),
            500
        );
    }
}
