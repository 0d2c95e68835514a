//! The task that keeps the journal, and the handle of those who purge.
//!
//! Purges that come in together share an epoch and a sync.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use super::{
    file::{Entry, Found, Journal, Memory},
    scopes::Scopes,
};
use crate::{Epoch, Error};

/// Purges that may wait for the journal; more wait to get there.
const WAITING_MAX: usize = 1024;
/// Purges that share a sync.
const BATCH_MAX: usize = 256;

/// What all handles see.
struct Published {
    scopes: RwLock<Scopes>,
    /// The scopes' epoch: the first thing that every hit compares, without a lock that all cores
    /// share. Raised once the scopes are, so that nobody takes a stamp that hides their purge.
    epoch: AtomicU64,
}

impl Published {
    fn new(scopes: Scopes) -> Arc<Self> {
        Arc::new(Self {
            epoch: AtomicU64::new(scopes.epoch().as_u64()),
            scopes: RwLock::new(scopes),
        })
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(self.epoch.load(Ordering::Acquire))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Scopes) -> T) -> T {
        let mut scopes = self.scopes.write();
        let changed = change(&mut scopes);
        self.epoch.store(scopes.epoch().as_u64(), Ordering::Release);
        changed
    }
}

/// The handle. A clone is the same journal.
#[derive(Clone)]
pub(crate) struct Keeper {
    published: Arc<Published>,
    mode: Mode,
}

#[derive(Clone)]
enum Mode {
    /// Nothing outlives this process, so purges need not either.
    Volatile,
    /// There are disks whose past this store cannot write: no purge is acknowledged.
    Unwritable { path: PathBuf, why: Arc<str> },
    /// The journal's task.
    Durable { orders: mpsc::Sender<Order> },
}

enum Order {
    Purge {
        scope: u64,
        /// Its epoch is no earlier than this.
        least: Epoch,
        reply: oneshot::Sender<Result<Epoch, Error>>,
    },
    Forget {
        disk: u64,
        sequence: u64,
        reply: oneshot::Sender<Result<Epoch, Error>>,
    },
    Close {
        reply: oneshot::Sender<()>,
    },
}

/// What the journal of an opened store said.
pub(crate) struct Past {
    pub(crate) store: [u8; 16],
    pub(crate) session: u64,
    pub(crate) forgotten: std::collections::HashMap<u64, u64>,
    pub(crate) found: Found,
}

impl Keeper {
    /// A keeper without a journal.
    pub(crate) fn volatile(scopes_max: usize) -> Self {
        Self {
            published: Published::new(Scopes::new(scopes_max)),
            mode: Mode::Volatile,
        }
    }

    /// A keeper whose journal could not be opened, and why.
    pub(crate) fn unwritable(folder: &Path, why: &io::Error, scopes_max: usize) -> Self {
        let mode = Mode::Unwritable {
            path: folder.join("purges"),
            why: why.to_string().into(),
        };
        Self {
            published: Published::new(Scopes::new(scopes_max)),
            mode,
        }
    }

    /// Opens the journal in `folder` and starts its task, which ends when the last handle is gone
    /// or after [`Self::close`].
    pub(crate) async fn open(
        folder: PathBuf,
        fresh: [u8; 16],
        scopes_max: usize,
    ) -> io::Result<(Self, Past)> {
        let path = folder.join("purges");
        let opened = tokio::task::spawn_blocking(move || Journal::open(&folder, fresh, scopes_max));
        let (journal, memory, found) = opened.await.map_err(io::Error::other)??;
        let past = Past {
            store: memory.store,
            session: memory.session,
            forgotten: memory.forgotten.clone(),
            found,
        };
        let published = Published::new(memory.scopes.clone());
        let (orders, inbox) = mpsc::channel(WAITING_MAX);
        let desk = Desk {
            path,
            published: Arc::clone(&published),
            state: Some((journal, memory)),
        };
        tokio::spawn(desk.run(inbox));
        Ok((
            Self {
                published,
                mode: Mode::Durable { orders },
            },
            past,
        ))
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.published.epoch()
    }

    pub(crate) fn purged_at(&self, scope: u64) -> Epoch {
        self.published.scopes.read().purged_at(scope)
    }

    pub(crate) fn purged_at_last(&self, scopes: &[u64]) -> Epoch {
        let published = self.published.scopes.read();
        let epochs = scopes.iter().map(|scope| published.purged_at(*scope));
        epochs.max().unwrap_or_default()
    }

