//! A fill by plan: its rate on the wire, and what it costs viewers while it runs.

mod relay;
mod report;

use std::time::Duration;

use benches::bodies;
use manifest::{
    Digest, Encoding, Head, Hints, Keys, Kind, Manifest, Names, Object, Objects, PlannerKey, Role,
    Signed,
};
use signing::{Algorithm, Label, SigningKey};
use steering::client::Client;
use tokio::time::{Instant, sleep};

use super::{
    Error,
    client::Connector,
    load::{Generator, Load},
    measure::{Sample, as_f64},
    rows::hits,
    say,
    select::{Protocol, Shape, Size},
    servers::{Listen, Server, Setup, Tier},
    target::Target,
    world::{OPEN, World, free_port, write},
};
use relay::Relay;

/// Objects of plans, which no other load asks for.
const FROM: u32 = 400_000;
/// More of them than one edge is told to fill.
const PLANNED_MAX: u32 = 100_000;
/// How long the edge has for what steering tells it.
const PATIENCE: Duration = Duration::from_secs(20);
/// What viewers ask for in one run, as a multiple of what a run of `compare` does: some ten seconds. In a
/// quarter of that the runs without a fill differed by a tenth.
const LONGER: u64 = 16;
/// What idle connections may say to each other in a run: less than one object of a viewer.
const TALK_BYTES_MAX: u64 = 256 << 10;
/// Seconds for which a plan has enough to bring: longer than a run.
const PLANNED_S: u64 = 60;
/// How long the rate is watched without viewers.
const WATCHED: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Night {
    /// The rate of the fill, in MB (10^6 bytes) a second.
    #[arg(long, value_name = "MB", default_value_t = 20)]
    rate: u32,
    /// Runs with the fill and without, in turns; the median counts.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// The core of the edge.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The core of viewers, shield and origin.
    #[arg(long, default_value_t = 1)]
    pub(crate) client_core: usize,
}

/// What was measured.
pub(crate) struct Report {
    rate_bytes_per_s: u64,
    /// The busiest ten seconds, without viewers and in all of the run, in bytes.
    alone: u64,
    most: u64,
    /// Bytes on the wire of the quiet phase, by the second.
    mean: f64,
    /// Of viewers served from RAM, and of those served from the disk that is filled.
    courses: [Costs; 2],
}

/// What a fill costs viewers who are served from one tier.
struct Costs {
    tier: Tier,
    /// Throughput with the fill by that without, run by run.
    ratios: Vec<f64>,
    /// And CPU time of the edge a GB served.
    cpu: Vec<f64>,
    /// Bytes that came in the busiest ten seconds, since all that viewers ask for was here.
    most: u64,
}

/// The edge, and who makes plans for it.
struct Edge {
    server: Server,
    planner: Planner,
}

/// All that runs.
struct Stage<'w> {
    world: &'w World,
    relay: &'w Relay,
    generator: &'w Generator,
    arguments: &'w Night,
}

/// Whoever makes plans, and gives them to the edge.
struct Planner {
    key: SigningKey,
    steering: Client,
    generation: u64,
    next: u32,
}

pub(crate) async fn measure(arguments: &Night) -> Result<Report, Error> {
    let generator = Generator::find(&arguments.client_core.to_string()).await?;
    let world = World::make().await?;
    let relay = Relay::start(world.shield().to_owned()).await?;
    let stage = Stage {
        world: &world,
        relay: &relay,
        generator: &generator,
        arguments,
    };
    let (disk, edge) = stage.costs(Tier::Disk, FROM).await?;
    drop(edge);
    let (
        ram,
        Edge {
            server,
            mut planner,
        },
    ) = stage.costs(Tier::Ram, FROM + PLANNED_MAX).await?;
    say("the rate, without viewers");
    let plan = planner.plan(stage.rate() * (WATCHED.as_secs() + 10))?;
    let from = relay.now();
    planner.begin(plan).await?;
    sleep(WATCHED).await;
    planner.withdraw().await?;
    let (alone, bytes) = relay.since(from);
    let mean = as_f64(bytes) / relay.now().saturating_sub(from).as_secs_f64();
    let rate_bytes_per_s = stage.rate();
    drop(server);
    world.close().await;
    Ok(Report {
        rate_bytes_per_s,
        alone,
        most: alone.max(ram.most).max(disk.most),
        mean,
        courses: [ram, disk],
    })
}

