//! What all upstreams share: hops tried in an order, under one gate, one budget, and a breaker
//! for each hop.
//!
//! [`Tries`] says whom to ask, [`Breaker`] and [`Budget`] whether; this obeys, and keeps the
//! books. After the first body byte nothing is tried again: whoever reads knows what it has, and
//! asks for the rest with `If-Match`.

use std::{sync::Arc, time::Duration};

use http::{StatusCode, header::RETRY_AFTER, response::Parts};
use message::{Body, Error, Fetch, Kind, Response};
use parking_lot::Mutex;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{
    Limits,
    breaker::{Breaker, Outcome},
    budget::{Budget, backoff},
    flow::{Flow, Watch},
    gate::Gate,
    hop::{Answer, Failure, Hop, Stage},
    metrics::{Meter, Metrics, Present},
    plan::{Setback, Step, Tries},
};

/// Hops, and what is known of them.
pub(crate) struct Dispatch {
    hops: Vec<Box<dyn Hop>>,
    gate: Gate,
    budget: Mutex<Budget>,
    health: Arc<Health>,
    retries_max: u32,
    stall_timeout: Duration,
}

/// What is left of a try that does not count as the answer, in case that no other does better.
type Leftover = Result<(Answer, usize), Error>;

impl Dispatch {
    pub(crate) fn new(
        name: &Arc<str>,
        hops: Vec<Box<dyn Hop>>,
        limits: &Limits,
        metrics: &Metrics,
    ) -> Self {
        let now = Instant::now();
        let breakers = hops.iter().map(|hop| Tracked {
            name: hop.name().into(),
            breaker: Mutex::new(Breaker::new(limits.breaker.clone(), now)),
        });
        let health = Health {
            breakers: breakers.collect(),
            meter: metrics.meter(name),
        };
        (0..hops.len()).for_each(|hop| health.tell(hop));
        Self {
            hops,
            gate: Gate::new(limits),
            budget: Mutex::new(Budget::new(now)),
            health: Arc::new(health),
            retries_max: limits.retries_max,
            stall_timeout: limits.stall_timeout,
        }
    }

    /// Reads from the hops in `order`. Cancel safe.
    pub(crate) async fn fetch(&self, order: &[usize], fetch: &Fetch) -> Result<Response, Error> {
        let meter = &self.health.meter;
        let started = Instant::now();
        let present = Present::new(&meter.in_flight);
        let result = match self.gate.enter(meter).await {
            Ok(turn) => self.try_in_order(order, fetch).await.map(|(answer, hop)| {
                let health = Arc::clone(&self.health);
                self.respond(
                    answer,
                    Reading {
                        hop,
                        health,
                        _turn: turn,
                        _present: present,
                    },
                )
            }),
            Err(error) => Err(error),
        };
        meter.first_byte.observe(started.elapsed().as_secs_f64());
        meter.result(&result);
        result
    }

    async fn try_in_order(&self, order: &[usize], fetch: &Fetch) -> Leftover {
        let mut tries = Tries::new(order, self.retries_max);
        let mut setback = None;
        let mut leftover: Leftover = Err(Error::new(
            Kind::DestinationUnavailable,
            "no hop: every breaker is open",
        ));
        self.budget.lock().earn(Instant::now());
        while let Some(Step { hop, repeats }) = self.next(&mut tries, setback) {
            if let Some(setback) = setback {
                self.health.meter.retry(setback.label());
            }
            if repeats > 0 {
                tokio::time::sleep(backoff(repeats, rand::random())).await;
            }
            let asked = self.hops[hop].ask(fetch).await;
            let (outcome, trouble) = self.weigh(hop, &asked);
            if let Some(outcome) = outcome {
                self.health.record(hop, outcome);
            }
            leftover = match asked {
                Ok(answer) => Ok((answer, hop)),
                // The last real answer tells more than that another hop was not there either.
                Err(Failure {
                    stage: Stage::Unreachable,
                    ..
                }) if leftover.is_ok() => leftover,
                Err(failure) => Err(failure.error),
            };
            match trouble {
                Some(trouble) => setback = Some(trouble),
                None => break,
            }
        }
        leftover
    }

