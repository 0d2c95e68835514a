//! The face towards the next hop: what a fill may ask, and nothing else.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use http::{HeaderName, HeaderValue};

use crate::{Error, Response, Timestamp};

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
    /// A last byte that no object has, in a range that is to be answered with what comes until the
    /// object ends. RFC 8673 section 2.2: a number that fits what JavaScript counts with.
    pub const OPEN: u64 = (1 << 53) - 1;

    /// Whether it is to be answered with all from its first byte on, however much that will be.
    pub fn is_open(&self) -> bool {
        self.last >= Self::OPEN
    }

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

/// Request fields that a site's own rule names: the only ones of a viewer's that go upstream, each
/// once, bounded and in canonical form. Empty unless the site has such a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried(Option<Arc<[(HeaderName, HeaderValue)]>>);

impl Carried {
    /// These fields, as the caching rules made them of a request: sorted by name, each once.
    pub fn new(fields: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self((!fields.is_empty()).then(|| fields.into()))
    }

    /// The fields, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter().flat_map(|fields| fields.iter())
    }

    /// The value of one.
    pub fn value(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let mut fields = self.iter();
        fields
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// Those of them that `keep` names.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&HeaderName) -> bool) -> Self {
        let kept = self.iter().filter(|(name, _)| keep(name)).cloned();
        Self::new(kept.collect())
    }
}

/// What caches between here and the origin may do with a read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Demand {
    /// Answer from what they hold, and store what they get.
    #[default]
    Any,
    /// Not answer without asking behind them (RFC 9111 section 5.2.1.4).
    EndToEnd,
    /// Not store the answer (RFC 9111 section 5.2.1.5).
    Unstored,
}

/// One read from upstream, built from a cache key and from what the site's rules carry.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// What to read.
    pub object: ObjectName,
    /// Which bytes; `None` asks for the whole object without a `Range` field.
    pub range: Option<ByteRange>,
    /// The version that the bytes must, or must not, belong to.
    pub condition: Option<Condition>,
    /// What the site has forwarded of the request that this read is for.
    pub carried: Carried,
    /// What caches on the way may do.
    pub demand: Demand,
    /// When the fill was asked for.
    pub at: Timestamp,
}

/// The next hop: a shield, object storage or an HTTP origin.
///
/// The response has its status as received, redirects and errors too, and fits the question; its
/// body ends with an error when it is shorter or longer than its headers said. An `Err` means
/// that no usable response came at all.
pub trait Upstream: Send + Sync + 'static {
    /// Reads. Cancel safe: dropping the future, or the body, abandons the read.
    fn fetch(
        &self,
        fetch: Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>>;
}
