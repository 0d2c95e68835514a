//! Many clients ask at once for what nobody has yet: the same object, or different ranges of it.

use std::{sync::Arc, time::Duration};

use benches::bodies;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::{
    sync::Barrier,
    task::JoinSet,
    time::{self, Instant},
};

use super::super::{
    Error,
    client::{Client, Connector},
    measure::{Spread, as_f64},
    origin::SLOW_FROM,
    say,
    select::Protocol,
    servers::Server,
    stage::Stage,
    target::Target,
};

/// Who asks for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Herd {
    /// All ask for a whole object of 4 MiB.
    Whole,
    /// Each asks for 1 MiB of an object of 32 MiB, not aligned to anything; two ask for the same.
    Ranges,
}

/// Connections that are open before anybody asks.
const WHOLE_CLIENTS: u32 = 256;
const RANGE_CLIENTS: u32 = 64;
const RANGES: usize = 32;
const RANGE_BYTES: usize = 1 << 20;
/// Where in its own MiB each range begins.
const RANGE_SHIFT: usize = 300 << 10;
/// For the whole herd; whoever polls or waits for locks needs seconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// Until a server has taken in what it read, before the same is asked for again.
const SETTLE: Duration = Duration::from_millis(1500);

impl Herd {
    fn clients(self) -> u32 {
        match self {
            Self::Whole => WHOLE_CLIENTS,
            Self::Ranges => RANGE_CLIENTS,
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Whole => 4 << 20,
            Self::Ranges => RANGES * RANGE_BYTES,
        }
    }

    /// What one client asks for: the first byte and the one behind the last.
    fn part(self, client: u32) -> Option<(usize, usize)> {
        match self {
            Self::Whole => None,
            Self::Ranges => {
                let place = usize::try_from(client).unwrap_or(0) % RANGES;
                let first = place * RANGE_BYTES + RANGE_SHIFT;
                Some((first, (first + RANGE_BYTES).min(self.length())))
            }
        }
    }

    pub(crate) fn title(self) -> String {
        let clients = self.clients();
        match self {
            Self::Whole => format!("{clients} clients ask for one cold object of 4 MiB"),
            Self::Ranges => {
                format!("{clients} clients ask for {RANGES} ranges of one cold object of 32 MiB")
            }
        }
    }
}

/// What came of all rounds of one server.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) label: String,
    rounds: Vec<Round>,
}

#[derive(Debug)]
struct Round {
    origin_requests: u64,
    /// Bytes that the origin sent, as parts of the object.
    origin_objects: f64,
    /// The same, when all ask again.
    again_objects: f64,
    /// Of those who got their body, in milliseconds.
    first_byte_ms: Vec<f64>,
    /// Answers other than the right one. None of them looked like the right one.
    failed: u32,
    wall_ms: f64,
}

/// All servers of a stage, in turns, each round on a new object.
pub(crate) async fn measure(stage: &Stage<'_>, herd: Herd) -> Result<Vec<Row>, Error> {
    let rows = stage.servers.iter().map(|server| Row {
        label: server.targets()[0].kind.name().to_owned(),
        rounds: Vec::new(),
    });
    let mut rows: Vec<Row> = rows.collect();
    let connector = Connector::new(stage.tools.world)?;
    for turn in 0..stage.tools.rounds {
        say(&format!("{}: round {}", herd.title(), turn + 1));
        for place in 0..rows.len() {
            let at = (place + turn) % rows.len();
            let server = &stage.servers[at];
            rows[at]
                .rounds
                .push(one(stage, &connector, server, herd).await?);
        }
    }
    Ok(rows)
}

async fn one(
    stage: &Stage<'_>,
    connector: &Connector,
    server: &Server,
    herd: Herd,
) -> Result<Round, Error> {
    let origin = &stage.tools.world.origin;
    let target = &server.targets()[0];
    let number = SLOW_FROM + origin.fresh();
    let length = herd.length();
    let before = origin.reads();
    let began = Instant::now();
    let answers = ask(connector, target, herd, number).await?;
    let wall_ms = began.elapsed().as_secs_f64() * 1e3;
    time::sleep(SETTLE).await;
    let cold = origin.reads();
    ask(connector, target, herd, number).await?;
    let again = origin.reads();
    let objects = |bytes: u64| as_f64(bytes) / as_f64(length as u64);
    Ok(Round {
        origin_requests: cold.requests - before.requests,
        origin_objects: objects(cold.bytes - before.bytes),
        again_objects: objects(again.bytes - cold.bytes),
        failed: u32::try_from(answers.iter().filter(|answer| answer.is_none()).count())
            .unwrap_or(u32::MAX),
        first_byte_ms: answers.into_iter().flatten().collect(),
        wall_ms,
    })
}

