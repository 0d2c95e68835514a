//! HTTP/1: hyper behind a strict gate.
//!
//! hyper's parser forgives what a CDN must not (bare LF, a `Content-Length` beside a
//! `Transfer-Encoding`), and tells nobody. Because no request has a body, every byte that comes
//! in belongs to a head; so a gate in front of hyper can see every head whole, check it against
//! RFC 9112's own grammar, and hand hyper one checked head at a time. A head that fails is
//! replaced by a fixed one, and the service, which learns from the gate what became of each head,
//! answers that with the error: in its turn, behind the responses to the heads before it, and
//! with `Connection: close`.

mod gate;
mod head;
mod serve;

pub(crate) use serve::serve;
