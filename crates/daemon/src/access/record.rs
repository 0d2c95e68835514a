//! One request from its arrival to the end of its response, and the line that tells of it.

use std::{net::SocketAddr, time::Duration};

use http::{StatusCode, header, request::Parts};
use message::{Client, Refused, Request, Timestamp, Told, Trail};
use serde::{Serialize, Serializer, ser::SerializeMap as _};
use tokio::time::Instant;

use super::{
    metrics::{Finished, RequestMetrics},
    redact::{self, FIELD_BYTES_MAX},
    time::rfc3339,
};
use crate::logs::Lines;

/// Most lines fit without growing.
const LINE_BYTES: usize = 768;

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All of it was handed over.
    Complete,
    /// The client went while the body was on its way.
    Aborted,
    /// The client went before there was a response.
    Cancelled,
    /// The body ended with an error of ours or of our upstream.
    Failed,
}

impl End {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// A request under way. Dropping it, whenever that is, counts it and logs its line.
pub(super) struct Record {
    /// The first half of the line, written on arrival: it holds no part of the request itself.
    line: Option<(Lines, Vec<u8>)>,
    metrics: RequestMetrics,
    arrived: Instant,
    status: Option<StatusCode>,
    trail: Trail,
    bytes: u64,
    length: Option<u64>,
    first_byte: Option<Duration>,
    end: Option<End>,
}

impl Record {
    pub(super) fn begin(
        request: &Request,
        metrics: &RequestMetrics,
        lines: Option<&Lines>,
    ) -> Self {
        metrics.begin();
        Self {
            line: lines.map(|lines| {
                (
                    lines.clone(),
                    begun(Some(&request.head), &request.client, request.at),
                )
            }),
            metrics: metrics.clone(),
            arrived: request.at.mono,
            status: None,
            trail: Trail::default(),
            bytes: 0,
            length: None,
            first_byte: None,
            end: None,
        }
    }

    /// There is a response, with a body of that length.
    pub(super) fn respond(&mut self, status: StatusCode, trail: Trail, length: Option<u64>) {
        self.status = Some(status);
        self.trail = trail;
        self.length = length;
    }

    /// A piece of the body was handed over.
    pub(super) fn sent(&mut self, bytes: usize) {
        if self.first_byte.is_none() {
            self.first_byte = Some(self.arrived.elapsed());
        }
        self.bytes += bytes as u64;
        self.metrics.sent(self.trail.source, bytes as u64);
    }

    /// The body came to its end.
    pub(super) fn complete(&mut self) {
        self.end = Some(End::Complete);
    }

    /// The body ended with an error.
    pub(super) fn failed(&mut self, error: &message::Error) {
        self.end = Some(End::Failed);
        self.trail.reason = Some(error.to_string().into());
    }

