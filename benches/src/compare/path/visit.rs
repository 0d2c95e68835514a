//! What one viewer does on one connection, and how long it takes.

use std::time::Duration;

use benches::bodies;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::{
    super::{
        Error,
        client::{Client, Connector, broken},
        http3,
        measure::as_f64,
        select::Protocol,
        target::Target,
    },
    BODY, SEGMENT, SEGMENT_BYTES,
    wire::Counts,
};

/// Between two segments, when a player has enough.
const REST: Duration = Duration::from_secs(2);
/// For all of a visit.
const PATIENCE: Duration = Duration::from_mins(2);

/// One visit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// From nothing to a connection that takes requests.
    pub(super) connected_ms: f64,
    /// From the first request to the first byte of its body.
    pub(super) first_byte_ms: f64,
    /// The first body, from its request to its last byte.
    pub(super) cold_mbit_per_s: f64,
    /// The same once more, at once.
    pub(super) warm_mbit_per_s: f64,
    /// A segment of 1 MiB after a rest, from its request to its last byte.
    pub(super) segment_ms: f64,
    /// Packets that did not arrive, in percent.
    pub(super) lost_percent: f64,
}

pub(super) struct Visit<'a> {
    body: Bytes,
    segment: Bytes,
    counts: &'a Counts,
}

enum Viewer {
    Tcp(Client),
    Quic(http3::Client),
}

/// How one body came.
struct Took {
    first_byte: Duration,
    all: Duration,
}

impl<'a> Visit<'a> {
    pub(super) fn new(body_bytes: usize, counts: &'a Counts) -> Self {
        Self {
            body: bodies::body(BODY, body_bytes),
            segment: bodies::body(SEGMENT, SEGMENT_BYTES),
            counts,
        }
    }

    pub(super) async fn pay(
        &self,
        connector: &Connector,
        target: &Target,
        protocol: Protocol,
    ) -> Result<Sample, Error> {
        let late = |_| Err(broken(target, "a visit", &"it took too long"));
        let visit = timeout(PATIENCE, self.visit(connector, target, protocol));
        visit.await.unwrap_or_else(late)
    }

    async fn visit(
        &self,
        connector: &Connector,
        target: &Target,
        protocol: Protocol,
    ) -> Result<Sample, Error> {
        let (offered, lost) = self.counts.now();
        let began = Instant::now();
        let mut viewer = match protocol {
            Protocol::Http1 | Protocol::Http2 => {
                Viewer::Tcp(connector.open(target, protocol).await?)
            }
            Protocol::Http3 => Viewer::Quic(connector.open_http3(target).await?),
        };
        let connected = began.elapsed();
        let cold = viewer.get(target, BODY, &self.body).await?;
        let warm = viewer.get(target, BODY, &self.body).await?;
        sleep(REST).await;
        let segment = viewer.get(target, SEGMENT, &self.segment).await?;
        let (offered_then, lost_then) = self.counts.now();
        let mbit_per_s =
            |took: &Took| as_f64(self.body.len() as u64) * 8e-6 / took.all.as_secs_f64();
        Ok(Sample {
            connected_ms: ms(connected),
            first_byte_ms: ms(cold.first_byte),
            cold_mbit_per_s: mbit_per_s(&cold),
            warm_mbit_per_s: mbit_per_s(&warm),
            segment_ms: ms(segment.all),
            lost_percent: 100.0 * as_f64(lost_then - lost) / as_f64(offered_then - offered),
        })
    }
}

impl Viewer {
    /// Asks for an object, and compares what comes.
    async fn get(&mut self, target: &Target, number: u32, expected: &[u8]) -> Result<Took, Error> {
        let path = bodies::path(number, expected.len());
        let began = Instant::now();
        let mut first_byte = None;
        let mut rest = Some(expected);
        let take = |piece: &[u8]| {
            first_byte.get_or_insert_with(|| began.elapsed());
            rest = rest.and_then(|rest| rest.strip_prefix(piece));
        };
        let status = match self {
            Self::Tcp(client) => get(client, target, &path, take).await?,
            Self::Quic(client) => {
                let mut take = take;
                let url = target.url(&path);
                client.get(&url, |piece| take(&piece)).await?
            }
        };
        if status != 200 || rest.is_none_or(|rest| !rest.is_empty()) {
            return Err(broken(target, &path, &format!("{status}, wrong bytes")));
        }
        Ok(Took {
            first_byte: first_byte.unwrap_or_default(),
            all: began.elapsed(),
        })
    }
}

async fn get(
    client: &mut Client,
    target: &Target,
    path: &str,
    mut take: impl FnMut(&[u8]),
) -> Result<http::StatusCode, Error> {
    let response = client.get(target, path, None).await?;
    let status = response.status();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(target, path, &error))?;
        if let Some(piece) = frame.data_ref() {
            take(piece);
        }
    }
    Ok(status)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
