//! Playlists that a trigger names: each is read through the cache, and what it names is done like what
//! the trigger names itself.
//!
//! ```text
//! prefilled, in its window and at its rate (a preposition) ▶ read ▶ listed
//!     ▶ its objects ▶ its playlists, one after the other, each with its objects before itself
//!     ▶ itself (a purge or an invalidation)
//! ```
//!
//! A playlist is purged after what it names: whoever has to begin anew still finds the names in it. An
//! owner of a site is no friend of the node: a list has its memory before it is read, and how many
//! playlists and objects a trigger can come to is bounded.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use indexmap::IndexSet;
use playlist::{Format, Limits, Listing, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    book::Book,
    model::{Action, FaultKind, PlaylistFormat, Subject, Target, Trigger},
    runner::{PREFILLS_MAX, kind, object_of},
    subject,
};
use crate::{Engine, Reason, Refused};

/// Playlists that one names: a film in all its qualities, languages and subtitles has some 50.
const PLAYLISTS_MAX: usize = 256;

/// What the playlists of a trigger name together: a film of two hours in segments of two seconds has
/// 3,600 in each of its tracks.
const OBJECTS_MAX: u64 = 50_000;

/// Objects of playlists that are told by name when something is wrong with them.
const TOLD_MAX: usize = 32;
/// Characters of the name of one.
const TOLD_CHARS_MAX: usize = 1024;
/// What those together take in a trigger: each in a fault of its own, whose description may repeat it.
pub(super) const TOLD_BYTES_MAX: usize = TOLD_MAX * 2 * (TOLD_CHARS_MAX + 128);

/// Purges that are under way at one time: those that wait together share a sync.
const PURGES_MAX: usize = 16;

/// The longest playlist.
const TEXT_BYTES_MAX: u64 = 4 << 20;
/// What an address takes in a list besides its characters.
const NAME_BYTES: u64 = 64;
const UNIT_BYTES: u64 = 1 << 10;

/// Memory for playlists and lists of what they name.
pub(crate) struct Lists {
    /// Of purges, of what is urgent, and of what waits for its window: nobody waits there for the
    /// others.
    shares: [Arc<Semaphore>; 3],
    /// What reading one takes.
    reading_units: u32,
    limits: Limits,
}

impl Lists {
    pub(crate) fn new(bytes: u64) -> Self {
        let share = bytes / 3;
        // So that one can be read while another is worked on.
        let reading = share / 2;
        let permits = usize::try_from(share / UNIT_BYTES).unwrap_or(Semaphore::MAX_PERMITS);
        let whole = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let limits = Limits {
            // As much again for what is made of it while it is read.
            text_bytes_max: whole((reading / 4).min(TEXT_BYTES_MAX)),
            objects_max: whole((reading / 4 / NAME_BYTES).min(OBJECTS_MAX)),
            names_bytes_max: whole(reading / 4),
        };
        let share = || Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            shares: [share(), share(), share()],
            reading_units: u32::try_from(reading / UNIT_BYTES).unwrap_or(u32::MAX),
            limits,
        }
    }

    fn share(&self, trigger: &Trigger, action: Action) -> &Arc<Semaphore> {
        let [purges, urgent, window] = &self.shares;
        match action {
            Action::Invalidate | Action::Purge => purges,
            Action::Preposition if trigger.draft.is_urgent() => urgent,
            Action::Preposition => window,
        }
    }
}

/// What a playlist names, with the memory that it takes.
struct Held {
    listing: Listing,
    _memory: OwnedSemaphorePermit,
}

/// The way through the playlists of one trigger.
pub(super) struct Walk<'w> {
    book: &'w Book,
    engine: &'w dyn Engine,
    lists: &'w Lists,
    trigger: &'w Trigger,
    action: Action,
    found: AtomicU64,
    told: AtomicUsize,
}