impl Stage<'_> {
    fn rate(&self) -> u64 {
        u64::from(self.arguments.rate) * 1_000_000
    }

    /// Runs without the fill and with it, in turns; the edge goes on. Plans are of objects from `next` on.
    async fn costs(&self, tier: Tier, next: u32) -> Result<(Costs, Edge), Error> {
        let port = free_port()?;
        let mut planner = Planner::new(self.world, port, next)?;
        let setup = Setup {
            cores: self.arguments.server_core.to_string(),
            workers: 1,
            tier,
            listen: Listen::Loopback,
            edge: settings(self.relay, port, self.rate()),
        };
        let server = Server::ours(self.world, &setup).await?;
        let target = server.targets()[1].clone();
        let mut load = match tier {
            Tier::Ram => Load::ram(Shape {
                protocol: Protocol::Http2,
                size: Size::Mib1,
            }),
            Tier::Disk => Load::disk(Protocol::Http2),
        };
        load.requests *= LONGER;
        let run = async || {
            let pids = server.pids();
            self.generator
                .measure(self.world, &load, &target, &pids)
                .await
        };
        match tier {
            Tier::Ram => drop(run().await?),
            Tier::Disk => self.fill_disk(&target).await?,
        }
        let quiet_run = async || {
            let began = self.relay.now();
            let sample = run().await?;
            if self.relay.since(began).1 > TALK_BYTES_MAX {
                let what = "viewers asked for what was not here in a run of hits";
                return Err(Error::Broken(what.to_owned()));
            }
            Ok(sample)
        };
        let from = self.relay.now();
        let (mut ratios, mut cpu) = (Vec::new(), Vec::new());
        let mut before = quiet_run().await?;
        for round in 1..=self.arguments.rounds.max(1) {
            let (name, rounds) = (tier.name(), self.arguments.rounds);
            say(&format!("viewers from {name}: round {round} of {rounds}"));
            let plan = planner.plan(self.rate() * PLANNED_S)?;
            planner.begin(plan).await?;
            let with = run().await?;
            planner.withdraw().await?;
            sleep(hits::SETTLE).await;
            let after = quiet_run().await?;
            // Between two, so that a machine that gets faster or slower favours neither.
            let without =
                |figure: fn(&Sample) -> f64| f64::midpoint(figure(&before), figure(&after));
            ratios.push(with.gb_per_s() / without(Sample::gb_per_s));
            cpu.push(with.cpu_s_per_gb() / without(Sample::cpu_s_per_gb));
            before = after;
        }
        let (most, _) = self.relay.since(from);
        let costs = Costs {
            tier,
            ratios,
            cpu,
            most,
        };
        Ok((costs, Edge { server, planner }))
    }

    /// Twice: what is asked for once need not be worth a write.
    async fn fill_disk(&self, target: &Target) -> Result<(), Error> {
        let connector = Connector::new(self.world)?;
        for _ in 0..2 {
            hits::fill_disk(&connector, target).await?;
            sleep(hits::SETTLE).await;
        }
        Ok(())
    }
}

