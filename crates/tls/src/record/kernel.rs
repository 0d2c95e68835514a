//! Records sealed by the kernel (`TCP_ULP` "tls") and opened here.
//!
//! Only the sending side is the kernel's. What clients send is little, and opening it here keeps
//! every judgement of `open` on it: key updates, alerts, an end without `close_notify`. The
//! kernel's receiving side would give those up, or need its cooperation.
//!
//! The kernel keeps the key that it was given: where RFC 8446 would have us take the next one, the
//! connection ends with an error and a fatal alert.

use std::{
    io::{self, IoSlice},
    os::fd::AsRawFd as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use ktls_core::{
    AeadKey, Compatibilities, ContentType, ProtocolVersion, TlsCryptoInfoTx,
    ffi::send_tls_control_message, setup_ulp,
};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustls::ConnectionTrafficSecrets;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, Interest, ReadBuf},
    net::TcpStream,
};

use super::{
    Alert, Error, PLAINTEXT_BYTES_MAX,
    input::{Input, State, Step},
    keys::Suite,
    layer::close,
    open::Opener,
};

/// What a handshake runs over.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// The TCP socket whose records the kernel may seal, when nothing but a watch is between.
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }

    /// Judges a write of `offered` bytes that went past [`AsyncWrite`], straight to
    /// [`Socket::tcp`], as it would have judged its own.
    fn watched(
        &mut self,
        _cx: &mut Context<'_>,
        _offered: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        written
    }
}

impl Socket for TcpStream {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl Socket for DuplexStream {}

/// Why the kernel cannot seal records, if it cannot. Asks it with sockets of its own on the
/// loopback interface; blocks for as long as that takes.
pub fn kernel_missing() -> Option<String> {
    match Compatibilities::probe() {
        Ok(Some(found)) => {
            let suites = found.tls13;
            let some = suites.aes_128_gcm() || suites.aes_256_gcm() || suites.chacha20_poly1305();
            (!some).then(|| "its `tls` module has no cipher of TLS 1.3".to_owned())
        }
        Ok(None) => Some("it has no `tls` module, or has not loaded it".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

/// Lets the kernel seal all that is written from now on. `None`, and nothing has changed, where
/// it does not know how.
pub(super) fn seal(tcp: &TcpStream, tx: &(u64, ConnectionTrafficSecrets)) -> Option<()> {
    let (sequence, secrets) = tx;
    let secrets = for_the_kernel(secrets)?;
    let info = TlsCryptoInfoTx::new(ProtocolVersion::TLSv1_3, secrets, *sequence).ok()?;
    setup_ulp(tcp).ok()?;
    info.set(tcp).ok()
}

fn for_the_kernel(
    secrets: &ConnectionTrafficSecrets,
) -> Option<ktls_core::ConnectionTrafficSecrets> {
    use ktls_core::ConnectionTrafficSecrets as Kernel;
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => {
            let (key, salt, iv) = cut(key.as_ref(), iv.as_ref())?;
            Some(Kernel::Aes128Gcm { key, iv, salt })
        }
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => {
            let (key, salt, iv) = cut(key.as_ref(), iv.as_ref())?;
            Some(Kernel::Aes256Gcm { key, iv, salt })
        }
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
            let (key, salt, iv) = cut(key.as_ref(), iv.as_ref())?;
            Some(Kernel::Chacha20Poly1305 { key, iv, salt })
        }
        // rustls's enum may grow.
        _ => None,
    }
}

/// The key, and the static nonce in the two parts that the kernel takes it in. `None` when a
/// length is not the cipher's.
pub(super) fn cut<const KEY: usize, const SALT: usize, const IV: usize>(
    key: &[u8],
    nonce: &[u8],
) -> Option<(AeadKey<KEY>, [u8; SALT], [u8; IV])> {
    let (salt, iv) = nonce.split_first_chunk()?;
    let key: [u8; KEY] = key.try_into().ok()?;
    Some((AeadKey::new(key), *salt, iv.try_into().ok()?))
}

/// A connection whose sending side is sealed by the kernel.
pub(super) struct Kernel<S> {
    socket: S,
    input: Input,
    writing: State,
    /// Records that the key may still seal.
    records_left: u64,
}

impl<S: Socket> Kernel<S> {
    /// [`seal`] must have been done to the socket.
    pub(super) fn new(socket: S, opener: Opener, suite: Suite) -> Self {
        Self {
            socket,
            input: Input::new(opener),
            writing: State::Open,
            records_left: suite.records_max(),
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let error = match ready!(self.input.poll_read(&mut self.socket, cx, buf)) {
            Step::Read(read) => return Poll::Ready(read),
            Step::UpdateAsked => Error::Rekey,
            Step::Refused(error) => error,
        };
        Poll::Ready(Err(self.fail(cx, error).into()))
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writing.check()?;
        if self.records_left == 0 {
            return Poll::Ready(Err(self.fail(cx, Error::Rekey).into()));
        }
        let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, slices));
        match &written {
            Ok(bytes) => {
                // Every write ends a record.
                let records = bytes.div_ceil(PLAINTEXT_BYTES_MAX) as u64;
                self.records_left = self.records_left.saturating_sub(records);
            }
            Err(_) => self.writing = State::Failed(Error::Closed),
        }
        Poll::Ready(written)
    }

    pub(super) fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let State::Failed(error) = &self.writing {
            return Poll::Ready(Err(error.clone().into()));
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Sends `close_notify` behind all that was written, and closes the socket for writing.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.writing, State::Open) {
            let sent = ready!(self.poll_alert(cx, Alert::CloseNotify));
            self.writing = State::Closed;
            if let Err(error) = sent {
                self.writing = State::Failed(Error::Closed);
                return Poll::Ready(Err(error));
            }
        }
        close(&mut self.socket, cx)
    }

