//! Least recently used, of RAM and disk as one: what most caches come near to. Every miss is
//! written.

use std::time::Duration;

use super::{Access, Served, Source, Tags};

const END: u32 = u32::MAX;

struct Node {
    tag: u64,
    bytes: u64,
    used: Duration,
    newer: u32,
    older: u32,
}

/// A list of nodes in a vector, by index, and where each tag is.
pub struct Lru {
    capacity: u64,
    held: u64,
    places: Tags<u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    /// How long ago the slice was used that was evicted last.
    eviction_age: Option<Duration>,
}

impl Lru {
    /// An empty one.
    pub fn new(capacity_bytes: u64) -> Self {
        Self {
            capacity: capacity_bytes,
            held: 0,
            places: Tags::default(),
            nodes: Vec::new(),
            free: Vec::new(),
            newest: END,
            oldest: END,
            eviction_age: None,
        }
    }

    /// How long ago the slice was used that went last.
    pub fn eviction_age(&self) -> Option<Duration> {
        self.eviction_age
    }

    /// Somebody wants a slice.
    pub fn access(&mut self, access: &Access) -> Served {
        if let Some(place) = self.places.get(&access.tag).copied() {
            self.unlink(place);
            self.node(place).used = access.at;
            self.link(place);
            return Served {
                source: Source::Disk,
                written: 0,
            };
        }
        if access.bytes > self.capacity {
            return Served {
                source: Source::Upstream,
                written: 0,
            };
        }
        while self.held + access.bytes > self.capacity {
            self.evict(access.at);
        }
        self.insert(access);
        Served {
            source: Source::Upstream,
            written: access.bytes,
        }
    }

    fn insert(&mut self, access: &Access) {
        let node = Node {
            tag: access.tag,
            bytes: access.bytes,
            used: access.at,
            newer: END,
            older: END,
        };
        let place = if let Some(place) = self.free.pop() {
            *self.node(place) = node;
            place
        } else {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).unwrap_or(END)
        };
        self.held += access.bytes;
        self.places.insert(access.tag, place);
        self.link(place);
    }

    fn evict(&mut self, now: Duration) {
        let place = self.oldest;
        self.unlink(place);
        let (tag, bytes) = (self.node(place).tag, self.node(place).bytes);
        self.eviction_age = now.checked_sub(self.node(place).used);
        self.places.remove(&tag);
        self.held -= bytes;
        self.free.push(place);
    }

    fn link(&mut self, place: u32) {
        let before = std::mem::replace(&mut self.newest, place);
        (self.node(place).newer, self.node(place).older) = (END, before);
        if before == END {
            self.oldest = place;
        } else {
            self.node(before).newer = place;
        }
    }

    fn unlink(&mut self, place: u32) {
        let (newer, older) = (self.node(place).newer, self.node(place).older);
        if newer == END {
            self.newest = older;
        } else {
            self.node(newer).older = older;
        }
        if older == END {
            self.oldest = newer;
        } else {
            self.node(older).newer = newer;
        }
    }

    fn node(&mut self, place: u32) -> &mut Node {
        &mut self.nodes[place as usize]
    }
}
