//! Reading objects from a bucket that speaks S3.

use std::{error::Error as StdError, pin::Pin, sync::Arc};

use futures_util::TryStreamExt;
use http::{HeaderMap, HeaderName, StatusCode, header};
use message::{Condition, Error, Fetch, Kind};
use object_store::{
    Attribute, Extensions, GetOptions, GetRange, GetResult, ObjectStore, aws::AmazonS3, path::Path,
};
use parking_lot::Mutex;

use crate::{
    Limits, S3,
    answer::{ContentRange, lie, number},
    fault::{self, Phase},
    hop::{Answer, Failure, Hop, Stage, insert},
    object_storage::key,
    question::Asked,
    s3_client::{May, Seen, Slip, element},
};

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
