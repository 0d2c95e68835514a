//! Finding what is held of an object: in memory, then in the store.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use message::{ObjectName, Timestamp};
use semantics::freshness::{self, State};
use store::{Epoch, Record};
use tokio::time::Instant;

use crate::{
    Inner, SiteRules,
    head::{Entry, Head},
    id::{Identity, ObjectId},
    kept::Kept,
    purges::Purged,
    tags::Tags,
    variants::{NOTE, Note},
};

/// What a lookup came to: pure in what was found and the time.
#[derive(Debug)]
pub(crate) enum Found {
    /// It may be served as it is.
    Fresh(Arc<Head>),
    /// It may be served now; `refresh` if upstream is to be asked behind the viewer's back.
    StaleUsable { head: Arc<Head>, refresh: bool },
    /// It must be confirmed first.
    Stale(Arc<Head>),
    /// An answer that is no object, and is still believed.
    Kept(Arc<Kept>),
    /// One that is believed no longer, and may be confirmed or stand in for an error.
    KeptStale(Arc<Kept>),
    /// Its answers may not be stored.
    Pass,
    /// Nothing is known.
    Nothing,
}

impl Found {
    /// Judges an entry; after a failed revalidation the next one comes `pause` later.
    pub(crate) fn judge(entry: Option<Entry>, now: &Timestamp, pause: Duration) -> Self {
        match entry {
            Some(Entry::Object(head)) => Self::judge_head(head, now, pause),
            Some(Entry::Kept(kept)) if kept.ttl(now).is_some() => Self::Kept(kept),
            Some(Entry::Kept(kept)) if kept.is_of_use(now) => Self::KeptStale(kept),
            Some(Entry::Pass { until, .. }) if now.mono < until => Self::Pass,
            Some(Entry::Kept(_) | Entry::Varies(_) | Entry::Pass { .. }) | None => Self::Nothing,
        }
    }

    fn judge_head(head: Arc<Head>, now: &Timestamp, pause: Duration) -> Self {
        if head.is_from_the_future(now) {
            return Self::Stale(head);
        }
        let refresh = head.may_be_confirmed(now, pause);
        match freshness::state(&head.freshness, head.received, now.wall) {
            State::Fresh { .. } => Self::Fresh(head),
            State::StaleUsable { .. } => Self::StaleUsable { head, refresh },
            // RFC 5861 section 4: an error was met a moment ago. Another viewer need not wait to
            // meet it again.
            State::Stale { .. } if head.is_failing(now) && stands_in(&head, now) => {
                Self::StaleUsable { head, refresh }
            }
            State::Stale { .. } => Self::Stale(head),
        }
    }
}

/// Whether a stale head may be served in place of an error.
pub(crate) fn stands_in(head: &Head, now: &Timestamp) -> bool {
    freshness::may_serve_on_error(&head.freshness, head.received, now.wall)
}

impl Inner {
    /// What is held of an object, from memory or the store's disks.
    pub(crate) async fn find(
        &self,
        id: impl Into<Identity>,
        name: &ObjectName,
        rules: &SiteRules,
    ) -> Option<Entry> {
        let id = id.into();
        if let Some(entry) = self.remembered(id, name) {
            return Some(entry);
        }
        let (record, _) = self.store.get(&id.key.head_key()).await?;
        let entry = self.decoded(id, name, rules, &record)?;
        // What was learned meanwhile is newer than what lay on the disk.
        if let Some(entry) = self.remembered(id, name) {
            return Some(entry);
        }
        self.heads.insert(id.key, entry.clone());
        Some(entry)
    }

    /// The same for who goes over all that is held: it takes no memory of others, and counts as no use.
    pub(crate) async fn find_behind(
        &self,
        id: impl Into<Identity>,
        name: &ObjectName,
        rules: &SiteRules,
    ) -> Option<Entry> {
        let id = id.into();
        if let Some(entry) = self.remembered(id, name) {
            return Some(entry);
        }
        let record = self.store.peek(&id.key.head_key()).await?;
        self.decoded(id, name, rules, &record)
    }

    /// What a record says of an object, unless it was purged since.
    fn decoded(
        &self,
        id: Identity,
        name: &ObjectName,
        rules: &SiteRules,
        record: &Record,
    ) -> Option<Entry> {
        if let Some((&NOTE, body)) = record.bytes.split_first() {
            let note = Note::decode(body, name, record.stamp)?;
            let purged = self.purged(id.object, name, &Tags::default());
            (note.stamp >= purged.forgotten).then(|| Entry::Varies(Arc::new(note)))
        } else {
            let head = Head::decode(&record.bytes, (id, name), &rules.ttl, record.stamp)?;
            Some(Entry::Object(self.unpurged(Arc::new(head))?))
        }
    }