    /// The end, for whoever looks once nothing more will come.
    fn end(&self) -> End {
        match (self.end, self.status, self.length) {
            (Some(end), _, _) => end,
            (None, None, _) => End::Cancelled,
            // A listener need not ask for the end of a body of which it has every byte.
            (None, Some(_), Some(length)) if length == self.bytes => End::Complete,
            (None, Some(_), _) => End::Aborted,
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let (end, duration) = (self.end(), self.arrived.elapsed());
        self.metrics.end(&Finished {
            site: self.trail.site.as_deref(),
            status: self.status,
            outcome: self.trail.outcome,
            source: self.trail.source,
            end,
            first_byte: self.first_byte,
            duration,
        });
        let Some((lines, mut line)) = self.line.take() else {
            return;
        };
        let outgoing = Outgoing {
            site: self.trail.site.as_deref(),
            status: self.status.map(|status| status.as_u16()),
            bytes: self.bytes,
            end: end.word(),
            first_byte_us: self.first_byte.map(microseconds),
            duration_us: microseconds(duration),
            outcome: self.trail.outcome,
            source: self.trail.source,
            reason: reason(&self.trail),
            session: self
                .trail
                .session
                .as_deref()
                .map(|name| start_of(name, FIELD_BYTES_MAX)),
            cmcd: Cmcd(&self.trail.told),
        };
        if complete(&mut line, &outgoing) {
            lines.push(&line);
        }
    }
}

/// Logs the line of a request that a listener refused.
pub(super) fn tell_refused(refused: &Refused<'_>, lines: &Lines) {
    let mut line = begun(refused.head, refused.client, refused.at);
    let trail = refused.response.extensions().get::<Trail>();
    let outgoing = Outgoing {
        site: None,
        status: Some(refused.response.status().as_u16()),
        bytes: refused.response.body().length().unwrap_or_default(),
        end: "refused",
        first_byte_us: None,
        duration_us: microseconds(refused.at.mono.elapsed()),
        outcome: None,
        source: None,
        reason: trail.and_then(reason),
        session: None,
        cmcd: Cmcd(&[]),
    };
    if complete(&mut line, &outgoing) {
        lines.push(&line);
    }
}

fn reason(trail: &Trail) -> Option<&str> {
    let reason = trail.reason.as_deref();
    reason.map(|reason| start_of(reason, FIELD_BYTES_MAX))
}

/// Adds the second half of a line to its first: two objects, `{"a":1}` and `{"b":2}`, become one.
/// `false` where there is no first half.
fn complete(line: &mut Vec<u8>, outgoing: &Outgoing<'_>) -> bool {
    let joint = line.len();
    if serde_json::to_writer(&mut *line, outgoing).is_err() || joint == 0 {
        return false;
    }
    line[joint - 1] = b',';
    line.remove(joint);
    line.push(b'\n');
    true
}

/// What is known when a request arrives.
#[derive(Serialize)]
struct Incoming<'r> {
    time: String,
    client: SocketAddr,
    protocol: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<std::borrow::Cow<'r, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<std::borrow::Cow<'r, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'r str>,
}

/// What is known when a response has ended.
#[derive(Serialize)]
struct Outgoing<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'r str>,
    status: Option<u16>,
    bytes: u64,
    end: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_us: Option<u64>,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'r str>,
    #[serde(skip_serializing_if = "Cmcd::is_empty")]
    cmcd: Cmcd<'r>,
}

/// What a player told of itself (CTA-5004), under the standard's own names.
struct Cmcd<'r>(&'r [(Box<str>, Told)]);

impl Cmcd<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Cmcd<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            match value {
                Told::Flag(flag) => map.serialize_entry(key, flag)?,
                Told::Integer(number) => map.serialize_entry(key, number)?,
                Told::Decimal(number) => map.serialize_entry(key, number)?,
                Told::Text(text) => map.serialize_entry(key, start_of(text, FIELD_BYTES_MAX))?,
            }
        }
        map.end()
    }
}

/// The first half of a line. Without a head there is not much to tell.
fn begun(head: Option<&Parts>, client: &Client, at: Timestamp) -> Vec<u8> {
    let field = |name| {
        let value = head.and_then(|head| head.headers.get(name));
        value.map(|value| redact::field(value.as_bytes(), FIELD_BYTES_MAX))
    };
    let incoming = Incoming {
        time: rfc3339(at.wall),
        client: client.address,
        protocol: client.protocol.alpn(),
        method: head.map(|head| start_of(head.method.as_str(), 16)),
        host: head
            .and_then(|head| head.uri.host())
            .map(|host| start_of(host, FIELD_BYTES_MAX)),
        path: head.map(|head| redact::path(head.uri.path())),
        range: field(header::RANGE),
        agent: field(header::USER_AGENT),
        identity: client.identity.as_deref(),
    };
    let mut line = Vec::with_capacity(LINE_BYTES);
    // Serialising texts and numbers into memory has no way to fail; an empty line is not logged.
    if serde_json::to_writer(&mut line, &incoming).is_err() {
        line.clear();
    }
    line
}

/// The start of a text, cut between characters.
fn start_of(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
