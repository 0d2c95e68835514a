//! Errors named by RFC 9209, and the one function that turns them into responses.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::{Body, Response, Trail};

/// What failed: RFC 9209 section 2.3's proxy error types that a node produces, plus the statuses
/// of a request that is the client's own mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `dns_timeout`.
    DnsTimeout,
    /// `dns_error`.
    DnsError,
    /// `destination_not_found`: no route or site for the request.
    DestinationNotFound,
    /// `destination_unavailable`: breaker open, no healthy next hop, or shed.
    DestinationUnavailable,
    /// `destination_ip_prohibited`.
    DestinationIpProhibited,
    /// `connection_refused`.
    ConnectionRefused,
    /// `connection_terminated`: closed before a complete response.
    ConnectionTerminated,
    /// `connection_timeout`.
    ConnectionTimeout,
    /// `connection_read_timeout`: the next hop stalled.
    ConnectionReadTimeout,
    /// `connection_limit_reached`.
    ConnectionLimitReached,
    /// `tls_protocol_error`.
    TlsProtocolError,
    /// `tls_certificate_error`.
    TlsCertificateError,
    /// `http_request_error`: the client's mistake, with the status to answer.
    HttpRequestError(StatusCode),
    /// `http_request_denied`: a bad, absent or expired signature. One body, one length.
    HttpRequestDenied,
    /// `http_response_incomplete`: fewer or more bytes than announced.
    HttpResponseIncomplete,
    /// `http_response_timeout`: no response head in time.
    HttpResponseTimeout,
    /// `http_protocol_error`: an answer that makes no sense (wrong range, wrong status).
    HttpProtocolError,
    /// `proxy_internal_error`.
    ProxyInternalError,
    /// `proxy_loop_detected`.
    ProxyLoopDetected,
}

impl Kind {
    /// The registered name, or `None` where the next hop had no part (client mistakes are told by
    /// status alone, and a denial tells nothing).
    pub fn proxy_status(self) -> &'static str {
        match self {
            Self::DnsTimeout => "dns_timeout",
            Self::DnsError => "dns_error",
            Self::DestinationNotFound => "destination_not_found",
            Self::DestinationUnavailable => "destination_unavailable",
            Self::DestinationIpProhibited => "destination_ip_prohibited",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionTerminated => "connection_terminated",
            Self::ConnectionTimeout => "connection_timeout",
            Self::ConnectionReadTimeout => "connection_read_timeout",
            Self::ConnectionLimitReached => "connection_limit_reached",
            Self::TlsProtocolError => "tls_protocol_error",
            Self::TlsCertificateError => "tls_certificate_error",
            Self::HttpRequestError(_) => "http_request_error",
            Self::HttpRequestDenied => "http_request_denied",
            Self::HttpResponseIncomplete => "http_response_incomplete",
            Self::HttpResponseTimeout => "http_response_timeout",
            Self::HttpProtocolError => "http_protocol_error",
            Self::ProxyInternalError => "proxy_internal_error",
            Self::ProxyLoopDetected => "proxy_loop_detected",
        }
    }

    /// The status to answer. RFC 9209 section 2.3 recommends one for each type.
    pub fn status(self) -> StatusCode {
        match self {
            Self::DnsTimeout
            | Self::ConnectionTimeout
            | Self::ConnectionReadTimeout
            | Self::HttpResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::DnsError
            | Self::DestinationIpProhibited
            | Self::ConnectionRefused
            | Self::ConnectionTerminated
            | Self::TlsProtocolError
            | Self::TlsCertificateError
            | Self::HttpResponseIncomplete
            | Self::HttpProtocolError => StatusCode::BAD_GATEWAY,
            Self::DestinationUnavailable | Self::ConnectionLimitReached => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::DestinationNotFound | Self::ProxyInternalError => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::HttpRequestError(status) => status,
            Self::HttpRequestDenied => StatusCode::FORBIDDEN,
            Self::ProxyLoopDetected => StatusCode::LOOP_DETECTED,
        }
    }
}

/// An error on the way of a request: what failed, in the field's words, and the detail for logs.
///
/// Cheap to clone, because every follower of a failed fill gets its own.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    detail: Arc<str>,
}

impl Error {
    /// An error with a detail for the log: lower case, with the offending value.
    pub fn new(kind: Kind, detail: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// A client's mistake, answered with `status`.
    pub fn request(status: StatusCode, detail: impl Into<Arc<str>>) -> Self {
        Self::new(Kind::HttpRequestError(status), detail)
    }

    /// What failed.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The detail for the log.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The response that tells a client. The detail goes to the log (through [`Trail`]) and never
    /// to the client; `Proxy-Status` (RFC 9209) names the error on this node, `node`.
    ///
    /// Every error carries `Cache-Control: no-store`; 405 carries `Allow`; 503 `Retry-After`.
    pub fn into_response(self, node: &str) -> Response {
        let status = self.kind.status();
        let text = Bytes::from_static(plain_text(status));
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        // A node's name is checked to be a token when its config is loaded.
        if let Ok(value) = format!("{node}; error={}", self.kind.proxy_status()).parse() {
            headers.insert(HeaderName::from_static("proxy-status"), value);
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(
                header::ALLOW,
                HeaderValue::from_static("GET, HEAD, OPTIONS"),
            );
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        let trail = Trail {
            reason: Some(self.detail),
            ..Trail::default()
        };
        response.extensions_mut().insert(trail);
        response
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.proxy_status(), self.detail)
    }
}

impl std::error::Error for Error {}

/// One short body per status, so that two refusals with one status cannot be told apart.
fn plain_text(status: StatusCode) -> &'static [u8] {
    match status.as_u16() {
        400 => b"bad request\n",
        403 => b"forbidden\n",
        404 => b"not found\n",
        405 => b"method not allowed\n",
        410 => b"gone\n",
        412 => b"precondition failed\n",
        414 => b"uri too long\n",
        416 => b"range not satisfiable\n",
        417 => b"expectation failed\n",
        421 => b"misdirected request\n",
        429 => b"too many requests\n",
        431 => b"request header fields too large\n",
        451 => b"unavailable for legal reasons\n",
        501 => b"not implemented\n",
        502 => b"bad gateway\n",
        503 => b"service unavailable\n",
        504 => b"gateway timeout\n",
        505 => b"http version not supported\n",
        508 => b"loop detected\n",
        _ => b"error\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_response_names_its_cause_and_is_never_stored() {
        let error = Error::new(
            Kind::ConnectionReadTimeout,
            "shield-2 stalled after 17 bytes",
        );
        let response = error.into_response("edge1");
        assert_eq!(response.status(), 504);
        assert_eq!(
            response.headers()["proxy-status"],
            "edge1; error=connection_read_timeout"
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
    }

    #[test]
    fn the_detail_stays_in_the_log() {
        let response = Error::new(Kind::HttpRequestDenied, "kid k7 expired").into_response("e");
        assert!(!format!("{:?}", response.headers()).contains("k7"));
        let trail = response.extensions().get::<Trail>().unwrap();
        assert_eq!(trail.reason.as_deref(), Some("kid k7 expired"));
    }
}
