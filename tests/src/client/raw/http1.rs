//! A TLS connection for HTTP/1.1, and the test writes what it likes.

use std::{sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    client::{Client, Protocol},
    within,
};

/// A raw connection.
pub struct Http1 {
    stream: TlsStream<TcpStream>,
}

impl Http1 {
    /// Connects as `client` would.
    pub async fn connect(client: &Client) -> Self {
        let stream = TcpStream::connect(client.address()).await.unwrap();
        let name = ServerName::try_from(client.host().to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(client.tls(Protocol::Http1)));
        let shaking = connector.connect(name, stream);
        let stream = within(60, "a handshake", shaking).await.unwrap();
        Self { stream }
    }

    /// Sends bytes. A server that has closed already is no failure of the test.
    pub async fn send(&mut self, bytes: &[u8]) {
        let writing = async {
            let _written = self.stream.write_all(bytes).await;
            let _flushed = self.stream.flush().await;
        };
        within(60, "the node to read", writing).await;
    }

    /// Ends the sending side.
    pub async fn finish(&mut self) {
        let _closed = self.stream.shutdown().await;
    }

    /// Reads until the server closes, which it must within `seconds`; `what` was sent.
    pub async fn until_closed(&mut self, what: &str, seconds: u64) -> String {
        let mut got = Vec::new();
        let reading = async {
            // A reset, or an end without a closing alert, is an end all the same.
            while let Ok(1..) = self.stream.read_buf(&mut got).await {}
        };
        within(
            seconds,
            &format!("the node to close after {what:?}"),
            reading,
        )
        .await;
        String::from_utf8_lossy(&got).into_owned()
    }

    /// Reads what comes, until `pattern` has come, the server closes, or `wait` is over.
    pub async fn until(&mut self, pattern: &str, wait: Duration) -> String {
        let mut got = Vec::new();
        let reading = async {
            while let Ok(1..) = self.stream.read_buf(&mut got).await {
                if String::from_utf8_lossy(&got).contains(pattern) {
                    break;
                }
            }
        };
        let _over = timeout(wait, reading).await;
        String::from_utf8_lossy(&got).into_owned()
    }
}
