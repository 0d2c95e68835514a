//! What it costs to find what is held: a slice in RAM, its entry in the index, an object's head.

use std::{hint::black_box, time::Duration};

use benches::{
    bodies::SMALL_BYTES,
    warm::{Warm, name, request},
};
use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;
use store::{Epoch, Key};
use tokio::{runtime::Runtime, time::Instant};

/// Enough that the index does not lie in the first-level cache.
const RECORDS: u32 = 10_000;

fn key(number: u32) -> Key {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_le_bytes());
    Key::slice(id, 0)
}

#[expect(
    clippy::panic,
    reason = "a bench without its fixture has nothing to measure"
)]
fn lookup(criterion: &mut Criterion) {
    let (runtime, warm) = match up() {
        Ok(up) => up,
        Err(error) => panic!("{error}"),
    };
    let mut numbers = (0..RECORDS).cycle();
    let mut next = || key(numbers.next().unwrap_or_default());
    criterion.bench_function("lookup/ram get", |bencher| {
        bencher.iter(|| black_box(warm.store.get_ram(&next()).is_some()));
    });
    criterion.bench_function("lookup/index tier", |bencher| {
        bencher.iter(|| black_box(warm.store.tier(&next()).is_some()));
    });
    let (head, object) = (request(Method::HEAD), name(1, SMALL_BYTES));
    criterion.bench_function("lookup/head of an object", |bencher| {
        bencher.iter_custom(|times| {
            runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..times {
                    let answer = warm.answer(&head, object.clone()).await;
                    assert!(black_box(answer).is_ok_and(|answer| answer.status() == 200));
                }
                start.elapsed()
            })
        });
    });
}

fn up() -> Result<(Runtime, Warm), Box<dyn std::error::Error>> {
    let runtime = Runtime::new()?;
    let warm = runtime.block_on(Warm::up(&[(1, SMALL_BYTES)]))?;
    for number in 0..RECORDS {
        let bytes = vec![0; 64].into();
        warm.store.put(key(number), Epoch::ZERO, bytes);
    }
    Ok((runtime, warm))
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = lookup
}
criterion_main!(benches);
