//! Whether what a plan has brought here is still what was written, slice by slice: for who goes over all
//! of it while nobody asks.

use std::sync::Arc;

use message::ObjectName;
use store::Checked;

use crate::{Cache, Inner, SiteRules, Wanted, geometry::Geometry, id::VersionId, plan::Target};

impl Wanted {
    /// How large the slice of this number is; nothing if no byte of it is wanted.
    pub fn slice_bytes(&self, index: u32) -> Option<u64> {
        let extent = Geometry::of(self.size).extent(index);
        let is_wanted = extent.start < self.first_bytes.min(self.size);
        is_wanted.then_some(extent.end - extent.start)
    }
}

impl Cache {
    /// Looks whether a slice of an object is on disk as it was written, and with the first one whether its
    /// head is. What is not is forgotten: [`Self::holding`] tells that the object is lacking then. It
    /// waits for all that viewers want, and is no demand.
    ///
    /// Cancel safe.
    pub async fn check(
        &self,
        name: &ObjectName,
        wanted: &Wanted,
        rules: &Arc<SiteRules>,
        index: u32,
    ) -> Checked {
        let target = Target::new(&self.inner, name, wanted);
        let store = &self.inner.store;
        if index == 0 {
            match store.check(&target.id.head_key()).await {
                // A head that is in memory alone is as good.
                Checked::Sound | Checked::Absent => {}
                told @ (Checked::Lost | Checked::Unread | Checked::Busy) => return told,
            }
        }
        let version = self.inner.version_of(&target, index, rules.of(&name.path));
        match version.await {
            Some(version) => store.check(&version.slice_key(index)).await,
            None => Checked::Absent,
        }
    }
}

impl Inner {
    /// The version of which a slice may be here.
    async fn version_of(
        &self,
        target: &Target,
        index: u32,
        rules: &SiteRules,
    ) -> Option<VersionId> {
        let is_here = |version: &VersionId| self.store.tier(&version.slice_key(index)).is_some();
        if let Some(planned) = target.planned.filter(is_here) {
            return Some(planned);
        }
        self.version_brought(target, rules).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expected, SLICE_BYTES};

    fn wanted(size: u64, first_bytes: u64) -> Wanted {
        Wanted {
            size,
            sha256: None,
            first_bytes,
            expected: Expected::default(),
        }
    }

    #[test]
    fn an_object_has_the_slices_of_which_bytes_are_wanted() {
        let sizes = |wanted: Wanted| -> Vec<u64> {
            (0..).map_while(|index| wanted.slice_bytes(index)).collect()
        };
        assert_eq!(sizes(wanted(7, 7)), [7]);
        let large = 4 * SLICE_BYTES + 5;
        let slice = SLICE_BYTES;
        assert_eq!(sizes(wanted(large, large)), [slice, slice, slice, slice, 5]);
        assert_eq!(sizes(wanted(large, slice + 1)), [slice, slice]);
    }
}
