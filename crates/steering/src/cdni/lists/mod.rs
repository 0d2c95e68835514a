//! Object lists that a trigger names: playlists, and lists in files of their own. Each is read through
//! the cache, and what it names is done like what the trigger names itself.
//!
//! ```text
//! prefilled, in its window and at its rate (a preposition) ▶ read ▶ listed
//!     ▶ its objects ▶ the lists in it, one after the other, each with its objects before itself
//!     ▶ itself (a purge or an invalidation)
//! ```
//!
//! A list is purged after what it names: whoever has to begin anew still finds the names in it. An owner
//! of a site is no friend of the node: a list has its memory before it is read, and how many lists and
//! objects a trigger can come to, and how deep they lie, is bounded.

mod memory;
mod read;
mod tasks;

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use cache::Reach;
use futures_util::{StreamExt as _, stream};
use message::ObjectName;
use tokio::sync::SemaphorePermit;

use super::{
    book::Book,
    model::{Action, FaultKind, ListFormat, Subject, Target, Trigger},
    runner::{PREFILLS_MAX, kind, object_of},
    subject,
};
use crate::{
    Engine, Purge, PurgeWhat, Reason, Refused,
    access::{Role, Roles},
};
pub(crate) use memory::Lists;
use memory::{OBJECTS_MAX, shrunk};
use read::Named;
pub(super) use read::{Kind, Object};
use tasks::{By, Room, Step, Task, Tasks};

/// Playlists that one names: a film in all its qualities, languages and subtitles has some 50.
const PLAYLISTS_MAX: usize = 256;

/// Objects of lists that are told by name when something is wrong with them.
const TOLD_MAX: usize = 32;
/// Characters of the name of one.
const TOLD_CHARS_MAX: usize = 1024;
/// What those together take in a trigger: each in a fault of its own, whose description may repeat it.
pub(super) const TOLD_BYTES_MAX: usize = TOLD_MAX * 2 * (TOLD_CHARS_MAX + 128);

/// Purges that are under way at one time: those that wait together share a sync.
const PURGES_MAX: usize = 16;

/// What a list names, with the memory that it takes.
struct Held<'w> {
    named: Named,
    /// Where it is, which is where its playlists' objects have to be.
    site: Arc<str>,
    _memory: SemaphorePermit<'w>,
}

/// The way through the lists of one trigger.
pub(super) struct Walk<'w> {
    book: &'w Book,
    engine: &'w dyn Engine,
    lists: &'w Lists,
    /// Of the trigger's sender, as it is now.
    role: Option<&'w Role>,
    trigger: &'w Trigger,
    action: Action,
    found: AtomicU64,
    told: AtomicUsize,
}

/// How the trigger named the list from which all else was found.
type Root<'w> = &'w Subject;

