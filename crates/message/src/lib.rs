//! What passes between rooms: requests, responses, streaming bodies, errors and the clock.
//!
//! No I/O happens here. A viewer's side of a node speaks [`Handler`]; the side towards the next
//! hop speaks [`Upstream`]. They are different types on purpose: a [`Fetch`] has no room for a
//! viewer's body or query, and for header fields only what a site's rule names ([`Carried`]), so that
//! nothing else can reach upstream by accident.

mod body;
mod clock;
mod error;
mod fetch;
mod handler;

pub use body::{Body, BodyStream};
pub use clock::{OtherClock, Timestamp, live_by, nap, now, stopwatch};
pub use error::{Error, Kind};
pub use fetch::{ByteRange, Carried, Condition, Demand, Fetch, ObjectName, Upstream};
pub use handler::{
    Answer, Client, Handler, Protocol, Refused, Request, Response, RoundTrip, Told, Trail,
};
