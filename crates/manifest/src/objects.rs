//! The objects of a manifest: a million of them in about 150 MB.

use crate::{Action, Digest, Names, Object, Pin, Tier, Wrong, names::Collected};

/// Objects sorted by site and path, each legal, none twice, their sizes adding up to less than
/// 2^64.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    names: Names,
    facts: Vec<Facts>,
}

/// What is told of an object besides its name. Without `Option`s, which would cost 8 bytes each:
/// the values that stand for none are illegal otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    size: u64,
    /// All zero for none.
    digest: [u8; 32],
    expected: u64,
    /// 0 for unpinned, `u64::MAX` for as long as it is planned.
    pin_until_s: u64,
    /// 0 for none.
    live_at_s: u64,
    /// 0 for all.
    first_bytes: u64,
    action: Action,
    tier: Tier,
    priority: u8,
    fast_track: bool,
}

impl Objects {
    /// Checks, sorts and keeps objects.
    ///
    /// # Errors
    /// When one of them cannot be or is there twice, or when all are too many or too large.
    pub fn collect<'a>(objects: impl IntoIterator<Item = Object<'a>>) -> Result<Self, Wrong> {
        let objects = objects.into_iter();
        let mut builder = Builder::with_capacity(objects.size_hint().0);
        for object in objects {
            builder.push(&object)?;
        }
        builder.finish()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// One of them; `None` beyond the end.
    pub fn at(&self, index: usize) -> Option<Object<'_>> {
        let (site, path) = self.names.at(index)?;
        Some(self.facts.get(index)?.object(site, path))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Object<'_>> {
        let named = self.names.iter().zip(&self.facts);
        named.map(|((site, path), facts)| facts.object(site, path))
    }

    /// Where an object stands. O(log n).
    pub fn find(&self, site: &str, path: &str) -> Option<usize> {
        self.names.find(site, path)
    }

    /// Where the first object stands that is not before this name; their number if all are. O(log n).
    pub fn at_or_after(&self, site: &str, path: &str) -> usize {
        self.names.at_or_after(site, path)
    }

    /// Their names.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Bytes that are to be held when all is filled.
    pub fn bytes_wanted(&self) -> u64 {
        self.iter().map(|object| object.bytes_wanted()).sum()
    }

    /// Bytes of memory behind it.
    pub fn memory_bytes(&self) -> u64 {
        self.names.memory_bytes() + (self.facts.capacity() * size_of::<Facts>()) as u64
    }
}

/// Objects as they come, for who cannot hold all of them first.
#[derive(Debug, Default)]
pub struct Builder {
    names: Collected,
    facts: Vec<Facts>,
    sizes: u64,
}

impl Builder {
    pub(crate) fn with_capacity(objects: usize) -> Self {
        Self {
            names: Collected::with_capacity(objects),
            facts: Vec::with_capacity(objects),
            sizes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.facts.len()
    }

    /// Bytes of memory that an object takes at least.
    pub(crate) const OBJECT_BYTES: u64 = Collected::NAME_BYTES + size_of::<Facts>() as u64;

    /// Bytes of memory behind what has come so far, but for what is only set aside.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.names.memory_bytes() + (self.facts.len() * size_of::<Facts>()) as u64
    }

    /// Bytes of memory for putting it in order, for as long as that takes.
    pub(crate) fn sorting_bytes(&self) -> u64 {
        match self.names.sorting_bytes() {
            0 => 0,
            names => names + (self.facts.len() * size_of::<Facts>()) as u64,
        }
    }

    /// Checks one and keeps it.
    ///
    /// # Errors
    /// When it cannot be, or when all are too large together.
    pub fn push(&mut self, object: &Object<'_>) -> Result<(), Wrong> {
        object.check()?;
        let sizes = self.sizes.checked_add(object.size);
        self.sizes = sizes.ok_or(Wrong::SumTooLarge)?;
        self.names.push(object.site, object.path)?;
        self.facts.push(Facts::of(object));
        Ok(())
    }

    /// All of them, in order.
    ///
    /// # Errors
    /// When one of them is there twice, or when they are too many.
    pub fn finish(mut self) -> Result<Objects, Wrong> {
        let (names, order) = self.names.sorted()?;
        if let Some(order) = order {
            self.facts = order
                .iter()
                .map(|came| self.facts[*came as usize])
                .collect();
        }
        self.facts.shrink_to_fit();
        Ok(Objects {
            names,
            facts: self.facts,
        })
    }
}

impl Facts {
    fn of(object: &Object<'_>) -> Self {
        Self {
            size: object.size,
            digest: object.digest.map_or([0; 32], |digest| *digest.as_bytes()),
            expected: object.expected,
            pin_until_s: match object.pin {
                Pin::Unpinned => 0,
                Pin::Until(end_s) => end_s,
                Pin::WhilePlanned => u64::MAX,
            },
            live_at_s: object.live_at_s.unwrap_or(0),
            first_bytes: object.first_bytes.unwrap_or(0),
            action: object.action,
            tier: object.tier,
            priority: object.priority,
            fast_track: object.fast_track,
        }
    }

    fn object<'a>(&self, site: &'a str, path: &'a str) -> Object<'a> {
        let some = |value: u64| (value != 0).then_some(value);
        Object {
            site,
            path,
            size: self.size,
            digest: Digest::from_bytes(self.digest),
            action: self.action,
            expected: self.expected,
            priority: self.priority,
            pin: match self.pin_until_s {
                0 => Pin::Unpinned,
                u64::MAX => Pin::WhilePlanned,
                end_s => Pin::Until(end_s),
            },
            live_at_s: some(self.live_at_s),
            first_bytes: some(self.first_bytes),
            tier: self.tier,
            fast_track: self.fast_track,
        }
    }
}
