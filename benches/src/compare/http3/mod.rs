//! An HTTP/3 client, for checking and for load: Debian's h2load speaks no HTTP/3.

pub(crate) mod load;

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
};

use bytes::{Buf as _, Bytes};
use http::{Request, StatusCode};
use quinn::{
    ClientConfig, Endpoint, EndpointConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::QuicClientConfig,
};

use super::Error;

/// Windows as a browser has them, and as our client over HTTP/2.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A burst of one send window fits, or the client would lose datagrams that no network lost.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

type Requests = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;

/// One connection, from a socket of its own; it is closed when dropped.
pub(crate) struct Client {
    requests: Requests,
    quic: quinn::Connection,
    _endpoint: Endpoint,
}

impl Client {
    /// Shakes hands with a server that has a certificate for that name.
    pub(crate) async fn open(
        mut tls: rustls::ClientConfig,
        host: &str,
        server: SocketAddr,
    ) -> Result<Self, Error> {
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let crypto = QuicClientConfig::try_from(tls).map_err(broken)?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        config.transport_config(Arc::new(transport()));
        let endpoint = Endpoint::new(
            EndpointConfig::default(),
            None,
            socket().map_err(Error::io("a UDP socket"))?,
            Arc::new(TokioRuntime),
        );
        let endpoint = endpoint.map_err(Error::io("a QUIC endpoint"))?;
        let connecting = endpoint
            .connect_with(config, server, host)
            .map_err(broken)?;
        let quic = connecting.await.map_err(broken)?;
        let (mut driver, requests) = h3::client::builder()
            .build(h3_quinn::Connection::new(quic.clone()))
            .await
            .map_err(broken)?;
        // Ends with the connection.
        tokio::spawn(async move { driver.wait_idle().await });
        Ok(Self {
            requests,
            quic,
            _endpoint: endpoint,
        })
    }

    /// Asks for one object and lets `take` have its pieces. Ends after the last of them.
    pub(crate) async fn get(
        &self,
        url: &str,
        mut take: impl FnMut(Bytes),
    ) -> Result<StatusCode, Error> {
        let request = Request::get(url).body(()).map_err(broken)?;
        let mut requests = self.requests.clone();
        let mut stream = requests.send_request(request).await.map_err(broken)?;
        stream.finish().await.map_err(broken)?;
        let response = stream.recv_response().await.map_err(broken)?;
        while let Some(mut piece) = stream.recv_data().await.map_err(broken)? {
            take(piece.copy_to_bytes(piece.remaining()));
        }
        Ok(response.status())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.quic.close(VarInt::from_u32(0x100), b"");
    }
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES));
    transport
}

fn socket() -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let options = socket2::SockRef::from(&socket);
    options.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    options.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    Ok(socket)
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Broken(format!("HTTP/3: {error}"))
}
