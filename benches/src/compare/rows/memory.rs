//! Memory: with a filled cache, and of each connection that does nothing.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use super::super::{
    Error,
    client::{Client, Connector},
    measure::as_f64,
    proof, say,
    select::{Protocol, Size},
    servers::Server,
    stage::Stage,
};

/// Bodies of 1 MiB that the cache is filled with.
const OBJECTS: u32 = 512;
const OBJECTS_FROM: u32 = 200_000;
/// Connections that are opened, used once and kept.
const IDLE: u32 = 1000;

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) label: String,
    /// Proportional set sizes, in bytes: what is shared counts once.
    empty: u64,
    full: u64,
    /// More per connection, in bytes, over each protocol.
    idle: [f64; 2],
}

/// Servers that were just started.
pub(crate) async fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, Error> {
    let connector = Connector::new(stage.tools.world)?;
    let mut rows = Vec::new();
    for server in &stage.servers {
        let label = server.targets()[0].kind.name().to_owned();
        say(&format!("{label}: memory"));
        rows.push(one(&connector, server, label).await?);
    }
    Ok(rows)
}

async fn one(connector: &Connector, server: &Server, label: String) -> Result<Row, Error> {
    let target = &server.targets()[0];
    let now = || proportional_bytes(&server.pids());
    let empty = now()?;
    let mut client = connector.open(target, Protocol::Http1).await?;
    // A server of static files has those of the other rows.
    let numbers = if server.is_static() {
        0..Size::Mib1.objects()
    } else {
        OBJECTS_FROM..OBJECTS_FROM + OBJECTS
    };
    for number in numbers {
        proof::check(&mut client, target, number, Size::Mib1.bytes()).await?;
    }
    let full = now()?;
    let mut idle = [0.0; 2];
    for (more, protocol) in idle.iter_mut().zip(Protocol::OVER_TCP) {
        let before = now()?;
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..IDLE {
            let mut client = connector.open(target, protocol).await?;
            proof::check(&mut client, target, 0, Size::Kib64.bytes()).await?;
            clients.push(client);
        }
        let grown = now()?.saturating_sub(before);
        *more = as_f64(grown) / f64::from(IDLE);
    }
    Ok(Row {
        label,
        empty,
        full,
        idle,
    })
}

fn proportional_bytes(pids: &BTreeSet<u32>) -> Result<u64, Error> {
    let mut bytes = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        bytes += pss_kib(&text).unwrap_or(0) << 10;
    }
    Ok(bytes)
}

/// Nothing for a process that has ended and was not waited for.
fn pss_kib(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

impl Row {
    /// Headings that go with [`Row::line`].
    pub(crate) const HEADINGS: &str = "started, MiB | with 512 MiB of bodies read, MiB | for each \
        idle connection over H1, KiB | over H2, KiB";

    pub(crate) fn line(&self) -> String {
        let mib = |bytes: u64| as_f64(bytes) / 1_048_576.0;
        let [http1, http2] = self.idle.map(|bytes| bytes / 1024.0);
        let (empty, full) = (mib(self.empty), mib(self.full));
        format!("{empty:.0} | {full:.0} | {http1:.1} | {http2:.1}")
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "server": self.label,
            "empty_bytes": self.empty,
            "full_bytes": self.full,
            "idle_connection_bytes": { "h1": self.idle[0], "h2": self.idle[1] },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proportional_set_size_is_found() {
        assert_eq!(
            pss_kib("ab Rollup\nRss:  90 kB\nPss:     17 kB\n"),
            Some(17)
        );
        assert_eq!(pss_kib(""), None);
    }
}
