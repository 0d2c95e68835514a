//! The handshake, by rustls, and the hand-over of its secrets.

use std::{
    fmt, io,
    sync::{Arc, OnceLock},
};

use rustls::{
    ConnectionTrafficSecrets, KeyLog, ProtocolVersion, ServerConnection,
    server::{Acceptor, ClientHello},
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use zeroize::Zeroizing;

use super::{
    Error, HEADER_BYTES, Pool, RecordLayer, Socket, Stream,
    kernel::{self, Kernel},
    keys::{Cipher, Secret, Suite},
    layer::Layer,
    open::Opener,
    seal::Sealer,
};
use crate::peer_identity;

/// What rustls may hold of records that the socket has not taken. Measured: 128 to 256 KiB is the
/// knee; the default of 64 KiB costs a third more CPU, and more than 512 KiB costs double.
const RUSTLS_BYTES: usize = 256 << 10;

/// Read at a time during the handshake.
const READ_BYTES: usize = 4 << 10;

/// How records are to be made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// By whom.
    pub records: RecordLayer,
    /// Where buffers come from.
    pub pool: Arc<Pool>,
}

/// What a handshake agreed on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The application protocol, if one was asked for.
    pub alpn: Option<Vec<u8>>,
    /// The name that the client asked for, as it came.
    pub server_name: Option<String>,
    /// Who a verified client certificate says that the client is.
    pub identity: Option<String>,
}

impl Session {
    fn new(connection: &ServerConnection) -> Self {
        Self {
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            server_name: connection.server_name().map(str::to_owned),
            identity: connection.peer_certificates().and_then(peer_identity),
        }
    }
}

/// Shakes hands with a client by the configuration that `choose` picks for its hello.
///
/// An error that is rustls's own is inside of the [`io::Error`]; the client was sent its alert.
/// Not cancel safe: dropping the future drops the connection.
pub async fn accept<S>(
    socket: S,
    choose: impl FnOnce(&ClientHello<'_>) -> Arc<rustls::ServerConfig>,
    settings: &Settings,
) -> io::Result<(Stream<S>, Session)>
where
    S: Socket,
{
    match settings.records {
        RecordLayer::Own | RecordLayer::Kernel => {
            return accept_own(socket, choose, settings).await;
        }
        RecordLayer::Rustls => {}
    }
    let started = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
    let config = choose(&started.client_hello());
    let mut stream = started.into_stream(config).await?;
    stream.get_mut().1.set_buffer_limit(Some(RUSTLS_BYTES));
    let session = Session::new(stream.get_ref().1);
    Ok((Stream::rustls(stream), session))
}

async fn accept_own<S>(
    mut socket: S,
    choose: impl FnOnce(&ClientHello<'_>) -> Arc<rustls::ServerConfig>,
    settings: &Settings,
) -> io::Result<(Stream<S>, Session)>
where
    S: Socket,
{
    let mut records = Records::new();
    let hello = hello(&mut socket, &mut records).await?;
    let mut config = (*choose(&hello.client_hello())).clone();
    let capture = Arc::new(Capture::new(Arc::clone(&config.key_log)));
    config.key_log = Arc::clone(&capture) as _;
    config.enable_secret_extraction = true;
    let config = Arc::new(config);
    let mut connection = match hello.into_connection(Arc::clone(&config)) {
        Ok(connection) => connection,
        Err((error, mut alert)) => {
            let write = |out: &mut Vec<u8>| alert.write(out);
            return Err(refused(&mut socket, error, write).await);
        }
    };
    finish(&mut socket, &mut records, &mut connection).await?;
    let session = Session::new(&connection);
    let Some(suite) = own_suite(&connection) else {
        let acceptor = TlsAcceptor::from(config);
        connection.set_buffer_limit(Some(RUSTLS_BYTES));
        // An acceptor with nothing left to do is how a finished handshake becomes a stream.
        let stream = acceptor.accept_with(socket, |fresh| *fresh = connection);
        return Ok((Stream::rustls(stream.await?), session));
    };
    let stream = hand_over(connection, suite, &capture, socket, settings)?;
    Ok((stream, session))
}

/// Reads a whole `ClientHello`.
async fn hello<S>(socket: &mut S, records: &mut Records) -> io::Result<rustls::server::Accepted>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut acceptor = Acceptor::default();
    loop {
        let mut bytes = records.read(socket).await?;
        while !bytes.is_empty() {
            acceptor.read_tls(&mut bytes)?;
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => return Ok(accepted),
                Err((error, mut alert)) => {
                    let write = |out: &mut Vec<u8>| alert.write(out);
                    return Err(refused(socket, error, write).await);
                }
            }
        }
    }
}

/// Goes on until the handshake is done, tickets are sent, and rustls holds no byte.
async fn finish<S>(
    socket: &mut S,
    records: &mut Records,
    connection: &mut ServerConnection,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut out = Vec::new();
    loop {
        while connection.wants_write() {
            connection.write_tls(&mut out)?;
        }
        socket.write_all(&out).await?;
        socket.flush().await?;
        out.clear();
        if !connection.is_handshaking() {
            return Ok(());
        }
        let mut bytes = records.read(socket).await?;
        while !bytes.is_empty() {
            connection.read_tls(&mut bytes)?;
            if let Err(error) = connection.process_new_packets() {
                let write = |out: &mut Vec<u8>| connection.write_tls(out);
                return Err(refused(socket, error, write).await);
            }
        }
    }
}

