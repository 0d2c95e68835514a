//! What TLS said on a connection that broke.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use message::{Error, Kind};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::fault::{self, Phase};

/// Remembers what TLS refused on a connection. HTTP/2's layer keeps only its text.
#[derive(Default)]
pub(crate) struct Witness(OnceLock<Error>);

impl Witness {
    pub(crate) fn tls_failure(&self) -> Option<Error> {
        self.0.get().cloned()
    }
}

/// A TLS stream that is watched.
pub(crate) struct Watched {
    stream: TlsStream<TcpStream>,
    witness: Arc<Witness>,
}

impl Watched {
    pub(crate) fn new(stream: TlsStream<TcpStream>) -> (Self, Arc<Witness>) {
        let witness = Arc::default();
        (
            Self {
                stream,
                witness: Arc::clone(&witness),
            },
            witness,
        )
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if let Err(error) = &read {
            let fault = fault::of(Phase::Head, "tls", error);
            if matches!(
                fault.kind(),
                Kind::TlsCertificateError | Kind::TlsProtocolError
            ) {
                let _first_failure_counts = self.witness.0.set(fault);
            }
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
