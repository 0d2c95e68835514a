//! Orders that wait for each other on their way to the kernel: none is left behind, whatever the
//! order in which they come and are given up.

use std::{path::Path, time::Duration};

use disk::{BLOCK, Device, Engine, Options, Pool, Registration};
use tokio::runtime::{Builder, Runtime};

const BLOCKS: u8 = 64;

async fn open(path: &Path, batch_max: usize) -> Device {
    let options = Options {
        engine: Engine::Auto,
        reads_in_flight: 48,
        read_deadline: Duration::from_mins(1),
        batch_max,
        registration: Registration::Auto,
        pool: Pool::new(1 << 20),
        faults: None,
    };
    let device = Device::open(path, options).await.unwrap();
    device
        .resize(u64::from(BLOCKS) * BLOCK as u64)
        .await
        .unwrap();
    for block in 0..BLOCKS {
        let mut blocks = device.pool().take(BLOCK);
        blocks.fill(block);
        let at = u64::from(block) * BLOCK as u64;
        device.write_at(at, blocks).await.unwrap();
    }
    device
}

/// One that asks for random blocks, stands back for random turns, and sometimes gives up.
async fn visitor(device: Device, mut draw: u64) {
    for _ in 0..40 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let [block, turns, mood, ..] = (draw >> 32).to_le_bytes();
        for _ in 0..turns % 4 {
            tokio::task::yield_now().await;
        }
        let block = block % BLOCKS;
        let reading = device.read_at(u64::from(block) * BLOCK as u64, BLOCK);
        if mood % 5 == 0 {
            // Polled once or twice, then dropped: on its way to the kernel, or in its hands.
            tokio::select! {
                biased;
                read = reading => drop(read.unwrap()),
                () = tokio::task::yield_now() => {}
            }
            continue;
        }
        assert_eq!(reading.await.unwrap()[..], [block; BLOCK]);
    }
}

fn all_arrive(runtime: &Runtime, batch_max: usize) {
    let folder = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let device = open(&folder.path().join("disk"), batch_max).await;
        let visitors = (0..64).map(|seed| tokio::spawn(visitor(device.clone(), seed)));
        for visitor in visitors.collect::<Vec<_>>() {
            visitor.await.unwrap();
        }
        // Those that were given up are over as well, or the file would stay locked.
        drop(device);
        open(&folder.path().join("disk"), batch_max).await;
    });
}

#[test]
fn every_order_of_a_runtime_with_one_thread_is_done() {
    for batch_max in [1, 3, Options::BATCH_MAX, 1000] {
        all_arrive(
            &Builder::new_current_thread().enable_all().build().unwrap(),
            batch_max,
        );
    }
}

#[test]
fn every_order_of_a_runtime_with_several_threads_is_done() {
    let mut threads = Builder::new_multi_thread();
    let runtime = threads.worker_threads(3).enable_all().build().unwrap();
    for batch_max in [1, 3, Options::BATCH_MAX, 1000] {
        all_arrive(&runtime, batch_max);
    }
}