    fn next(&self, tries: &mut Tries<'_>, setback: Option<Setback>) -> Option<Step> {
        let now = Instant::now();
        let admits = |hop| self.health.admit(hop, now);
        tries.next(setback, admits, || self.budget.lock().spend(now))
    }

    /// What a try means for the hop's breaker, and for the read.
    fn weigh(
        &self,
        hop: usize,
        asked: &Result<Answer, Failure>,
    ) -> (Option<Outcome>, Option<Setback>) {
        let stage = match asked {
            Ok(answer) => {
                let (outcome, setback) = weigh_status(&answer.head, &*self.hops[hop]);
                return (Some(outcome), setback);
            }
            Err(failure) => failure.stage,
        };
        match stage {
            Stage::Unreachable => (Some(Outcome::Unreachable), Some(Setback::Unreachable)),
            Stage::Broken => (Some(Outcome::Failed), Some(Setback::Broken)),
            // One bad object says nothing about the others.
            Stage::Useless => (None, Some(Setback::Useless)),
            Stage::Unsendable => (None, None),
        }
    }

    fn respond(&self, answer: Answer, reading: Reading) -> Response {
        let Answer { head, length, body } = answer;
        let body = match length {
            Some(0) => Body::empty(),
            Some(length) => {
                let flow = Flow::new(body, Some(length), self.stall_timeout, reading);
                Body::sized(Box::pin(flow), length)
            }
            None => {
                let flow = Flow::new(body, None, self.stall_timeout, reading);
                Body::of_unknown_length(Box::pin(flow))
            }
        };
        Response::from_parts(head, body)
    }
}

fn weigh_status(head: &Parts, hop: &dyn Hop) -> (Outcome, Option<Setback>) {
    let status = head.status;
    if hop.passes_on(head) {
        // What is behind this hop fails; behind another one it may not.
        let gateway = matches!(status.as_u16(), 502..=504);
        return (
            Outcome::Answered,
            gateway.then_some(Setback::Status { may_repeat: false }),
        );
    }
    let may_repeat = hop.repeats() && !head.headers.contains_key(RETRY_AFTER);
    let setback = Some(Setback::Status { may_repeat });
    match status {
        StatusCode::TOO_MANY_REQUESTS => (Outcome::Answered, setback),
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => {
            (Outcome::Answered, None)
        }
        status if status.is_server_error() => (Outcome::Failed, setback),
        _ => (Outcome::Answered, None),
    }
}

/// The breakers, and the books.
struct Health {
    breakers: Vec<Tracked>,
    meter: Meter,
}

struct Tracked {
    name: Arc<str>,
    breaker: Mutex<Breaker>,
}

impl Health {
    fn admit(&self, hop: usize, now: Instant) -> bool {
        let admitted = self.breakers[hop].breaker.lock().admit(now);
        self.tell(hop);
        admitted
    }

    fn record(&self, hop: usize, outcome: Outcome) {
        self.breakers[hop]
            .breaker
            .lock()
            .record(outcome, Instant::now());
        self.tell(hop);
    }

    fn tell(&self, hop: usize) {
        let tracked = &self.breakers[hop];
        self.meter
            .breaker(&tracked.name, tracked.breaker.lock().position());
    }
}

/// Held while a body runs.
struct Reading {
    hop: usize,
    health: Arc<Health>,
    _turn: OwnedSemaphorePermit,
    _present: Present,
}

impl Watch for Reading {
    fn received(&self, bytes: u64) {
        self.health.meter.body_bytes.inc_by(bytes);
    }

    fn failed(&self, error: &Error) {
        self.health.meter.body_failure(error);
        self.health.record(self.hop, Outcome::Failed);
    }
}
