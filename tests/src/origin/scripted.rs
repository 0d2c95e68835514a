//! An HTTP/1.1 origin on loopback that counts what is read and does what it is told.

use std::{
    collections::HashMap,
    net::SocketAddr,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Script, serve};
use crate::{oracle::Object, within};

/// An origin. It ends when it is dropped.
pub struct ScriptedOrigin {
    address: SocketAddr,
    state: Arc<State>,
    _running: DropGuard,
}

/// One request that the origin received.
#[derive(Debug, Clone)]
pub struct Read {
    /// Its request line and header fields, as they came.
    pub head: String,
    /// The path and query.
    pub target: String,
    /// First and last byte asked for.
    pub range: Option<(u64, Option<u64>)>,
    /// Where its body began, in the object.
    pub start: u64,
    sent: Arc<AtomicU64>,
}

impl Read {
    /// Which bytes of the object were sent so far.
    pub fn sent(&self) -> Range<u64> {
        self.start..self.start + self.sent.load(Ordering::Relaxed)
    }
}

/// What the connections share with the test.
#[derive(Default)]
pub(super) struct State {
    objects: Mutex<HashMap<String, (Object, Script)>>,
    reads: Mutex<Vec<Read>>,
    count: watch::Sender<usize>,
}

impl ScriptedOrigin {
    /// Starts an origin with these objects, each with the default script.
    pub async fn start(objects: &[Object]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, objects)
    }

    fn on(listener: TcpListener, objects: &[Object]) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let stop = CancellationToken::new();
        let serving = serve_all(listener, Arc::clone(&state));
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        let origin = Self {
            address,
            state,
            _running: stop.drop_guard(),
        };
        for object in objects {
            origin.put(object, Script::default());
        }
        origin
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has `object` be served as `script` says, from the next request on.
    pub fn put(&self, object: &Object, script: Script) {
        let mut objects = self.state.objects.lock().unwrap();
        objects.insert(object.name.clone(), (object.clone(), script));
    }

    /// Takes an object away: 404.
    pub fn remove(&self, object: &Object) {
        self.state.objects.lock().unwrap().remove(&object.name);
    }

    /// All requests so far.
    pub fn reads(&self) -> Vec<Read> {
        self.state.reads.lock().unwrap().clone()
    }

    /// All requests so far for one object.
    pub fn reads_of(&self, object: &Object) -> Vec<Read> {
        let mut reads = self.reads();
        reads.retain(|read| read.target.split('?').next() == Some(&object.name));
        reads
    }

    /// Waits for the `count`th request.
    pub async fn read_count(&self, count: usize) {
        let mut counts = self.state.count.subscribe();
        let seen = counts.wait_for(|&seen| seen >= count);
        within(60, "requests at the origin", seen).await.unwrap();
    }

    /// For each slice of `slice_bytes`, how many reads sent any byte of it.
    pub fn reads_by_slice(&self, object: &Object, slice_bytes: u64) -> Vec<usize> {
        let reads = self.reads_of(object);
        (0..object.bytes.div_ceil(slice_bytes))
            .map(|slice| {
                let start = slice * slice_bytes;
                let overlaps = |sent: Range<u64>| {
                    sent.start < start + slice_bytes && sent.end > start && !sent.is_empty()
                };
                reads.iter().filter(|read| overlaps(read.sent())).count()
            })
            .collect()
    }
}

impl State {
    /// What is served for a target now; a script's deaths count down as they are taken.
    pub(super) fn take(&self, target: &str) -> Option<(Object, Script)> {
        let path = target.split('?').next().unwrap_or(target);
        let mut objects = self.objects.lock().unwrap();
        let (object, script) = objects.get_mut(path)?;
        let taken = (object.clone(), script.clone());
        if let Some((_, _, times)) = &mut script.die {
            *times = times.saturating_sub(1);
        }
        Some(taken)
    }

    /// Notes a request; the counter takes the body bytes that will be sent.
    pub(super) fn note(
        &self,
        head: &str,
        target: &str,
        range: Option<(u64, Option<u64>)>,
    ) -> Arc<AtomicU64> {
        let sent = Arc::<AtomicU64>::default();
        let read = Read {
            head: head.to_owned(),
            target: target.to_owned(),
            range,
            start: range.map_or(0, |(first, _)| first),
            sent: Arc::clone(&sent),
        };
        let mut reads = self.reads.lock().unwrap();
        reads.push(read);
        self.count.send_replace(reads.len());
        sent
    }
}

async fn serve_all(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve::connection(stream, Arc::clone(&state)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
