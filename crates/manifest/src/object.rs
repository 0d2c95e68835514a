//! One object of a manifest.

use signing::{Label, ObjectPath};

use crate::{Digest, Wrong, wrong::cut};

/// The longest path in a manifest: what S3 takes as a key.
pub const OBJECT_PATH_BYTES_MAX: usize = 1024;

/// What a manifest says of one object: a view that borrows its names.
///
/// [`Object::fill`] and [`Object::seed`] make one with the usual values, which
/// `Object { priority: 9, ..Object::fill(..) }` then changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'a> {
    /// The site's name, as nodes have it in their config.
    pub site: &'a str,
    /// The path, without a query, at most [`OBJECT_PATH_BYTES_MAX`] bytes.
    pub path: &'a str,
    /// Bytes of the whole object, from 1.
    pub size: u64,
    /// SHA-256 of the whole object. With `first_bytes` it can be checked only when all the rest is
    /// there as well.
    pub digest: Option<Digest>,
    /// Whether bytes are moved.
    pub action: Action,
    /// Requests for the whole object that are expected in a day, in thousandths.
    pub expected: u64,
    /// A higher one is filled first, whatever its expected value.
    pub priority: u8,
    /// Whether it is kept whatever the traffic.
    pub pin: Pin,
    /// When viewers may have it for the first time, in seconds since the Unix epoch: it should be
    /// there by then.
    pub live_at_s: Option<u64>,
    /// Only so many first bytes are to be held, from 1 to `size`.
    pub first_bytes: Option<u64>,
    /// Where it would best lie.
    pub tier: Tier,
    /// Filled outside the window as well, ahead of everything else.
    pub fast_track: bool,
}

/// What is to be done about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Fetch it in the window.
    Fill,
    /// Move nothing, but let it in at its first miss.
    Seed,
}

/// Whether an object stays whatever the traffic. Most do not: a plan is a hint to the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pin {
    /// The policy decides.
    Unpinned,
    /// It stays before this second since the Unix epoch, while it is planned.
    Until(u64),
    /// It stays as long as it is planned.
    WhilePlanned,
}

/// Where an object would best lie: a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Wherever the policy puts it.
    Any,
    /// In RAM.
    Ram,
    /// On disk.
    Disk,
}

impl<'a> Object<'a> {
    /// An object that is to be fetched.
    pub fn fill(site: &'a str, path: &'a str, size: u64, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            action: Action::Fill,
            ..Self::seed(site, path, size, 0)
        }
    }

    /// An object that is let in at its first miss; `expected` in thousandths of requests a day.
    pub fn seed(site: &'a str, path: &'a str, size: u64, expected: u64) -> Self {
        Self {
            site,
            path,
            size,
            digest: None,
            action: Action::Seed,
            expected,
            priority: 0,
            pin: Pin::Unpinned,
            live_at_s: None,
            first_bytes: None,
            tier: Tier::Any,
            fast_track: false,
        }
    }

    /// Bytes that are to be held when its plan is done: 0 for [`Action::Seed`].
    pub fn bytes_wanted(&self) -> u64 {
        match self.action {
            Action::Fill => self.first_bytes.unwrap_or(self.size),
            Action::Seed => 0,
        }
    }

    /// Whether `other` has the same bytes, as far as the manifest can tell. An object without a
    /// digest is told by its size alone.
    pub fn same_content(&self, other: &Object<'_>) -> bool {
        let digests_agree = match (self.digest, other.digest) {
            (Some(one), Some(two)) => one == two,
            (None, _) | (_, None) => true,
        };
        self.size == other.size && digests_agree
    }

    /// Whether it is pinned at `now_s`.
    pub fn is_pinned(&self, now_s: u64) -> bool {
        match self.pin {
            Pin::Unpinned => false,
            Pin::Until(end_s) => now_s < end_s,
            Pin::WhilePlanned => true,
        }
    }

    /// What an object may be, whoever signs it.
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        check_name(self.site, self.path)?;
        if self.size == 0 {
            return Err(Wrong::value("size", 0, "an object has at least one byte"));
        }
        if let Some(bytes) = self.first_bytes
            && !(1..=self.size).contains(&bytes)
        {
            return Err(Wrong::value("first_bytes", bytes, "from 1 to the size"));
        }
        match (self.action, self.digest, self.first_bytes) {
            // Nothing else would tell wrong bytes of the right length from the right ones.
            (Action::Fill, None, None) => Err(Wrong::Missing("digest (of what is filled whole)")),
            (Action::Fill | Action::Seed, _, _) => Ok(()),
        }
    }
}

/// Checks a site's name and a path.
pub(crate) fn check_name(site: &str, path: &str) -> Result<(), Wrong> {
    if !Label::is_legal(site.as_bytes()) {
        return Err(Wrong::label("site", site));
    }
    if path.len() > OBJECT_PATH_BYTES_MAX {
        let (path, bytes) = (cut(path), path.len());
        return Err(Wrong::PathTooLong { path, bytes });
    }
    ObjectPath::check(path).map_err(|problem| Wrong::Path {
        path: cut(path),
        problem,
    })
}
