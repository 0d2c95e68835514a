//! Servers that run side by side, and take turns under a load.

use super::{
    Error,
    floor::Sink,
    load::{Generator, Load},
    measure::{Entry, Sample, Spread},
    say,
    select::{Peer, Protocol},
    servers::{Server, Setup},
    target::{Kind, Target},
    world::World,
};

/// Tries of each setting of a peer that has several, and their length as a part of a run's.
const TRIES: usize = 3;
const TRY_PART: u64 = 4;

/// What every row needs.
#[derive(Clone, Copy)]
pub(crate) struct Tools<'a> {
    pub(crate) world: &'a World,
    pub(crate) generator: &'a Generator,
    pub(crate) sink: &'a Sink,
    /// Runs of each server in each row.
    pub(crate) rounds: usize,
}

/// Servers of one setup.
pub(crate) struct Stage<'a> {
    pub(crate) tools: Tools<'a>,
    pub(crate) setup: Setup,
    pub(crate) servers: Vec<Server>,
}

/// A server under one of its settings, and its place on the stage.
pub(crate) type Contestant = (usize, Target);

/// Settings that were tried beforehand, with their cost in short runs.
pub(crate) type Tried = Vec<(&'static str, f64)>;

impl<'a> Stage<'a> {
    /// Starts the edge and the peers that are on this machine.
    pub(crate) async fn start(
        tools: Tools<'a>,
        setup: Setup,
        peers: &[Peer],
    ) -> Result<Self, Error> {
        let mut servers = vec![Server::ours(tools.world, &setup).await?];
        for peer in peers {
            say(&format!("starting {}", peer.name()));
            servers.extend(Server::peer(*peer, tools.world, &setup).await?);
        }
        Ok(Self {
            tools,
            setup,
            servers,
        })
    }

    /// Every server once, with that of its settings which costs least; both sites of the edge.
    pub(crate) async fn contestants(&self, load: &Load) -> Result<(Vec<Contestant>, Tried), Error> {
        let (mut contestants, mut tried) = (Vec::new(), Vec::new());
        for (at, server) in self.servers.iter().enumerate() {
            let targets = server.targets();
            if load.protocol == Protocol::Http3 && !server.is_ours() {
                continue;
            }
            if server.is_ours() || targets.len() == 1 {
                contestants.extend(targets.iter().map(|target| (at, target.clone())));
                continue;
            }
            let costs = self.try_out(load, at).await?;
            let best = costs
                .iter()
                .min_by(|(_, one), (_, other)| one.total_cmp(other));
            contestants.extend(best.map(|(target, _)| (at, target.clone())));
            tried.extend(costs.iter().map(|(target, cost)| (target.label, *cost)));
        }
        Ok((contestants, tried))
    }

    /// What each setting costs per GB: the median of short runs that take turns, so that a moment's
    /// noise does not choose.
    async fn try_out(&self, load: &Load, at: usize) -> Result<Vec<(Target, f64)>, Error> {
        let targets = self.servers[at].targets();
        say(&format!(
            "trying the settings of {}",
            targets[0].kind.name()
        ));
        let mut samples = vec![Vec::new(); targets.len()];
        let short = load.part(TRY_PART);
        for _ in 0..TRIES {
            for (target, samples) in targets.iter().zip(&mut samples) {
                samples.push(self.run(&short, at, target).await?);
            }
        }
        let cost =
            |samples: &Vec<Sample>| Spread::of(samples.iter().map(Sample::cpu_s_per_gb)).median;
        Ok(targets
            .iter()
            .cloned()
            .zip(samples.iter().map(cost))
            .collect())
    }

    /// All rounds; the floor comes last among the entries.
    pub(crate) async fn take_turns(
        &self,
        what: &str,
        load: &Load,
        contestants: &[Contestant],
    ) -> Result<Vec<Entry>, Error> {
        let entries = contestants.iter().map(|(_, target)| Entry::of(target));
        let mut entries: Vec<Entry> = entries.collect();
        let mut floor = Vec::new();
        let Tools { sink, rounds, .. } = self.tools;
        for turn in 0..rounds {
            say(&format!("{what}: round {} of {rounds}", turn + 1));
            let cores = &self.setup.cores;
            floor.push(sink.measure(cores, load).await?);
            for place in 0..contestants.len() {
                // Whoever goes first in one round goes last in the next.
                let at = (place + turn) % contestants.len();
                let (server, target) = &contestants[at];
                let sample = self.run(load, *server, target).await?;
                entries[at].samples.push(sample);
            }
        }
        entries.push(Entry {
            label: Kind::Floor.name().to_owned(),
            kind: Kind::Floor,
            samples: floor,
        });
        Ok(entries)
    }

    /// One run, of hits alone.
    async fn run(&self, load: &Load, server: usize, target: &Target) -> Result<Sample, Error> {
        let Tools {
            world, generator, ..
        } = self.tools;
        if load.from_disk {
            super::page_cache::drop_it().await?;
        }
        let pids = self.servers[server].pids();
        let before = world.origin.reads();
        let sample = generator.measure(world, load, target, &pids).await?;
        let misses = world.origin.reads().requests - before.requests;
        if misses > 0 {
            let label = target.label;
            let text = format!("{label} asked the origin {misses} times in a run of hits");
            return Err(Error::Broken(text));
        }
        Ok(sample)
    }
}
