//! Filling by plan: what a signed manifest wants is fetched before anybody asks, and checked before
//! it counts.
//!
//! ```text
//! held? ──▶ hashed where it lies ──▶ as planned: done
//!   │no
//!   ▼
//! runs of up to 4 MiB ──▶ hashed ──▶ slices on disk, under a version of their own ──▶ digest?
//!                                                        the head, last ◀── as planned ──┤
//!                                                        slices removed ◀── another ─────┘
//! ```
//!
//! Slices are found only through their object's head. The head comes last, so that no viewer meets a
//! byte that was not compared with the digest; until then viewers are served, and fill, as if there
//! were no plan. The version is named by the digest and not by a validator: what was verified of an
//! object survives a restart, a change of source and a new entity tag of the same bytes.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use message::{Body, ByteRange, Carried, Demand, Fetch, ObjectName, Timestamp, Upstream};
use parking_lot::Mutex;
use ring::digest::{Context, SHA256};
use store::Refused;
use tokio::time::timeout;

use crate::{
    Cache, Inner, SiteRules, WHOLE_BYTES_MAX, Wanted,
    fill::{Claim, Leg, Run},
    filling::Filling,
    flights::Joined,
    head::Head,
    id::VersionId,
    plan::Target,
    question::Question,
    reply::{self, Reply},
    unfilled::{Held, Unfilled, unwritten},
};

/// A source that is slowed down on purpose is not one that stalls; this long without a byte is.
const STALL: Duration = Duration::from_secs(30);

/// How long a full queue of writes is waited for.
const WRITE_WAIT: Duration = Duration::from_secs(5);

/// Hashed between two chances for others to run: a tenth of a millisecond.
const HASHED_AT_ONCE: usize = 256 << 10;

impl Cache {
    /// Has an object here as a plan wants it: from `source`, at whatever pace that gives bytes.
    ///
    /// Not cancel safe for the object, but for everything else: what is verified or on disk stays,
    /// and the next call goes on from there.
    ///
    /// # Errors
    /// Why it is not here. Nothing of it is seen by viewers then.
    pub async fn prefill(
        &self,
        name: &ObjectName,
        wanted: &Wanted,
        source: Arc<dyn Upstream>,
        rules: &Arc<SiteRules>,
        at: Timestamp,
    ) -> Result<Held, Unfilled> {
        let target = Target::new(&self.inner, name, wanted);
        let prefill = Prefill {
            inner: &self.inner,
            target,
            source,
            rules: rules.of(&name.path),
            at,
        };
        prefill.go().await
    }
}

/// One fill by plan on its way.
struct Prefill<'a> {
    inner: &'a Arc<Inner>,
    target: Target,
    source: Arc<dyn Upstream>,
    rules: &'a Arc<SiteRules>,
    at: Timestamp,
}

