//! What it costs to count a request: of ten million objects, in 32 MiB, by one thread and by two.

use std::{hint::black_box, sync::Arc, thread, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use popularity::{Config, Demand, Popularity};
use tokio::time::Instant;

const OBJECTS: u32 = 10_000_000;
/// More than the caches of a processor hold, so that a stream is not learned by heart.
const REQUESTS: usize = 1 << 22;
const NOW: Duration = Duration::from_hours(24 * 365);

/// Requests, as numbers of objects.
struct Stream(Vec<u32>);

impl Stream {
    /// Rank r is asked for in proportion to r^-0.9, as films are.
    fn zipf() -> Self {
        let power = 0.1;
        let last = f64::from(OBJECTS).powf(power) - 1.0;
        Self::of(|uniform| (last * uniform + 1.0).powf(1.0 / power))
    }

    /// All alike: nearly no request finds its object named.
    fn uniform() -> Self {
        Self::of(|uniform| uniform * f64::from(OBJECTS))
    }

    fn of(object: impl Fn(f64) -> f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a number of an object, of which there are ten million"
        )]
        let number = |turn: usize| {
            let uniform = (mix(turn as u64) >> 11) as f64 / (1_u64 << 53) as f64;
            object(uniform) as u32
        };
        Self((0..REQUESTS).map(number).collect())
    }
}

struct Counter {
    sketch: Popularity,
    site: Arc<str>,
    path: Arc<str>,
}

impl Counter {
    /// With a past, so that every slot is taken.
    fn warm(stream: &Stream) -> Self {
        let counter = Self {
            sketch: Popularity::new(Config::default()),
            site: "vod".into(),
            path: "/vod/title-0123456789/video/1080p/segment-00042.m4s".into(),
        };
        counter.count(stream, 0, REQUESTS as u64 * 4);
        counter
    }

    fn count(&self, stream: &Stream, from: usize, requests: u64) {
        let numbers = stream.0.iter().cycle().skip(from);
        for (number, turn) in numbers.zip(0..requests) {
            let mut object = [0; 16];
            object[..8].copy_from_slice(&mix(u64::from(*number)).to_le_bytes());
            let demand = Demand {
                object: &object,
                site: &self.site,
                path: &self.path,
                size: 2_000_000,
                served: 0..2_000_000,
                viewer: turn,
            };
            self.sketch.count(black_box(&demand), NOW);
        }
    }

    /// How long `requests` of each of `threads` take together.
    fn time(&self, stream: &Stream, threads: usize, requests: u64) -> Duration {
        let start = Instant::now();
        thread::scope(|scope| {
            for thread in 0..threads {
                scope.spawn(move || self.count(stream, thread * REQUESTS / threads, requests));
            }
        });
        start.elapsed()
    }
}

/// The finaliser of splitmix64.
const fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn count(criterion: &mut Criterion) {
    for (name, stream) in [("zipf 0.9", Stream::zipf()), ("uniform", Stream::uniform())] {
        let counter = Counter::warm(&stream);
        for threads in [1, 2] {
            criterion.bench_function(
                &format!("popularity/{name}, {threads} threads"),
                |bencher| {
                    bencher.iter_custom(|requests| counter.time(&stream, threads, requests));
                },
            );
        }
    }
}

criterion_group!(benches, count);
criterion_main!(benches);
