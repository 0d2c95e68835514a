//! What a plan wants, and what of it is here.

use std::{ops::Range, sync::Arc};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use message::ObjectName;
use store::{Epoch, Key};

use crate::{
    Cache, Inner, SiteRules,
    geometry::Geometry,
    head::{Entry, Head},
    id::{ObjectId, VersionId},
    tags::Tags,
};

/// What is planned of objects. A pure look into memory, without I/O and without a lock that others
/// hold: it is asked at every fill.
pub trait Plan: Send + Sync + 'static {
    /// What is expected of an object; nothing if it is not planned.
    fn of(&self, object: ObjectId) -> Option<Expected>;
}

/// What a plan expects of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expected {
    /// Requests for it on a day, in thousandths.
    pub requests_per_day: u32,
    /// Whether it stays on disk whatever the traffic.
    pub is_pinned: bool,
}

/// What a plan wants of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Bytes of the whole object, from 1.
    pub size: u64,
    /// SHA-256 of the whole object.
    pub sha256: Option<[u8; 32]>,
    /// So many first bytes are wanted, at most `size`. The digest can be compared only when that
    /// is all of them.
    pub first_bytes: u64,
    /// What speaks for it once it is here.
    pub expected: Expected,
}

/// What of it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// Not all of it.
    Lacking,
    /// All of it, as viewers brought it: nobody has compared the digest.
    Unverified,
    /// All of it, and it was compared with the digest; or there is none to compare with.
    Whole,
}

impl Cache {
    /// What is here of an object as a plan wants it. By the index alone where it was filled by
    /// plan; otherwise its head is read.
    ///
    /// Cancel safe.
    pub async fn holding(
        &self,
        name: &ObjectName,
        wanted: &Wanted,
        rules: &Arc<SiteRules>,
    ) -> Holding {
        let rules = rules.of(&name.path);
        let target = Target::new(&self.inner, name, wanted);
        match self.inner.version_held(&target, rules).await {
            None => Holding::Lacking,
            Some(version) if target.is_proven(version) => Holding::Whole,
            Some(_) if target.sha256().is_some() => Holding::Unverified,
            Some(_) => Holding::Whole,
        }
    }

    /// Whether what is expected is worth what would have to go for it; what is pinned is, whatever that is.
    pub fn is_worth_filling(&self, expected: Expected) -> bool {
        let store = &self.inner.store;
        expected.is_pinned || store.is_worth_filling(expected.requests_per_day)
    }

    /// The same for what was here and was lost.
    pub fn is_worth_keeping(&self, expected: Expected) -> bool {
        let store = &self.inner.store;
        expected.is_pinned || store.is_worth_keeping(expected.requests_per_day)
    }

    /// Whether something of an object was filled by plan already.
    pub fn has_begun(&self, name: &ObjectName, wanted: &Wanted) -> bool {
        let target = Target::new(&self.inner, name, wanted);
        let first = target.slices().start;
        let holds = |version: VersionId| self.inner.holds_all(version, first..first + 1);
        target.planned.is_some_and(holds)
    }

    /// Tells the store again what a plan expects of an object that is here, in place of what was counted:
    /// after a restart, with every plan, and once a day.
    ///
    /// Cancel safe.
    pub async fn tell_expected(&self, name: &ObjectName, wanted: &Wanted, rules: &Arc<SiteRules>) {
        let rules = rules.of(&name.path);
        let target = Target::new(&self.inner, name, wanted);
        let Some(version) = self.inner.version_held(&target, rules).await else {
            return;
        };
        for index in target.slices() {
            // A plan's day begins: what it says of what is here stands in place of what was counted.
            let (key, expected) = (version.slice_key(index), wanted.expected);
            let store = &self.inner.store;
            store.appraise(&key, expected.requests_per_day);
        }
    }

    /// All that is to stay pinned is pinned again from now on ([`Self::pin`]); what is not by
    /// [`Self::end_pins`] is let go of then, whatever it was pinned for: by a plan before, or before a purge
    /// that gave what came after it other names.
    pub fn begin_pins(&self) {
        self.inner.store.begin_pins();
    }

    /// Lets go of the pins that were not told since [`Self::begin_pins`].
    pub fn end_pins(&self) {
        self.inner.store.end_pins();
    }

    /// Pins what is here of an object, and what is pinned of it and on its way.
    ///
    /// Cancel safe.
    pub async fn pin(&self, name: &ObjectName, wanted: &Wanted, rules: &Arc<SiteRules>) {
        let target = Target::new(&self.inner, name, wanted);
        let store = &self.inner.store;
        let pin = |version: VersionId| {
            for index in target.slices() {
                let (key, extent) = (version.slice_key(index), target.geometry.extent(index));
                if store.tier(&key).is_some() || store.is_pinned(&key) {
                    self.inner.pin(&key, extent.end - extent.start);
                }
            }
        };
        target.planned.into_iter().for_each(pin);
        // Where all of it is here as planned, no head has to be read for what viewers brought.
        let is_whole = |version| self.inner.holds_all(version, target.slices());
        if !target.planned.is_some_and(is_whole) {
            let rules = rules.of(&name.path);
            let brought = self.inner.version_brought(&target, rules).await;
            brought.into_iter().for_each(pin);
        }
    }

    /// Lets go of the pins of an object, whether it is here or not: from now on it has to be worth its
    /// place.
    ///
    /// Cancel safe.
    pub async fn unpin(&self, name: &ObjectName, wanted: &Wanted, rules: &Arc<SiteRules>) {
        let target = Target::new(&self.inner, name, wanted);
        let rules = rules.of(&name.path);
        let brought = self.inner.version_brought(&target, rules).await;
        for version in target.planned.into_iter().chain(brought) {
            for index in target.slices() {
                self.inner.store.unpin(&version.slice_key(index));
            }
        }
    }