impl Prefill<'_> {
    async fn go(&self) -> Result<Held, Unfilled> {
        let none = Held {
            fetched_bytes: 0,
            written_bytes: 0,
        };
        match self.inner.version_held(&self.target, self.rules).await {
            Some(version) if self.is_as_planned(version).await? => Ok(none),
            Some(_) | None => self.fetch(none).await,
        }
    }

    /// Whether what is held is what was planned. What was verified once is not read again.
    async fn is_as_planned(&self, version: VersionId) -> Result<bool, Unfilled> {
        let (Some(sha256), false) = (self.target.sha256(), self.target.is_proven(version)) else {
            return Ok(true);
        };
        let mut hash = Context::new(&SHA256);
        for index in self.target.slices() {
            let Some(bytes) = self.stored(version, index).await? else {
                return Ok(false);
            };
            update(&mut hash, &bytes).await;
        }
        Ok(hash.finish().as_ref() == sha256)
    }

    async fn fetch(&self, mut held: Held) -> Result<Held, Unfilled> {
        let mut hash = Context::new(&SHA256);
        let mut head: Option<Arc<Head>> = None;
        let slices = self.target.slices();
        let mut next = slices.start;
        while next < slices.end {
            if let Some(version) = self.target.planned
                && let Some(bytes) = self.stored(version, next).await?
            {
                update(&mut hash, &bytes).await;
                next += 1;
                continue;
            }
            let run = next..self.run_end(next, slices.end);
            let (known, landed) = self.fetch_run(head.take(), run.clone()).await?;
            for bytes in &landed {
                update(&mut hash, bytes).await;
                held.fetched_bytes += bytes.len() as u64;
            }
            next = run.end;
            let last = next == slices.end;
            // One run that is the whole object is judged before the disks see it.
            if last && run.start == slices.start {
                self.judge(&known, hash.clone())?;
            }
            held.written_bytes += self.write(&known, run, landed).await?;
            head = Some(known);
        }
        let head = match head {
            Some(head) => head,
            // All slices were here and their head was not: an earlier run ended in between.
            None => self.ask(0..1).await?.0,
        };
        self.judge(&head, hash)?;
        self.inner.keep(&head);
        Ok(held)
    }

    /// Slices from `start` on that are asked for at once: consecutive ones that are not here, up to
    /// 4 MiB.
    fn run_end(&self, start: u32, end: u32) -> u32 {
        let most = WHOLE_BYTES_MAX / self.target.geometry.slice_bytes();
        let most = start + u32::try_from(most).unwrap_or(1).max(1);
        let lacks = |index: &u32| {
            self.target
                .planned
                .is_none_or(|version| self.inner.store.tier(&version.slice_key(*index)).is_none())
        };
        let run = (start + 1..end.min(most)).take_while(lacks);
        start + 1 + u32::try_from(run.count()).unwrap_or(0)
    }

    /// Fetches a run of slices; the first also tells what the object is.
    async fn fetch_run(
        &self,
        head: Option<Arc<Head>>,
        run: Range<u32>,
    ) -> Result<(Arc<Head>, Vec<Bytes>), Unfilled> {
        let bytes = self.bytes_of(&run);
        let _place = self.inner.places.spare().ok_or(Unfilled::Busy)?;
        let (head, body) = if let Some(head) = head {
            (head, None)
        } else {
            let (head, body) = self.ask(bytes).await?;
            (head, Some(body))
        };
        let landed = Arc::new(Mutex::new(Vec::new()));
        let slices = run.len();
        let legs = run.map(|index| self.leg(&head, index));
        let legs = legs.collect::<Result<Vec<_>, _>>()?;
        let run = Run::new(Arc::clone(self.inner), Arc::clone(&head), self.at, legs);
        let run = run.by_plan(Arc::clone(&self.source), Arc::clone(&landed), STALL);
        run.finish(body).await?;
        let landed = std::mem::take(&mut *landed.lock());
        if landed.len() == slices {
            Ok((head, landed))
        } else {
            Err(Unfilled::Changed)
        }
    }

    fn leg(&self, head: &Head, index: u32) -> Result<Leg, Unfilled> {
        let extent = head.geometry.extent(index);
        let bytes = extent.end - extent.start;
        let room = self.inner.store.budget().spare(bytes);
        let room = room.ok_or(Unfilled::Busy)?;
        let key = head.version.slice_key(index);
        match self.inner.slices.join(key, || Filling::of(bytes)) {
            Joined::Leader(lease) => Ok(Leg {
                extent,
                claim: Some(Claim { lease, room }),
            }),
            Joined::Follower(_) => Err(Unfilled::Busy),
        }
    }

    /// Asks for bytes of the object, and what it is.
    async fn ask(&self, bytes: Range<u64>) -> Result<(Arc<Head>, Body), Unfilled> {
        let asked = Some(ByteRange {
            first: bytes.start,
            last: bytes.end - 1,
        });
        let fetch = Fetch {
            object: self.target.name.clone(),
            range: asked,
            condition: None,
            carried: Carried::default(),
            demand: Demand::Any,
            at: self.at,
        };
        self.inner.metrics.fills.inc();
        let (source, id) = (&*self.source, self.target.id);
        let response = self
            .inner
            .fetch_after_purges(source, fetch, id, self.rules)
            .await;
        let response = response.map_err(Unfilled::Source)?;
        let reply = reply::read(&response, asked).map_err(Unfilled::Source)?;
        let planned = self.target.wanted.size;
        let (found, carried) = match reply {
            Reply::Object {
                total_bytes,
                carried,
            } => (total_bytes, carried),
            Reply::Absent(status) => return Err(Unfilled::Absent(status)),
            Reply::Other(status) => return Err(Unfilled::Source(reply::refusal(status))),
            Reply::PastEnd => return Err(Unfilled::OtherSize { found: 0, planned }),
            Reply::Unchanged | Reply::Unsized | Reply::Part(_) => return Err(Unfilled::Unstorable),
        };
        if found != planned {
            return Err(Unfilled::OtherSize { found, planned });
        }
        // A source that does no ranges sends all; from the start that is as good.
        if carried.start != bytes.start || carried.end < bytes.end {
            return Err(Unfilled::Unstorable);
        }
        let (parts, body) = response.into_parts();
        let (name, rules) = (self.target.name.clone(), Arc::clone(self.rules));
        let question = Question::of_nobody(name, self.target.id, rules, self.at);
        // What is asked is a part, so that the answer says whether parts can be had.
        let stamp = self.target.stamp;
        let head = self
            .inner
            .head(&question, &parts.headers, found, &carried, stamp);
        let head = head.ok_or(Unfilled::Unstorable)?;
        let version = self.target.planned.unwrap_or(head.version);
        let head = Head {
            version,
            ..Head::clone(&head)
        };
        Ok((Arc::new(head), body))
    }

    /// Compares the digest; what has another one is removed, so that nothing goes on from it.
    fn judge(&self, head: &Head, hash: Context) -> Result<(), Unfilled> {
        match self.target.sha256() {
            Some(sha256) if hash.finish().as_ref() != sha256 => {
                self.inner.drop_slices(head.version, head.geometry);
                Err(Unfilled::OtherDigest)
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn write(
        &self,
        head: &Head,
        run: Range<u32>,
        landed: Vec<Bytes>,
    ) -> Result<u64, Unfilled> {
        let store = &self.inner.store;
        let mut written = 0;
        for (index, bytes) in run.zip(landed) {
            let (key, length) = (head.version.slice_key(index), bytes.len() as u64);
            self.inner.credit(&key, length, self.target.wanted.expected);
            let mut put = store.put_planned(key, head.stamp, bytes.clone());
            if put == Err(Refused::Busy) {
                // The bytes are here and cost somebody something: worth a wait, if a short one.
                let _elapsed = timeout(WRITE_WAIT, store.flush()).await;
                put = store.put_planned(key, head.stamp, bytes);
            }
            put.map_err(unwritten)?;
            written += length;
        }
        Ok(written)
    }

    async fn stored(&self, version: VersionId, index: u32) -> Result<Option<Bytes>, Unfilled> {
        let extent = self.target.geometry.extent(index);
        let found = self.inner.store.fetch(&version.slice_key(index)).await;
        let found = found.map_err(|_exhausted| Unfilled::Busy)?;
        let right = |bytes: &Bytes| bytes.len() as u64 == extent.end - extent.start;
        Ok(found.map(|(record, _)| record.bytes).filter(right))
    }

    fn bytes_of(&self, run: &Range<u32>) -> Range<u64> {
        let first = self.target.geometry.extent(run.start);
        let last = self.target.geometry.extent(run.end - 1);
        first.start..last.end
    }
}

/// Hashes without keeping others from their turn.
async fn update(hash: &mut Context, bytes: &[u8]) {
    for part in bytes.chunks(HASHED_AT_ONCE) {
        hash.update(part);
        tokio::task::yield_now().await;
    }
}
