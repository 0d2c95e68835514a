//! Rows, and what runs them.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use http::Method;
use tests::{
    client::{Client, Protocol, Reply},
    world::{Plan, World},
};
use tokio::time::Instant;

use super::origin::Origin;

/// So many rows at a time: each has a connection of its own.
const ROWS_AT_ONCE: usize = 48;

/// What the origin says to one request.
#[derive(Debug, Clone)]
pub(crate) struct Says {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<&'static str>,
    pub(crate) ends: Ends,
    /// The connection is closed in the middle of the body.
    pub(crate) is_cut: bool,
    /// The connection is closed without an answer.
    pub(crate) hangs_up: bool,
    /// Interim responses that come before, status and fields.
    pub(crate) interim: Vec<&'static str>,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// After as many bytes as are told.
    Length,
    /// With its last chunk, and these trailer fields.
    Chunks(&'static str),
    /// With its connection.
    Close,
}

/// What is asked, and what must come of it.
#[derive(Debug, Clone)]
pub(crate) struct Asks {
    method: Method,
    fields: Vec<(&'static str, &'static str)>,
    after: Duration,
    status: Option<u16>,
    /// Which of the origin's answers has the body.
    answer: Option<usize>,
    body: Option<&'static str>,
    reads: Option<usize>,
    has: Vec<(&'static str, &'static str)>,
    lacks: Vec<&'static str>,
    sent: Vec<(&'static str, Option<&'static str>)>,
    age: Option<(u64, u64)>,
    /// It must be no answer that looks whole: an error in its place, or a body that breaks off.
    breaks: bool,
    is_dated: bool,
}

/// One promise.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    section: &'static str,
    says: Vec<Says>,
    asks: Vec<Asks>,
}

/// The body of the origin's `nth` answer, unless its row says another.
pub(crate) fn body(nth: usize) -> String {
    format!("answer {nth}\n")
}

/// An answer with this status.
pub(crate) fn says(status: u16) -> Says {
    Says {
        status,
        fields: Vec::new(),
        body: None,
        ends: Ends::Length,
        is_cut: false,
        hangs_up: false,
        interim: Vec::new(),
    }
}

/// An answer with this `Cache-Control`.
pub(crate) fn controls(value: &'static str) -> Says {
    says(200).with("cache-control", value)
}

impl Says {
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.fields.push((name, value));
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn body(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) fn ends(mut self, ends: Ends) -> Self {
        self.ends = ends;
        self
    }

    pub(crate) fn cut(mut self) -> Self {
        self.is_cut = true;
        self
    }

    pub(crate) fn hangs_up(mut self) -> Self {
        self.hangs_up = true;
        self
    }

    pub(crate) fn interim(mut self, head: &'static str) -> Self {
        self.interim.push(head);
        self
    }
}

/// A GET whose answer is the origin's `nth`.
pub(crate) fn gets(nth: usize) -> Asks {
    Asks {
        answer: Some(nth),
        ..is(None)
    }
}

/// A GET that is answered with this status and any body.
pub(crate) fn fails(status: u16) -> Asks {
    is(Some(status))
}

fn is(status: Option<u16>) -> Asks {
    Asks {
        method: Method::GET,
        fields: Vec::new(),
        after: Duration::ZERO,
        status,
        answer: None,
        body: None,
        reads: None,
        has: Vec::new(),
        lacks: Vec::new(),
        sent: Vec::new(),
        age: None,
        breaks: false,
        is_dated: false,
    }
}

