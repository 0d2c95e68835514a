//! A slice on its way in: one writer appends, any number of readers follow, woken by data.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use message::{Error, Kind};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::flights::Flight;

/// Why a slice did not arrive.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The object has another version now; nothing more of this one will come.
    VersionChanged,
    /// Upstream failed, retries included.
    Upstream(Error),
    /// There was no memory for it in time: viewers hold all that slices may take.
    NoMemory,
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::VersionChanged => Self::new(
                Kind::HttpResponseIncomplete,
                "the object changed while it was filled",
            ),
            Failure::Upstream(error) => error,
            Failure::NoMemory => Self::new(Kind::ConnectionLimitReached, "no memory for a slice"),
        }
    }
}

/// What has come of a slice so far.
pub(crate) struct Filling {
    parts: Mutex<Parts>,
    /// Bumped at every append and at the end; readers sleep on it.
    progress: watch::Sender<u64>,
    expected_bytes: u64,
}

/// Chunks up to this size together become one. A chunk costs some 40 bytes of its own, and a hop
/// that sends a byte at a time must not make a slice forty times as large.
const MERGED_BYTES_MAX: usize = 4 << 10;

/// Consecutive from byte 0 on: all that came, in pieces or, at last, in one.
#[derive(Default)]
struct Parts {
    chunks: Vec<Chunk>,
    end: Option<Result<(), Failure>>,
}

struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Parts {
    fn received(&self) -> u64 {
        self.chunks.last().map_or(0, Chunk::end)
    }

    /// How many pieces end at or before this byte.
    fn pieces_before(&self, start: u64) -> usize {
        self.chunks.partition_point(|chunk| chunk.end() <= start)
    }

    fn push(&mut self, bytes: Bytes) {
        let start = self.received();
        self.chunks.push(Chunk { start, bytes });
        // Equals are merged with equals, so that a byte is copied some ten times at most.
        while let [.., before, last] = self.chunks.as_mut_slice()
            && before.bytes.len() <= last.bytes.len()
            && before.bytes.len() + last.bytes.len() <= MERGED_BYTES_MAX
        {
            before.bytes = [before.bytes.as_ref(), last.bytes.as_ref()].concat().into();
            self.chunks.pop();
        }
    }
}

/// A reader's place in a [`Filling`].
pub(crate) struct Follower {
    filling: Arc<Filling>,
    progress: watch::Receiver<u64>,
    /// The byte of the slice that comes next.
    at: u64,
}

impl Filling {
    pub(crate) fn of(expected_bytes: u64) -> Self {
        let (progress, _) = watch::channel(0);
        Self {
            parts: Mutex::default(),
            progress,
            expected_bytes,
        }
    }

    pub(crate) fn expected_bytes(&self) -> u64 {
        self.expected_bytes
    }

    /// Adds bytes and wakes the readers.
    pub(crate) fn append(&self, bytes: Bytes) {
        let received = bytes.len() as u64;
        self.parts.lock().push(bytes);
        self.progress.send_modify(|total| *total += received);
    }

    /// Ends the slice well: `whole` is all of it, in place of the pieces. Who has not read them
    /// yet reads on in it, so that a slow reader holds what the store holds and nothing besides.
    pub(crate) fn complete(&self, whole: Bytes) {
        let pieces = {
            let mut parts = self.parts.lock();
            if parts.end.is_some() {
                return;
            }
            parts.end = Some(Ok(()));
            let (start, bytes) = (0, whole);
            std::mem::replace(&mut parts.chunks, vec![Chunk { start, bytes }])
        };
        drop(pieces);
        self.progress.send_modify(|_| {});
    }

    /// Ends the slice. Only the first end counts.
    pub(crate) fn end(&self, end: Result<(), Failure>) {
        {
            let mut parts = self.parts.lock();
            if parts.end.is_some() {
                return;
            }
            parts.end = Some(end);
        }
        self.progress.send_modify(|_| {});
    }

