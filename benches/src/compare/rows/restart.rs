//! `kill -9` with a full cache, and a dead origin: how long until the first hit, and how much is
//! still there.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{self, Instant};

use super::super::{
    Error,
    client::Connector,
    load::{DISK_FROM, DISK_OBJECTS},
    measure::Spread,
    proof, say,
    select::{Protocol, Size},
    servers::Server,
    stage::Stage,
};

/// After which no hit will come any more.
const PATIENCE: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_millis(2);
/// For loaders that run behind, before what is still there is counted.
const SETTLE: Duration = Duration::from_secs(3);
/// Every so many objects are counted.
const EVERY: usize = 4;

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) label: String,
    rounds: Vec<Round>,
}

#[derive(Debug)]
struct Round {
    /// From the start of its programs to the last byte of a right body, in milliseconds.
    first_hit_ms: Option<f64>,
    /// Of the objects that it had, 0 to 1.
    held: f64,
}

/// Each server of a stage whose disks are filled. Ends with servers that run.
pub(crate) async fn measure(stage: &mut Stage<'_>) -> Result<Vec<Row>, Error> {
    let tools = stage.tools;
    let connector = Connector::new(tools.world)?;
    let mut rows = Vec::new();
    for server in &mut stage.servers {
        let label = server.targets()[0].kind.name().to_owned();
        let mut rounds = Vec::new();
        for turn in 0..tools.rounds {
            say(&format!("{label}: restart {}", turn + 1));
            server.kill();
            // What the shield has in memory would look like the edge's.
            tools.world.forget_shield().await?;
            tools.world.origin.set_dead(true);
            let round = one(&connector, server).await;
            tools.world.origin.set_dead(false);
            rounds.push(round?);
        }
        rows.push(Row { label, rounds });
    }
    Ok(rows)
}

async fn one(connector: &Connector, server: &mut Server) -> Result<Round, Error> {
    let began = Instant::now();
    server.start_again().await?;
    let mut numbers = (DISK_FROM..DISK_FROM + DISK_OBJECTS).cycle().step_by(7);
    let mut first_hit_ms = None;
    while began.elapsed() < PATIENCE {
        let number = numbers.next().unwrap_or(DISK_FROM);
        if has(connector, server, number).await {
            first_hit_ms = Some(began.elapsed().as_secs_f64() * 1e3);
            break;
        }
        time::sleep(PAUSE).await;
    }
    time::sleep(SETTLE).await;
    let (mut held, mut asked) = (0_u32, 0_u32);
    for number in (DISK_FROM..DISK_FROM + DISK_OBJECTS).step_by(EVERY) {
        asked += 1;
        held += u32::from(has(connector, server, number).await);
    }
    Ok(Round {
        first_hit_ms,
        held: f64::from(held) / f64::from(asked),
    })
}

/// Whether the server answers with the right body by itself.
async fn has(connector: &Connector, server: &Server, number: u32) -> bool {
    let target = &server.targets()[0];
    let Ok(mut client) = connector.open(target, Protocol::Http1).await else {
        return false;
    };
    let checked = proof::check(&mut client, target, number, Size::Mib1.bytes());
    matches!(time::timeout(PATIENCE, checked).await, Ok(Ok(())))
}

impl Row {
    /// Headings that go with [`Row::line`].
    pub(crate) const HEADINGS: &str = "start to first hit, ms | still there";

    pub(crate) fn line(&self) -> String {
        let hits: Option<Vec<f64>> = self.rounds.iter().map(|round| round.first_hit_ms).collect();
        let hits = hits.map_or_else(|| "no hit".to_owned(), |hits| Spread::of(hits).text(0));
        let held = Spread::of(self.rounds.iter().map(|round| round.held * 100.0));
        format!("{hits} | {} %", held.text(0))
    }

    pub(crate) fn json(&self) -> Value {
        let rounds = self.rounds.iter();
        let rounds =
            rounds.map(|round| json!({ "first_hit_ms": round.first_hit_ms, "held": round.held }));
        json!({ "server": self.label, "rounds": rounds.collect::<Vec<_>>() })
    }
}