impl Asks {
    pub(crate) fn head(mut self) -> Self {
        self.method = Method::HEAD;
        self
    }

    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.fields.push((name, value));
        self
    }

    /// So many seconds later.
    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.after = Duration::from_secs(seconds);
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub(crate) fn body(mut self, body: &'static str) -> Self {
        self.body = Some(body);
        self
    }

    /// Which answer it is does not matter, nor how often the origin is asked.
    pub(crate) fn body_is_any(mut self) -> Self {
        self.answer = None;
        self
    }

    /// The origin was asked so often by then.
    pub(crate) fn reads(mut self, reads: usize) -> Self {
        self.reads = Some(reads);
        self
    }

    pub(crate) fn has(mut self, name: &'static str, value: &'static str) -> Self {
        self.has.push((name, value));
        self
    }

    pub(crate) fn lacks(mut self, name: &'static str) -> Self {
        self.lacks.push(name);
        self
    }

    /// The last request to the origin had this.
    pub(crate) fn sent(mut self, name: &'static str, value: &'static str) -> Self {
        self.sent.push((name, Some(value)));
        self
    }

    /// The last request to the origin had no such field.
    pub(crate) fn sent_no(mut self, name: &'static str) -> Self {
        self.sent.push((name, None));
        self
    }

    /// Its age, in seconds, on a machine that takes no time.
    pub(crate) fn age(mut self, from: u64, to: u64) -> Self {
        self.age = Some((from, to));
        self
    }

    /// It has one `Date`, which is one.
    pub(crate) fn dated(mut self) -> Self {
        self.is_dated = true;
        self
    }

    /// No answer that looks whole comes of it.
    pub(crate) fn breaks(mut self) -> Self {
        self.breaks = true;
        // Which answer comes of it, if one does, and after how many reads is left open.
        self.answer = None;
        self
    }

    /// What is wrong with a reply, if anything. It came `late_s` seconds after it was due.
    fn judge(
        &self,
        says: &[Says],
        reply: &Reply,
        asked: &[http::HeaderMap],
        late_s: u64,
    ) -> Option<String> {
        if self.breaks {
            let looks_whole = reply.end.is_ok() && reply.status.is_success();
            // What broke before a byte of it was handed on may have been asked for again.
            let is_whole = says.iter().zip(1..).any(|(says, nth)| {
                let told = says.body.map_or_else(|| body(nth), str::to_owned);
                !says.is_cut && reply.body == told.as_bytes()
            });
            return (looks_whole && !is_whole).then(|| "it looks whole".to_owned());
        }
        let expected = self.status.or_else(|| Some(says[self.answer? - 1].status));
        if expected.is_some_and(|status| reply.status != status) {
            return Some(format!("status {}, expected {expected:?}", reply.status));
        }
        if let Err(error) = &reply.end {
            return Some(format!("the body broke: {error}"));
        }
        let told = self
            .answer
            .map(|nth| says[nth - 1].body.map_or_else(|| body(nth), str::to_owned));
        let told = self.body.map(str::to_owned).or(told);
        let is_bare = self.method == Method::HEAD || matches!(reply.status.as_u16(), 204 | 304);
        if let Some(told) = told.filter(|_| !is_bare)
            && reply.body != told.as_bytes()
        {
            return Some(format!("body {:?}, expected {told:?}", reply.body));
        }
        if is_bare && !reply.body.is_empty() {
            return Some(format!("a body: {:?}", reply.body));
        }
        let lines = |headers: &http::HeaderMap, name: &str| {
            let lines = headers.get_all(name).iter();
            let lines: Vec<_> = lines
                .map(|line| String::from_utf8_lossy(line.as_bytes()))
                .collect();
            (!lines.is_empty()).then(|| lines.join(", "))
        };
        for (name, value) in &self.has {
            if lines(&reply.headers, name).as_deref() != Some(*value) {
                return Some(format!("{name} is not {value:?}"));
            }
        }
        if let Some(name) = self
            .lacks
            .iter()
            .find(|name| reply.headers.contains_key(**name))
        {
            return Some(format!("{name} is there"));
        }
        for (name, value) in &self.sent {
            let sent = asked.last().and_then(|fields| lines(fields, name));
            if sent.as_deref() != *value {
                return Some(format!(
                    "{name}: {sent:?} went upstream, expected {value:?}"
                ));
            }
        }
        let date = lines(&reply.headers, "date");
        if self.is_dated && date.is_none_or(|date| httpdate::parse_http_date(&date).is_err()) {
            return Some("date is none".to_owned());
        }
        self.judge_age(reply, late_s)
    }

    fn judge_age(&self, reply: &Reply, late_s: u64) -> Option<String> {
        let age = reply.header("age").and_then(|age| age.parse::<u64>().ok());
        match (self.age, age) {
            (Some((from, to)), Some(age)) if (from..=to + late_s).contains(&age) => None,
            (Some(range), age) => Some(format!("age {age:?}, expected {range:?}")),
            (None, _) => None,
        }
    }
}

