//! An HTTP/2 connection from hand-made frames (RFC 9113), headers as plain literals (RFC 7541).

use std::{io, sync::Arc};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Outcome, digits};
use crate::{
    client::{Client, Protocol},
    within,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A raw connection after preface and settings.
pub struct Http2 {
    stream: TlsStream<TcpStream>,
}

impl Http2 {
    /// Connects as `client` would.
    pub async fn connect(client: &Client) -> Self {
        let stream = TcpStream::connect(client.address()).await.unwrap();
        let name = ServerName::try_from(client.host().to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(client.tls(Protocol::Http2)));
        let shaking = connector.connect(name, stream);
        let stream = within(60, "a handshake", shaking).await.unwrap();
        let mut connection = Self { stream };
        connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        connection.frame(SETTINGS, 0, 0, &[]).await;
        connection
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        // A server that closed already has given its answer.
        let _written = self.stream.write_all(bytes).await;
        let _flushed = self.stream.flush().await;
    }

    /// Sends one frame.
    pub async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.send(&frame).await;
    }

    /// Sends a request of exactly these fields, pseudo-headers among them, and ends the stream.
    pub async fn request(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(fields))
            .await;
    }

    /// Sends a request with a body.
    pub async fn request_with_body(&mut self, stream: u32, fields: &[(&str, &str)], body: &[u8]) {
        self.frame(HEADERS, END_HEADERS, stream, &block(fields))
            .await;
        self.frame(DATA, END_STREAM, stream, body).await;
    }

    /// What becomes of `stream`.
    pub async fn outcome(&mut self, stream: u32) -> Outcome {
        within(60, "an outcome", self.read_outcome(stream)).await
    }

    async fn read_outcome(&mut self, wanted: u32) -> Outcome {
        loop {
            let Ok((kind, stream, payload)) = self.read_frame().await else {
                return Outcome::Closed(u64::MAX);
            };
            match kind {
                HEADERS if stream == wanted => {
                    return Outcome::Status(status(&payload).expect("a status in the first field"));
                }
                RST_STREAM if stream == wanted => return Outcome::Reset(code(&payload)),
                GOAWAY if code(&payload[4..]) != 0 => return Outcome::Closed(code(&payload[4..])),
                _ => {}
            }
        }
    }

    async fn read_frame(&mut self) -> io::Result<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Ok((head[3], stream, payload))
    }
}

fn code(payload: &[u8]) -> u64 {
    u64::from(u32::from_be_bytes(payload[..4].try_into().unwrap()))
}

/// Fields as literals without indexing and without Huffman (RFC 7541 section 6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An integer with a prefix of 7 bits (RFC 7541 section 5.1).
fn length(block: &mut Vec<u8>, mut value: usize) {
    if value < 127 {
        block.push(value as u8);
        return;
    }
    block.push(127);
    value -= 127;
    while value >= 128 {
        block.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    block.push(value as u8);
}

/// The status, which is the first field of a response; a table size update may stand before it.
fn status(mut block: &[u8]) -> Option<u16> {
    while block.first()? & 0xe0 == 0x20 {
        block = &block[1..];
    }
    match block[0] {
        // RFC 7541 appendix A: entries 8 to 14 of the static table.
        indexed @ 0x88..=0x8e => {
            Some([200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)])
        }
        // A literal value of the name at entry 8 to 14, kept, not kept or never to be kept.
        0x48..=0x4e | 0x08..=0x0e | 0x18..=0x1e => digits::status(&block[1..]),
        _ => None,
    }
}
