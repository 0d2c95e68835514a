//! `PRIORITY_UPDATE` frames over HTTP/3 (RFC 9218 section 7.2), from a client made by hand: none of the
//! libraries that these tests use sends them.

use std::sync::Mutex;

use quinn::{ConnectionError, RecvStream, SendStream, VarInt};
use tokio::time::timeout;

use crate::support::{
    HOST, PATIENCE, Running,
    clients::{self, tls_config},
    content::bytes_of,
    start,
};

const H3_ID_ERROR: VarInt = VarInt::from_u32(0x108);

/// Much more than a stream's window, so that the server has to choose.
const FIRST: u64 = 5 << 20;
/// It would be the last to end by the order of streams.
const SECOND: u64 = 6 << 20;
/// It is the last to end even if it was a whole window ahead when its urgency was taken back.
const SECOND_LONG: u64 = 16 << 20;

struct Client {
    quic: quinn::Connection,
    control: SendStream,
    _endpoint: quinn::Endpoint,
}

impl Client {
    async fn connect(running: &Running) -> Self {
        let config = tls_config(running, &[b"h3"]);
        let (endpoint, quic) = clients::quic(running.address, config, HOST).await.unwrap();
        let mut control = quic.open_uni().await.unwrap();
        // The control stream's type, and settings with nothing in them.
        control.write_all(&[0, 4, 0]).await.unwrap();
        Self {
            quic,
            control,
            _endpoint: endpoint,
        }
    }

    /// RFC 9218 section 7.2.
    async fn update(&mut self, stream: u8, text: &str) {
        let length = u8::try_from(1 + text.len()).unwrap();
        let frame = [&[0x80, 0x0f, 0x07, 0x00, length, stream], text.as_bytes()];
        self.control.write_all(&frame.concat()).await.unwrap();
    }

    /// Asks, and waits for the first bytes of the answer.
    async fn begin(&self, object: u64, length: u64) -> (Vec<u8>, RecvStream) {
        let (mut asks, mut answers) = self.quic.open_bi().await.unwrap();
        let path = format!("/full/{object}/{length}");
        asks.write_all(&headers(&path)).await.unwrap();
        asks.finish().unwrap();
        let mut begun = vec![0; 8];
        let read = timeout(PATIENCE, answers.read_exact(&mut begun)).await;
        read.expect("a head").unwrap();
        (begun, answers)
    }
}

/// A HEADERS frame (RFC 9114 section 7.2.2) in QPACK's static table and plain text (RFC 9204 section
/// 4.5): GET (17), https (23), authority (0) and path (1).
fn headers(path: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let section = [
        &[0, 0, 0xd1, 0xd7, 0x50][..],
        &text(HOST),
        &[0x51],
        &text(path),
    ];
    let section = section.concat();
    let length = u16::try_from(section.len()).unwrap() | 0x4000;
    [&[1][..], &length.to_be_bytes(), &section].concat()
}

/// A frame's type or length, and what follows.
fn number(bytes: &[u8]) -> (u64, &[u8]) {
    let length = 1 << (bytes[0] >> 6);
    let first = u64::from(bytes[0] & 0x3f);
    let value = bytes[1..length]
        .iter()
        .fold(first, |value, byte| value << 8 | u64::from(*byte));
    (value, &bytes[length..])
}

/// The bodies of all DATA frames.
fn body(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while !bytes.is_empty() {
        let (kind, rest) = number(bytes);
        let (length, rest) = number(rest);
        let (payload, rest) = rest.split_at(usize::try_from(length).unwrap());
        if kind == 0 {
            body.extend(payload);
        }
        bytes = rest;
    }
    body
}

/// Reads both to their ends at one time: which of them ended first? Both are whole.
async fn first_to_end(answers: [(Vec<u8>, RecvStream); 2], second_bytes: u64) -> u64 {
    let ended = Mutex::new(Vec::new());
    let read = async |object: u64, (mut begun, mut rest): (Vec<u8>, RecvStream), length: u64| {
        let rest = timeout(PATIENCE, rest.read_to_end(20 << 20)).await;
        begun.extend(rest.expect("an end").unwrap());
        assert!(body(&begun) == bytes_of(object, 0..length), "{object}");
        ended.lock().unwrap().push(object);
    };
    let [first, second] = answers;
    tokio::join!(read(0, first, FIRST), read(1, second, second_bytes));
    ended.into_inner().unwrap()[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_changes_who_goes_first_before_the_request_and_after_it() {
    let running = start(|_| {});
    for (updates_before, updates_after, second_bytes, first) in [
        (None, None, SECOND_LONG, 0),
        (Some((4, "u=0")), None, SECOND, 1),
        (None, Some((4, "u=0")), SECOND, 1),
        (None, Some((0, "u=7, i")), SECOND, 1),
        // The last word counts.
        (Some((4, "u=0")), Some((4, "u=3")), SECOND_LONG, 0),
    ] {
        let mut client = Client::connect(&running).await;
        if let Some((stream, text)) = updates_before {
            client.update(stream, text).await;
        }
        let answers = [
            client.begin(0, FIRST).await,
            client.begin(1, second_bytes).await,
        ];
        if let Some((stream, text)) = updates_after {
            client.update(stream, text).await;
        }
        // Its answer says that what was sent before it has arrived.
        let _fence = client.begin(9, 100).await;
        let ended = first_to_end(answers, second_bytes).await;
        assert_eq!(ended, first, "{updates_before:?} {updates_after:?}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_priority_for_what_is_no_request_ends_the_connection() {
    let running = start(|_| {});
    let mut client = Client::connect(&running).await;
    client.update(3, "u=1").await;
    let closed = timeout(PATIENCE, client.quic.closed()).await.unwrap();
    match closed {
        ConnectionError::ApplicationClosed(close) => assert_eq!(close.error_code, H3_ID_ERROR),
        other => panic!("{other:?}"),
    }
    running.end().await;
}
