//! Records on their way out: the caller's slices, sealed into a buffer.

use std::{io::IoSlice, sync::Arc};

use super::{
    Alert, Error, HEADER_BYTES, Kind, OVERHEAD_BYTES, PLAINTEXT_BYTES_MAX, TAIL_BYTES,
    keys::Cipher,
    pool::{Buffer, Pool},
};

/// A slice of at least this is sealed straight from where it is if a record begins with it; all else
/// is copied into the record that is open. Measured with bodies that come from DRAM: copying a
/// record and sealing it in place costs what sealing it out of place does (0.127 and 0.129 CPU-s per
/// GB), so HTTP/2, whose frame heads put every slice out of step with the records, loses nothing by
/// it, and saves a small record for each head.
const DIRECT_BYTES: usize = 8 << 10;

/// A buffer with less room than this for plaintext is full.
const ROOM_BYTES_MIN: usize = 4 << 10;

/// The first bytes of a connection go in small records. A client can use no byte of a record before its
/// last has come, and the first round trip carries ten packets (RFC 6928), which is less than a full
/// record: so the first byte of a body would come a round trip late.
const YOUNG_BYTES: usize = 16 << 10;
const YOUNG_RECORD_BYTES: usize = 4 << 10;

/// RFC 8446 section 4.6.3: a `KeyUpdate` that asks for none in return.
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// Bytes that the socket has not taken: sealed records, and one at the end that is open for more.
///
/// ```text
/// | sent | sealed | header, open plaintext |   room   |
///        from     to
/// ```
pub(super) struct Unsent {
    buffer: Buffer,
    from: usize,
    to: usize,
    open: usize,
}

impl Unsent {
    /// What is sealed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer.bytes[self.from..self.to]
    }

    /// The socket took some. `true` when that was all.
    pub(super) fn sent(&mut self, bytes: usize) -> bool {
        self.from = (self.from + bytes).min(self.to);
        self.from == self.to
    }

    /// Room for all the plaintext of the open record, or of the next, which may have `most`; zero when
    /// full.
    fn room(&self, most: usize) -> usize {
        let bytes = self.buffer.bytes.len() - self.to;
        match bytes.saturating_sub(OVERHEAD_BYTES + TAIL_BYTES) {
            room if room < ROOM_BYTES_MIN => 0,
            room => room.min(most),
        }
    }

    fn is_full(&self) -> bool {
        self.room(PLAINTEXT_BYTES_MAX) == 0
    }
}

/// The sending direction of a connection.
pub(super) struct Sealer {
    cipher: Cipher,
    pool: Arc<Pool>,
    unsent: Option<Unsent>,
    /// Records under one key before the next.
    records_max: u64,
    /// The client asked for new keys.
    update_asked: bool,
    /// Plaintext that has yet to go in small records.
    young_bytes: usize,
}

impl Sealer {
    pub(super) fn new(cipher: Cipher, pool: Arc<Pool>) -> Self {
        let records_max = cipher.suite().records_max();
        Self {
            cipher,
            pool,
            unsent: None,
            records_max,
            update_asked: false,
            young_bytes: YOUNG_BYTES,
        }
    }

    /// A connection on which much was sent already.
    #[cfg(test)]
    pub(super) fn grown(mut self) -> Self {
        self.young_bytes = 0;
        self
    }

    #[cfg(test)]
    pub(super) fn with_records_max(mut self, records_max: u64) -> Self {
        self.records_max = records_max;
        self
    }

    pub(super) fn unsent(&mut self) -> &mut Option<Unsent> {
        &mut self.unsent
    }

    pub(super) fn is_full(&self) -> bool {
        self.unsent.as_ref().is_some_and(Unsent::is_full)
    }

    /// RFC 8446 section 4.6.3: answered before the next data, once for however many asked.
    pub(super) fn ask_update(&mut self) {
        self.update_asked = true;
    }

