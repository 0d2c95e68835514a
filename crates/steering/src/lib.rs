//! The API by which a fleet is steered.
//!
//! ```text
//! steering service, owner of content, operator
//!   │ TLS 1.3, a certificate on both sides, HTTP/1.1 or 2
//! listener ▶ api: who (access) ▶ which route ▶ may he ▶ how often (rates) ▶ how much (body)
//!              ▶ noted down (audit) ▶ handler ▶ [`Engine`]: what this room asks of a node
//! ```
//!
//! One table of routes makes the router, the checks and the `OpenAPI` document at `/v1/openapi.json`.
//! It is looked up with `matchit`, the matcher under axum: the table already knows what axum's
//! extractors and layers would do, and a lookup is all that is left.
//!
//! Absent here: manifests' format and trust, fills, the cache; they are behind [`Engine`]. Serving
//! does not depend on this room: without it a node goes on as before.

mod access;
mod api;
mod audit;
mod body;
mod cdni;
pub mod client;
mod config;
mod engine;
mod error;
mod json;
mod listener;
mod memory;
mod page;
mod pulse;
mod push;
mod rates;
mod refused;
pub mod report;
mod section;
mod steering;

pub use access::{Role, Roles};
pub use api::document;
pub use body::Pace;
pub use config::{Config, Push};
pub use engine::{Doing, Engine, Life, Prefill, Purge, PurgeWhat, Vitals};
pub use error::Error;
pub use refused::{Reason, Refused};
pub use section::Settings;
pub use steering::Steering;
