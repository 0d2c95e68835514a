//! Records on their way in: opened, judged, and refused where RFC 8446 says so.

use std::ops::Range;

use super::{Alert, Error, HEADER_BYTES, Kind, PLAINTEXT_BYTES_MAX, keys::Cipher};

/// RFC 8446 section 5.2: ciphertext may be 256 bytes longer than plaintext.
const SEALED_BYTES_MAX: usize = PLAINTEXT_BYTES_MAX + 256;

/// A whole record.
#[cfg(test)]
pub(super) const RECORD_BYTES_MAX: usize = HEADER_BYTES + SEALED_BYTES_MAX;

/// Records in a row that carry no data: empty ones, key updates, warnings. Each costs us work and
/// the client next to nothing; other implementations bear as many.
const BARREN_MAX: u32 = 32;

const KEY_UPDATE: u8 = 24;
const USER_CANCELED: u8 = 90;

/// What a record was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Data, at this place in the record.
    Data(Range<usize>),
    /// Nothing for the reader.
    Nothing,
    /// The client took new keys, and asks for the same from us.
    UpdateAsked,
    /// The client sends no more.
    Closed,
}

/// The receiving direction of a connection.
pub(super) struct Opener {
    cipher: Cipher,
    barren: u32,
    /// The beginning of a message that goes on in the next record.
    message: Message,
}

/// A `KeyUpdate`, the only message that a client may send: four bytes of header and one of body.
#[derive(Default)]
struct Message {
    bytes: [u8; 5],
    filled: usize,
}

impl Opener {
    pub(super) fn new(cipher: Cipher) -> Self {
        Self {
            cipher,
            barren: 0,
            message: Message::default(),
        }
    }

    /// The length of the record at the front of `input`, header included; `None` while that is
    /// not known.
    pub(super) fn record_bytes(input: &[u8]) -> Result<Option<usize>, Error> {
        let Some((&kind, _)) = input.split_first() else {
            return Ok(None);
        };
        // RFC 8446 section 5: no change_cipher_spec after the client's Finished; and all else is
        // protected by now.
        if kind != Kind::Data as u8 {
            return refuse(Alert::UnexpectedMessage, "an unprotected record");
        }
        let &[_, _, _, high, low, ..] = input else {
            return Ok(None);
        };
        let sealed = usize::from(u16::from_be_bytes([high, low]));
        if sealed > SEALED_BYTES_MAX {
            return refuse(Alert::RecordOverflow, "a record too large");
        }
        Ok(Some(HEADER_BYTES + sealed))
    }

    /// Opens a whole record in place.
    pub(super) fn open(&mut self, record: &mut [u8]) -> Result<Received, Error> {
        let Some((&mut header, sealed)) = record.split_first_chunk_mut::<HEADER_BYTES>() else {
            return refuse(Alert::DecodeError, "half a record");
        };
        let Some(plain) = self.cipher.open(header, sealed)? else {
            return refuse(Alert::BadRecordMac, "a record that cannot be opened");
        };
        // RFC 8446 section 5.4: zeros after the kind are padding.
        let Some(end) = plain.iter().rposition(|byte| *byte != 0) else {
            return refuse(Alert::UnexpectedMessage, "a record of padding");
        };
        if end > PLAINTEXT_BYTES_MAX {
            return refuse(Alert::RecordOverflow, "a plaintext too large");
        }
        let kind = plain[end];
        if self.message.filled > 0 && kind != Kind::Handshake as u8 {
            return refuse(Alert::UnexpectedMessage, "a record amid a message");
        }
        let received = match kind {
            kind if kind == Kind::Data as u8 && end > 0 => {
                self.barren = 0;
                return Ok(Received::Data(HEADER_BYTES..HEADER_BYTES + end));
            }
            kind if kind == Kind::Data as u8 => Received::Nothing,
            kind if kind == Kind::Alert as u8 => alert(&plain[..end])?,
            kind if kind == Kind::Handshake as u8 => {
                let asked = self.message.extend(&plain[..end])?;
                self.handshake(asked)?
            }
            _ => return refuse(Alert::UnexpectedMessage, "a record of another kind"),
        };
        self.barren += 1;
        if self.barren > BARREN_MAX {
            return refuse(Alert::UnexpectedMessage, "records without data");
        }
        Ok(received)
    }

    fn handshake(&mut self, asked: Option<bool>) -> Result<Received, Error> {
        let Some(asked) = asked else {
            return Ok(Received::Nothing);
        };
        self.message = Message::default();
        self.cipher.update()?;
        Ok(if asked {
            Received::UpdateAsked
        } else {
            Received::Nothing
        })
    }
}

impl Message {
    /// Whether a whole update asks for one in return; `None` while it is not whole.
    fn extend(&mut self, plain: &[u8]) -> Result<Option<bool>, Error> {
        if plain.is_empty() {
            // RFC 8446 section 5.1: no empty fragments of messages.
            return refuse(Alert::UnexpectedMessage, "an empty piece of a message");
        }
        let free = &mut self.bytes[self.filled..];
        let taken = plain.len().min(free.len());
        free[..taken].copy_from_slice(&plain[..taken]);
        self.filled += taken;
        if self.bytes[0] != KEY_UPDATE {
            return refuse(Alert::UnexpectedMessage, "a message of the handshake");
        }
        if self.filled < self.bytes.len() {
            return Ok(None);
        }
        if self.bytes[1..4] != [0, 0, 1] {
            return refuse(Alert::DecodeError, "a key update of another length");
        }
        // RFC 8446 section 5.1: a message before a change of keys ends its record.
        if taken < plain.len() {
            return refuse(Alert::UnexpectedMessage, "a message after a key update");
        }
        match self.bytes[4] {
            0 => Ok(Some(false)),
            1 => Ok(Some(true)),
            _ => refuse(Alert::IllegalParameter, "a key update of another kind"),
        }
    }
}

/// RFC 8446 section 6: whatever its level says, an alert other than these two is fatal.
fn alert(plain: &[u8]) -> Result<Received, Error> {
    match *plain {
        [_, close_notify] if close_notify == Alert::CloseNotify as u8 => Ok(Received::Closed),
        [_, USER_CANCELED] => Ok(Received::Nothing),
        [_, other] => Err(Error::Alert(other)),
        _ => refuse(Alert::DecodeError, "an alert of another length"),
    }
}

fn refuse<T>(alert: Alert, reason: &'static str) -> Result<T, Error> {
    Err(Error::Refused { alert, reason })
}
