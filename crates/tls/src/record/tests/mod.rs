//! The record layer over a socket that the test controls, with a client made of the same ciphers.

mod damage;
mod kernel;
mod receiving;
mod sending;

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    HEADER_BYTES, Kind, Pool,
    keys::{Cipher, Secret, Suite},
    layer::Layer,
    open::Opener,
    seal::Sealer,
};

/// What a socket has, does and did.
#[derive(Default)]
pub(super) struct Wire {
    /// From the client, not read yet.
    pub(super) inbound: VecDeque<u8>,
    pub(super) ended: bool,
    /// Bytes that one read gives at most; zero for no limit.
    pub(super) read_max: usize,
    /// To the client.
    pub(super) outbound: Vec<u8>,
    /// What the next writes take at most; zero is a full socket. Afterwards everything.
    pub(super) takes: VecDeque<usize>,
    /// Whether the socket stays full once `takes` is used up.
    pub(super) stalled: bool,
    pub(super) writes: usize,
    pub(super) writer: Option<Waker>,
    pub(super) shut: bool,
}

#[derive(Clone, Default)]
pub(super) struct Socket(pub(super) Arc<Mutex<Wire>>);

impl Socket {
    pub(super) fn wire(&self) -> std::sync::MutexGuard<'_, Wire> {
        self.0.lock().unwrap()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.wire();
        if wire.inbound.is_empty() {
            return if wire.ended {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            };
        }
        let limit = if wire.read_max == 0 {
            usize::MAX
        } else {
            wire.read_max
        };
        let bytes = wire.inbound.len().min(buf.remaining()).min(limit);
        let read: Vec<_> = wire.inbound.drain(..bytes).collect();
        buf.put_slice(&read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.wire();
        let all = if wire.stalled { 0 } else { buf.len() };
        let taken = wire.takes.pop_front().unwrap_or(all).min(buf.len());
        if taken == 0 {
            wire.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        wire.writer = None;
        wire.writes += 1;
        wire.outbound.extend_from_slice(&buf[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire().shut = true;
        Poll::Ready(Ok(()))
    }
}

impl super::Socket for Socket {}

/// Counts how often a task is woken.
#[derive(Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wakes {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const CLIENT: [u8; 32] = [7; 32];
const SERVER: [u8; 32] = [9; 32];

fn cipher(secret: &[u8]) -> Cipher {
    Cipher::new(Secret::new(Suite::Aes128GcmSha256, secret).unwrap(), 0).unwrap()
}

/// The client's side of the records.
pub(super) struct Peer {
    seal: Cipher,
    open: Cipher,
    opened: usize,
    pub(super) updates: usize,
    pub(super) records: Vec<(u8, usize)>,
    pub(super) alerts: Vec<[u8; 2]>,
}

impl Peer {
    /// A record of `kind`, with `padding` zeros.
    pub(super) fn seal(&mut self, kind: u8, plain: &[u8], padding: usize) -> Vec<u8> {
        let mut inner = plain.to_vec();
        inner.push(kind);
        inner.resize(inner.len() + padding, 0);
        let last = inner.pop().unwrap();
        let sealed = u16::try_from(inner.len() + 17).unwrap().to_be_bytes();
        let header = [23, 3, 3, sealed[0], sealed[1]];
        let mut tail = [0; 17];
        self.seal
            .seal_in_place(header, last, &mut inner, &mut tail)
            .unwrap();
        [&header, &inner[..], &tail].concat()
    }

    pub(super) fn update(&mut self) {
        self.seal.update().unwrap();
    }

    /// Opens what came since the last time, as a client would. Returns the data.
    pub(super) fn open(&mut self, wire: &Wire) -> Vec<u8> {
        let mut data = Vec::new();
        while let Some(header) = wire.outbound[self.opened..].first_chunk::<HEADER_BYTES>() {
            let sealed = usize::from(u16::from_be_bytes([header[3], header[4]]));
            let from = self.opened + HEADER_BYTES;
            let Some(record) = wire.outbound.get(from..from + sealed) else {
                break;
            };
            assert!(self.alerts.is_empty(), "a record after an alert");
            let mut record = record.to_vec();
            let plain = self.open.open(*header, &mut record).unwrap();
            let (kind, plain) = plain.expect("a record that opens").split_last().unwrap();
            assert!(plain.len() <= 1 << 14);
            self.records.push((*kind, plain.len()));
            match *kind {
                23 => data.extend_from_slice(plain),
                22 => {
                    assert_eq!(plain, [24, 0, 0, 1, 0]);
                    self.open.update().unwrap();
                    self.updates += 1;
                }
                21 => self.alerts.push(plain.try_into().unwrap()),
                other => panic!("a record of kind {other}"),
            }
            self.opened = from + sealed;
        }
        data
    }

    pub(super) fn has_opened_all(&self, wire: &Wire) -> bool {
        self.opened == wire.outbound.len()
    }
}

/// A connection between a layer and a client.
pub(super) struct Setup {
    pub(super) layer: Layer<Socket>,
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    pub(super) pool: Arc<Pool>,
    pub(super) wakes: Arc<Wakes>,
    pub(super) waker: Waker,
}

/// A connection on which much was sent already.
pub(super) fn setup(records_max: u64) -> Setup {
    setup_of(|sealer| sealer.with_records_max(records_max).grown())
}

pub(super) fn setup_of(change: impl FnOnce(Sealer) -> Sealer) -> Setup {
    let pool = Pool::new(16 << 20);
    let socket = Socket::default();
    let opener = Opener::new(cipher(&CLIENT));
    let sealer = change(Sealer::new(cipher(&SERVER), Arc::clone(&pool)));
    let wakes = Arc::new(Wakes::default());
    Setup {
        layer: Layer::new(socket.clone(), opener, sealer),
        socket,
        peer: Peer {
            seal: cipher(&CLIENT),
            open: cipher(&SERVER),
            opened: 0,
            updates: 0,
            records: Vec::new(),
            alerts: Vec::new(),
        },
        pool,
        waker: Waker::from(Arc::clone(&wakes)),
        wakes,
    }
}

const DATA: u8 = Kind::Data as u8;
const HANDSHAKE: u8 = Kind::Handshake as u8;
const ALERT: u8 = Kind::Alert as u8;
