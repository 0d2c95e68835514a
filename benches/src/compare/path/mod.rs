//! A long path: one viewer behind 100 ms and a bottleneck, over HTTP/1.1, 2 and 3.

mod link;
mod report;
mod space;
mod visit;
mod wire;

use std::{sync::Arc, time::Duration};

use super::{
    Error,
    client::Connector,
    proof, say,
    select::{Peer, Protocol},
    servers::{Listen, Server, Setup, Tier},
    target::{Kind, Target},
    world::World,
};
use link::Shape;
use report::{Entry, Report};
use visit::Visit;
use wire::{Counts, FAR};

#[derive(Debug, clap::Args)]
pub(crate) struct Path {
    /// There and back, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 100)]
    rtt: u64,
    /// The bottleneck, in Mbit (10^6) a second.
    #[arg(long, value_name = "MBIT", default_value_t = 200)]
    rate: u64,
    /// What waits before it at most, in KiB.
    #[arg(long, value_name = "KIB", default_value_t = 1024)]
    queue: u64,
    /// Packets of a million that are lost in each direction, besides those that find the queue full.
    #[arg(long, value_name = "PPM", default_value_t = 0)]
    loss: u32,
    /// The body, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 32)]
    body: usize,
    /// The kernel's congestion control for TCP; the machine's own otherwise.
    #[arg(long, value_name = "NAME")]
    tcp: Option<String>,
    /// Leave nginx out.
    #[arg(long)]
    alone: bool,
    /// Rounds in which all take turns; the median counts.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// A key of the edge's config that differs, as TOML writes it. May be given several times.
    #[arg(long = "edge", value_name = "KEY=VALUE", value_parser = super::arguments::pair)]
    edge: Vec<(String, String)>,
    /// The core of the servers.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The core of the client, the path, shield and origin.
    #[arg(long, default_value_t = 1)]
    pub(crate) client_core: usize,
    /// In a network of its own already.
    #[arg(long, hide = true)]
    pub(crate) inside: bool,
}

/// The object that is asked for first, and the segment that is asked for after a rest.
const BODY: u32 = 1;
const SEGMENT: u32 = 2;
const SEGMENT_BYTES: usize = 1 << 20;

/// Starts the same command in a network of its own. Returns only if it cannot.
pub(crate) fn enter() -> Error {
    space::enter()
}

pub(crate) async fn measure(arguments: &Path) -> Result<Report, Error> {
    space::prepare()?;
    let world = World::make().await?;
    let setup = Setup {
        cores: arguments.server_core.to_string(),
        workers: 1,
        tier: Tier::Ram,
        listen: Listen::Everywhere,
        edge: arguments.edge.clone(),
    };
    let mut servers = vec![Server::ours(&world, &setup).await?];
    if !arguments.alone {
        servers.extend(Server::peer(Peer::Nginx, &world, &setup).await?);
    }
    let connector = Connector::new(&world)?;
    let targets = warm(&connector, &servers, arguments.body << 20).await?;
    let shape = Shape {
        bytes_per_s: (arguments.rate * 1_000_000 / 8).max(1),
        queue_bytes: arguments.queue << 10,
        delay: Duration::from_micros(arguments.rtt * 500),
        loss_ppm: arguments.loss,
    };
    let ports = targets.iter().map(|target| target.port).collect();
    let counts = wire::open(shape, ports)?;
    let tcp = space::join(arguments.tcp.as_deref())?;
    let entries = take_turns(arguments, &connector, &targets, &counts).await?;
    drop(servers);
    world.close().await;
    Ok(Report {
        rtt_ms: arguments.rtt,
        rate_mbit_per_s: arguments.rate,
        queue_kib: arguments.queue,
        loss_ppm: arguments.loss,
        body_mib: arguments.body,
        tcp,
        entries,
    })
}

/// Has every server read what will be asked for, over the loopback, and checks it. Returns whom to
/// ask over the path: the edge with signed URLs, and nginx as it comes.
async fn warm(
    connector: &Connector,
    servers: &[Server],
    body_bytes: usize,
) -> Result<Vec<Target>, Error> {
    let mut targets = Vec::new();
    for server in servers {
        let mut asked = server
            .targets()
            .iter()
            .filter(|target| target.kind != Kind::Open);
        let Some(target) = asked.next() else { continue };
        let mut client = connector.open(target, Protocol::Http1).await?;
        proof::check(&mut client, target, BODY, body_bytes).await?;
        proof::check(&mut client, target, SEGMENT, SEGMENT_BYTES).await?;
        let mut far = target.clone();
        far.address = FAR;
        targets.push(far);
    }
    Ok(targets)
}

async fn take_turns(
    arguments: &Path,
    connector: &Connector,
    targets: &[Target],
    counts: &Arc<Counts>,
) -> Result<Vec<Entry>, Error> {
    let contestants = targets.iter().flat_map(|target| {
        let ours = target.kind == Kind::Signed;
        let protocols = Protocol::ALL.into_iter();
        protocols
            .filter(move |protocol| ours || *protocol != Protocol::Http3)
            .map(move |protocol| (target, protocol))
    });
    let contestants: Vec<_> = contestants.collect();
    let mut entries: Vec<Entry> = contestants
        .iter()
        .map(|(target, protocol)| Entry::of(target, *protocol))
        .collect();
    let visit = Visit::new(arguments.body << 20, counts);
    let rounds = arguments.rounds.max(1);
    for turn in 0..rounds {
        say(&format!("round {} of {rounds}", turn + 1));
        for place in 0..contestants.len() {
            let at = (place + turn) % contestants.len();
            let (target, protocol) = contestants[at];
            let sample = visit.pay(connector, target, protocol).await?;
            entries[at].samples.push(sample);
        }
    }
    Ok(entries)
}
