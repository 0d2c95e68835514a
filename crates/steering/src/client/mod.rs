//! The other side of the API: what the command line and steering services call.

mod http;

use std::time::Duration;

use ::http::{Method, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;

pub(crate) use self::http::Http;
use crate::report::{
    Drain, Heartbeat, Inventory, ManifestSummary, Manifests, Popularity, Problem, Progress,
    PurgeOrder, Purged, Pushed,
};

/// For an answer to anything but a manifest.
const PATIENCE: Duration = Duration::from_secs(30);

/// For the answer to a manifest: 64 MiB over a slow line, and a million objects to be judged.
const PUSH_PATIENCE: Duration = Duration::from_mins(30);

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("{url:?} is no https address")]
    Url {
        /// As given.
        url: String,
    },
    /// A certificate, key or authority is unusable.
    #[error("tls")]
    Tls(#[from] tls::Error),
    /// Nothing came back, or not all of it.
    #[error("{to}: {what}")]
    Broken {
        /// Whom we called.
        to: String,
        /// What went wrong.
        what: String,
    },
    /// The node refused.
    #[error("refused ({}): {}", .0.code, .0.detail)]
    Refused(Problem),
    /// The node answered something that this client does not understand.
    #[error("an answer that makes no sense: {0}")]
    Odd(String),
}

/// A client of one node's API. Each call is a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
}

impl Client {
    /// A client of the node at `url`, such as `https://edge-1.internal:9443`; `tls` names who is
    /// trusted and who we are. `now` is wall time since the Unix epoch.
    ///
    /// # Errors
    /// When the address or a file cannot be used.
    pub fn new(url: &str, tls: &tls::ClientConfig, now: Duration) -> Result<Self, ClientError> {
        // What is called stands behind it.
        if url.contains(['?', '#']) {
            let url = url.to_owned();
            return Err(ClientError::Url { url });
        }
        Ok(Self {
            http: Http::new(url, tls, now)?,
        })
    }

    /// Pushes a signed manifest, as it was signed.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with a code that begins with `manifest_` where it is at fault.
    pub async fn push(&self, manifest: Bytes) -> Result<Pushed, ClientError> {
        let media = Some("application/octet-stream");
        let call = self.http.call(
            Method::POST,
            "/v1/manifests",
            media,
            manifest,
            PUSH_PATIENCE,
        );
        answer(call.await?)
    }

    /// The manifests that the node keeps.
    ///
    /// # Errors
    /// As [`ClientError`] says; so for all that follow.
    pub async fn manifests(&self) -> Result<Manifests, ClientError> {
        self.get("/v1/manifests").await
    }

    /// A manifest as it was signed.
    ///
    /// # Errors
    /// See [`Self::manifests`].
    pub async fn manifest(&self, generation: u64) -> Result<Bytes, ClientError> {
        let path = format!("/v1/manifests/{generation}");
        let (status, body) = self.call(Method::GET, &path, Bytes::new()).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(refusal(status, &body))
    }

    /// Takes the active manifest back.
    ///
    /// # Errors
    /// See [`Self::manifests`].
    pub async fn withdraw(&self, generation: u64) -> Result<ManifestSummary, ClientError> {
        let path = format!("/v1/manifests/{generation}");
        answer(self.call(Method::DELETE, &path, Bytes::new()).await?)
    }

    /// How far the fill has come.
    ///
    /// # Errors
    /// See [`Self::manifests`].
    pub async fn progress(&self) -> Result<Progress, ClientError> {
        self.get("/v1/progress").await
    }

    /// A page of what is held, behind `after`: [`Inventory::next`] of the page before.
    ///
    /// # Errors
    /// See [`Self::manifests`].
    pub async fn inventory(
        &self,
        after: Option<&str>,
        limit: u16,
    ) -> Result<Inventory, ClientError> {
        let after = after
            .map(|after| format!("&after={after}"))
            .unwrap_or_default();
        self.get(&format!("/v1/inventory?limit={limit}{after}"))
            .await
    }

    /// How the node is.
    ///
    /// # Errors
    /// See [`Self::manifests`].
    pub async fn heartbeat(&self) -> Result<Heartbeat, ClientError> {
        self.get("/v1/heartbeat").await
    }

    /// Lets nobody in who is not there yet.
    ///
    /// # Errors
    /// See [`Self::manifests`].
    pub async fn drain(&self) -> Result<Drain, ClientError> {
        answer(self.call(Method::POST, "/v1/drain", Bytes::new()).await?)
    }

    /// Lets everybody in again.
    ///
    /// # Errors
    /// See [`Self::manifests`].
    pub async fn undrain(&self) -> Result<Drain, ClientError> {
        answer(self.call(Method::POST, "/v1/undrain", Bytes::new()).await?)
    }

    /// What is asked for most, of one site or all.
    ///
    /// # Errors
    /// See [`Self::manifests`].
    pub async fn popularity(
        &self,
        top: u16,
        site: Option<&str>,
    ) -> Result<Popularity, ClientError> {
        let site = site.map(|site| format!("&site={site}")).unwrap_or_default();
        self.get(&format!("/v1/popularity?top={top}{site}")).await
    }

    /// Purges; in force when it returns.
    ///
    /// # Errors
    /// See [`Self::manifests`].
    pub async fn purge(&self, order: &PurgeOrder) -> Result<Purged, ClientError> {
        let body =
            serde_json::to_vec(order).map_err(|error| ClientError::Odd(error.to_string()))?;
        answer(self.call(Method::POST, "/v1/purge", body.into()).await?)
    }

    /// Any call, for what has no method here, such as the triggers: status and body as they came.
    ///
    /// # Errors
    /// When nothing came back.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        self.http
            .call(method, path, Some(media), body, PATIENCE)
            .await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        answer(self.call(Method::GET, path, Bytes::new()).await?)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let media = (!body.is_empty()).then_some("application/json");
        self.http.call(method, path, media, body, PATIENCE).await
    }
}

fn answer<T: DeserializeOwned>((status, body): (StatusCode, Bytes)) -> Result<T, ClientError> {
    if !status.is_success() {
        return Err(refusal(status, &body));
    }
    serde_json::from_slice(&body).map_err(|error| ClientError::Odd(error.to_string()))
}

fn refusal(status: StatusCode, body: &Bytes) -> ClientError {
    match serde_json::from_slice(body) {
        Ok(problem) => ClientError::Refused(problem),
        Err(_no_problem) => ClientError::Odd(format!("status {status}")),
    }
}