    /// What memory holds of an object, unless it was purged since.
    pub(crate) fn remembered(&self, id: Identity, name: &ObjectName) -> Option<Entry> {
        match self.heads.get(&id.key)? {
            Entry::Object(head) if head.name != *name => None,
            Entry::Object(head) => self.unpurged(head).map(Entry::Object),
            Entry::Kept(kept) if kept.name != *name => None,
            entry @ (Entry::Kept(_) | Entry::Varies(_) | Entry::Pass { .. }) => {
                let stamp = entry.stamp();
                let purged = || self.purged(id.object, name, &entry.tags()).last();
                let alive = stamp >= self.store.epoch() || stamp >= purged();
                alive.then_some(entry)
            }
        }
    }

    /// A head, unless it was purged; stale, if it is to be confirmed since. No scope was purged
    /// later than the last purge of all, so that mostly one number tells; and patterns and tags are
    /// tried once.
    fn unpurged(&self, head: Arc<Head>) -> Option<Arc<Head>> {
        let id = head.id.object;
        if head.stamp >= self.store.epoch() {
            return Some(head);
        }
        let version = self.purges.version();
        let is_checked = head.checked.upto() >= version;
        let purged = if is_checked {
            Purged::by_scopes(&self.store, id, &head.name)
        } else {
            self.purged(id, &head.name, &head.tags)
        };
        if head.stamp < purged.forgotten {
            return None;
        }
        if head.confirmed < purged.to_confirm {
            if head.is_to_be_confirmed() {
                return Some(head);
            }
            let revoked = Arc::new(head.to_be_confirmed());
            self.heads
                .insert(head.id.key, Entry::Object(Arc::clone(&revoked)));
            return Some(revoked);
        }
        head.checked.raise(version);
        Some(head)
    }

    /// The last purges that reach an object with these tags.
    pub(crate) fn purged(&self, id: ObjectId, name: &ObjectName, tags: &Tags) -> Purged {
        let purged = self.purges.of(&self.store, id, name);
        purged.or(tags.purged(&self.store))
    }

    /// Whether a slice is in the store, by its index alone.
    pub(crate) fn holds(&self, head: &Head, slice: u32) -> bool {
        self.store.tier(&head.version.slice_key(slice)).is_some()
    }

    /// Keeps a head in memory and in the store, unless a purge since its fill began made it dead:
    /// the head of a fill after the purge may be there already.
    pub(crate) fn keep(&self, head: &Arc<Head>) {
        let id = head.id;
        let purged = self.purged(id.object, &head.name, &head.tags);
        if head.stamp < purged.forgotten {
            return;
        }
        self.note(id, &head.name, &head.selection, head.stamp);
        self.heads.insert(id.key, Entry::Object(Arc::clone(head)));
        self.put_head(id.key, head.stamp, Bytes::from(head.encode()));
    }

    pub(crate) fn put_head(&self, key: ObjectId, stamp: Epoch, bytes: Bytes) {
        match self.store.budget().try_reserve(bytes.len() as u64) {
            Some(room) => self.store.put(key.head_key(), stamp, room.hold(bytes)),
            // Memory has the head; what the store has is older.
            None => self.forget_stored(key),
        }
    }

    /// Keeps in memory that there is no object to be had, in place of all that was known.
    pub(crate) fn keep_none(&self, id: Identity, name: &ObjectName, entry: Entry) {
        if entry.stamp() < self.purged(id.object, name, &entry.tags()).last() {
            return;
        }
        self.heads.insert(id.key, entry);
        self.forget_stored(id.key);
    }

    /// Remembers that upstream failed to confirm what is held.
    pub(crate) fn keep_failed(&self, head: &Arc<Head>, failed_at: Instant) {
        let key = head.id.key;
        if let Some(Entry::Object(held)) = self.heads.get(&key)
            && held.is_same_as(head)
        {
            let failed = Head {
                failed_at: Some(failed_at),
                ..Head::clone(head)
            };
            self.heads.insert(key, Entry::Object(Arc::new(failed)));
        }
    }

    /// Forgets a head whose version is gone, so that the next request learns the new one.
    pub(crate) fn forget(&self, head: &Head) {
        let id = head.id.key;
        let current = self.heads.get(&id);
        if matches!(&current, Some(Entry::Object(held)) if held.version != head.version) {
            return;
        }
        self.heads.remove(&id);
        self.forget_stored(id);
    }

    /// A removal costs a record on every disk, so it is not made of what is not there.
    fn forget_stored(&self, key: ObjectId) {
        let key = key.head_key();
        if self.store.tier(&key).is_some() {
            self.store.remove(&key);
        }
    }
}