impl<'w> Walk<'w> {
    pub(super) fn new(
        book: &'w Book,
        engine: &'w dyn Engine,
        (lists, roles): (&'w Lists, &'w Roles),
        (trigger, action): (&'w Trigger, Action),
    ) -> Self {
        Self {
            book,
            engine,
            lists,
            role: roles.of(&trigger.draft.owner),
            trigger,
            action,
            found: AtomicU64::new(0),
            told: AtomicUsize::new(0),
        }
    }

    /// Does all that a list names, and the list.
    pub(super) async fn list(&self, root: Root<'w>, target: &'w Target) {
        let Target::List {
            site,
            url,
            format,
            size,
        } = target
        else {
            return;
        };
        let _walk = match self.lists.walk(self.trigger, self.action).await {
            Ok(walk) => walk,
            Err(refused) => return self.blame(root, url, &refused),
        };
        let mut tasks = Tasks::of(Step {
            url: url.as_str().into(),
            site: site.as_str().into(),
            by: By::Trigger,
            format: *format,
            size: *size,
        });
        while let Some(task) = tasks.next() {
            match task {
                Task::Read(step) => match self.read(root, &step, &tasks).await {
                    Ok(inner) => tasks.add(step, inner),
                    Err(refused) => {
                        self.blame(root, &step.url, &refused);
                        tasks.add(step, Vec::new());
                    }
                },
                Task::Finish(step) => self.finish(root, &step).await,
            }
        }
    }

    /// Reads a list and does the objects that it names. What other lists it names is handed back.
    async fn read(&self, root: Root<'_>, step: &Step, tasks: &Tasks) -> Result<Vec<Step>, Refused> {
        tasks.check_way_to(step)?;
        let held = self.held(step).await?;
        if step.by == By::Playlist
            && let Named::Playlist(listing) = &held.named
            && !listing.playlists.is_empty()
        {
            let what = "a playlist in a playlist names playlists";
            return Err(Refused::new(Reason::Content, what));
        }
        self.objects(root, &held).await;
        let room = tasks.room(self.lists.later_bytes_max);
        let inner = self.inner(root, step, &held, room)?;
        let may = self.counts(root, inner.len() as u64);
        Ok(if may { inner } else { Vec::new() })
    }

    /// The lists that a list names.
    fn inner(
        &self,
        root: Root<'_>,
        step: &Step,
        held: &Held<'_>,
        mut room: Room,
    ) -> Result<Vec<Step>, Refused> {
        let mut inner = |url: &str, by, format, size| {
            room.take(url)?;
            Ok(Step {
                url: url.into(),
                site: Arc::clone(&held.site),
                by,
                format,
                size,
            })
        };
        let entries = match &held.named {
            Named::Playlist(listing) => {
                let playlists = &listing.playlists;
                if playlists.len() > PLAYLISTS_MAX {
                    let what = format!("it names more than {PLAYLISTS_MAX} playlists");
                    return Err(Refused::new(Reason::TooLarge, what));
                }
                let playlists = playlists.iter();
                let inner = playlists.map(|url| inner(url, By::Playlist, step.format, None));
                return inner.collect();
            }
            Named::List(entries) => entries,
        };
        let mut lists = Vec::new();
        for entry in entries {
            match entry.kind {
                Some(Kind::List(format)) => {
                    lists.push(inner(&entry.href, By::List, format, entry.size)?);
                }
                Some(Kind::Object) => {}
                None => self.tell(root, &entry.href, FaultKind::Spec, subject::UNKNOWN_TYPE),
            }
        }
        Ok(lists)
    }

    /// Does the objects that a list names.
    async fn objects(&self, root: Root<'_>, held: &Held<'_>) {
        let (by, all): (By, Vec<(&str, Option<u64>)>) = match &held.named {
            Named::Playlist(listing) => {
                let keys = listing.keys.iter();
                // Where keys come from is often no cache, and no site of this node.
                let keys = keys.filter(|url| self.object(By::Playlist, &held.site, url).is_ok());
                let names = keys.chain(&listing.objects);
                (By::Playlist, names.map(|name| (&**name, None)).collect())
            }
            Named::List(entries) => {
                let objects = entries.iter();
                let objects = objects.filter(|entry| entry.kind == Some(Kind::Object));
                let objects = objects.map(|entry| (&*entry.href, entry.size));
                (By::List, objects.collect())
            }
        };
        if !self.counts(root, all.len() as u64) {
            return;
        }
        let at_once = match self.action {
            Action::Preposition => PREFILLS_MAX,
            Action::Invalidate | Action::Purge => PURGES_MAX,
        };
        // By number, as in the runner.
        let all = &all;
        let at = |place: usize| all.get(place).copied().unwrap_or_default();
        let mut done = stream::iter(0..all.len())
            .map(|place| async move {
                let (url, size) = at(place);
                (place, self.one(by, &held.site, url, size).await)
            })
            .buffer_unordered(at_once);
        while let Some((place, result)) = done.next().await {
            self.ended(root, at(place).0, result);
        }
    }

    /// Does one object, however it is named.
    async fn one(&self, by: By, site: &str, url: &str, size: Option<u64>) -> Result<(), Refused> {
        let object = self.object(by, site, url)?;
        object_of(self.engine, self.action, object, size, &self.trigger.draft).await
    }

    /// A list itself, once what it names is done. One that was to come is here already.
    async fn finish(&self, root: Root<'_>, step: &Step) {
        let result = match self.action {
            Action::Preposition => Ok(()),
            Action::Invalidate | Action::Purge => {
                self.one(step.by, &step.site, &step.url, None).await
            }
        };
        self.ended(root, &step.url, result);
    }

    /// Reads a list: a playlist as the cache has it, or upstream where the cache has none; a list in a
    /// file of its own as upstream has it now, because it is a part of the command.
    async fn held(&self, step: &Step) -> Result<Held<'w>, Refused> {
        let object = self.object(step.by, &step.site, &step.url)?;
        let site = Arc::clone(&object.site);
        match step.format {
            ListFormat::Json | ListFormat::Text => {
                let confirmed = Purge {
                    site: Arc::clone(&site),
                    what: PurgeWhat::Object(object.path.clone()),
                    reach: Reach::Confirm,
                };
                self.engine.purge(confirmed).await?;
            }
            ListFormat::Hls | ListFormat::Dash | ListFormat::Mss => {}
        }
        if self.action == Action::Preposition {
            // It comes when everything comes, and is then read from the cache.
            let (wanted, draft) = (object.clone(), &self.trigger.draft);
            object_of(self.engine, self.action, wanted, step.size, draft).await?;
        }
        let memory = self.lists.reading(self.trigger, self.action).await?;
        let limits = self.lists.limits;
        let text = self.engine.read(object, limits.text_bytes_max).await?;
        if let Some(size) = step.size
            && text.len() as u64 != size
        {
            let what = format!("it has {} bytes, and {size} were named", text.len());
            return Err(Refused::new(Reason::Content, what));
        }
        let named = read::named(step.format, text, &step.url, limits).await?;
        Ok(Held {
            _memory: shrunk(memory, &named),
            named,
            site,
        })
    }

