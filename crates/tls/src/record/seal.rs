//! Records on their way out: the caller's slices, sealed into a buffer.

use std::{io::IoSlice, sync::Arc};

use super::{
    Alert, Error, HEADER_BYTES, Kind, OVERHEAD_BYTES, PLAINTEXT_BYTES_MAX, TAIL_BYTES,
    keys::Cipher,
    pool::{Buffer, Pool},
};

/// A slice of at least this is sealed straight from where it is; smaller ones are first gathered
/// into one record. Copying this much costs as much as another record.
const DIRECT_BYTES: usize = 8 << 10;

/// A buffer with less room than this for plaintext is full.
const ROOM_BYTES_MIN: usize = 4 << 10;

/// RFC 8446 section 4.6.3: a `KeyUpdate` that asks for none in return.
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// Sealed bytes that the socket has not taken.
pub(super) struct Unsent {
    buffer: Buffer,
    from: usize,
    to: usize,
}

impl Unsent {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer.bytes[self.from..self.to]
    }

    /// The socket took some. `true` when that was all.
    pub(super) fn sent(&mut self, bytes: usize) -> bool {
        self.from = (self.from + bytes).min(self.to);
        self.from == self.to
    }

    /// Room for the plaintext of the next record of data; zero when full.
    fn room(&self) -> usize {
        let bytes = self.buffer.bytes.len() - self.to;
        match bytes.saturating_sub(OVERHEAD_BYTES + TAIL_BYTES) {
            room if room < ROOM_BYTES_MIN => 0,
            room => room.min(PLAINTEXT_BYTES_MAX),
        }
    }

    fn is_full(&self) -> bool {
        self.room() == 0
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
        }
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

    /// Seals from the front of `slices` until all is sealed or the buffer is full. Returns how
    /// many bytes.
    pub(super) fn data(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, Error> {
        let mut rest = Rest::new(slices);
        while !rest.is_empty() && !self.is_full() {
            // The update itself is the last record under the old key.
            if self.update_asked || self.cipher.sequence().saturating_add(1) >= self.records_max {
                self.message(Kind::Handshake, &KEY_UPDATE)?;
                self.cipher.update()?;
                self.update_asked = false;
                continue;
            }
            self.record(&mut rest)?;
        }
        Ok(rest.taken)
    }

    /// Seals an alert. Nothing may follow it.
    pub(super) fn alert(&mut self, alert: Alert) -> Result<(), Error> {
        let level = if alert == Alert::CloseNotify { 1 } else { 2 };
        self.message(Kind::Alert, &[level, alert as u8])
    }

    fn record(&mut self, rest: &mut Rest<'_>) -> Result<(), Error> {
        let Self { cipher, pool, .. } = self;
        let unsent = held(&mut self.unsent, pool);
        let room = unsent.room();
        let front = rest.front();
        if front.len() >= DIRECT_BYTES || rest.is_last() {
            let plain = &front[..front.len().min(room)];
            let parts = split(unsent, plain.len());
            cipher.seal(parts.header, plain, Kind::Data as u8, parts.out, parts.tail)?;
            unsent.to += plain.len() + OVERHEAD_BYTES;
            rest.take(plain.len());
            return Ok(());
        }
        let at = unsent.to + HEADER_BYTES;
        let gathered = rest.gather(&mut unsent.buffer.bytes[at..at + room]);
        let parts = split(unsent, gathered);
        cipher.seal_in_place(parts.header, Kind::Data as u8, parts.out, parts.tail)?;
        unsent.to += gathered + OVERHEAD_BYTES;
        Ok(())
    }

    /// One small record, for which every buffer has room at its end.
    fn message(&mut self, kind: Kind, plain: &[u8]) -> Result<(), Error> {
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

    fn is_last(&self) -> bool {
        self.slices.len() == 1
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

    /// Copies small slices until `out` is full or a large one comes. Returns how many bytes.
    fn gather(&mut self, out: &mut [u8]) -> usize {
        let mut gathered = 0;
        while gathered < out.len() && !self.is_empty() {
            let front = self.front();
            if gathered > 0 && front.len() >= DIRECT_BYTES {
                break;
            }
            let bytes = front.len().min(out.len() - gathered);
            out[gathered..gathered + bytes].copy_from_slice(&front[..bytes]);
            gathered += bytes;
            self.take(bytes);
        }
        gathered
    }
}
