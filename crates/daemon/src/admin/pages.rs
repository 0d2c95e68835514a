//! The pages that every node has.

use std::sync::Arc;

use http::StatusCode;
use parking_lot::RwLock;
use prometheus::{Registry, TextEncoder};
use serde_json::{Value as Json, json};

use super::routes::{self, Reply, Routes};
use crate::process::{Lifecycle, State};

/// The effective config as `/config` shows it; a reload replaces it.
#[derive(Debug, Clone, Default)]
pub struct Effective(Arc<RwLock<Arc<Json>>>);

impl Effective {
    /// The config that was loaded.
    pub fn new(config: Json) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    /// The config that is in force from now on.
    pub fn replace(&self, config: Json) {
        *self.0.write() = Arc::new(config);
    }

    fn now(&self) -> Arc<Json> {
        self.0.read().clone()
    }
}

/// Adds `/`, `/metrics`, `/healthz`, `/readyz` and `/config`.
pub fn add_pages(routes: &Routes, registry: Registry, life: Lifecycle, config: Effective) {
    let all = routes.clone();
    routes.get("/", move |_| {
        let list = all.list().join("\n");
        async move { routes::text(StatusCode::OK, format!("millpond\n\n{list}\n")) }
    });
    routes.get("/metrics", move |_| scrape(registry.clone()));
    routes.get("/healthz", |_| async {
        routes::text(StatusCode::OK, "ok\n")
    });
    routes.get("/readyz", move |_| {
        let reply = readiness(&life);
        async move { reply }
    });
    routes.get("/config", move |_| {
        let config = config.now();
        async move { routes::json(StatusCode::OK, &config) }
    });
}

fn readiness(life: &Lifecycle) -> Reply {
    let status = life.status();
    let ready = status.state == State::Serving;
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({ "ready": ready, "state": status.state, "reason": &*status.reason });
    routes::json(code, &body)
}

/// Gathers on a thread for blocking work: counting open files takes a while when there are many.
async fn scrape(registry: Registry) -> Reply {
    let text = tokio::task::spawn_blocking(move || {
        TextEncoder::new().encode_to_string(&registry.gather())
    });
    match text.await {
        Ok(Ok(text)) => routes::reply(StatusCode::OK, prometheus::TEXT_FORMAT, text),
        Ok(Err(error)) => {
            tracing::error!(%error, "cannot write metrics");
            routes::text(StatusCode::INTERNAL_SERVER_ERROR, "cannot write metrics\n")
        }
        Err(error) => {
            tracing::error!(%error, "cannot gather metrics");
            routes::text(StatusCode::INTERNAL_SERVER_ERROR, "cannot gather metrics\n")
        }
    }
}
