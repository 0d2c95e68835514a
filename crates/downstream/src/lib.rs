//! Towards clients: listeners, HTTP/1, 2 and 3, limits and drain.
//!
//! A connection comes in through [`Listeners`], is counted, shakes hands, and speaks one of three
//! protocols. Whatever it speaks, a request passes one gate (`admission`) before it becomes a
//! [`message::Request`], and a response leaves through one door (`finish`). A body that ends with
//! an error never looks complete: HTTP/1 is cut, HTTP/2 and 3 reset the stream.
//!
//! No request body is ever read, and nothing of a request is normalised but its host.

mod admission;
mod backlog;
mod body;
mod config;
mod drain;
mod error;
mod finish;
mod front;
mod host;
mod http1;
mod http2;
mod http3;
mod linger;
mod listeners;
mod metrics;
mod priority;
mod quota;
mod ranks;
mod server;
mod stall;
mod tcp;

pub use config::{Config, Limits, ServerNames};
pub use drain::Drain;
pub use error::Error;
pub use http3::KEPT_BYTES_MAX;
pub use listeners::{Listeners, Share};
pub use server::{Drained, Server};
