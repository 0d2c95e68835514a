//! Objects in a bucket that speaks S3.

use std::{error::Error as StdError, fmt, pin::Pin, sync::Arc};

use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, StatusCode, header};
use message::{Condition, Error, Fetch, Kind};
use object_store::{
    Attribute, Extensions, GetOptions, GetRange, GetResult, ObjectStore, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use parking_lot::Mutex;

use crate::{
    Limits,
    answer::{ContentRange, lie, number},
    fault::{self, Phase},
    hop::{Answer, Failure, Hop, Stage, insert},
    http_origin::BaseUrl,
    object_storage::key,
    question::Asked,
    s3_client::{May, S3Client, Seen, Slip, element},
};

/// A bucket.
#[derive(Debug, Clone)]
pub struct S3 {
    /// `http[s]://host[:port]` of the service; `None` for AWS in `region`.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Keys for `SigV4`; `None` sends unsigned requests, for a public bucket.
    pub credentials: Option<Credentials>,
    /// Whether the bucket is part of the host name and not of the path.
    pub virtual_hosted: bool,
    /// Whether an `http` endpoint is accepted. Keys are never sent, but bodies would be plain.
    pub allow_http: bool,
    /// What comes before an object's path in its key, without slashes at the ends; may be empty.
    pub prefix: String,
    /// The client's side of TLS, for `https`.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// Keys to sign with. Its debug form does not show them.
#[derive(Clone)]
pub struct Credentials {
    /// The access key id.
    pub access_key: String,
    /// The secret key.
    pub secret_key: String,
    /// The token of temporary keys.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

impl S3 {
    fn endpoint(&self) -> Result<BaseUrl, crate::Error> {
        let text = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://s3.{}.amazonaws.com", self.region),
        };
        let wrong = || crate::Error::Url(text.clone());
        let (scheme, host) = text.split_once("://").ok_or_else(wrong)?;
        if scheme == "http" && !self.allow_http {
            return Err(crate::Error::PlainHttp(text));
        }
        let endpoint = if self.virtual_hosted {
            BaseUrl::parse(&format!("{scheme}://{}.{host}", self.bucket))?
        } else {
            BaseUrl::parse(&text)?
        };
        if endpoint.prefix.is_empty() {
            Ok(endpoint)
        } else {
            Err(wrong())
        }
    }

    pub(crate) fn client(&self, may: May, limits: &Limits) -> Result<S3Client, crate::Error> {
        let endpoint = self.endpoint()?;
        Ok(S3Client {
            name: format!("{}/{}", endpoint.authority, self.bucket).into(),
            pool: Arc::new(endpoint.pool(self.tls.as_ref(), limits)?),
            endpoint,
            head_timeout: limits.head_timeout,
            may,
        })
    }

    pub(crate) fn prefix(&self) -> &str {
        self.prefix.trim_matches('/')
    }

    pub(crate) fn store(&self, client: S3Client) -> Result<AmazonS3, crate::Error> {
        let mut builder = AmazonS3Builder::new()
            .with_endpoint(client.endpoint.to_string())
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(self.virtual_hosted)
            .with_allow_http(self.allow_http)
            // Tries are ours, so that one budget bounds them all.
            .with_retry(RetryConfig {
                max_retries: 0,
                ..RetryConfig::default()
            })
            .with_http_connector(client);
        builder = match &self.credentials {
            None => builder.with_skip_signature(true),
            Some(credentials) => {
                let signed = builder
                    .with_access_key_id(&credentials.access_key)
                    .with_secret_access_key(&credentials.secret_key);
                match &credentials.session_token {
                    Some(token) => signed.with_token(token),
                    None => signed,
                }
            }
        };
        builder.build().map_err(crate::Error::Store)
    }
}

/// A bucket as a hop.
pub(crate) struct S3Hop {
    store: AmazonS3,
    prefix: String,
    name: Arc<str>,
}

impl S3Hop {
    pub(crate) fn new(config: &S3, limits: &Limits) -> Result<Self, crate::Error> {
        let client = config.client(May::Read, limits)?;
        let name = Arc::clone(&client.name);
        Ok(Self {
            store: config.store(client)?,
            prefix: config.prefix().to_owned(),
            name,
        })
    }

    async fn get(&self, fetch: &Fetch) -> Result<Answer, Failure> {
        let Some(key) = key(&self.prefix, &fetch.object.path) else {
            return Ok(Answer::bare(StatusCode::NOT_FOUND, HeaderMap::new()));
        };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let slip = Slip {
            asked: Asked::from(fetch),
            seen: Arc::clone(&seen),
        };
        match self.store.get_opts(&key, options(fetch, slip)).await {
            Ok(result) => Ok(self.answer(fetch, result)),
            Err(error) => {
                let seen = std::mem::take(&mut *seen.lock());
                self.refusal(fetch, &key, seen, &error).await
            }
        }
    }

    fn answer(&self, fetch: &Fetch, result: GetResult) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(etag) = &result.meta.e_tag {
            insert(&mut headers, header::ETAG, etag);
        }
        let modified = std::time::SystemTime::from(result.meta.last_modified);
        insert(
            &mut headers,
            header::LAST_MODIFIED,
            &httpdate::fmt_http_date(modified),
        );
        for (attribute, value) in &result.attributes {
            if let Some(name) = field(attribute) {
                insert(&mut headers, name, value);
            }
        }
        let range = result.range.clone();
        let status = if fetch.range.is_some() {
            let last = range.end.saturating_sub(1);
            let content_range = format!("bytes {}-{last}/{}", range.start, result.meta.size);
            insert(&mut headers, header::CONTENT_RANGE, &content_range);
            StatusCode::PARTIAL_CONTENT
        } else {
            StatusCode::OK
        };
        let name = Arc::clone(&self.name);
        let body = result
            .into_stream()
            .map_err(move |error| in_body(&name, &error));
        Answer::sized(status, headers, range.end - range.start, body)
    }

    /// What a refusal by the signer or the store means: some are an answer.
    async fn refusal(
        &self,
        fetch: &Fetch,
        key: &Path,
        seen: Seen,
        error: &object_store::Error,
    ) -> Result<Answer, Failure> {
        if seen.other_version {
            return Ok(Answer::bare(
                StatusCode::PRECONDITION_FAILED,
                HeaderMap::new(),
            ));
        }
        if let Some(failure) = seen.failure {
            return Err(failure);
        }
        let code = element(&seen.error, "Code")
            .map(String::from_utf8_lossy)
            .unwrap_or_default();
        let Some(status) = seen.status else {
            let detail = fault::of(Phase::Head, &self.name, error)
                .detail()
                .to_owned();
            return Err(Failure::new(Stage::Useless, lie(detail)));
        };
        let detail = format!("{}: {key}: {status} {code}", self.name);
        match status.as_u16() {
            404 | 410 | 412 => Ok(Answer::bare(status, HeaderMap::new())),
            304 => Ok(Answer::bare(status, validators(&seen.headers))),
            416 => self.unsatisfiable(fetch, key, &seen).await,
            // The bucket keeps this object, or its absence, from us. Other refusals are of us.
            403 if code == "AccessDenied" => Ok(Answer::bare(status, HeaderMap::new())),
            429 | 500..=599 => {
                let error = Error::new(Kind::DestinationUnavailable, detail);
                Err(Failure::new(Stage::Broken, error))
            }
            _ => Err(Failure::new(Stage::Useless, lie(detail))),
        }
    }

    /// 416 with the object's size, which some stores tell in a field, some in XML, and some not.
    async fn unsatisfiable(
        &self,
        fetch: &Fetch,
        key: &Path,
        seen: &Seen,
    ) -> Result<Answer, Failure> {
        let field = seen
            .headers
            .get(header::CONTENT_RANGE)
            .map(http::HeaderValue::as_bytes);
        let told = match field.and_then(ContentRange::parse) {
            Some(ContentRange::Unsatisfied { total }) => Some(total),
            Some(ContentRange::Part { .. }) | None => {
                element(&seen.error, "ActualObjectSize").and_then(number)
            }
        };
        let total = if let Some(total) = told {
            total
        } else {
            let options = GetOptions {
                head: true,
                ..GetOptions::default()
            };
            let head = self.store.get_opts(key, options).await.map_err(|error| {
                Failure::new(Stage::Broken, fault::of(Phase::Head, &self.name, &error))
            })?;
            head.meta.size
        };
        match fetch.range {
            Some(range) if range.first >= total => Ok(Answer::unsatisfiable(total)),
            range => {
                let detail = format!("{}: 416 to {range:?} of {total} bytes", self.name);
                Err(Failure::new(Stage::Useless, lie(detail)))
            }
        }
    }
}

impl Hop for S3Hop {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask<'a>(
        &'a self,
        fetch: &'a Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>> {
        Box::pin(self.get(fetch))
    }

    fn passes_on(&self, _head: &http::response::Parts) -> bool {
        false
    }

    fn repeats(&self) -> bool {
        true
    }
}