/// What an origin says and what must come of it, as `section` has it.
pub(crate) fn row(section: &'static str, says: Vec<Says>, asks: Vec<Asks>) -> Row {
    Row {
        section,
        says,
        asks,
    }
}

/// Runs rows through an edge and its shield, and through a shield alone.
pub(crate) fn hold(table: &'static str, rows: Vec<Row>) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(run(table, rows))
}

async fn run(table: &'static str, rows: Vec<Row>) {
    let origin = Arc::new(Origin::start().await);
    let forwarded = [
        "x-a",
        "x-b",
        "key:x-k",
        "accept-encoding",
        "accept-language",
        "authorization",
    ];
    let forwarded: Vec<String> = forwarded.iter().map(ToString::to_string).collect();
    let plan = Plan::default()
        .shield_key("site.0.origin.urls", vec![origin.url()])
        .shield_key("site.0.origin.close_delimited", "any")
        .edge_key("site.0.request_directives", "heed")
        .edge_key("site.0.ttl_default", "0s")
        .edge_key("site.0.ttl_heuristic_max", "1d")
        .edge_key("site.0.forward_request_headers", forwarded.clone())
        .shield_key("site.0.ttl_default", "0s")
        .shield_key("site.0.ttl_heuristic_max", "1d")
        .shield_key("site.0.forward_request_headers", forwarded);
    let world = plan.start(&[]).await;
    let (world, origin) = (&world, &*origin);
    let cases = rows.iter().enumerate().flat_map(|(n, row)| {
        [true, false].map(|by_edge| async move {
            let path = format!("/{table}/{n}/{}", if by_edge { "edge" } else { "shield" });
            let wrong = try_row(world, origin, row, &path, by_edge).await?;
            Some(format!("{path} (section {}): {wrong}", row.section))
        })
    });
    let wrong: Vec<String> = stream::iter(cases)
        .buffer_unordered(ROWS_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    assert!(
        wrong.is_empty(),
        "{} of {} rows\n{}",
        wrong.len(),
        rows.len() * 2,
        wrong.join("\n")
    );
}

async fn try_row(
    world: &World,
    origin: &Origin,
    row: &Row,
    path: &str,
    by_edge: bool,
) -> Option<String> {
    origin.put(path, row.says.clone());
    let client = if by_edge {
        Client::new(&world.pki, world.edge().address, "media.test")
    } else {
        let identity = world.pki.client("edge1.test");
        let address = world.shield().address;
        Client::with_identity(&world.pki, address, "shield.test", Some(&identity))
    };
    let target = if by_edge {
        path.to_owned()
    } else {
        format!("/media{path}")
    };
    let (mut reads, begun, mut due) = (0, Instant::now(), Duration::ZERO);
    for (n, asks) in row.asks.iter().enumerate() {
        tokio::time::sleep(asks.after).await;
        due += asks.after;
        let request = client.request(&asks.method, &target, &asks.fields);
        let reply = match client.try_send(Protocol::Http1, request).await {
            Ok(reply) => reply,
            Err(error) => return Some(format!("request {}: {error}", n + 1)),
        };
        let asked = origin.asked(path);
        let late_s = begun.elapsed().saturating_sub(due).as_secs();
        let wrong = asks.judge(&row.says, &reply, &asked, late_s);
        reads = asks
            .reads
            .unwrap_or_else(|| reads.max(asks.answer.unwrap_or(0)));
        let counts = asks.reads.is_some() || asks.answer.is_some();
        let miscounted = (counts && asked.len() != reads)
            .then(|| format!("{} reads of the origin, expected {reads}", asked.len()));
        if let Some(wrong) = wrong.or(miscounted) {
            return Some(format!("request {}: {wrong}\n    {reply:?}", n + 1));
        }
    }
    None
}
