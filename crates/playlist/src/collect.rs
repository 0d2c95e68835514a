//! What was found so far, and how much more may be.

use indexmap::IndexSet;
use url::Url;

use crate::Error;

/// How often something may be named, for each object that may be: the same file for audio and
/// subtitles, or a range of it for each segment.
const REPEATS: usize = 4;

/// How much a playlist may be, and name.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of its text.
    pub text_bytes_max: usize,
    /// Different addresses.
    pub objects_max: usize,
    /// All their characters together.
    pub names_bytes_max: usize,
}

/// What a playlist names: absolute addresses without fragments, each once, in its order. They may be
/// anywhere: whether one is a site's is the caller's to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Playlists of the same kind, which are to be read in turn.
    pub playlists: IndexSet<Box<str>>,
    /// Segments, their initialisations and indexes. What is named by ranges is named as a whole.
    pub objects: IndexSet<Box<str>>,
    /// Keys that come over HTTP. Where they come from is often no cache.
    pub keys: IndexSet<Box<str>>,
    /// More will be named later.
    pub is_live: bool,
}

/// What something that is named is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    Playlist,
    Object,
    Key,
}

/// Collects what a playlist names.
pub(crate) struct Collector {
    limits: Limits,
    tries: usize,
    names_bytes: usize,
    pub(crate) listing: Listing,
}

impl Collector {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            tries: 0,
            names_bytes: 0,
            listing: Listing::default(),
        }
    }

    /// Adds what `reference` is from `base`; nothing where it carries its own content (`data:`), or
    /// is a key that does not come over HTTP.
    pub(crate) fn add(&mut self, role: Role, base: &Url, reference: &str) -> Result<(), Error> {
        // Before any work: what is named twice costs as much as what is named once.
        self.tries += 1;
        if self.tries > self.limits.objects_max.saturating_mul(REPEATS) {
            return Err(Error::TooMany("objects"));
        }
        let mut address = join(base, reference)?;
        let is_http = matches!(address.scheme(), "http" | "https");
        let set = match role {
            _ if address.scheme() == "data" => return Ok(()),
            Role::Key if !is_http => return Ok(()),
            Role::Key => &mut self.listing.keys,
            Role::Object => &mut self.listing.objects,
            Role::Playlist => &mut self.listing.playlists,
        };
        address.set_fragment(None);
        let address = String::from(address);
        if set.contains(address.as_str()) {
            return Ok(());
        }
        self.names_bytes += address.len();
        set.insert(address.into());
        let listing = &self.listing;
        let objects = listing.playlists.len() + listing.objects.len() + listing.keys.len();
        if objects > self.limits.objects_max {
            return Err(Error::TooMany("objects"));
        }
        if self.names_bytes > self.limits.names_bytes_max {
            return Err(Error::TooMany("characters"));
        }
        Ok(())
    }
}

/// Characters of a reference: more than any server takes.
pub(crate) const REFERENCE_BYTES_MAX: usize = 4096;

/// As players resolve it, which are browsers as a rule: by the URL standard.
pub(crate) fn join(base: &Url, reference: &str) -> Result<Url, Error> {
    let bad = || Error::Reference(reference.chars().take(64).collect());
    if reference.len() > REFERENCE_BYTES_MAX {
        // Content that a reference carries itself may be long, and is nothing to be fetched.
        let carried = reference.starts_with("data:").then_some("data:,");
        return carried
            .and_then(|short| Url::parse(short).ok())
            .ok_or_else(bad);
    }
    base.join(reference).map_err(|_nowhere| bad())
}
