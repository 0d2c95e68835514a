//! A bucket that speaks S3: where it is, and how it is reached.

use std::{fmt, sync::Arc};

use object_store::{
    RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};

use crate::{
    Limits,
    http_origin::BaseUrl,
    s3_client::{May, S3Client},
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