    /// Cancel safety: a dropped purge may be done all the same, or not.
    pub(crate) async fn purge(&self, scope: u64, least: Epoch) -> Result<Epoch, Error> {
        match &self.mode {
            Mode::Volatile => Ok(publish(&self.published, scope, least)),
            Mode::Unwritable { path, why } => {
                // What is in RAM is purged at least; what is on a disk may come back.
                publish(&self.published, scope, least);
                Err(Error::Journal {
                    path: path.clone(),
                    source: io::Error::other(why.to_string()),
                })
            }
            Mode::Durable { orders } => {
                let order = |reply| Order::Purge {
                    scope,
                    least,
                    reply,
                };
                ask(orders, order).await
            }
        }
    }

    /// Has everything that `disk` holds of up to `sequence` dead at the next start.
    pub(crate) async fn forget(&self, disk: u64, sequence: u64) -> Result<(), Error> {
        match &self.mode {
            Mode::Volatile | Mode::Unwritable { .. } => Err(Error::JournalClosed),
            Mode::Durable { orders } => {
                let order = |reply| Order::Forget {
                    disk,
                    sequence,
                    reply,
                };
                ask(orders, order).await.map(drop)
            }
        }
    }

    /// Ends the task and lets go of the file. Later purges fail.
    pub(crate) async fn close(&self) {
        if let Mode::Durable { orders } = &self.mode {
            let (reply, done) = oneshot::channel();
            if orders.send(Order::Close { reply }).await.is_ok() {
                // An error means that the task has ended already.
                let _ = done.await;
            }
        }
    }
}

fn publish(published: &Published, scope: u64, least: Epoch) -> Epoch {
    published.change(|scopes| {
        let at = scopes.epoch().next().max(least);
        scopes.purge(scope, at);
        at
    })
}

async fn ask(
    orders: &mpsc::Sender<Order>,
    order: impl FnOnce(oneshot::Sender<Result<Epoch, Error>>) -> Order,
) -> Result<Epoch, Error> {
    let (reply, answer) = oneshot::channel();
    if orders.send(order(reply)).await.is_err() {
        return Err(Error::JournalClosed);
    }
    answer.await.unwrap_or(Err(Error::JournalClosed))
}

/// The task's belongings.
struct Desk {
    path: PathBuf,
    published: Arc<Published>,
    /// Away while a thread writes.
    state: Option<(Journal, Memory)>,
}

impl Desk {
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        let mut orders = Vec::with_capacity(BATCH_MAX);
        while inbox.recv_many(&mut orders, BATCH_MAX).await > 0 {
            let (mut entries, mut replies, mut closed) = (Vec::new(), Vec::new(), None);
            let at = self.next_epoch(&orders);
            for order in orders.drain(..) {
                match order {
                    Order::Purge { scope, reply, .. } => {
                        entries.push(Entry::Purge { scope, at });
                        replies.push(reply);
                    }
                    Order::Forget {
                        disk,
                        sequence,
                        reply,
                    } => {
                        entries.push(Entry::Forget { disk, sequence });
                        replies.push(reply);
                    }
                    Order::Close { reply } => closed = Some(reply),
                }
            }
            let done = self.write(entries).await;
            for reply in replies {
                let answer = match &done {
                    Ok(()) => Ok(at),
                    Err((kind, what)) => Err(Error::Journal {
                        path: self.path.clone(),
                        source: io::Error::new(*kind, what.clone()),
                    }),
                };
                // Who gave up waiting does not hear of it.
                let _ = reply.send(answer);
            }
            if let Some(reply) = closed {
                drop(self.state.take());
                let _ = reply.send(());
                return;
            }
        }
    }

    /// Later than all before, and no earlier than any of those who purge want.
    fn next_epoch(&self, orders: &[Order]) -> Epoch {
        let least = orders.iter().map(|order| match order {
            Order::Purge { least, .. } => *least,
            Order::Forget { .. } | Order::Close { .. } => Epoch::ZERO,
        });
        let next = self.published.epoch().next();
        least.fold(next, Epoch::max)
    }

    /// Durable first, published then: an epoch that a crash could take back is never given out.
    async fn write(&mut self, entries: Vec<Entry>) -> Result<(), (io::ErrorKind, String)> {
        if entries.is_empty() {
            return Ok(());
        }
        let lost = || {
            (
                io::ErrorKind::Other,
                "an earlier failure took it".to_owned(),
            )
        };
        let (mut journal, mut memory) = self.state.take().ok_or_else(lost)?;
        let work = tokio::task::spawn_blocking(move || {
            let done = journal.append(&entries, &mut memory);
            (journal, memory, entries, done)
        });
        let failed = |error: &dyn ToString| (io::ErrorKind::Other, error.to_string());
        let (journal, memory, entries, done) = work.await.map_err(|error| failed(&error))?;
        self.state = Some((journal, memory));
        done.map_err(|error| (error.kind(), error.to_string()))?;
        self.published.change(|scopes| {
            for entry in entries {
                if let Entry::Purge { scope, at } = entry {
                    scopes.purge(scope, at);
                }
            }
        });
        Ok(())
    }
}
