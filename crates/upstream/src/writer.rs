//! Objects that a node writes: reports of its own making, never what a viewer sent.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, path::Path};
use tokio::time::timeout;

use crate::{
    Limits, Store,
    directory::local,
    fault::{self, Phase},
    s3_client::May,
};

/// For one object: sending it over a slow uplink included.
const PUT_TIMEOUT: Duration = Duration::from_mins(2);

/// Writes whole objects to a bucket or a directory.
pub struct Writer {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    name: Arc<str>,
}

impl Writer {
    /// Checks the configuration. Writes nothing yet.
    ///
    /// # Errors
    /// When the root or the bucket's configuration is unusable.
    pub fn new(store: &Store) -> Result<Self, crate::Error> {
        match store {
            Store::Directory { root } => {
                let (root, store) = local(root)?;
                Ok(Self {
                    store: Arc::new(store),
                    prefix: String::new(),
                    name: root.display().to_string().into(),
                })
            }
            Store::S3(s3) => {
                let limits = Limits {
                    connect_timeout: Duration::from_secs(10),
                    head_timeout: PUT_TIMEOUT,
                    ..Limits::default()
                };
                let client = s3.client(May::Put, &limits)?;
                let name = Arc::clone(&client.name);
                Ok(Self {
                    store: Arc::new(s3.store(client)?),
                    prefix: s3.prefix().to_owned(),
                    name,
                })
            }
        }
    }

    /// Writes an object, in place of one that has the key: whole or not at all. Cancelled, it may have
    /// been written.
    ///
    /// # Errors
    /// When the store did not confirm it in time.
    pub async fn put(&self, key: &str, content: Bytes) -> Result<(), message::Error> {
        let refused =
            |detail: String| message::Error::new(message::Kind::ProxyInternalError, detail);
        let key = match &*self.prefix {
            "" => Path::parse(key),
            prefix => Path::parse(format!("{prefix}/{key}")),
        };
        let key = key.map_err(|error| refused(format!("{}: {error}", self.name)))?;
        let put = self.store.put(&key, PutPayload::from_bytes(content));
        match timeout(PUT_TIMEOUT, put).await {
            Ok(Ok(_written)) => Ok(()),
            Ok(Err(error)) => Err(fault::of(Phase::Head, &self.name, &error)),
            Err(_elapsed) => {
                let detail = format!("{}: {key} not written within {PUT_TIMEOUT:?}", self.name);
                Err(message::Error::new(
                    message::Kind::HttpResponseTimeout,
                    detail,
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_object_in_a_directory_is_what_was_put() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let writer = Writer::new(&Store::Directory { root }).unwrap();
        let key = "popularity/day=2026-11-21/node=edge-1/15-0.parquet";
        for content in ["first", "second"] {
            writer.put(key, content.into()).await.unwrap();
            let file = std::fs::read(folder.path().join(key)).unwrap();
            assert_eq!(file, content.as_bytes());
        }
    }

    #[tokio::test]
    async fn no_key_leads_out_of_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let writer = Writer::new(&Store::Directory { root }).unwrap();
        for key in ["../x", "a/../../x", "a//b", "./x"] {
            assert!(writer.put(key, "x".into()).await.is_err(), "{key}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