    /// Takes from the front of `slices` until all is taken or the buffer is full. Returns how many
    /// bytes. The last of them may wait in an open record for [`Sealer::close`].
    pub(super) fn data(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, Error> {
        let mut rest = Rest::new(slices);
        while !rest.is_empty() && !self.is_full() {
            if self.update_is_due() {
                self.message(Kind::Handshake, &KEY_UPDATE)?;
                self.cipher.update()?;
                self.update_asked = false;
                continue;
            }
            self.take(&mut rest)?;
        }
        Ok(rest.taken)
    }

    /// Seals the record that is open. To be called before anything is sent.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        let Some(unsent) = self.unsent.as_mut().filter(|unsent| unsent.open > 0) else {
            return Ok(());
        };
        let open = std::mem::take(&mut unsent.open);
        let parts = split(unsent, open);
        let kind = Kind::Data as u8;
        self.cipher
            .seal_in_place(parts.header, kind, parts.out, parts.tail)?;
        unsent.to += open + OVERHEAD_BYTES;
        self.young_bytes = self.young_bytes.saturating_sub(open);
        Ok(())
    }

    /// Seals an alert. Nothing may follow it.
    pub(super) fn alert(&mut self, alert: Alert) -> Result<(), Error> {
        self.message(Kind::Alert, &alert.message())
    }

    /// The update itself is the last record under the old key; an open record comes before it, and
    /// has its number kept by having been opened in time.
    fn update_is_due(&self) -> bool {
        let is_open = self.unsent.as_ref().is_some_and(|unsent| unsent.open > 0);
        let is_last = self.cipher.sequence().saturating_add(1) >= self.records_max;
        self.update_asked || (is_last && !is_open)
    }

    /// Seals or copies at most one record's plaintext.
    fn take(&mut self, rest: &mut Rest<'_>) -> Result<(), Error> {
        // The same as long as a record is open: it counts when it is sealed.
        let most = match self.young_bytes {
            0 => PLAINTEXT_BYTES_MAX,
            _ => YOUNG_RECORD_BYTES,
        };
        let Self { cipher, pool, .. } = self;
        let unsent = held(&mut self.unsent, pool);
        let room = unsent.room(most);
        let front = rest.front();
        if unsent.open == 0 && front.len() >= DIRECT_BYTES {
            let plain = &front[..front.len().min(room)];
            let parts = split(unsent, plain.len());
            cipher.seal(parts.header, plain, Kind::Data as u8, parts.out, parts.tail)?;
            unsent.to += plain.len() + OVERHEAD_BYTES;
            self.young_bytes = self.young_bytes.saturating_sub(plain.len());
            rest.take(plain.len());
            return Ok(());
        }
        let taken = front.len().min(room - unsent.open);
        let at = unsent.to + HEADER_BYTES + unsent.open;
        unsent.buffer.bytes[at..at + taken].copy_from_slice(&front[..taken]);
        unsent.open += taken;
        rest.take(taken);
        if unsent.open == room {
            return self.close();
        }
        Ok(())
    }

    /// One small record, for which every buffer has room at its end.
    fn message(&mut self, kind: Kind, plain: &[u8]) -> Result<(), Error> {
        self.close()?;
        let Self { cipher, pool, .. } = self;
        let unsent = held(&mut self.unsent, pool);
        if unsent.buffer.bytes.len() - unsent.to < plain.len() + OVERHEAD_BYTES {
            return Err(Error::Cipher);
        }
        let parts = split(unsent, plain.len());
        cipher.seal(parts.header, plain, kind as u8, parts.out, parts.tail)?;
        unsent.to += plain.len() + OVERHEAD_BYTES;
        Ok(())
    }
}

fn held<'a>(unsent: &'a mut Option<Unsent>, pool: &Arc<Pool>) -> &'a mut Unsent {
    unsent.get_or_insert_with(|| Unsent {
        buffer: pool.take(),
        from: 0,
        to: 0,
        open: 0,
    })
}

/// The parts of a record in a buffer.
struct Parts<'a> {
    header: [u8; HEADER_BYTES],
    out: &'a mut [u8],
    tail: &'a mut [u8],
}

/// Writes the header of a record of `plain` bytes after what is unsent. The caller saw to the room.
fn split(unsent: &mut Unsent, plain: usize) -> Parts<'_> {
    let sealed = plain + OVERHEAD_BYTES - HEADER_BYTES;
    let [.., high, low] = sealed.to_be_bytes();
    let header = [Kind::Data as u8, 3, 3, high, low];
    let record = &mut unsent.buffer.bytes[unsent.to..unsent.to + HEADER_BYTES + sealed];
    let (front, rest) = record.split_at_mut(HEADER_BYTES);
    front.copy_from_slice(&header);
    let (out, tail) = rest.split_at_mut(plain);
    Parts { header, out, tail }
}

/// What is left of the caller's slices.
struct Rest<'a> {
    slices: &'a [IoSlice<'a>],
    from: usize,
    taken: usize,
}

impl<'a> Rest<'a> {
    fn new(slices: &'a [IoSlice<'a>]) -> Self {
        let mut rest = Self {
            slices,
            from: 0,
            taken: 0,
        };
        rest.skip_empty();
        rest
    }

    fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    fn front(&self) -> &'a [u8] {
        self.slices
            .first()
            .and_then(|slice| slice.get(self.from..))
            .unwrap_or_default()
    }

    /// Takes from the front slice.
    fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        self.from += bytes;
        self.skip_empty();
    }

    fn skip_empty(&mut self) {
        while let Some((first, rest)) = self.slices.split_first() {
            if self.from < first.len() {
                return;
            }
            self.slices = rest;
            self.from = 0;
        }
    }
}