fn options(fetch: &Fetch, slip: Slip) -> GetOptions {
    let mut options = GetOptions {
        range: fetch
            .range
            .map(|range| GetRange::Bounded(range.first..range.last.saturating_add(1))),
        ..GetOptions::default()
    };
    let mut extensions = Extensions::new();
    extensions.insert(slip);
    options.extensions = extensions;
    match &fetch.condition {
        None => {}
        Some(Condition::IfMatch(etag)) => options.if_match = Some(etag.to_string()),
        Some(Condition::IfNoneMatch(etag)) => options.if_none_match = Some(etag.to_string()),
        Some(Condition::IfModifiedSince(date)) => {
            // RFC 9110 section 13.1.3: a date that is none is ignored.
            options.if_modified_since = httpdate::parse_http_date(date).ok().map(Into::into);
        }
    }
    options
}

/// What a 304 tells of the version.
fn validators(headers: &HeaderMap) -> HeaderMap {
    [
        header::ETAG,
        header::LAST_MODIFIED,
        header::CACHE_CONTROL,
        header::EXPIRES,
    ]
    .into_iter()
    .filter_map(|name| headers.get(&name).cloned().map(|value| (name, value)))
    .collect()
}

fn field(attribute: &Attribute) -> Option<HeaderName> {
    match attribute {
        Attribute::ContentType => Some(header::CONTENT_TYPE),
        Attribute::ContentEncoding => Some(header::CONTENT_ENCODING),
        Attribute::ContentDisposition => Some(header::CONTENT_DISPOSITION),
        Attribute::ContentLanguage => Some(header::CONTENT_LANGUAGE),
        Attribute::CacheControl => Some(header::CACHE_CONTROL),
        // The owner's own metadata is not for viewers.
        _ => None,
    }
}

/// The error that a body ended with, as our client named it below the signer.
fn in_body(whom: &str, error: &object_store::Error) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<Error>() {
            return error.clone();
        }
        cause = current.source();
    }
    fault::of(Phase::Body, whom, error)
}