/// A playlist that a trigger names, and how it was named.
struct Root<'w> {
    subject: &'w Subject,
    site: &'w str,
    format: Format,
}

impl<'w> Walk<'w> {
    pub(super) fn new(
        book: &'w Book,
        engine: &'w dyn Engine,
        lists: &'w Lists,
        (trigger, action): (&'w Trigger, Action),
    ) -> Self {
        Self {
            book,
            engine,
            lists,
            trigger,
            action,
            found: AtomicU64::new(0),
            told: AtomicUsize::new(0),
        }
    }

    /// Does all that a playlist names, and the playlist.
    pub(super) async fn playlist(&self, subject: &'w Subject, target: &'w Target) {
        let Target::Playlist {
            site,
            url,
            format,
            size,
        } = target
        else {
            return;
        };
        let format = match format {
            PlaylistFormat::Hls => Format::Hls,
            PlaylistFormat::Dash => Format::Dash,
        };
        let root = Root {
            subject,
            site,
            format,
        };
        match self.read(&root, url, *size).await {
            Ok(held) => {
                self.objects(&root, &held.listing).await;
                self.playlists(&root, &held.listing.playlists).await;
            }
            Err(refused) => self.blame(&root, url, &refused),
        }
        self.itself(&root, url).await;
    }

    /// Those that a playlist names. They name no others.
    async fn playlists(&self, root: &Root<'_>, playlists: &IndexSet<Box<str>>) {
        if playlists.len() > PLAYLISTS_MAX {
            let what = format!("it names more than {PLAYLISTS_MAX} playlists");
            return self.blame_root(root, FaultKind::Reject, &what);
        }
        for url in playlists {
            if !self.counts(root, 1) {
                return;
            }
            match self.read(root, url, None).await {
                Ok(held) if held.listing.playlists.is_empty() => {
                    self.objects(root, &held.listing).await;
                }
                Ok(_) => {
                    let what = "a playlist in a playlist names playlists";
                    self.blame(root, url, &Refused::new(Reason::Content, what));
                }
                Err(refused) => self.blame(root, url, &refused),
            }
            self.itself(root, url).await;
        }
    }

    /// The objects that a playlist names.
    async fn objects(&self, root: &Root<'_>, listing: &Listing) {
        let keys = listing.keys.iter();
        // Where keys come from is often no cache, and no site of this node.
        let keys = keys.filter(|url| subject::on_site(self.engine, root.site, url).is_ok());
        let all: Vec<&str> = keys.chain(&listing.objects).map(|name| &**name).collect();
        if !self.counts(root, all.len() as u64) {
            return;
        }
        let at_once = match self.action {
            Action::Preposition => PREFILLS_MAX,
            Action::Invalidate | Action::Purge => PURGES_MAX,
        };
        // By number, as in the runner.
        let all = &all;
        let named = |place: usize| all.get(place).copied().unwrap_or_default();
        let mut done = stream::iter(0..all.len())
            .map(|place| async move { (place, self.object(root, named(place)).await) })
            .buffer_unordered(at_once);
        while let Some((place, result)) = done.next().await {
            self.ended(root, named(place), result);
        }
    }

    async fn object(&self, root: &Root<'_>, url: &str) -> Result<(), Refused> {
        let object = subject::on_site(self.engine, root.site, url)?;
        object_of(self.engine, self.action, object, None, &self.trigger.draft).await
    }

    /// A playlist itself, once what it names is done. One that was to come is here already.
    async fn itself(&self, root: &Root<'_>, url: &str) {
        let result = match self.action {
            Action::Preposition => Ok(()),
            Action::Invalidate | Action::Purge => self.object(root, url).await,
        };
        self.ended(root, url, result);
    }

    /// Reads a playlist as the cache has it, or upstream where the cache has none.
    async fn read(&self, root: &Root<'_>, url: &str, size: Option<u64>) -> Result<Held, Refused> {
        let content = |what: String| Refused::new(Reason::Content, what);
        let object = subject::on_site(self.engine, root.site, url)?;
        let base = Url::parse(url).map_err(|error| content(error.to_string()))?;
        if self.action == Action::Preposition {
            // It comes when everything comes, and is then read from the cache.
            let wanted = object.clone();
            object_of(self.engine, self.action, wanted, size, &self.trigger.draft).await?;
        }
        let share = self.lists.share(self.trigger, self.action);
        let memory = Arc::clone(share).acquire_many_owned(self.lists.reading_units);
        let memory = memory.await.map_err(|closed| {
            // Nobody closes it.
            Refused::new(Reason::Failed, closed.to_string())
        })?;
        let limits = self.lists.limits;
        let text = self.engine.read(object, limits.text_bytes_max).await?;
        if let Some(size) = size
            && text.len() as u64 != size
        {
            let what = format!("it has {} bytes, and {size} were named", text.len());
            return Err(content(what));
        }
        let listing = list(root.format, text, base, limits).await?;
        Ok(Held {
            _memory: shrunk(memory, &listing),
            listing,
        })
    }

    /// Counts what was found, if there may be so much.
    fn counts(&self, root: &Root<'_>, more: u64) -> bool {
        if self.found.fetch_add(more, Ordering::Relaxed) + more > OBJECTS_MAX {
            let what = format!("its playlists name more than {OBJECTS_MAX} objects");
            self.blame_root(root, FaultKind::Reject, &what);
            return false;
        }
        let id = &self.trigger.id;
        self.book
            .note(id, message::now().unix_s(), |trigger| trigger.found += more);
        true
    }

    fn ended(&self, root: &Root<'_>, url: &str, result: Result<(), Refused>) {
        let now = message::now().unix_s();
        self.book
            .note(&self.trigger.id, now, |trigger| trigger.advance(now));
        if let Err(refused) = result {
            self.blame(root, url, &refused);
        }
    }

    /// Tells what is wrong with something in a playlist, by its own name while few were told so.
    fn blame(&self, root: &Root<'_>, url: &str, refused: &Refused) {
        let is_short = url.len() <= TOLD_CHARS_MAX;
        if is_short && self.told.fetch_add(1, Ordering::Relaxed) < TOLD_MAX {
            let named = Subject::ContentUrl(url.to_owned());
            return self.note_fault(kind(refused.reason), named, &refused.detail);
        }
        let what = "more of what it names was not done than is told by name";
        self.blame_root(root, kind(refused.reason), what);
    }

    fn blame_root(&self, root: &Root<'_>, kind: FaultKind, what: &str) {
        self.note_fault(kind, root.subject.clone(), what);
    }

    fn note_fault(&self, kind: FaultKind, subject: Subject, what: &str) {
        let now = message::now().unix_s();
        self.book.note(&self.trigger.id, now, |trigger| {
            trigger.blame(kind, subject, what);
        });
    }
}

/// Lists what a playlist names, where it keeps nobody waiting.
async fn list(format: Format, text: Bytes, base: Url, limits: Limits) -> Result<Listing, Refused> {
    let listed = tokio::task::spawn_blocking(move || playlist::list(format, &text, &base, &limits));
    let listed = listed.await;
    let listed = listed.map_err(|error| Refused::new(Reason::Failed, error.to_string()))?;
    listed.map_err(|error| Refused::new(Reason::Content, error.to_string()))
}

/// What a list takes, of what it took to read it.
fn shrunk(mut memory: OwnedSemaphorePermit, listing: &Listing) -> OwnedSemaphorePermit {
    let sets = [&listing.playlists, &listing.objects, &listing.keys];
    let names = sets.into_iter().flatten();
    // Once as it is, and once more by reference while it is worked on.
    let bytes: u64 = names.map(|name| name.len() as u64 + 2 * NAME_BYTES).sum();
    let units = usize::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(usize::MAX);
    memory.split(units).unwrap_or(memory)
}
