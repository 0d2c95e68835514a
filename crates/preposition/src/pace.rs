//! A source at the pace that prepositioning is given.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use message::{Body, Error, Fetch, Response, Upstream};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::rate::Bucket;

/// The one pace of all that is filled by plan at a time.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    bucket: Mutex<Bucket>,
    come: AtomicU64,
}

impl Pace {
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self {
            began: Instant::now(),
            bucket: Mutex::new(Bucket::new(bytes_per_s, Duration::ZERO)),
            come: AtomicU64::new(0),
        }
    }

    /// Another rate from now on.
    pub(crate) fn set_rate(&self, bytes_per_s: u64) {
        self.bucket.lock().set_rate(bytes_per_s);
    }

    /// All bytes that ever came.
    pub(crate) fn come_bytes(&self) -> u64 {
        self.come.load(Ordering::Relaxed)
    }

    /// Cuts a piece off `rest` and waits until it is due. Cancel safe for all but the piece.
    async fn next(&self, rest: &mut Bytes) -> Bytes {
        let (piece, due) = {
            let mut bucket = self.bucket.lock();
            let most = usize::try_from(bucket.piece_bytes()).unwrap_or(usize::MAX);
            let piece = rest.split_to(most.min(rest.len()));
            let due = bucket.take(piece.len() as u64, self.began.elapsed());
            (piece, due)
        };
        sleep_until(self.began + due).await;
        self.come.fetch_add(piece.len() as u64, Ordering::Relaxed);
        piece
    }
}

/// An upstream whose bodies come at a pace.
pub(crate) struct Paced {
    pub(crate) upstream: Arc<dyn Upstream>,
    pub(crate) pace: Arc<Pace>,
}

impl Upstream for Paced {
    fn fetch(
        &self,
        fetch: Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>> {
        Box::pin(async move {
            let response = self.upstream.fetch(fetch).await?;
            let pace = Arc::clone(&self.pace);
            Ok(response.map(|body| paced(body, pace)))
        })
    }
}

/// The same body, piece by piece.
fn paced(body: Body, pace: Arc<Pace>) -> Body {
    let length = body.length();
    let pieces = stream::unfold(
        (body, Bytes::new(), pace),
        async |(mut body, rest, pace)| {
            let mut rest = rest;
            if rest.is_empty() {
                match body.next().await? {
                    Ok(bytes) => rest = bytes,
                    Err(error) => return Some((Err(error), (Body::empty(), Bytes::new(), pace))),
                }
            }
            let piece = pace.next(&mut rest).await;
            Some((Ok(piece), (body, rest, pace)))
        },
    );
    match length {
        Some(length) => Body::sized(pieces.boxed(), length),
        None => Body::of_unknown_length(pieces.boxed()),
    }
}

#[cfg(test)]
mod tests {
    use message::{Carried, Demand, ObjectName};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_comes_whole_and_at_the_pace() {
        let bytes = Bytes::from(vec![7; 3_000_000]);
        let pace = Arc::new(Pace::new(1_000_000));
        let began = Instant::now();
        let mut body = paced(Body::from(bytes.clone()), Arc::clone(&pace));
        assert_eq!(body.length(), Some(3_000_000));
        let mut got = Vec::new();
        while let Some(piece) = body.next().await {
            got.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(got, bytes);
        assert_eq!(pace.come_bytes(), 3_000_000);
        let took = began.elapsed().as_secs_f64();
        assert!((2.7..3.1).contains(&took), "{took} s");
    }

    /// A source that has everything.
    struct Plenty(Bytes);

    impl Upstream for Plenty {
        fn fetch(
            &self,
            _fetch: Fetch,
        ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>> {
            Box::pin(async { Ok(Response::new(Body::from(self.0.clone()))) })
        }
    }

    /// Reads one object after the other, and notes when what came.
    async fn drain(source: Paced, came: &Mutex<Vec<(Instant, usize)>>) {
        for _ in 0..10 {
            let fetch = Fetch {
                object: ObjectName {
                    site: "vod".into(),
                    path: "/a".into(),
                },
                range: None,
                condition: None,
                carried: Carried::default(),
                demand: Demand::Any,
                at: message::now(),
            };
            let mut body = source.fetch(fetch).await.unwrap().into_body();
            while let Some(piece) = body.next().await {
                let bytes = piece.unwrap().len();
                came.lock().push((Instant::now(), bytes));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_peers_and_shields_hand_on_together_stays_within_the_rate_over_any_ten_seconds() {
        const RATE: u64 = 1_000_000;
        let pace = Arc::new(Pace::new(RATE));
        let came = Mutex::new(Vec::new());
        // Two peers and a shield, each with more at once than ten seconds bring.
        let readers = (0..3).map(|_| {
            let source = Paced {
                upstream: Arc::new(Plenty(Bytes::from(vec![7; 1_200_000]))),
                pace: Arc::clone(&pace),
            };
            drain(source, &came)
        });
        futures_util::future::join_all(readers).await;
        let came = came.into_inner();
        let all: usize = came.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(all, 36_000_000);
        for (begin, _) in &came {
            let window = *begin..*begin + Duration::from_secs(10);
            let within = came.iter().filter(|(at, _)| window.contains(at));
            let bytes: usize = within.map(|(_, bytes)| bytes).sum();
            assert!(bytes <= 10_500_000, "{bytes} bytes in ten seconds");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_fails_does_not_end_well() {
        let error = Error::new(message::Kind::ConnectionTerminated, "it died");
        let items = vec![Ok(Bytes::from_static(b"half")), Err(error)];
        let body = Body::sized(stream::iter(items).boxed(), 8);
        let mut body = paced(body, Arc::new(Pace::new(1_000_000)));
        assert_eq!(body.next().await.unwrap().unwrap(), "half");
        assert!(body.next().await.unwrap().is_err());
        assert!(body.next().await.is_none());
    }
}