    /// How much has come.
    pub(crate) fn received(&self) -> u64 {
        self.parts.lock().received()
    }

    /// All bytes so far and `last`, which nobody has seen yet, in one piece: the one copy on a
    /// fill's way to the store.
    pub(crate) fn joined_with(&self, last: &Bytes) -> Bytes {
        // Copied even when there is one chunk: it may be a corner of a large read buffer, which a
        // cached slice must not keep alive.
        joined(&self.pieces_from(0), last)
    }

    /// The bytes from `start` on, where a piece begins, in one piece. A copy.
    pub(crate) fn joined_from(&self, start: u64) -> Bytes {
        joined(&self.pieces_from(start), &Bytes::new())
    }

    /// Puts `joined` in place of the pieces from `start` on that it was joined from, for whoever
    /// has not read them yet. For the one writer, between two appends.
    pub(crate) fn settle(&self, start: u64, joined: Bytes) {
        let mut parts = self.parts.lock();
        let kept = parts.pieces_before(start);
        let bytes = joined;
        let pieces = parts.chunks.split_off(kept);
        parts.chunks.push(Chunk { start, bytes });
        drop(parts);
        drop(pieces);
    }

    /// What has come from `start` on, where a piece begins, as it lies there.
    pub(crate) fn pieces_from(&self, start: u64) -> Vec<Bytes> {
        let parts = self.parts.lock();
        let pieces = parts.chunks.iter().skip(parts.pieces_before(start));
        pieces.map(|chunk| chunk.bytes.clone()).collect()
    }

    /// Whether these are the bytes that came at this place.
    pub(crate) fn is_same(&self, mut at: u64, mut bytes: &[u8]) -> bool {
        let parts = self.parts.lock();
        for chunk in &parts.chunks[parts.pieces_before(at)..] {
            let from = usize::try_from(at - chunk.start).unwrap_or(usize::MAX);
            let there = chunk.bytes.get(from..).unwrap_or_default();
            let count = there.len().min(bytes.len());
            if there[..count] != bytes[..count] {
                return false;
            }
            bytes = &bytes[count..];
            at += count as u64;
            if bytes.is_empty() {
                break;
            }
        }
        bytes.is_empty()
    }
}

fn joined(pieces: &[Bytes], last: &Bytes) -> Bytes {
    let pieces = || pieces.iter().chain([last]);
    let mut whole = BytesMut::with_capacity(pieces().map(Bytes::len).sum());
    for piece in pieces() {
        whole.extend_from_slice(piece);
    }
    whole.freeze()
}

impl Flight for Filling {
    fn abandon(&self) {
        self.end(Err(abandoned()));
    }
}

fn abandoned() -> Failure {
    Failure::Upstream(Error::new(
        Kind::ProxyInternalError,
        "the fill was abandoned",
    ))
}

impl Follower {
    /// Follows from `offset` within the slice.
    pub(crate) fn new(filling: Arc<Filling>, offset: u64) -> Self {
        let progress = filling.progress.subscribe();
        Self {
            filling,
            progress,
            at: offset,
        }
    }

