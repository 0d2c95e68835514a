//! One device, many runtimes: each drives what it asked for, and none depends on another.

use std::{path::Path, thread, time::Duration};

use disk::{BLOCK, Device, Engine, Options, Pool, Registration};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn open(path: &Path) -> Device {
    let options = Options {
        engine: Engine::Auto,
        reads_in_flight: 4,
        read_deadline: Duration::from_mins(1),
        batch_max: Options::BATCH_MAX,
        registration: Registration::Auto,
        pool: Pool::new(1 << 20),
        faults: None,
    };
    let device = Device::open(path, options).await.unwrap();
    device.resize(64 * BLOCK as u64).await.unwrap();
    for block in 0..64_u8 {
        let mut blocks = device.pool().take(BLOCK);
        blocks.fill(block);
        let at = u64::from(block) * BLOCK as u64;
        device.write_at(at, blocks).await.unwrap();
    }
    device
}

async fn read_all(device: &Device) {
    for block in 0..64_u8 {
        let at = u64::from(block) * BLOCK as u64;
        let read = device.read_at(at, BLOCK).await.unwrap();
        assert_eq!(read[..], [block; BLOCK]);
    }
}

#[test]
fn a_runtime_that_stands_still_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (still, other) = (runtime(), runtime());
    let device = still.block_on(open(&folder.path().join("disk")));
    other.block_on(read_all(&device));
}

#[test]
fn a_device_outlives_the_runtime_that_opened_it() {
    let folder = tempfile::tempdir().unwrap();
    let opener = runtime();
    let device = opener.block_on(open(&folder.path().join("disk")));
    let asked = device.clone();
    opener.spawn(async move { asked.read_at(0, 64 * BLOCK).await.map(drop) });
    opener.block_on(tokio::task::yield_now());
    drop(opener);
    runtime().block_on(read_all(&device));
}

#[test]
fn runtimes_of_one_thread_each_read_at_one_time() {
    let folder = tempfile::tempdir().unwrap();
    let device = runtime().block_on(open(&folder.path().join("disk")));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                runtime().block_on(async {
                    let readers = (0..8).map(|_| {
                        let device = device.clone();
                        tokio::spawn(async move { read_all(&device).await })
                    });
                    for reader in readers.collect::<Vec<_>>() {
                        reader.await.unwrap();
                    }
                });
            });
        }
    });
}
