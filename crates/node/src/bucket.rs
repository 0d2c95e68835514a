//! A bucket, as keys of the section that names it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use daemon::config::{Secret, Section};
use message::Timestamp;
use tls::Identity;
use upstream::{Credentials, S3};

/// A bucket that speaks S3.
#[derive(Debug, Clone)]
pub struct Bucket {
    endpoint: Option<String>,
    name: String,
    region: String,
    access_key: Option<Secret>,
    secret_key: Option<Secret>,
    session_token: Option<Secret>,
    prefix: String,
    virtual_hosted: bool,
    allow_http: bool,
    ca: Option<PathBuf>,
}

impl Bucket {
    /// Reads a bucket from the section that names it.
    pub fn read(section: &mut Section) -> Option<Self> {
        let endpoint = section.text("endpoint").optional();
        let bucket = section.text("bucket").required();
        let region = section.text("region").or("us-east-1".to_owned());
        let access_key = section.secret("access_key_file", "access_key").optional();
        let secret_key = section.secret("secret_key_file", "secret_key").optional();
        let session_token = section
            .secret("session_token_file", "session_token")
            .optional();
        let prefix = section.text("prefix").or(String::new());
        let virtual_hosted = section.flag("virtual_hosted").or(false);
        let allow_http = section.flag("allow_http").or(false);
        let ca = section.file("ca").optional();
        if access_key.is_some() != secret_key.is_some() {
            let hint = "give both to sign requests, or neither for a public bucket";
            section.problem(
                "access_key_file",
                "needs secret_key_file, and the reverse",
                Some(hint),
            );
        }
        Some(Self {
            endpoint,
            name: bucket?,
            region,
            access_key,
            secret_key,
            session_token,
            prefix,
            virtual_hosted,
            allow_http,
            ca,
        })
    }

    /// As `upstream` wants it, with the authorities that it trusts read from their files.
    ///
    /// # Errors
    /// When a file of authorities is unusable.
    pub fn s3(&self, now: &Timestamp) -> Result<S3, crate::Error> {
        let credentials = match (&self.access_key, &self.secret_key) {
            (Some(access_key), Some(secret_key)) => Some(Credentials {
                access_key: access_key.reveal().to_owned(),
                secret_key: secret_key.reveal().to_owned(),
                session_token: self
                    .session_token
                    .as_ref()
                    .map(|token| token.reveal().to_owned()),
            }),
            _ => None,
        };
        Ok(S3 {
            endpoint: self.endpoint.clone(),
            bucket: self.name.clone(),
            region: self.region.clone(),
            credentials,
            virtual_hosted: self.virtual_hosted,
            allow_http: self.allow_http,
            prefix: self.prefix.clone(),
            tls: client_tls(self.ca.as_deref(), None, &[b"http/1.1"], now)?,
        })
    }
}

/// The authorities that the machine trusts, where Debian and most others keep them.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// TLS towards an origin whose certificate `ca` has signed; without it, one of the machine's
/// authorities, and none where there are none: an `https` origin is then refused at start. `identity` is
/// shown to an origin that asks who we are.
///
/// # Errors
/// When a file of authorities, or the identity, is unusable.
pub fn client_tls(
    ca: Option<&Path>,
    identity: Option<&Identity>,
    alpn: &[&[u8]],
    now: &Timestamp,
) -> Result<Option<Arc<rustls::ClientConfig>>, crate::Error> {
    let system = Path::new(SYSTEM_CA);
    let Some(ca) = ca.or_else(|| system.is_file().then_some(system)) else {
        return Ok(None);
    };
    let alpn = alpn.iter().map(|name| name.to_vec()).collect();
    let config = tls::ClientConfig {
        ca: vec![ca.to_owned()],
        identity: identity.cloned(),
        alpn,
    };
    let (config, warnings) = config.build(now.wall)?;
    crate::tell(&warnings);
    Ok(Some(config))
}