/// The edge's config beside that of every measurement.
fn settings(relay: &Relay, steering: u16, rate_bytes_per_s: u64) -> Vec<(String, String)> {
    let member = format!(
        "[{{ name = \"shield1\", addresses = [\"{}\"], server_name = \"{}\" }}]",
        relay.address,
        super::pki::SHIELD
    );
    let quoted = |text: &str| format!("\"{text}\"");
    [
        ("shields.member", member),
        ("fill.keys", quoted("planners.json")),
        ("fill.rate", quoted(&format!("{rate_bytes_per_s}B"))),
        ("fill.window", "[{ hours = \"00:00-00:00\" }]".to_owned()),
        ("steering.listen", quoted(&format!("127.0.0.1:{steering}"))),
        ("steering.certificate", quoted("server.pem")),
        ("steering.key", quoted("server.key")),
        ("steering.client_ca", quoted("ca.pem")),
        ("steering.steering", "[\"edge.bench.internal\"]".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

impl Planner {
    fn new(world: &World, port: u16, next: u32) -> Result<Self, Error> {
        let key = SigningKey::generate(Algorithm::Ed25519, Label::parse("planner-1")?)?;
        let planner = PlannerKey {
            key: key.verify_key(),
            roles: vec![Role::Plan],
        };
        let keys = Keys::new(vec![planner], []).map_err(broken)?;
        let root = world.root();
        write(&root.join("planners.json"), keys.to_json().as_bytes())?;
        let tls = tls::ClientConfig {
            ca: vec![world.ca()],
            identity: Some(tls::Identity {
                cert: root.join("client.pem"),
                key: root.join("client.key"),
            }),
            alpn: Vec::new(),
        };
        let url = format!("https://localhost:{port}");
        let steering = Client::new(&url, &tls, message::now().wall).map_err(broken)?;
        Ok(Self {
            key,
            steering,
            generation: 0,
            next,
        })
    }

    /// A plan of so many bytes that nobody has.
    fn plan(&mut self, bytes: u64) -> Result<Vec<u8>, Error> {
        const LENGTH: u64 = bodies::LARGE_BYTES as u64;
        let count = u32::try_from(bytes.div_ceil(LENGTH)).unwrap_or(u32::MAX);
        let numbers = self.next..self.next + count;
        self.next = numbers.end;
        self.generation += 1;
        let named = numbers.map(|number| {
            let path = bodies::path(number, bodies::LARGE_BYTES);
            (path, Digest::of(&bodies::body(number, bodies::LARGE_BYTES)))
        });
        let named: Vec<_> = named.collect();
        let objects = named.iter().map(|(path, digest)| Object {
            expected: 1000,
            ..Object::fill(OPEN, path, LENGTH, *digest)
        });
        let now_s = message::now().unix_s();
        let head = Head {
            audience: Label::parse("edge1")?,
            generation: self.generation,
            previous: None,
            issued_s: now_s,
            expires_s: now_s + 3600,
            kind: Kind::Full,
            hints: Hints::default(),
            allow_mass_eviction: false,
        };
        let objects = Objects::collect(objects).map_err(broken)?;
        let manifest = Manifest::new(head, objects, Names::default()).map_err(broken)?;
        let payload = manifest.to_payload(Encoding::Plain);
        let mut signed = Signed::draft(&payload);
        signed.sign(&self.key).map_err(broken)?;
        Ok(signed.to_bytes())
    }

    /// Has a plan filled; returns once bytes come in.
    async fn begin(&self, plan: Vec<u8>) -> Result<(), Error> {
        self.steering.push(plan.into()).await.map_err(broken)?;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let progress = self.steering.progress().await.map_err(broken)?;
            if progress.bytes_held > 0 {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(Error::Broken("nothing was filled".to_owned()))
    }

    /// Has filling end; it must have gone on until now.
    async fn withdraw(&self) -> Result<(), Error> {
        let progress = self.steering.progress().await.map_err(broken)?;
        let withdrawn = self.steering.withdraw(self.generation).await;
        withdrawn.map_err(broken)?;
        if progress.bytes_held < progress.bytes {
            return Ok(());
        }
        Err(Error::Broken("the fill was over before its run".to_owned()))
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Broken(error.to_string())
}
