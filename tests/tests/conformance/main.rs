//! A shared cache by the RFCs: each row is what an origin says, what is asked, and what must come.
//!
//! Rows run side by side through a real edge and shield, and through the shield alone; each has a
//! URL of its own. A row names the section that it was written from.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper fails its test by panicking"
)]
#![expect(clippy::too_many_lines, reason = "a table is as long as its rows")]

mod directives;
mod framing;
mod freshness;
mod origin;
mod ranges;
mod row;
mod storing;
mod transparency;
mod validation;
mod vary;
