//! Where a content owner's objects are: a directory, a bucket or an HTTP server, as a config says.

use std::{path::PathBuf, sync::Arc};

use daemon::config::Section;
use message::{Timestamp, Upstream};
use tls::Identity;
use upstream::{
    Closes, HttpOrigin, HttpOriginConfig, Limits, Metrics, ObjectStorage, ObjectStorageConfig,
    Store,
};

use crate::{Bucket, Error, client_tls, read_upstream_limits};

/// Where objects are, as a section of a config says.
#[derive(Debug, Clone)]
pub struct Origin {
    place: Place,
    limits: Limits,
}

#[derive(Debug, Clone)]
enum Place {
    Directory {
        root: PathBuf,
    },
    S3(Bucket),
    Http {
        urls: Vec<String>,
        host: Option<String>,
        ca: Option<PathBuf>,
        identity: Option<Identity>,
        closes: Closes,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    S3,
    Http,
}

impl Origin {
    /// Reads the section.
    pub fn read(section: &mut Section) -> Option<Self> {
        let (place, limits) = read_origin(section)?;
        Some(Self { place, limits })
    }

    /// The way there, for a node of this name; `name` is the label in metrics.
    ///
    /// # Errors
    /// When it is unusable: an absent directory, a malformed URL, no authority to trust.
    pub fn upstream(
        &self,
        name: &Arc<str>,
        node: &str,
        metrics: &Metrics,
        now: &Timestamp,
    ) -> Result<Arc<dyn Upstream>, Error> {
        let (name, limits) = (Arc::clone(name), self.limits.clone());
        let store = match &self.place {
            Place::Directory { root } => Store::Directory { root: root.clone() },
            Place::S3(bucket) => Store::S3(bucket.s3(now)?),
            Place::Http {
                urls,
                host,
                ca,
                identity,
                closes,
            } => {
                let alpn: [&[u8]; 2] = [b"h2", b"http/1.1"];
                let tls = client_tls(ca.as_deref(), identity.as_ref(), &alpn, now)?;
                let config = HttpOriginConfig {
                    name,
                    node: node.to_owned(),
                    base_urls: urls.clone(),
                    host: host.clone(),
                    tls,
                    closes: *closes,
                    limits,
                };
                return Ok(Arc::new(HttpOrigin::new(&config, metrics)?));
            }
        };
        let config = ObjectStorageConfig {
            name,
            store,
            limits,
        };
        Ok(Arc::new(ObjectStorage::new(&config, metrics)?))
    }
}

fn read_origin(section: &mut Section) -> Option<(Place, Limits)> {
    const KINDS: &[(&str, Kind)] = &[
        ("directory", Kind::Directory),
        ("s3", Kind::S3),
        ("http", Kind::Http),
    ];
    const CLOSES: &[(&str, Closes)] = &[("any", Closes::Any), ("https", Closes::Https)];
    let limits = read_upstream_limits(section, Limits::default());
    let Some(kind) = section.choice("kind", KINDS).required() else {
        section.ignore_rest();
        return None;
    };
    let origin = match kind {
        Kind::Directory => {
            let root = section.path("path").required();
            Place::Directory { root: root? }
        }
        Kind::S3 => Place::S3(Bucket::read(section)?),
        Kind::Http => {
            let urls = section.list("urls", 1..=16).required();
            let host = section.text("host").optional();
            let ca = section.file("ca").optional();
            let identity = read_identity(section);
            let closes = section
                .choice("close_delimited", CLOSES)
                .or(Closes::default());
            Place::Http {
                urls: urls?,
                host,
                ca,
                identity,
                closes,
            }
        }
    };
    Some((origin, limits))
}

/// Who we are to an origin that asks for it.
fn read_identity(section: &mut Section) -> Option<Identity> {
    let cert = section.file("certificate").optional();
    let key = section.private_file("key").optional();
    if cert.is_some() != key.is_some() {
        let hint = "give both to show a certificate, or neither";
        section.problem("certificate", "needs key, and the reverse", Some(hint));
    }
    cert.zip(key).map(|(cert, key)| Identity { cert, key })
}