/// Tells the client why, as far as it still listens.
async fn refused<S: AsyncWrite + Unpin>(
    socket: &mut S,
    error: rustls::Error,
    mut write: impl FnMut(&mut Vec<u8>) -> io::Result<usize>,
) -> io::Error {
    let mut out = Vec::new();
    while write(&mut out).is_ok_and(|written| written > 0) {}
    drop(socket.write_all(&out).await);
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The suite of a connection that is ours to go on with.
fn own_suite(connection: &ServerConnection) -> Option<Suite> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    Suite::new(connection.negotiated_cipher_suite()?.suite())
}

fn hand_over<S: Socket>(
    connection: ServerConnection,
    suite: Suite,
    capture: &Capture,
    socket: S,
    settings: &Settings,
) -> io::Result<Stream<S>> {
    let rustls = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let extracted = connection.dangerous_extract_secrets().map_err(rustls)?;
    let cipher = |secret: &OnceLock<_>, (sequence, keys): &(u64, ConnectionTrafficSecrets)| {
        let secret = secret
            .get()
            .and_then(|secret: &Zeroizing<Vec<u8>>| Secret::new(suite, secret))
            .filter(|secret| agree(secret, keys))
            .ok_or(Error::Cipher)?;
        Cipher::new(secret, *sequence)
    };
    let opener = Opener::new(cipher(&capture.client, &extracted.rx)?);
    let sealing = cipher(&capture.server, &extracted.tx)?;
    if settings.records == RecordLayer::Kernel
        && let Some(tcp) = socket.tcp()
        && kernel::seal(tcp, &extracted.tx).is_some()
    {
        return Ok(Stream::kernel(Kernel::new(socket, opener, suite)));
    }
    let sealer = Sealer::new(sealing, Arc::clone(&settings.pool));
    Ok(Stream::own(Layer::new(socket, opener, sealer)))
}

/// Whether rustls derived the same from a secret as we do.
fn agree(secret: &Secret, theirs: &ConnectionTrafficSecrets) -> bool {
    let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
    | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
    | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = theirs
    else {
        return false;
    };
    secret
        .keys()
        .is_ok_and(|ours| ours.key() == key.as_ref() && ours.iv == iv.as_ref())
}

/// Reads from a socket what belongs to one record, never more: what follows the client's last
/// record of the handshake is not for rustls.
struct Records {
    bytes: Vec<u8>,
    header: [u8; HEADER_BYTES],
    header_filled: usize,
    body_left: usize,
}

impl Records {
    fn new() -> Self {
        Self {
            bytes: vec![0; READ_BYTES],
            header: [0; HEADER_BYTES],
            header_filled: 0,
            body_left: 0,
        }
    }

    async fn read<S: AsyncRead + Unpin>(&mut self, socket: &mut S) -> io::Result<&[u8]> {
        let in_header = self.body_left == 0;
        let wanted = if in_header {
            HEADER_BYTES - self.header_filled
        } else {
            self.body_left.min(READ_BYTES)
        };
        let read = socket.read(&mut self.bytes[..wanted]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = &self.bytes[..read];
        if !in_header {
            self.body_left -= read;
            return Ok(bytes);
        }
        self.header[self.header_filled..self.header_filled + read].copy_from_slice(bytes);
        self.header_filled += read;
        if let [_, _, _, high, low] = self.header
            && self.header_filled == HEADER_BYTES
        {
            self.header_filled = 0;
            self.body_left = usize::from(u16::from_be_bytes([high, low]));
        }
        Ok(bytes)
    }
}

/// Keeps the traffic secrets that rustls tells of, which its extraction does not give: without
/// them keys could not be updated. One for each connection; wiped with it.
struct Capture {
    client: OnceLock<Zeroizing<Vec<u8>>>,
    server: OnceLock<Zeroizing<Vec<u8>>>,
    configured: Arc<dyn KeyLog>,
}

impl Capture {
    fn new(configured: Arc<dyn KeyLog>) -> Self {
        Self {
            client: OnceLock::new(),
            server: OnceLock::new(),
            configured,
        }
    }

    fn place(&self, label: &str) -> Option<&OnceLock<Zeroizing<Vec<u8>>>> {
        match label {
            "CLIENT_TRAFFIC_SECRET_0" => Some(&self.client),
            "SERVER_TRAFFIC_SECRET_0" => Some(&self.server),
            _ => None,
        }
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}

impl KeyLog for Capture {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        if let Some(place) = self.place(label) {
            place.get_or_init(|| Zeroizing::new(secret.to_vec()));
        }
        if self.configured.will_log(label) {
            self.configured.log(label, client_random, secret);
        }
    }

    fn will_log(&self, label: &str) -> bool {
        self.place(label).is_some() || self.configured.will_log(label)
    }
}
