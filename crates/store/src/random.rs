//! Random names and secrets from the system's entropy, by way of the standard library's keyed
//! hasher. They are kept from strangers, not from cryptanalysts: nothing is encrypted with them.

use std::hash::{BuildHasher, RandomState};

/// Sixteen bytes that nobody can guess from the outside.
pub(crate) fn id() -> [u8; 16] {
    let mut id = [0; 16];
    for half in id.chunks_exact_mut(8) {
        half.copy_from_slice(&RandomState::new().hash_one(half.as_ptr()).to_le_bytes());
    }
    id
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| super::id()).collect();
        assert_eq!(ids.len(), 1000);
    }
}
