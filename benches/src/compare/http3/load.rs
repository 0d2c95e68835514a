//! The HTTP/3 load generator: a process of its own on one core, as h2load is for TCP.

use std::{
    fs,
    io::Write as _,
    net::Ipv4Addr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::Uri;
use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use super::{Client, broken};
use crate::compare::{Error, client};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The authority that signed the server's certificate.
    #[arg(long)]
    ca: PathBuf,
    /// A list of URLs on one server, which are asked for in turn.
    #[arg(long)]
    urls: PathBuf,
    /// Bytes of every body.
    #[arg(long)]
    length: u64,
    #[arg(long)]
    connections: usize,
    #[arg(long)]
    streams: usize,
    #[arg(long)]
    requests: u64,
}

/// What all streams of all connections share.
struct Work {
    urls: Vec<String>,
    length: u64,
    requests: u64,
    begun: AtomicU64,
}

/// Prints how long it took as one line of JSON, or fails if one answer was not as it should be.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::io("starting a runtime"))?;
    let wall_s = runtime.block_on(load(arguments))?;
    let line = json!({ "wall_s": wall_s, "body_bytes": arguments.requests * arguments.length });
    writeln!(std::io::stdout(), "{line}").map_err(Error::io("the result"))
}

async fn load(arguments: &Arguments) -> Result<f64, Error> {
    let tls = client::client_config(&arguments.ca)?;
    let text = fs::read_to_string(&arguments.urls).map_err(Error::io(arguments.urls.display()))?;
    let urls: Vec<String> = text.lines().map(str::to_owned).collect();
    let first: Uri = urls
        .first()
        .map_or("", String::as_str)
        .parse()
        .map_err(broken)?;
    let (host, port) = first
        .host()
        .zip(first.port_u16())
        .ok_or_else(|| Error::Broken("no URL with a host and a port".to_owned()))?;
    let server = (Ipv4Addr::LOCALHOST, port).into();
    let work = Arc::new(Work {
        urls,
        length: arguments.length,
        requests: arguments.requests,
        begun: AtomicU64::new(0),
    });
    let began = Instant::now();
    let mut streams = JoinSet::new();
    for _ in 0..arguments.connections {
        let config = rustls::ClientConfig::clone(&tls);
        let client = Arc::new(Client::open(config, host, server).await?);
        for _ in 0..arguments.streams {
            streams.spawn(stream(Arc::clone(&client), Arc::clone(&work)));
        }
    }
    while let Some(ended) = streams.join_next().await {
        ended.map_err(broken)??;
    }
    Ok(began.elapsed().as_secs_f64())
}

/// One request after the other, as long as there are any.
async fn stream(client: Arc<Client>, work: Arc<Work>) -> Result<(), Error> {
    loop {
        let number = work.begun.fetch_add(1, Ordering::Relaxed);
        if number >= work.requests {
            return Ok(());
        }
        let at = usize::try_from(number).unwrap_or(usize::MAX) % work.urls.len();
        let mut bytes = 0;
        let status = client
            .get(&work.urls[at], |piece| bytes += piece.len() as u64)
            .await?;
        if status != 200 || bytes != work.length {
            let url = &work.urls[at];
            return Err(Error::Broken(format!("{url}: {status}, {bytes} bytes")));
        }
    }
}
