//! All triggers of a node, in memory and on disk.

use std::{collections::HashMap, io, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    archive::Archive,
    model::{Draft, State, Trigger},
    plan::{self, Plan},
};
use crate::{Reason, Refused, access::Role, api::hex};

/// Triggers at one time, those that have ended within a day included.
const TRIGGERS_MAX: usize = 4096;

/// All triggers. Clones are the same book.
#[derive(Clone)]
pub(crate) struct Book {
    pages: Arc<Mutex<Pages>>,
    archive: Archive,
    /// Whoever writes waits for the one before, and then writes what is true by then.
    writing: Arc<tokio::sync::Mutex<()>>,
    /// Something is to be planned anew.
    pub(crate) changed: Arc<Notify>,
}

#[derive(Default)]
struct Pages {
    /// What all triggers together may take in memory.
    bytes_max: u64,
    /// Shared with those who read or work on them; copied when they change meanwhile.
    triggers: HashMap<String, Arc<Trigger>>,
    running: HashMap<String, CancellationToken>,
}

/// How a cancellation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelled {
    Done,
    UnderWay,
}

impl Book {
    /// Reads what an earlier run has kept. All of it is kept on, also where it takes more than
    /// `bytes_max`; then nothing comes in until there is room.
    pub(crate) async fn open(folder: PathBuf, bytes_max: u64) -> io::Result<Self> {
        let archive = Archive::new(folder);
        let loading = archive.clone();
        let loaded = tokio::task::spawn_blocking(move || loading.load());
        let triggers = loaded.await.map_err(io::Error::other)??;
        let triggers = triggers
            .into_iter()
            .map(|one| (one.id.clone(), Arc::new(one)));
        let pages = Pages {
            bytes_max,
            triggers: triggers.collect(),
            ..Pages::default()
        };
        Ok(Self {
            pages: Arc::new(Mutex::new(pages)),
            archive,
            writing: Arc::default(),
            changed: Arc::new(Notify::new()),
        })
    }

    /// Takes a command, durably when it returns.
    pub(crate) async fn accept(
        &self,
        draft: Draft,
        now_unix_s: u64,
    ) -> Result<Arc<Trigger>, Refused> {
        let draft = draft.weighed();
        if !self.pages.lock().has_room(draft.memory_bytes) {
            return Err(Refused::new(Reason::Busy, "too many triggers are kept"));
        }
        let trigger = Arc::new(Trigger::new(fresh_id(), draft, now_unix_s));
        self.write(Arc::clone(&trigger)).await?;
        let id = trigger.id.clone();
        self.pages.lock().triggers.insert(id, Arc::clone(&trigger));
        self.changed.notify_one();
        Ok(trigger)
    }

    /// A trigger, if the client may see it.
    pub(crate) fn find(&self, id: &str, who: &str, role: &Role) -> Result<Arc<Trigger>, Refused> {
        let pages = self.pages.lock();
        let found = pages.triggers.get(id);
        let own = found.filter(|trigger| may_see(trigger, who, role));
        own.cloned().ok_or_else(|| not_found(id))
    }

    /// Those that a client may see, oldest first.
    pub(crate) fn list(
        &self,
        who: &str,
        role: &Role,
        wanted: impl Fn(&Trigger) -> bool,
    ) -> Vec<Arc<Trigger>> {
        let pages = self.pages.lock();
        let mut all: Vec<Arc<Trigger>> = pages
            .triggers
            .values()
            .filter(|trigger| may_see(trigger, who, role) && wanted(trigger))
            .cloned()
            .collect();
        drop(pages);
        all.sort_by(|one, other| {
            (one.created_unix_s, &one.id).cmp(&(other.created_unix_s, &other.id))
        });
        all
    }

    /// Stops a trigger. What was done stays done.
    pub(crate) async fn cancel(&self, id: &str, now_unix_s: u64) -> Result<Cancelled, Refused> {
        let stopped = {
            let mut pages = self.pages.lock();
            let running = pages.running.get(id).cloned();
            if let Some(running) = &running {
                running.cancel();
            }
            pages.change(id, now_unix_s, |trigger| match trigger.state {
                State::Pending => {
                    trigger.cancelled();
                    Ok(Cancelled::Done)
                }
                State::Active | State::Cancelling => {
                    trigger.state = State::Cancelling;
                    Ok(Cancelled::UnderWay)
                }
                State::Cancelled => Ok(Cancelled::Done),
                State::Complete | State::Failed => {
                    Err(Refused::new(Reason::Conflict, "it has ended already"))
                }
            })
        };
        let (_, stopped) = stopped.ok_or_else(|| not_found(id))?;
        let stopped = stopped?;
        self.save(id).await?;
        self.changed.notify_one();
        Ok(stopped)
    }

