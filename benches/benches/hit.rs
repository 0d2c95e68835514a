//! What a hit costs between the gate and the listener: a whole body from RAM, handed over piece by
//! piece. Nothing is copied, so the time does not depend on the length.

use std::{hint::black_box, time::Duration};

use benches::{
    bodies::{LARGE_BYTES, SMALL_BYTES},
    warm::{Warm, name, request},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt as _;
use http::Method;
use message::{Error, ObjectName, Request};
use tokio::{runtime::Runtime, time::Instant};

async fn hit(warm: &Warm, request: &Request, name: ObjectName) -> Result<usize, Error> {
    let mut body = warm.answer(request, name).await?.into_body();
    let mut length = 0;
    while let Some(piece) = body.next().await {
        length += black_box(piece?).len();
    }
    Ok(length)
}

#[expect(
    clippy::panic,
    reason = "a bench without its fixture has nothing to measure"
)]
fn hits(criterion: &mut Criterion) {
    let (runtime, warm) = match up() {
        Ok(up) => up,
        Err(error) => panic!("{error}"),
    };
    let get = request(Method::GET);
    let mut group = criterion.benchmark_group("hit");
    for (label, length) in [("64 KiB", SMALL_BYTES), ("1 MiB", LARGE_BYTES)] {
        group.throughput(Throughput::Elements(1));
        let object = name(1, length);
        group.bench_function(label, |bencher| {
            bencher.iter_custom(|times| {
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..times {
                        let got = hit(&warm, &get, object.clone()).await;
                        assert_eq!(got.ok(), Some(length));
                    }
                    start.elapsed()
                })
            });
        });
    }
    group.finish();
}

fn up() -> Result<(Runtime, Warm), Box<dyn std::error::Error>> {
    let runtime = Runtime::new()?;
    let warm = runtime.block_on(Warm::up(&[(1, SMALL_BYTES), (1, LARGE_BYTES)]))?;
    Ok((runtime, warm))
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = hits
}
criterion_main!(benches);
