//! Object storage: a directory, or a bucket that speaks S3.

use std::{future::Future, path::PathBuf, pin::Pin, sync::Arc};

use message::{Error, Fetch, Response, Upstream};
use object_store::path::Path;

use crate::{
    Limits, Metrics, S3, directory::DirectoryHop, dispatch::Dispatch, hop::Hop, s3_hop::S3Hop,
};

/// Where the objects are.
#[derive(Debug, Clone)]
pub enum Store {
    /// Files under a root directory, which must exist. No path leads out of it, not by a link
    /// either.
    Directory {
        /// The root.
        root: PathBuf,
    },
    /// A bucket.
    S3(S3),
}

/// What [`ObjectStorage`] needs.
#[derive(Debug, Clone)]
pub struct ObjectStorageConfig {
    /// The label in metrics.
    pub name: Arc<str>,
    /// Where the objects are.
    pub store: Store,
    /// Limits. For a bucket, `connections_max` counts only where HTTP/2 is spoken.
    pub limits: Limits,
}

/// Object storage. An object's path, percent-decoded, is its key; a query is not part of it.
pub struct ObjectStorage {
    dispatch: Dispatch,
}

impl ObjectStorage {
    /// Checks the configuration. Reads nothing but the directory's existence.
    ///
    /// # Errors
    /// When the root or the bucket's configuration is unusable, or a limit is absurd.
    pub fn new(config: &ObjectStorageConfig, metrics: &Metrics) -> Result<Self, crate::Error> {
        config.limits.check()?;
        let hop: Box<dyn Hop> = match &config.store {
            Store::Directory { root } => {
                Box::new(DirectoryHop::new(root, config.limits.head_timeout)?)
            }
            Store::S3(s3) => Box::new(S3Hop::new(s3, &config.limits)?),
        };
        let dispatch = Dispatch::new(&config.name, vec![hop], &config.limits, metrics);
        Ok(Self { dispatch })
    }
}

impl Upstream for ObjectStorage {
    fn fetch(
        &self,
        fetch: Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>> {
        Box::pin(async move { self.dispatch.fetch(&[0], &fetch).await })
    }
}

/// The key that an object's path names, or `None` where no key can be meant: a path that is not
/// absolute, that ends in a slash, has an empty or dot segment, a control byte, or an encoded
/// slash (which would give one object two names).
pub(crate) fn key(prefix: &str, path: &str) -> Option<Path> {
    let path = path.split_once('?').map_or(path, |(path, _query)| path);
    let path = path.strip_prefix('/')?;
    let encoded_slash = path
        .as_bytes()
        .windows(3)
        .any(|w| w.eq_ignore_ascii_case(b"%2f"));
    if path.is_empty() || path.ends_with('/') || path.starts_with('/') || encoded_slash {
        return None;
    }
    let path = Path::from_url_path(path).ok()?;
    if prefix.is_empty() {
        return Some(path);
    }
    Path::parse(format!("{prefix}/{path}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_its_key() {
        assert_eq!(key("", "/a/b.m4s").unwrap().as_ref(), "a/b.m4s");
        assert_eq!(
            key("vod/x", "/a/b.m4s?v=1").unwrap().as_ref(),
            "vod/x/a/b.m4s"
        );
        assert_eq!(key("", "/%C3%A4%20b+c/1").unwrap().as_ref(), "ä b+c/1");
    }

    #[test]
    fn a_path_that_names_no_key_is_none() {
        for path in [
            "",
            "a",
            "/",
            "/a/",
            "//a",
            "/a//b",
            "/../a",
            "/a/../b",
            "/a/./b",
            "/%2e%2e/a",
            "/a/%2E%2E/b",
            "/a%2fb",
            "/a%00b",
            "/a%0ab",
            "/%ff",
            "/?x",
        ] {
            assert!(key("", path).is_none(), "{path}");
            assert!(key("vod", path).is_none(), "{path}");
        }
    }
}