    #[cfg(test)]
    pub(super) fn leave_records(&mut self, records: u64) {
        self.records_left = records;
    }

    /// Sends an alert behind what was written, once there is room for all of it.
    fn poll_alert(&mut self, cx: &mut Context<'_>, alert: Alert) -> Poll<io::Result<()>> {
        let Some(tcp) = self.socket.tcp() else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        let mut message = alert.message();
        let sent = loop {
            match tcp.poll_write_ready(cx) {
                Poll::Pending => break Poll::Pending,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => {}
            }
            let sent = tcp.try_io(Interest::WRITABLE, || {
                if !has_room(tcp)? {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                send_tls_control_message(tcp.as_raw_fd(), ContentType::Alert, &mut message)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => break Poll::Ready(other),
            }
        };
        self.socket
            .watched(cx, message.len(), sent)
            .map_ok(|_bytes| ())
    }

    /// Ends both directions, and tells the client why, behind all that was written.
    fn fail(&mut self, cx: &mut Context<'_>, error: Error) -> Error {
        if let Some(alert) = error.alert()
            && matches!(self.writing, State::Open)
        {
            // What the socket does not take at once is lost, as the connection is.
            let _ = self.poll_alert(cx, alert);
        }
        self.writing = State::Failed(error.clone());
        self.input.fail(error.clone());
        error
    }
}

/// Whether `poll` calls the socket writable. The kernel counts a record as written when a part of
/// it still waits for room in TCP's queue, where closing the socket for writing would lose it.
/// `poll` wants far more room than the one record that can wait and an alert behind it; asking it
/// is also what makes a full socket wake us.
fn has_room(tcp: &TcpStream) -> io::Result<bool> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut sockets = [PollFd::new(tcp, PollFlags::OUT)];
    let ready = rustix::io::retry_on_intr(|| rustix::event::poll(&mut sockets, Some(&now)))?;
    Ok(ready > 0)
}
