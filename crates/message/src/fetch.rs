//! The face towards the next hop: what a fill may ask, and nothing else.

use std::{fmt, sync::Arc};

use crate::{Error, Response, Timestamp};
use std::{future::Future, pin::Pin};

/// What a URL names on one site, in canonical form: the cache key before hashing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// The site's name, as configured.
    pub site: Arc<str>,
    /// Path, then `?` and the query parameters that the site's key rules keep, if any.
    pub path: Arc<str>,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.site, self.path)
    }
}

/// A closed range of bytes, `first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub first: u64,
    /// Offset of the last byte, inclusive.
    pub last: u64,
}

impl ByteRange {
    /// How many bytes it names.
    pub fn length(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// A precondition, with the entity tag in its quoted wire form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `If-Match`: the bytes must belong to this version, else 412.
    IfMatch(Arc<str>),
    /// `If-None-Match`: revalidation, 304 when unchanged.
    IfNoneMatch(Arc<str>),
    /// `If-Modified-Since` with an HTTP date: revalidation of what has no entity tag.
    IfModifiedSince(Arc<str>),
}

/// One read from upstream, built from a cache key alone.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// What to read.
    pub object: ObjectName,
    /// Which bytes; `None` asks for the whole object without a `Range` field.
    pub range: Option<ByteRange>,
    /// The version that the bytes must, or must not, belong to.
    pub condition: Option<Condition>,
    /// When the fill was asked for.
    pub at: Timestamp,
}

/// The next hop: a shield, object storage or an HTTP origin.
///
/// The response is one of 200, 206, 304, 404, 410, 412, 416 or another status as received; its
/// body ends with an error when it is shorter or longer than its headers said. An `Err` means
/// that no usable response came at all.
pub trait Upstream: Send + Sync + 'static {
    /// Reads. Cancel safe: dropping the future, or the body, abandons the read.
    fn fetch(
        &self,
        fetch: Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>>;
}
