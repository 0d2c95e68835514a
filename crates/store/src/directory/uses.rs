//! What was used of what lies on the disks.

use super::Directory;
use crate::{index::USES_MAX, key::Key};

impl Directory {
    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Counts a use of a record that nobody reads. What is not on a disk yet is not counted.
    pub(crate) fn touch(&self, key: &Key) {
        let tag = self.tag(key);
        self.shard(tag).lock().index.used(tag);
    }

    /// The tags of a shard's records on a disk that were used, by how often.
    pub(crate) fn used(&self, shard: usize, disk: u8) -> Vec<(u64, Vec<u64>)> {
        let mut by_uses: Vec<_> = (1..=USES_MAX).map(|uses| (uses, Vec::new())).collect();
        let Some(shard) = self.shards.get(shard) else {
            return by_uses;
        };
        let shard = shard.lock();
        for entry in shard
            .index
            .iter()
            .filter(|entry| entry.place().disk == disk)
        {
            let wanted = by_uses.iter_mut().find(|(uses, _)| *uses == entry.uses());
            if let Some((_, tags)) = wanted {
                tags.push(entry.tag());
            }
        }
        by_uses
    }

    /// Records of these tags were used so often by an earlier run, wherever they are now.
    pub(crate) fn recall_uses(&self, tags: impl Iterator<Item = u64>, uses: u64) {
        for tag in tags {
            self.shard(tag).lock().index.recall_uses(tag, uses);
        }
    }
}