    /// The object that a URL names in what is on `site`.
    fn object(&self, by: By, site: &str, url: &str) -> Result<ObjectName, Refused> {
        let role = match by {
            By::Trigger | By::Playlist => None,
            By::List => self.role,
        };
        subject::listed(self.engine, role, site, url)
    }

    /// Counts what was found, if there may be so much.
    fn counts(&self, root: Root<'_>, more: u64) -> bool {
        if self.found.fetch_add(more, Ordering::Relaxed) + more > OBJECTS_MAX {
            let what = format!("its lists name more than {OBJECTS_MAX} objects");
            self.blame_root(root, FaultKind::Reject, &what);
            return false;
        }
        let id = &self.trigger.id;
        self.book
            .note(id, message::now().unix_s(), |trigger| trigger.found += more);
        true
    }

    fn ended(&self, root: Root<'_>, url: &str, result: Result<(), Refused>) {
        let now = message::now().unix_s();
        self.book
            .note(&self.trigger.id, now, |trigger| trigger.advance(now));
        if let Err(refused) = result {
            self.blame(root, url, &refused);
        }
    }

    fn blame(&self, root: Root<'_>, url: &str, refused: &Refused) {
        self.tell(root, url, kind(refused.reason), &refused.detail);
    }

    /// Tells what is wrong with something in a list, by its own name while few were told so.
    fn tell(&self, root: Root<'_>, url: &str, kind: FaultKind, what: &str) {
        let is_short = url.len() <= TOLD_CHARS_MAX;
        if is_short && self.told.fetch_add(1, Ordering::Relaxed) < TOLD_MAX {
            return self.note_fault(kind, Subject::ContentUrl(url.to_owned()), what);
        }
        let what = "more of what it names was not done than is told by name";
        self.blame_root(root, kind, what);
    }

    fn blame_root(&self, root: Root<'_>, kind: FaultKind, what: &str) {
        self.note_fault(kind, root.clone(), what);
    }

    fn note_fault(&self, kind: FaultKind, subject: Subject, what: &str) {
        let now = message::now().unix_s();
        self.book.note(&self.trigger.id, now, |trigger| {
            trigger.blame(kind, subject, what);
        });
    }
}
