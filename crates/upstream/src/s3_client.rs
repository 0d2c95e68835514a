//! The HTTP client under the S3 client: our own connections and our own rules.
//!
//! The signer above sees only answers that were judged. What it drops on its way (fields of an
//! error, its code) is left in a [`Slip`] that travels with the request.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header, response::Parts};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use message::{Error, Kind};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{
    answer::{self, Close, Shape},
    hop::{Failure, Stage},
    http_origin::BaseUrl,
    pool::Pool,
    question::{Asked, Form, Sent},
    wire::Exchange,
    wire_body::WireBody,
};

/// Of an error's XML no more is read: the rest could be a gigabyte.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// What was asked, and what the answer was before the signer saw it.
#[derive(Debug, Clone)]
pub(crate) struct Slip {
    pub(crate) asked: Asked,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

/// What is left of an answer.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) status: Option<StatusCode>,
    pub(crate) headers: HeaderMap,
    /// The first bytes of an error's XML.
    pub(crate) error: Bytes,
    /// No usable answer came.
    pub(crate) failure: Option<Failure>,
    /// `If-Match` was ignored: another version came.
    pub(crate) other_version: bool,
}

/// Connections to one endpoint, in the face that the S3 client wants.
#[derive(Clone)]
pub(crate) struct S3Client {
    pub(crate) name: Arc<str>,
    pub(crate) endpoint: BaseUrl,
    pub(crate) pool: Arc<Pool>,
    pub(crate) head_timeout: Duration,
    pub(crate) may: May,
}

/// What a client is there for: the one that reads for viewers can never write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum May {
    Read,
    /// Put whole objects.
    Put,
}

impl fmt::Debug for S3Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Client({})", self.name)
    }
}

impl HttpConnector for S3Client {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for S3Client {
    fn call<'a, 'b>(
        &'a self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let slip = request.extensions().get::<Slip>().cloned();
            self.exchange(&request, slip.as_ref())
                .await
                .map_err(|failure| {
                    let error = failure.error.clone();
                    if let Some(slip) = &slip {
                        slip.seen.lock().failure = Some(failure);
                    }
                    HttpError::new(HttpErrorKind::Unknown, error)
                })
        })
    }
}

impl S3Client {
    async fn exchange(
        &self,
        request: &HttpRequest,
        slip: Option<&Slip>,
    ) -> Result<HttpResponse, Failure> {
        let exchange = Exchange {
            pool: &self.pool,
            whom: &self.name,
            patience: self.head_timeout,
        };
        let content = match self.may {
            May::Read => Bytes::new(),
            May::Put => content(request).await?,
        };
        let write = |form| self.request(request, &content, form);
        let (head, body) = exchange.run(&write).await?;
        let is_head = request.method() == Method::HEAD;
        let Some(slip) = slip.filter(|_slip| !is_head) else {
            body.finish();
            return Ok(HttpResponse::from_parts(head, Bytes::new().into()));
        };
        let shape = match answer::judge(&slip.asked, &head, Close::EndsNothing) {
            Ok(shape) => shape,
            Err(error) => {
                body.abandon();
                let detail = format!("{}: {}", self.name, error.detail());
                return Err(Failure::new(
                    Stage::Useless,
                    Error::new(error.kind(), detail),
                ));
            }
        };
        let mut seen = Seen {
            status: Some(head.status),
            ..Seen::default()
        };
        seen.headers = head.headers.clone();
        seen.other_version = shape == Shape::OtherVersion;
        if seen.other_version {
            *slip.seen.lock() = seen;
            let error = Error::new(Kind::HttpProtocolError, "if-match was ignored");
            return Err(Failure::new(Stage::Useless, error));
        }
        if head.status.is_success() {
            *slip.seen.lock() = seen;
            return Ok(pass(head, body));
        }
        seen.error = self.error_body(body).await;
        let text = String::from_utf8_lossy(&seen.error).into_owned();
        *slip.seen.lock() = seen;
        Ok(HttpResponse::from_parts(head, text.into()))
    }

