//! Which servers stand beside each other for which rows, from the start of the programs to the end.

use super::{
    Error, page_cache,
    report::Report,
    rows::{
        herd::{self, Herd},
        hits, memory, restart,
    },
    say,
    select::{Peer, Protocol, Row, Shape, Size},
    servers::{Setup, Tier},
    stage::{Stage, Tools},
};

/// All that was asked for.
pub(crate) struct Courses<'a> {
    pub(crate) tools: Tools<'a>,
    pub(crate) setup: Setup,
    pub(crate) peers: &'a [Peer],
    pub(crate) rows: &'a [Row],
}

impl Courses<'_> {
    /// Servers with room in memory first, freshly started for the row that looks at their memory;
    /// then servers with little.
    pub(crate) async fn run(&self, report: &mut Report) -> Result<(), Error> {
        if self.rows.contains(&Row::Memory) {
            let stage = self.stage(Tier::Ram, |_| true).await?;
            report.memory = memory::measure(&stage).await?;
        }
        self.ram(report).await?;
        self.disk(report).await
    }

    async fn stage(&self, tier: Tier, able: fn(Peer) -> bool) -> Result<Stage<'_>, Error> {
        let setup = Setup {
            tier,
            ..self.setup.clone()
        };
        let peers = self.peers.iter().copied().filter(|peer| able(*peer));
        Stage::start(self.tools, setup, &peers.collect::<Vec<_>>()).await
    }

    async fn ram(&self, report: &mut Report) -> Result<(), Error> {
        let shapes: Vec<Shape> = self.rows.iter().filter_map(|row| row.shape()).collect();
        let herds: Vec<Herd> = self.rows.iter().filter_map(|row| row.herd()).collect();
        if !shapes.is_empty() {
            let stage = self.stage(Tier::Ram, |_| true).await?;
            let asked = |size: &Size| shapes.iter().any(|shape| shape.size == *size);
            let sizes: Vec<Size> = Size::ALL.into_iter().filter(asked).collect();
            hits::warm(&stage, &sizes).await?;
            for shape in shapes {
                report.hits.push(hits::hits(&stage, shape).await?);
            }
        }
        if !herds.is_empty() {
            let stage = self.stage(Tier::Ram, Peer::caches).await?;
            for herd in herds {
                report
                    .herds
                    .push((herd, herd::measure(&stage, herd).await?));
            }
        }
        Ok(())
    }

    /// Beside those peers that keep bodies on disk, and out of the page cache when it is emptied.
    async fn disk(&self, report: &mut Report) -> Result<(), Error> {
        let protocols: Vec<Protocol> = self.rows.iter().filter_map(|row| row.disk()).collect();
        let restart = self.rows.contains(&Row::Restart);
        if protocols.is_empty() && !restart {
            return Ok(());
        }
        let droppable = page_cache::may_drop().await;
        if !droppable {
            say("SKIPPED: hits from disk, because only root may drop the page cache");
        }
        if !protocols.is_empty() && droppable {
            let stage = self.stage(Tier::Disk, Peer::reads_disks).await?;
            hits::fill_disks(&stage).await?;
            for protocol in protocols {
                report.hits.push(hits::from_disk(&stage, protocol).await?);
            }
        }
        if restart {
            let mut stage = self.stage(Tier::Disk, Peer::caches).await?;
            hits::fill_disks(&stage).await?;
            report.restarts = restart::measure(&mut stage).await?;
        }
        Ok(())
    }
}
