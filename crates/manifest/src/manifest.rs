//! A manifest as a planner makes it and a node reads it.

use signing::Label;

use crate::Digest;
use crate::{Hints, Names, Objects, Wrong};

/// The highest generation: what every JSON library can hold exactly.
pub const GENERATION_MAX: u64 = (1 << 53) - 1;

/// What an appliance should hold. Nothing is proven of it: see [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// For whom, when, after what.
    pub head: Head,
    /// What to hold; of a delta, what is new or has changed.
    pub objects: Objects,
    /// What need not be held any longer: its plan and its pin end, and its bytes may go once
    /// the new ones are there. Of a full manifest, what is not among `objects` has left the plan
    /// as well, but the policy decides about its bytes.
    pub removed: Names,
}

/// For whom a manifest is, when, and after what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The appliance or the cluster that it is for, by the name in its config.
    pub audience: Label,
    /// Rises with each manifest for this audience; from 1 to [`GENERATION_MAX`].
    pub generation: u64,
    /// The digest of the manifest before it. A delta needs it; a full manifest without it stands
    /// alone.
    pub previous: Option<Digest>,
    /// When it was made, in seconds since the Unix epoch.
    pub issued_s: u64,
    /// From when on it is no longer accepted. What was accepted before goes on.
    pub expires_s: u64,
    /// Full or delta.
    pub kind: Kind,
    /// Wishes for the fill.
    pub hints: Hints,
    /// The second flag, without which no manifest may drop much of what is planned.
    pub allow_mass_eviction: bool,
}

/// What a manifest's objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All that is wanted.
    Full,
    /// What changes against the plan of this generation.
    Delta {
        /// The generation, which must be the node's present one.
        base: u64,
    },
}

impl Head {
    /// What a head may be, whoever signs it.
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        let generation = self.generation;
        if !(1..=GENERATION_MAX).contains(&generation) {
            return Err(Wrong::value("generation", generation, "from 1 to 2^53 - 1"));
        }
        if self.expires_s <= self.issued_s {
            return Err(Wrong::value(
                "expires_s",
                self.expires_s,
                "it is after issued_s",
            ));
        }
        let Kind::Delta { base } = self.kind else {
            return Ok(());
        };
        if !(1..generation).contains(&base) {
            return Err(Wrong::value(
                "base",
                base,
                "from 1 and below the generation",
            ));
        }
        if self.previous.is_none() {
            return Err(Wrong::Missing("previous (of a delta)"));
        }
        Ok(())
    }
}

impl Manifest {
    /// Head, objects and removals as one.
    ///
    /// # Errors
    /// When the head cannot be, or when a name is both wanted and removed.
    pub fn new(head: Head, objects: Objects, removed: Names) -> Result<Self, Wrong> {
        head.check()?;
        let both = removed
            .iter()
            .find(|(site, path)| objects.find(site, path).is_some());
        if let Some((site, path)) = both {
            let (site, path) = (site.to_owned(), path.to_owned());
            return Err(Wrong::Twice { site, path });
        }
        Ok(Self {
            head,
            objects,
            removed,
        })
    }
}

/// Proof that enough keys have signed it, that it is for this node, its time and its turn. Only
/// [`crate::accept`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) fn new(proven: T) -> Self {
        Self(proven)
    }

    /// What was verified, taken out of its proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> std::ops::Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