    /// Has a trigger that waits for its time start as soon as there is room.
    pub(crate) async fn hurry(&self, id: &str, now_unix_s: u64) -> Result<Arc<Trigger>, Refused> {
        let hurried = {
            let mut pages = self.pages.lock();
            pages.change(id, now_unix_s, |trigger| match trigger.state {
                State::Pending => {
                    trigger.draft.hurry();
                    Ok(())
                }
                State::Active => Ok(()),
                State::Complete | State::Failed | State::Cancelling | State::Cancelled => {
                    Err(Refused::new(Reason::Conflict, "it has ended already"))
                }
            })
        };
        let (trigger, hurried) = hurried.ok_or_else(|| not_found(id))?;
        hurried?;
        self.save(id).await?;
        self.changed.notify_one();
        Ok(trigger)
    }

    /// Forgets a trigger, and stops it if it is under way.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), Refused> {
        let _turn = self.writing.lock().await;
        let (archive, name) = (self.archive.clone(), id.to_owned());
        let removed = tokio::task::spawn_blocking(move || archive.remove(&name)).await;
        let removed = removed
            .map_err(io::Error::other)
            .and_then(|removed| removed);
        removed.map_err(|error| unwritable(&error))?;
        let mut pages = self.pages.lock();
        pages.triggers.remove(id);
        if let Some(running) = pages.running.remove(id) {
            running.cancel();
        }
        drop(pages);
        self.changed.notify_one();
        Ok(())
    }

    pub(crate) fn plan(&self, now_unix_s: u64) -> Plan {
        plan::plan(&self.pages.lock().triggers, now_unix_s)
    }

    /// A trigger is under way; the token tells when it is to stop.
    pub(crate) fn begin(
        &self,
        id: &str,
        now_unix_s: u64,
    ) -> Option<(Arc<Trigger>, CancellationToken)> {
        let mut pages = self.pages.lock();
        let (trigger, begun) = pages.change(id, now_unix_s, |trigger| {
            let waits = trigger.state == State::Pending;
            if waits {
                trigger.state = State::Active;
                trigger.begun_unix_s = Some(now_unix_s);
            }
            waits
        })?;
        if !begun {
            return None;
        }
        let stop = CancellationToken::new();
        pages.running.insert(id.to_owned(), stop.clone());
        Some((trigger, stop))
    }

    /// Something has become of it. Nothing if it was removed meanwhile.
    pub(crate) fn note(&self, id: &str, now_unix_s: u64, change: impl FnOnce(&mut Trigger)) {
        self.pages.lock().change(id, now_unix_s, change);
    }

    /// It has ended; written down as such.
    pub(crate) async fn end(&self, id: &str, now_unix_s: u64, change: impl FnOnce(&mut Trigger)) {
        {
            let mut pages = self.pages.lock();
            pages.running.remove(id);
            pages.change(id, now_unix_s, change);
        }
        if let Err(refused) = self.save(id).await {
            // After a restart it is done again, which changes nothing.
            tracing::error!(id, %refused, "the end of a trigger is not written down");
        }
        self.changed.notify_one();
    }

    /// Writes a trigger down as it is now; nothing if it was removed.
    async fn save(&self, id: &str) -> Result<(), Refused> {
        let _turn = self.writing.lock().await;
        let trigger = self.pages.lock().triggers.get(id).cloned();
        match trigger {
            Some(trigger) => self.write(trigger).await,
            None => Ok(()),
        }
    }

    async fn write(&self, trigger: Arc<Trigger>) -> Result<(), Refused> {
        let archive = self.archive.clone();
        let saved = tokio::task::spawn_blocking(move || archive.save(&trigger)).await;
        let saved = saved.map_err(io::Error::other).and_then(|saved| saved);
        saved.map_err(|error| unwritable(&error))
    }
}

impl Pages {
    fn has_room(&self, bytes: u64) -> bool {
        let held = self.triggers.values();
        let held: u64 = held.map(|trigger| trigger.draft.memory_bytes).sum();
        self.triggers.len() < TRIGGERS_MAX && held + bytes <= self.bytes_max
    }

    fn change<T>(
        &mut self,
        id: &str,
        now_unix_s: u64,
        change: impl FnOnce(&mut Trigger) -> T,
    ) -> Option<(Arc<Trigger>, T)> {
        let kept = self.triggers.get_mut(id)?;
        let trigger = Arc::make_mut(kept);
        let before = trigger.shape();
        let changed = change(trigger);
        if trigger.shape() != before {
            trigger.changed_unix_s = now_unix_s;
        }
        Some((Arc::clone(kept), changed))
    }
}

/// An owner sees its own; steering sees all.
fn may_see(trigger: &Trigger, who: &str, role: &Role) -> bool {
    match role {
        Role::Steering | Role::Reader => true,
        Role::Owner(_) => trigger.draft.owner == who,
    }
}

/// 128 random bits: no address is ever used again, without a count that would have to be kept.
fn fresh_id() -> String {
    hex(&rand::random::<[u8; 16]>())
}

fn not_found(id: &str) -> Refused {
    Refused::new(Reason::NotFound, format!("no trigger {id:?}"))
}

fn unwritable(error: &io::Error) -> Refused {
    Refused::new(Reason::Failed, format!("the triggers' folder: {error}"))
}