/// Milliseconds until the first byte of each body; nothing where there was no body.
async fn ask(
    connector: &Connector,
    target: &Target,
    herd: Herd,
    number: u32,
) -> Result<Vec<Option<f64>>, Error> {
    let start = Arc::new(Barrier::new(herd.clients() as usize));
    let body = bodies::body(number, herd.length());
    let mut clients = JoinSet::new();
    for place in 0..herd.clients() {
        let client = connector.open(target, Protocol::Http1).await?;
        let (start, target, body) = (Arc::clone(&start), target.clone(), body.clone());
        clients.spawn(async move {
            start.wait().await;
            let asked = one_client(client, &target, herd, (place, number), &body);
            time::timeout(PATIENCE, asked).await.unwrap_or(Ok(None))
        });
    }
    let mut answers = Vec::new();
    while let Some(ended) = clients.join_next().await {
        let answer =
            ended.map_err(|error| Error::Broken(format!("a client of a herd: {error}")))?;
        answers.push(answer?);
    }
    Ok(answers)
}

/// An answer that is none is told as such; one that looks right and is not ends the comparison.
async fn one_client(
    mut client: Client,
    target: &Target,
    herd: Herd,
    (place, number): (u32, u32),
    whole: &Bytes,
) -> Result<Option<f64>, Error> {
    let path = bodies::path(number, whole.len());
    let part = herd.part(place);
    let range = part.map(|(first, end)| format!("bytes={first}-{}", end - 1));
    let began = Instant::now();
    let Ok(response) = client.get(target, &path, range.as_deref()).await else {
        return Ok(None);
    };
    let wanted = match (response.status().as_u16(), part) {
        (206, Some((first, end))) => whole.slice(first..end),
        (200, _) => whole.clone(),
        _ => return Ok(None),
    };
    let mut body = response.into_body();
    let Some(Ok(first)) = body.frame().await else {
        return Ok(None);
    };
    let first_byte_ms = began.elapsed().as_secs_f64() * 1e3;
    let Ok(rest) = body.collect().await else {
        return Ok(None);
    };
    let first = first.into_data().unwrap_or_default();
    let rest = rest.to_bytes();
    if first != wanted[..first.len().min(wanted.len())] || rest != wanted[first.len()..] {
        return Err(Error::Broken(format!(
            "{}: {path}: wrong bytes",
            target.label
        )));
    }
    Ok(Some(first_byte_ms))
}

impl Row {
    fn over(&self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(figure))
    }

    /// Headings that go with [`Row::line`].
    pub(crate) const HEADINGS: &str = "origin requests | origin bytes ÷ object | asked again: \
        origin bytes ÷ object | first byte, ms: median | slowest | all done, ms | failed";

    pub(crate) fn line(&self) -> String {
        let first = |round: &Round| Spread::of(round.first_byte_ms.iter().copied());
        [
            self.over(|round| as_f64(round.origin_requests)).text(0),
            self.over(|round| round.origin_objects).text(2),
            format!("{:.2}", self.over(|round| round.again_objects).median),
            self.over(|round| first(round).median).text(0),
            self.over(|round| first(round).most).text(0),
            self.over(|round| round.wall_ms).text(0),
            format!("{:.0}", self.over(|round| f64::from(round.failed)).most),
        ]
        .join(" | ")
    }

    pub(crate) fn json(&self) -> Value {
        let rounds = self.rounds.iter().map(|round| {
            json!({
                "origin_requests": round.origin_requests,
                "origin_objects": round.origin_objects,
                "again_objects": round.again_objects,
                "first_byte_ms": round.first_byte_ms,
                "failed": round.failed,
                "wall_ms": round.wall_ms,
            })
        });
        json!({ "server": self.label, "rounds": rounds.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_herd_lie_in_the_object_and_come_twice() {
        let parts: Vec<_> = (0..RANGE_CLIENTS)
            .filter_map(|client| Herd::Ranges.part(client))
            .collect();
        assert_eq!(parts.len(), 2 * RANGES);
        assert_eq!(parts[..RANGES], parts[RANGES..]);
        let inside = |(first, end): &(usize, usize)| first < end && *end <= Herd::Ranges.length();
        assert!(parts.iter().all(inside));
    }
}
