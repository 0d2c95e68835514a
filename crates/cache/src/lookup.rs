//! Finding what is held of an object: in memory, then in the store.

use std::sync::Arc;

use http::StatusCode;
use message::{ObjectName, Timestamp};
use semantics::freshness::{self, State};
use store::Epoch;

use crate::{
    Inner, SiteRules,
    head::{Entry, Head},
    id::{ObjectId, site_scope},
};

/// What a lookup came to: pure in what was found and the time.
#[derive(Debug)]
pub(crate) enum Found {
    /// It may be served as it is.
    Fresh(Arc<Head>),
    /// It may be served now, and is to be refreshed behind the viewer's back.
    StaleWhileRevalidate(Arc<Head>),
    /// It must be confirmed first.
    Stale(Arc<Head>),
    /// Upstream said a moment ago that there is none.
    Absent(StatusCode),
    /// Its answers may not be stored.
    Pass,
    /// Nothing is known.
    Nothing,
}

impl Found {
    pub(crate) fn judge(entry: Option<Entry>, now: &Timestamp) -> Self {
        match entry {
            Some(Entry::Object(head)) => {
                match freshness::state(&head.freshness, head.received, now.wall) {
                    State::Fresh { .. } => Self::Fresh(head),
                    State::StaleUsable { .. } => Self::StaleWhileRevalidate(head),
                    State::Stale { .. } => Self::Stale(head),
                }
            }
            Some(Entry::Absent { status, until, .. }) if now.mono < until => Self::Absent(status),
            Some(Entry::Pass { until, .. }) if now.mono < until => Self::Pass,
            Some(Entry::Absent { .. } | Entry::Pass { .. }) | None => Self::Nothing,
        }
    }
}

impl Inner {
    /// What is held of an object, from memory or the store's disks.
    pub(crate) async fn find(
        &self,
        id: ObjectId,
        name: &ObjectName,
        rules: &SiteRules,
    ) -> Option<Entry> {
        if let Some(entry) = self.remembered(id, name) {
            return Some(entry);
        }
        let (record, _) = self.store.get(&id.head_key()).await?;
        let head = Head::decode(&record.bytes, name, &rules.ttl, record.stamp)?;
        if head.stamp < self.purged_at(id, name) {
            return None;
        }
        let entry = Entry::Object(Arc::new(head));
        self.heads.insert(id, entry.clone());
        Some(entry)
    }

    /// What memory holds of an object, unless it was purged since.
    pub(crate) fn remembered(&self, id: ObjectId, name: &ObjectName) -> Option<Entry> {
        let entry = self.heads.get(&id)?;
        let own = match &entry {
            Entry::Object(head) => head.name == *name,
            Entry::Absent { .. } | Entry::Pass { .. } => true,
        };
        (own && entry.stamp() >= self.purged_at(id, name)).then_some(entry)
    }

    /// The last purge that reaches an object.
    pub(crate) fn purged_at(&self, id: ObjectId, name: &ObjectName) -> Epoch {
        self.store
            .purged_at(id.scope())
            .max(self.store.purged_at(site_scope(&name.site)))
    }

    /// Whether a slice is in the store, by its index alone.
    pub(crate) fn holds(&self, head: &Head, slice: u32) -> bool {
        self.store.tier(&head.version.slice_key(slice)).is_some()
    }

    /// Keeps a head in memory and in the store.
    pub(crate) fn keep(&self, id: ObjectId, head: &Arc<Head>) {
        self.heads.insert(id, Entry::Object(Arc::clone(head)));
        self.store
            .put(id.head_key(), head.stamp, head.encode().into());
    }

    /// Forgets a head whose version is gone, so that the next request learns the new one.
    pub(crate) fn forget(&self, head: &Head) {
        let id = ObjectId::of(&head.name);
        let current = self.heads.get(&id);
        if matches!(&current, Some(Entry::Object(held)) if held.version != head.version) {
            return;
        }
        self.heads.remove(&id);
        self.store.remove(&id.head_key());
    }
}