    /// The next bytes, as soon as there are some; `None` after the last.
    ///
    /// Cancel safe: nothing is taken before it is returned.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            self.progress.borrow_and_update();
            if let Some(bytes) = self.take() {
                return Ok(Some(bytes));
            }
            if let Some(end) = self.ended() {
                return end.map(|()| None);
            }
            if self.progress.changed().await.is_err() {
                return Err(abandoned());
            }
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let parts = self.filling.parts.lock();
        let next = parts.pieces_before(self.at);
        let chunk = parts.chunks.get(next)?;
        let from = usize::try_from(self.at - chunk.start).ok()?;
        self.at = chunk.end();
        Some(chunk.bytes.slice(from..))
    }

    fn ended(&self) -> Option<Result<(), Failure>> {
        let parts = self.filling.parts.lock();
        // An append may have slipped in since the last look: its bytes come before the end.
        if parts.received() > self.at {
            None
        } else {
            parts.end.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[tokio::test]
    async fn a_follower_reads_what_has_come_and_is_woken_by_what_comes() {
        let filling = Arc::new(Filling::of(9));
        filling.append(bytes("mil"));
        let mut follower = Follower::new(Arc::clone(&filling), 1);
        assert_eq!(follower.next().await.unwrap().unwrap(), "il");
        let waiting = tokio::spawn(async move { (follower.next().await, follower) });
        tokio::task::yield_now().await;
        filling.append(bytes("lpo"));
        let (next, mut follower) = waiting.await.unwrap();
        assert_eq!(next.unwrap().unwrap(), "lpo");
        filling.append(bytes("nd!"));
        filling.end(Ok(()));
        assert_eq!(follower.next().await.unwrap().unwrap(), "nd!");
        assert!(follower.next().await.unwrap().is_none());
        assert_eq!(filling.joined_with(&Bytes::new()), "millpond!");
    }

    #[tokio::test]
    async fn who_is_late_reads_on_in_the_whole_and_the_pieces_are_gone() {
        let filling = Arc::new(Filling::of(9));
        let piece = Bytes::from(vec![b'm'; 5]);
        filling.append(piece.clone());
        let mut follower = Follower::new(Arc::clone(&filling), 0);
        assert_eq!(follower.next().await.unwrap().unwrap(), "mmmmm");
        filling.complete(bytes("mmmmmpond"));
        assert!(piece.is_unique(), "nobody holds the piece any more");
        assert_eq!(follower.next().await.unwrap().unwrap(), "pond");
        assert!(follower.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_settled_is_read_on_and_its_pieces_are_gone() {
        let filling = Arc::new(Filling::of(0));
        let piece = Bytes::from(vec![b'm'; 5]);
        filling.append(piece.clone());
        filling.append(bytes("pond"));
        let mut follower = Follower::new(Arc::clone(&filling), 0);
        assert_eq!(follower.next().await.unwrap().unwrap(), "mmmmm");
        let joined = filling.joined_from(0);
        filling.settle(0, joined.clone());
        assert!(piece.is_unique(), "nobody holds the piece any more");
        filling.append(bytes("-more"));
        assert_eq!(follower.next().await.unwrap().unwrap(), "pond");
        filling.settle(9, filling.joined_from(9));
        assert_eq!(filling.pieces_from(0), [bytes("mmmmmpond"), bytes("-more")]);
        assert_eq!(follower.next().await.unwrap().unwrap(), "-more");
        assert!(filling.is_same(3, b"mmpond-mo"));
        assert!(!filling.is_same(3, b"mmpond/mo"));
        assert!(!filling.is_same(12, b"re!"), "more than has come");
    }

    #[test]
    fn a_byte_at_a_time_costs_few_chunks_and_no_byte() {
        let filling = Filling::of(100_000);
        let content: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for byte in &content {
            filling.append(Bytes::copy_from_slice(&[*byte]));
        }
        assert!(filling.parts.lock().chunks.len() < 64);
        assert_eq!(filling.joined_with(&Bytes::new()), content);
    }

    #[tokio::test]
    async fn an_abandoned_fill_is_an_error_and_never_an_end() {
        let filling = Arc::new(Filling::of(3));
        let mut follower = Follower::new(Arc::clone(&filling), 0);
        filling.append(bytes("m"));
        filling.abandon();
        assert_eq!(follower.next().await.unwrap().unwrap(), "m");
        assert!(follower.next().await.is_err());
    }

    #[tokio::test]
    async fn an_offset_beyond_the_first_chunks_is_skipped_exactly() {
        let filling = Arc::new(Filling::of(6));
        for part in ["ab", "cd", "ef"] {
            filling.append(bytes(part));
        }
        filling.end(Ok(()));
        let mut follower = Follower::new(filling, 3);
        assert_eq!(follower.next().await.unwrap().unwrap(), "d");
        assert_eq!(follower.next().await.unwrap().unwrap(), "ef");
    }
}
