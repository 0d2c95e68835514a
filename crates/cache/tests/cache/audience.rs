//! What is told of demand: which bytes were handed over, and when that is known.

use std::sync::Arc;

use cache::{Audience, Served};
use futures_util::StreamExt as _;
use parking_lot::Mutex;

use crate::support::{Bench, MIB, PIECE};

/// From where to where it was served, each time.
#[derive(Default)]
struct Seen(Mutex<Vec<(u64, u64)>>);

impl Audience for Seen {
    fn served(&self, served: &Served<'_>) {
        self.0.lock().push((served.range.start, served.range.end));
    }
}

impl Seen {
    async fn of(path: &str, bytes: usize) -> (Bench, Arc<Self>) {
        let bench = Bench::new().await;
        bench.origin.put(path, 1, bytes);
        let seen = Arc::new(Self::default());
        bench.cache.tell(Arc::clone(&seen) as _);
        (bench, seen)
    }

    fn take(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.0.lock())
    }
}

#[tokio::test]
async fn who_has_the_last_byte_finds_it_counted_once() {
    let bytes = 5 * MIB + 1;
    let (bench, seen) = Seen::of("/a.m4s", bytes).await;
    for way in ["a miss", "a hit"] {
        let mut body = bench.ask("/a.m4s", &[]).await.unwrap().into_body();
        let mut came = 0;
        while came < bytes {
            assert_eq!(seen.take(), [], "{way}: {came} bytes");
            came += body.next().await.unwrap().unwrap().len();
        }
        assert_eq!(seen.take(), [(0, bytes as u64)], "{way}");
        assert!(body.next().await.is_none());
        drop(body);
        assert_eq!(seen.take(), [], "{way}");
    }
}

#[tokio::test]
async fn of_an_answer_that_is_cut_what_was_handed_over_is_counted() {
    let (bench, seen) = Seen::of("/a.m4s", 5 * MIB).await;
    let range = format!("bytes={PIECE}-");
    let answer = bench.ask("/a.m4s", &[("range", &range)]).await;
    let mut body = answer.unwrap().into_body();
    let came = body.next().await.unwrap().unwrap().len();
    drop(body);
    let [(begin, end)] = seen.take().try_into().unwrap();
    assert_eq!(begin, PIECE as u64);
    assert!(
        (PIECE + came) as u64 <= end && end < 5 * MIB as u64,
        "{end}"
    );
}
