//! The payload: lines of JSON, or one zstd frame of them.
//!
//! ```text
//! head LF                   schema, audience, generation, ..., how many lines follow
//! object LF                 as many as the head's `objects`
//! removed LF                as many as the head's `removed`
//! ```
//!
//! One text a line, so that a million of them are read one by one in bounded memory, a line's
//! length bounds its depth, and what is cut off or appended shows in the counts.

mod catalog;
mod head;
mod json;
mod lines;
mod object;
mod read;
mod write;

pub use catalog::read_objects;
pub(crate) use lines::{BYTE_ORDER_MARK, is_zstd};
pub(crate) use read::Reader;
pub use write::Encoding;
