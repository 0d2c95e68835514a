//! An HTTP/3 request from hand-made frames (RFC 9114), headers as plain literals (RFC 9204).

use quinn::{ReadError, ReadExactError, RecvStream, SendStream, VarInt};

use super::{Outcome, digits};
use crate::{
    client::{Client, Protocol, connection},
    within,
};

/// Frame types.
const DATA: u64 = 0;
const HEADERS: u64 = 1;
const SETTINGS: u64 = 4;

/// The unidirectional stream type of the control stream.
const CONTROL: u64 = 0;

/// A raw connection with a control stream and empty settings.
pub struct Http3 {
    quic: quinn::Connection,
    _control: SendStream,
    _endpoint: quinn::Endpoint,
}

/// A request on its way.
struct Stream {
    send: SendStream,
    receive: RecvStream,
}

impl Http3 {
    /// Connects as `client` would.
    pub async fn connect(client: &Client) -> Self {
        let tls = client.tls(Protocol::Http3);
        let dialing = connection::dial(tls, client.address(), client.host());
        let (quic, endpoint) = within(60, "a QUIC handshake", dialing).await.unwrap();
        let mut control = quic.open_uni().await.unwrap();
        let mut opening = Vec::new();
        varint(&mut opening, CONTROL);
        frame(&mut opening, SETTINGS, &[]);
        control.write_all(&opening).await.unwrap();
        Self {
            quic,
            _control: control,
            _endpoint: endpoint,
        }
    }

    /// The connection itself.
    pub fn quic(&self) -> &quinn::Connection {
        &self.quic
    }

    /// Sends a request of exactly these fields and ends the stream; tells what became of it.
    pub async fn request(&self, fields: &[(&str, &str)]) -> Outcome {
        let mut bytes = Vec::new();
        frame(&mut bytes, HEADERS, &section(fields));
        self.bytes(&bytes).await
    }

    /// Sends a request with a body.
    pub async fn request_with_body(&self, fields: &[(&str, &str)], body: &[u8]) -> Outcome {
        let mut bytes = Vec::new();
        frame(&mut bytes, HEADERS, &section(fields));
        frame(&mut bytes, DATA, body);
        self.bytes(&bytes).await
    }

    /// Sends bytes as a request stream and ends it; tells what became of it.
    pub async fn bytes(&self, bytes: &[u8]) -> Outcome {
        let mut stream = self.open(bytes).await;
        let _ended = stream.send.finish();
        within(60, "an outcome", stream.outcome()).await
    }

    async fn open(&self, bytes: &[u8]) -> Stream {
        let (mut send, receive) = self.quic.open_bi().await.unwrap();
        // A server that stopped reading has given its answer.
        let _written = send.write_all(bytes).await;
        Stream { send, receive }
    }
}

impl Stream {
    async fn outcome(&mut self) -> Outcome {
        loop {
            match self.read_frame().await {
                Ok((HEADERS, payload)) => {
                    return Outcome::Status(status(&payload).expect("a status in the first field"));
                }
                Ok(_) => {}
                Err(outcome) => return outcome,
            }
        }
    }

    async fn read_frame(&mut self) -> Result<(u64, Vec<u8>), Outcome> {
        let kind = self.read_varint().await?;
        let length = self.read_varint().await?;
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.receive.read_exact(&mut payload).await.map_err(ended)?;
        Ok((kind, payload))
    }

    async fn read_varint(&mut self) -> Result<u64, Outcome> {
        let mut first = [0];
        self.receive.read_exact(&mut first).await.map_err(ended)?;
        let mut rest = vec![0; (1 << (first[0] >> 6)) - 1];
        self.receive.read_exact(&mut rest).await.map_err(ended)?;
        let top = u64::from(first[0] & 0x3f);
        Ok(rest
            .into_iter()
            .fold(top, |value, byte| value << 8 | u64::from(byte)))
    }
}

fn ended(error: ReadExactError) -> Outcome {
    match error {
        ReadExactError::FinishedEarly(_) => panic!("a clean end without a response"),
        ReadExactError::ReadError(ReadError::Reset(code)) => Outcome::Reset(code.into_inner()),
        ReadExactError::ReadError(ReadError::ConnectionLost(
            quinn::ConnectionError::ApplicationClosed(close),
        )) => Outcome::Closed(close.error_code.into_inner()),
        ReadExactError::ReadError(_) => Outcome::Closed(u64::MAX),
    }
}

/// Appends one frame.
fn frame(bytes: &mut Vec<u8>, kind: u64, payload: &[u8]) {
    varint(bytes, kind);
    varint(bytes, payload.len() as u64);
    bytes.extend_from_slice(payload);
}

/// RFC 9000 section 16.
fn varint(bytes: &mut Vec<u8>, value: u64) {
    let value = VarInt::from_u64(value).unwrap().into_inner();
    match value {
        0..0x40 => bytes.push(value as u8),
        0x40..0x4000 => bytes.extend_from_slice(&(value as u16 | 0x4000).to_be_bytes()),
        _ => bytes.extend_from_slice(&(value as u32 | 0x8000_0000).to_be_bytes()),
    }
}

/// A field section: no dynamic table, every line a literal with a literal name (RFC 9204 4.5.6).
fn section(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut section = vec![0, 0];
    for (name, value) in fields {
        integer(&mut section, 0x20, 3, name.len());
        section.extend_from_slice(name.as_bytes());
        integer(&mut section, 0, 7, value.len());
        section.extend_from_slice(value.as_bytes());
    }
    section
}

/// An integer with a prefix of `bits` bits below `flags` (RFC 7541 section 5.1).
fn integer(bytes: &mut Vec<u8>, flags: u8, bits: u32, mut value: usize) {
    let limit = (1 << bits) - 1;
    if value < limit {
        bytes.push(flags | value as u8);
        return;
    }
    bytes.push(flags | limit as u8);
    value -= limit;
    while value >= 128 {
        bytes.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The status, which is the first field line after the prefix of two bytes.
fn status(section: &[u8]) -> Option<u16> {
    let line = section.get(2..)?;
    match *line.first()? {
        // RFC 9204 appendix A: `:status` is at 24 to 28 and at 63 to 71 of the static table.
        indexed @ 0xd8..=0xdc => Some([103, 200, 304, 404, 503][usize::from(indexed - 0xd8)]),
        0xff => {
            let more = usize::from(*line.get(1)?);
            [100, 204, 206, 302, 400, 403, 421, 425, 500]
                .get(more)
                .copied()
        }
        // A literal value of a static name: four bits of index, then the rest of it.
        0x5f | 0x7f => digits::status(line.get(2..)?),
        _ => None,
    }
}