    /// Lets go of an object that a plan no longer wants: its slices and its head. Viewers who read
    /// it go on; who comes next has it filled anew.
    pub async fn release(&self, name: &ObjectName, wanted: &Wanted, rules: &Arc<SiteRules>) {
        let rules = rules.of(&name.path);
        let target = Target::new(&self.inner, name, wanted);
        if let Some(Entry::Object(head)) = self.inner.find(target.id, name, rules).await {
            self.inner.forget(&head);
            self.inner.drop_slices(head.version, head.geometry);
        }
        if let Some(version) = target.planned {
            self.inner.drop_slices(version, target.geometry);
        }
    }

    /// Takes a plan into force in place of the one before, or none.
    pub fn replace_plan(&self, plan: Option<Box<dyn Plan>>) {
        self.inner.plan.replace(plan);
    }
}

/// The plan in force, if there is one: replaced as a whole.
#[derive(Default)]
pub(crate) struct Active(ArcSwapOption<Box<dyn Plan>>);

impl Active {
    pub(crate) fn replace(&self, plan: Option<Box<dyn Plan>>) {
        self.0.store(plan.map(Arc::new));
    }

    pub(crate) fn of(&self, object: impl FnOnce() -> ObjectId) -> Option<Expected> {
        self.0.load().as_ref()?.of(object())
    }
}

/// An object as a plan wants it, and what names it in the store.
pub(crate) struct Target {
    pub(crate) name: ObjectName,
    pub(crate) id: ObjectId,
    pub(crate) wanted: Wanted,
    pub(crate) geometry: Geometry,
    /// Taken before anything is asked: a purge from now on wins.
    pub(crate) stamp: Epoch,
    /// The version by the digest, where it can be compared.
    pub(crate) planned: Option<VersionId>,
}

impl Target {
    pub(crate) fn new(inner: &Inner, name: &ObjectName, wanted: &Wanted) -> Self {
        let id = ObjectId::of(name);
        let stamp = inner.store.epoch();
        let geometry = Geometry::of(wanted.size);
        // What was compared with its digest is what is planned, whatever tags it has.
        let purged = inner.purged(id, name, &Tags::default());
        let generation = purged.forgotten.min(stamp);
        let whole = wanted.first_bytes >= wanted.size;
        let planned = wanted
            .sha256
            .filter(|_| whole)
            .map(|sha256| VersionId::planned(id, &sha256, geometry, generation));
        Self {
            name: name.clone(),
            id,
            wanted: *wanted,
            geometry,
            stamp,
            planned,
        }
    }

    /// The digest, where it can be compared.
    pub(crate) fn sha256(&self) -> Option<[u8; 32]> {
        self.wanted.sha256.filter(|_| self.planned.is_some())
    }

    pub(crate) fn is_proven(&self, version: VersionId) -> bool {
        self.planned == Some(version)
    }

    pub(crate) fn slices(&self) -> Range<u32> {
        let bytes = 0..self.wanted.first_bytes.min(self.wanted.size);
        self.geometry.covering(&bytes)
    }
}

impl Inner {
    /// Whether the store has all slices that are wanted, by its index alone.
    fn holds_all(&self, version: VersionId, slices: Range<u32>) -> bool {
        let mut slices = slices;
        slices.all(|index| self.store.tier(&version.slice_key(index)).is_some())
    }

    /// The version that an object's head names, if it is cut as planned.
    pub(crate) async fn version_brought(
        &self,
        target: &Target,
        rules: &SiteRules,
    ) -> Option<VersionId> {
        match self.find_behind(target.id, &target.name, rules).await? {
            Entry::Object(head) => (head.geometry == target.geometry).then_some(head.version),
            Entry::Kept(_) | Entry::Varies(_) | Entry::Pass { .. } => None,
        }
    }

    /// The version under which all that is wanted is here.
    pub(crate) async fn version_held(
        &self,
        target: &Target,
        rules: &SiteRules,
    ) -> Option<VersionId> {
        if let Some(planned) = target.planned
            && self.store.tier(&target.id.head_key()).is_some()
            && self.holds_all(planned, target.slices())
        {
            return Some(planned);
        }
        let brought = self.version_brought(target, rules).await?;
        self.holds_all(brought, target.slices()).then_some(brought)
    }

    /// Tells the store what speaks for a slice.
    pub(crate) fn credit(&self, key: &Key, bytes: u64, expected: Expected) {
        self.store.expect(key, expected.requests_per_day);
        if expected.is_pinned {
            self.pin(key, bytes);
        }
    }

    fn pin(&self, key: &Key, bytes: u64) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Err(full) = self.store.pin(key, bytes) {
            tracing::debug!(%full, "a planned slice was not pinned");
        }
    }

    pub(crate) fn drop_slices(&self, version: VersionId, geometry: Geometry) {
        for index in geometry.covering(&(0..geometry.total_bytes())) {
            let key = version.slice_key(index);
            if self.store.tier(&key).is_some() {
                self.store.unpin(&key);
                self.store.remove(&key);
            }
        }
    }
}

impl Inner {
    /// Hands a slice that a viewer made come in to the store. What the plan expects speaks for it:
    /// it counts before the store decides whether the slice is worth a write, so that what is
    /// planned is written at its first miss.
    pub(crate) fn keep_slice(&self, head: &Head, key: Key, bytes: Bytes) {
        if let Some(expected) = self.plan.of(|| ObjectId::of(&head.name)) {
            self.store.expect_asked(&key, expected.requests_per_day);
            if expected.is_pinned {
                self.pin(&key, bytes.len() as u64);
            }
        }
        self.store.put(key, head.stamp, bytes);
    }
}
