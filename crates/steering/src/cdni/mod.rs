//! CDNI triggers (RFC 8007, and the shapes of its second edition): what owners of content ask for.
//!
//! ```text
//! POST ▶ v1 or v2 reads it ▶ Draft ▶ subject finds sites, objects and patterns ▶ Trigger
//!      ▶ archive (a file, before it is acknowledged) ▶ book ▶ runner ▶ Engine
//! GET  ▶ book ▶ v1 or v2 shows it
//! ```
//!
//! `model` is what a trigger is; `plan` decides which one starts, stops or is forgotten, and is
//! pure; `runner` obeys.

mod archive;
mod book;
mod draft;
mod handlers;
mod lists;
mod model;
mod plan;
pub(crate) mod routes;
mod runner;
mod subject;
mod v1;
mod v2;
mod weight;

pub(crate) use book::Book;
pub(crate) use runner::run;
