//! Which shield an object belongs to: rendezvous hashing.
//!
//! Every edge computes the same order from the shields' names alone, so an object meets the same
//! shield from everywhere and is read from the origin once. When a shield leaves, only its own
//! objects move, spread evenly over the rest: that is rendezvous hashing's property, without a
//! table of points. It costs one short hash per shield, which for the few that an edge has is
//! less than a search in a table.

use std::hash::Hasher;

use message::ObjectName;
use siphasher::sip::SipHasher13;

// Fixed and public: every edge must agree. Changing them moves every object to another shield.
const NAME_KEYS: (u64, u64) = (0x6d69_6c6c_706f_6e64, 0x7368_6965_6c64_2d31);
const OBJECT_KEYS: (u64, u64) = (0x6d69_6c6c_706f_6e64, 0x6f62_6a65_6374_2d31);

/// An order of members for each object. Pure.
#[derive(Debug, Clone)]
pub(crate) struct Ring {
    seeds: Vec<u64>,
}

impl Ring {
    /// A ring of members, known by their names. The order of the names does not matter to which
    /// object meets which name.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let seeds = names
            .into_iter()
            .map(|name| hash(NAME_KEYS, &[name]))
            .collect();
        Self { seeds }
    }

    /// The members' indexes, the object's own first, then whom it falls back to.
    ///
    /// All slices of an object have the same order. Costs one hash per member and a sort.
    pub(crate) fn order(&self, object: &ObjectName) -> Vec<usize> {
        let point = hash(OBJECT_KEYS, &[&object.site, &object.path]);
        let mut order: Vec<usize> = (0..self.seeds.len()).collect();
        order.sort_by_cached_key(|&member| {
            let mut hasher = SipHasher13::new_with_keys(self.seeds[member], point);
            hasher.write_u64(point);
            (std::cmp::Reverse(hasher.finish()), self.seeds[member])
        });
        order
    }
}

/// Hashes parts with their lengths, so that no two lists of parts read the same.
fn hash(keys: (u64, u64), parts: &[&str]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(keys.0, keys.1);
    for part in parts {
        hasher.write_u64(part.len() as u64);
        hasher.write(part.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECTS: usize = 10_000;

    fn object(number: usize) -> ObjectName {
        ObjectName {
            site: "vod".into(),
            path: format!("/title/{number}/seg.m4s").into(),
        }
    }

    fn owners(names: &[&str]) -> Vec<String> {
        let ring = Ring::new(names.iter().copied());
        (0..OBJECTS)
            .map(|n| names[ring.order(&object(n))[0]].to_owned())
            .collect()
    }

    #[test]
    fn objects_spread_evenly_over_the_members() {
        let names = ["a", "b", "c", "d"];
        let owners = owners(&names);
        for name in names {
            let share = owners.iter().filter(|owner| *owner == name).count();
            // 10,000 objects over 4 members: 2,500 each with a standard deviation of 43.
            assert!((2_280..2_720).contains(&share), "{name} has {share}");
        }
    }

    #[test]
    fn only_the_objects_of_a_member_that_left_move_and_they_spread() {
        let before = owners(&["a", "b", "c", "d"]);
        let after = owners(&["a", "c", "d"]);
        let mut moved = std::collections::HashMap::new();
        for (old, new) in before.iter().zip(&after) {
            if old == "b" {
                *moved.entry(new.clone()).or_insert(0) += 1;
            } else {
                assert_eq!(old, new);
            }
        }
        assert_eq!(moved.len(), 3);
        assert!(moved.values().all(|&count| count > 650), "{moved:?}");
    }

    #[test]
    fn the_order_of_configuration_does_not_matter() {
        assert_eq!(owners(&["a", "b", "c"]), owners(&["c", "a", "b"]));
    }

    #[test]
    fn every_member_is_in_the_order_once() {
        let ring = Ring::new(["a", "b", "c", "d", "e"]);
        for number in 0..100 {
            let mut order = ring.order(&object(number));
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn where_the_site_ends_and_the_path_begins_matters() {
        assert_ne!(
            hash(OBJECT_KEYS, &["ab", "/c"]),
            hash(OBJECT_KEYS, &["a", "b/c"])
        );
    }

    #[test]
    fn the_assignment_is_part_of_the_protocol_between_nodes() {
        let ring = Ring::new(["shield-1", "shield-2", "shield-3"]);
        let heads: Vec<usize> = (0..12).map(|n| ring.order(&object(n))[0]).collect();
        assert_eq!(heads, [1, 2, 1, 1, 1, 2, 1, 1, 0, 1, 2, 0]);
    }
}
