//! The servers that stand beside each other, each started the same way, with a config made on the
//! spot.

mod h2o;
mod haproxy;
mod nginx;
mod ours;
mod trafficserver;
mod varnish;

use std::{collections::BTreeSet, net::Ipv4Addr, os::unix::fs::MetadataExt as _, path::PathBuf};

use super::{
    Error,
    processes::{Processes, Program},
    proof,
    select::Peer,
    target::{Kind, Target},
    world::{World, free_port},
};

/// How servers are to be set up.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// A list of cores, as `taskset` reads it.
    pub(crate) cores: String,
    /// Threads or processes that serve: one for each core.
    pub(crate) workers: usize,
    pub(crate) tier: Tier,
    pub(crate) listen: Listen,
    /// Keys of the edge's config that differ, as `key = value` of TOML.
    pub(crate) edge: Vec<(String, String)>,
}

/// Where servers listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listen {
    /// On the loopback alone.
    Loopback,
    /// On every address of a network that no other program is in.
    Everywhere,
}

impl Listen {
    fn address(self) -> Ipv4Addr {
        match self {
            Self::Loopback => Ipv4Addr::LOCALHOST,
            Self::Everywhere => Ipv4Addr::UNSPECIFIED,
        }
    }
}

/// Where hits come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    /// All that is asked for fits into memory.
    Ram,
    /// Hardly any of it does.
    Disk,
}

impl Tier {
    /// Memory for bodies, in MiB.
    fn ram_mib(self) -> u32 {
        match self {
            Self::Ram => 2048,
            Self::Disk => 64,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ram => "ram",
            Self::Disk => "disk",
        }
    }
}

/// Disk for bodies: what the disk rows ask for, of both sites of the edge, and half as much.
const DISK_MIB: u32 = 3072;

/// What a server consists of: programs in the order of their start, and where they listen.
struct Recipe {
    programs: Vec<Program>,
    listeners: Vec<Target>,
}

/// A server that runs.
pub(crate) struct Server {
    recipe: Recipe,
    cores: String,
    log: PathBuf,
    processes: Processes,
}

impl Server {
    /// The edge.
    pub(crate) async fn ours(world: &World, setup: &Setup) -> Result<Self, Error> {
        let recipe = ours::recipe(world, setup)?;
        Self::start("millpond", recipe, world, setup).await
    }

    /// A peer; `None`, after a loud word, when it is not on this machine.
    pub(crate) async fn peer(
        peer: Peer,
        world: &World,
        setup: &Setup,
    ) -> Result<Option<Self>, Error> {
        if version(peer).is_none() {
            super::say(&format!("SKIPPED: {} is not on this machine", peer.name()));
            return Ok(None);
        }
        let recipe = match peer {
            Peer::Nginx => nginx::recipe(world, setup)?,
            Peer::Varnish => varnish::recipe(world, setup)?,
            Peer::TrafficServer => trafficserver::recipe(world, setup)?,
            Peer::Haproxy => haproxy::recipe(world, setup)?,
            Peer::H2o => h2o::recipe(world, setup)?,
        };
        let server = Self::start(peer.name(), recipe, world, setup).await?;
        Ok(Some(server))
    }

    async fn start(
        name: &str,
        recipe: Recipe,
        world: &World,
        setup: &Setup,
    ) -> Result<Self, Error> {
        let log = world.root().join(format!("{name}.log"));
        let started = Processes::start(name, &recipe.programs, &setup.cores, &log);
        let processes = started.await?;
        let mut server = Self {
            recipe,
            cores: setup.cores.clone(),
            log,
            processes,
        };
        server.listening().await?;
        Ok(server)
    }

    async fn listening(&mut self) -> Result<(), Error> {
        for target in &self.recipe.listeners {
            let processes = &mut self.processes;
            if let Err(error) = proof::listening(target.port, || processes.ended()).await {
                let said = std::fs::read_to_string(&self.log).unwrap_or_default();
                return Err(Error::Broken(format!("{}: {error}\n{said}", target.label)));
            }
        }
        Ok(())
    }

    pub(crate) fn targets(&self) -> &[Target] {
        &self.recipe.listeners
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.targets()
            .iter()
            .any(|target| target.kind == Kind::Signed)
    }

    /// Whether it serves files and caches nothing.
    pub(crate) fn is_static(&self) -> bool {
        let is_h2o = |target: &Target| target.kind == Kind::Peer(Peer::H2o);
        self.targets().iter().any(is_h2o)
    }

    /// How many of the targets, from the first on, have a cache of their own. The edge's sites share
    /// nothing; the settings of a peer share one cache.
    pub(crate) fn caches(&self) -> usize {
        if self.is_ours() {
            self.targets().len()
        } else {
            1
        }
    }

    pub(crate) fn pids(&self) -> BTreeSet<u32> {
        self.processes.pids()
    }

    pub(crate) fn kill(&mut self) {
        self.processes.kill();
    }

    /// Starts what was killed, and does not wait until it listens.
    pub(crate) async fn start_again(&mut self) -> Result<(), Error> {
        let name = self.targets()[0].kind.name();
        let programs = &self.recipe.programs;
        let started = Processes::start(name, programs, &self.cores, &self.log);
        self.processes = started.await?;
        Ok(())
    }
}

/// What a peer of this machine calls itself, if there is one.
pub(crate) fn version(peer: Peer) -> Option<String> {
    match peer {
        Peer::Nginx => nginx::version(),
        Peer::Varnish => varnish::version(),
        Peer::TrafficServer => first_line("traffic_server", "--version"),
        Peer::Haproxy => first_line("haproxy", "-v"),
        Peer::H2o => h2o::version(),
    }
}

/// What a program says of itself, on either channel.
fn said(program: &str, argument: &str) -> Option<String> {
    let mut command = std::process::Command::new(program);
    let output = command.arg(argument).output().ok()?;
    let both = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&both).into_owned())
}

fn first_line(program: &str, argument: &str) -> Option<String> {
    let said = said(program, argument)?;
    let mut lines = said.lines().filter(|line| !line.trim().is_empty());
    lines.find(|line| line.contains(' ')).map(str::to_owned)
}

/// Servers that give up root's rights by themselves could not read a folder that is root's.
pub(crate) fn as_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A peer on a port of its own under one of its settings.
fn listener(peer: Peer, label: &'static str) -> Result<Target, Error> {
    Ok(Target {
        label,
        kind: Kind::Peer(peer),
        host: "localhost",
        address: Ipv4Addr::LOCALHOST,
        port: free_port()?,
        prefix: String::new(),
    })
}
