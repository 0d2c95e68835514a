//! An HTTP origin made of bytes: it reads a request head and writes what it was told to.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What to do after a request head came.
#[derive(Clone)]
pub(crate) enum Act {
    /// Write this and wait for the next request.
    Say(Vec<u8>),
    /// Write this and close.
    SayAndClose(Vec<u8>),
    /// Write this and reset the connection.
    SayAndReset(Vec<u8>),
    /// Write this and go silent.
    SayAndStall(Vec<u8>),
    /// Write this over and over.
    Repeat(Vec<u8>),
    /// Write these bytes one by one, so far apart.
    Trickle(Vec<u8>, Duration),
}

pub(crate) fn say(text: &str) -> Act {
    Act::Say(text.as_bytes().to_vec())
}

pub(crate) fn close(text: &str) -> Act {
    Act::SayAndClose(text.as_bytes().to_vec())
}

/// A response head for a body of `length` bytes, and `body` after it.
pub(crate) fn sized(head: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) struct Liar {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    /// The request heads, as they came.
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Liar {
    /// Answers each request by the next act; the last one repeats.
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let told = Told {
            acts,
            heads: Arc::clone(&heads),
        };
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut serving = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                serving.spawn(told.clone().serve(stream));
            }
        });
        Self {
            address,
            connections,
            heads,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Told {
    acts: Vec<Act>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Told {
    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            while !buffer.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match stream.read(&mut byte).await {
                    Ok(1) => buffer.push(byte[0]),
                    _ => return,
                }
            }
            let number = {
                let mut heads = self.heads.lock().unwrap();
                heads.push(String::from_utf8(std::mem::take(&mut buffer)).unwrap());
                heads.len() - 1
            };
            let act = &self.acts[number.min(self.acts.len() - 1)];
            if self.act(act, &mut stream).await.is_err() {
                return;
            }
        }
    }

    async fn act(&self, act: &Act, stream: &mut TcpStream) -> std::io::Result<()> {
        match act {
            Act::Say(bytes) => stream.write_all(bytes).await,
            Act::SayAndClose(bytes) => {
                stream.write_all(bytes).await?;
                stream.shutdown().await?;
                Err(std::io::ErrorKind::Other.into())
            }
            Act::SayAndReset(bytes) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
                // What is read first cannot be thrown away by the reset.
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.set_zero_linger()?;
                Err(std::io::ErrorKind::Other.into())
            }
            Act::SayAndStall(bytes) => {
                stream.write_all(bytes).await?;
                std::future::pending().await
            }
            Act::Repeat(bytes) => loop {
                stream.write_all(bytes).await?;
            },
            Act::Trickle(bytes, pause) => {
                for byte in bytes {
                    stream.write_all(&[*byte]).await?;
                    tokio::time::sleep(*pause).await;
                }
                Ok(())
            }
        }
    }
}
