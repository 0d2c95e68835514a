//! The command line.

use std::path::PathBuf;

use super::{
    Error,
    select::{self, Peer, Row},
    servers::{Listen, Setup, Tier},
};

/// What every measurement can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Only rows whose name has one of these in it: h1-4k to h3-4m, disk-h1-1m, disk-h2-1m, herd,
    /// ranges, restart, memory.
    #[arg(long, value_name = "ROWS", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these beside us, of nginx, varnish, trafficserver, haproxy and h2o.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    peers: Option<Vec<Peer>>,
    /// Leave all peers out.
    #[arg(long, conflicts_with = "peers")]
    alone: bool,
    /// Rounds of each row; the median counts.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// A key of the edge's config that differs from what this program sets, as TOML writes it:
    /// `--edge 'tls.record_layer="own"'`. May be given several times.
    #[arg(long = "edge", value_name = "KEY=VALUE", value_parser = pair)]
    edge: Vec<(String, String)>,
    /// Write every run here as well.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Compare {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The core that all servers share.
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    /// The core of the load generator.
    #[arg(long, default_value_t = 1)]
    pub(crate) client_core: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Scaling {
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Common {
    /// Those that were asked for, or `otherwise`.
    pub(crate) fn rows(&self, otherwise: &[&str]) -> Result<Vec<Row>, Error> {
        if self.only.is_empty() {
            let names: Vec<String> = otherwise.iter().map(|name| (*name).to_owned()).collect();
            return select::rows(&names);
        }
        select::rows(&self.only)
    }

    pub(crate) fn peers(&self, otherwise: &[Peer]) -> Vec<Peer> {
        match (&self.peers, self.alone) {
            (_, true) => Vec::new(),
            (Some(peers), false) => peers.clone(),
            (None, false) => otherwise.to_vec(),
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds.max(1)
    }

    /// Servers with so many workers on those cores.
    pub(crate) fn setup(&self, cores: String, workers: usize) -> Setup {
        Setup {
            cores,
            workers,
            tier: Tier::Ram,
            listen: Listen::Loopback,
            edge: self.edge.clone(),
        }
    }
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a key, '=' and a value")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
