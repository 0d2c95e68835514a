//! Hits from RAM and from disk: CPU for each byte and each request, beside the floor.

use serde_json::{Value, json};

use super::super::{
    Error,
    client::Connector,
    load::{DISK_FROM, DISK_OBJECTS, Load},
    measure::{Entry, Sample},
    proof, say,
    select::{Peer, Protocol, Shape, Size},
    stage::{Stage, Tried},
    target::{Kind, Target},
};

/// Until what was read lies on the disk: the edge writes behind.
pub(crate) const SETTLE: std::time::Duration = std::time::Duration::from_secs(4);

/// One shape, and all runs of every server in it.
#[derive(Debug)]
pub(crate) struct Row {
    /// What `--only` calls it, and what the table calls it.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) size: Size,
    pub(crate) entries: Vec<Entry>,
    pub(crate) tried: Tried,
}

/// Reads and compares what will be asked for, for every size once.
pub(crate) async fn warm(stage: &Stage<'_>, sizes: &[Size]) -> Result<(), Error> {
    let connector = Connector::new(stage.tools.world)?;
    for server in &stage.servers {
        for (at, target) in server.targets().iter().enumerate() {
            say(&format!("checking every body of {}", target.label));
            // The edge's two sites share nothing, the settings of a peer share its cache.
            let shared = at > 0 && target.kind != Kind::Open;
            for size in sizes {
                proof::warm_and_check(&connector, target, *size, shared).await?;
            }
        }
    }
    Ok(())
}

/// Hits of one shape, after [`warm`].
pub(crate) async fn hits(stage: &Stage<'_>, shape: Shape) -> Result<Row, Error> {
    let load = Load::ram(shape);
    let (contestants, tried) = stage.contestants(&load).await?;
    let title = shape.to_string();
    let entries = stage.take_turns(&title, &load, &contestants).await?;
    Ok(Row {
        name: shape.name(),
        title,
        size: shape.size,
        entries,
        tried,
    })
}

/// Reads what is asked for from disk: twice, because what is asked for once need not be worth a
/// write; and compares it.
pub(crate) async fn fill_disks(stage: &Stage<'_>) -> Result<(), Error> {
    let connector = Connector::new(stage.tools.world)?;
    for _ in 0..2 {
        for server in &stage.servers {
            for target in server.targets().iter().take(server.caches()) {
                fill_disk(&connector, target).await?;
            }
        }
        tokio::time::sleep(SETTLE).await;
    }
    Ok(())
}

/// Reads what is asked for from disk, once, and compares it.
pub(crate) async fn fill_disk(connector: &Connector, target: &Target) -> Result<(), Error> {
    say(&format!("filling the disk of {}", target.label));
    let mut client = connector.open(target, Protocol::Http1).await?;
    for number in DISK_FROM..DISK_FROM + DISK_OBJECTS {
        proof::check(&mut client, target, number, Size::Mib1.bytes()).await?;
    }
    Ok(())
}

/// Hits from disk, each object once a run, after [`fill_disks`].
pub(crate) async fn from_disk(stage: &Stage<'_>, protocol: Protocol) -> Result<Row, Error> {
    let load = Load::disk(protocol);
    let (contestants, tried) = stage.contestants(&load).await?;
    let shape = Shape {
        protocol,
        size: Size::Mib1,
    };
    let title = format!("disk, {shape}");
    let entries = stage.take_turns(&title, &load, &contestants).await?;
    Ok(Row {
        name: format!("disk-{}", shape.name()),
        title,
        size: shape.size,
        entries,
        tried,
    })
}

impl Row {
    pub(crate) fn entry(&self, kind: Kind) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == kind)
    }

    /// What a server costs, as parts of what another costs in the same rounds.
    pub(crate) fn ratio(&self, kind: Kind, to: Kind) -> Option<f64> {
        let cost = |entry: &Entry| entry.over(Sample::cpu_s_per_gb).median;
        Some(cost(self.entry(kind)?) / cost(self.entry(to)?))
    }

    pub(crate) fn json(&self) -> Value {
        let entries: Vec<Value> = self.entries.iter().map(entry_json).collect();
        let tried = self.tried.iter();
        let tried: Vec<Value> = tried
            .map(|(label, cost)| json!({ "server": label, "cpu_s_per_gb": cost }))
            .collect();
        json!({
            "row": self.name,
            "servers": entries,
            "to_nginx": self.ratio(Kind::Signed, Kind::Peer(Peer::Nginx)),
            "to_floor": self.ratio(Kind::Signed, Kind::Floor),
            "tried_beforehand": tried,
        })
    }
}

fn entry_json(entry: &Entry) -> Value {
    let spread = |figure| entry.over(figure).json();
    let runs = entry.samples.iter().map(|run| {
        json!({
            "cpu_s": run.cpu_s, "wall_s": run.wall_s, "requests": run.requests,
            "body_bytes": run.body_bytes, "header_bytes": run.header_bytes,
        })
    });
    json!({
        "server": entry.label,
        "cpu_s_per_gb": spread(Sample::cpu_s_per_gb),
        "cpu_us_per_request": spread(Sample::cpu_us_per_request),
        "gb_per_s": spread(Sample::gb_per_s),
        "runs": runs.collect::<Vec<_>>(),
    })
}