    /// The signed request as it goes on the wire. Only reads of our endpoint are sent, or only puts.
    fn request(
        &self,
        signed: &HttpRequest,
        content: &Bytes,
        form: Form,
    ) -> Result<Request<Sent>, Error> {
        let refused = |what: &str| {
            Error::new(
                Kind::ProxyInternalError,
                format!("the s3 client wanted {what}"),
            )
        };
        let is_allowed = match self.may {
            May::Read => {
                let is_read = signed.method() == Method::GET || signed.method() == Method::HEAD;
                is_read && signed.body().content_length() == 0
            }
            May::Put => signed.method() == Method::PUT,
        };
        if !is_allowed {
            return Err(refused("what it is not there for"));
        }
        if signed.uri().authority() != Some(&self.endpoint.authority) {
            return Err(refused("another endpoint"));
        }
        let mut request = Request::new(Sent::new(content.clone()));
        *request.method_mut() = signed.method().clone();
        *request.headers_mut() = signed.headers().clone();
        let path = signed.uri().path_and_query().cloned();
        let path = path.ok_or_else(|| refused("no path"))?;
        match form {
            Form::Absolute => {
                request.headers_mut().remove(header::HOST);
                *request.uri_mut() = signed.uri().clone();
            }
            Form::Origin => {
                let host = HeaderValue::from_str(self.endpoint.authority.as_str())
                    .map_err(|_invalid| refused("a bad host"))?;
                request.headers_mut().insert(header::HOST, host);
                *request.uri_mut() = Uri::from(path);
            }
        }
        Ok(request)
    }

    async fn error_body(&self, body: WireBody) -> Bytes {
        let mut read = BytesMut::new();
        let _cut_short_is_enough = timeout(self.head_timeout, async {
            let mut body = std::pin::pin!(body);
            while let Some(Ok(bytes)) = body.next().await {
                let room = ERROR_BYTES_MAX - read.len();
                read.extend_from_slice(&bytes[..bytes.len().min(room)]);
                if read.len() == ERROR_BYTES_MAX {
                    break;
                }
            }
        })
        .await;
        read.freeze()
    }
}

/// What is to be written: whole, so that it can be sent once more.
async fn content(request: &HttpRequest) -> Result<Bytes, Failure> {
    let content = request.body().clone().collect().await;
    let content = content.map_err(|error| {
        let error = Error::new(Kind::ProxyInternalError, error.to_string());
        Failure::new(Stage::Unsendable, error)
    })?;
    Ok(content.to_bytes())
}

fn pass(head: Parts, body: WireBody) -> HttpResponse {
    let frames = sendable(body)
        .map_ok(Frame::data)
        .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error));
    HttpResponse::from_parts(head, HttpResponseBody::new(StreamBody::new(frames)))
}

/// Names the bounds that the S3 client's body needs.
fn sendable(body: WireBody) -> impl Stream<Item = Result<Bytes, Error>> + Send + Sync {
    body
}

/// The text between `<name>` and `</name>`, wherever it stands. No XML is parsed, so no entity
/// can expand.
pub(crate) fn element<'a>(xml: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let find = |text: &[u8], tag: &str| {
        text.windows(tag.len())
            .position(|window| window == tag.as_bytes())
    };
    let start = find(xml, &open)? + open.len();
    let length = find(&xml[start..], &close)?;
    Some(&xml[start..start + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errors_code_is_found_without_parsing() {
        let xml = b"<?xml?><Error><Code>InvalidRange</Code><ActualObjectSize>7</ActualObjectSize>";
        assert_eq!(element(xml, "Code"), Some(&b"InvalidRange"[..]));
        assert_eq!(element(xml, "ActualObjectSize"), Some(&b"7"[..]));
        assert_eq!(element(xml, "Message"), None);
        assert_eq!(element(b"<Code>never ends", "Code"), None);
        assert_eq!(element(b"", "Code"), None);
    }
}
