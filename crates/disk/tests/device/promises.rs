//! What a device promises, whatever engine moves its blocks, on the filesystem of the temporary
//! folder and on a RAM filesystem.

use std::{os::unix::fs::MetadataExt, path::Path, time::Duration};

use disk::{
    BLOCK, Buffer, Device, Engine, Error, Fault, Faults, Operation, Options, Pool, Registration,
    Rule,
};

/// `main` takes this file in once for each engine, with and without registered buffers.
fn engine() -> Engine {
    if module_path!().contains("blocking") {
        Engine::Blocking
    } else {
        Engine::Auto
    }
}

/// With registered buffers, the pool keeps a region, as it would not be registered otherwise.
fn memory() -> (Registration, Pool) {
    if module_path!().ends_with("registered") {
        (Registration::Always, Pool::new(64 << 20))
    } else {
        (Registration::Off, Pool::new(1 << 20))
    }
}

fn options(faults: Option<Faults>) -> Options {
    let (registration, pool) = memory();
    Options {
        engine: engine(),
        reads_in_flight: 4,
        read_deadline: Duration::from_mins(1),
        batch_max: Options::BATCH_MAX,
        registration,
        pool,
        faults,
    }
}

async fn open(path: &Path, faults: Option<Faults>) -> Device {
    let device = Device::open(path, options(faults)).await.unwrap();
    device.resize(64 * BLOCK as u64).await.unwrap();
    device
}

fn pattern(device: &Device, blocks: usize, seed: u8) -> Buffer {
    let mut buffer = device.pool().take(blocks * BLOCK);
    for (index, byte) in buffer.iter_mut().enumerate() {
        *byte = seed.wrapping_add(u8::try_from(index % 251).unwrap());
    }
    buffer
}

async fn round_trip(folder: &Path) -> bool {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let device = open(&folder.path().join("disk"), None).await;
    device
        .write_at(8 * BLOCK as u64, pattern(&device, 3, 5))
        .await
        .unwrap();
    device.sync().await.unwrap();
    let read = device.read_at(8 * BLOCK as u64, 3 * BLOCK).await.unwrap();
    assert_eq!(read[..], pattern(&device, 3, 5)[..]);
    let untouched = device.read_at(0, BLOCK).await.unwrap();
    assert!(
        untouched.iter().all(|byte| *byte == 0),
        "reserved space reads as zeros"
    );
    device.is_direct()
}

#[tokio::test]
async fn what_was_written_is_read() {
    round_trip(&std::env::temp_dir()).await;
}

#[tokio::test]
async fn a_filesystem_without_direct_access_is_used_through_the_page_cache() {
    if !Path::new("/dev/shm").is_dir() {
        eprintln!("skipped: no RAM filesystem at /dev/shm");
        return;
    }
    round_trip(Path::new("/dev/shm")).await;
}

#[tokio::test]
async fn a_read_beyond_the_end_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let device = open(&folder.path().join("disk"), None).await;
    let error = device
        .read_at(62 * BLOCK as u64, 4 * BLOCK)
        .await
        .unwrap_err();
    let Error::Short { wanted, done, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((wanted, done), (4 * BLOCK, 2 * BLOCK));
}

#[tokio::test]
async fn what_is_not_whole_blocks_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let device = open(&folder.path().join("disk"), None).await;
    for (offset, length) in [(1, BLOCK), (0, 100), (0, 0), (u64::MAX - 4095, BLOCK)] {
        let error = device.read_at(offset, length).await.unwrap_err();
        assert!(matches!(error, Error::Misaligned { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_device_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let device = open(&path, None).await;
    assert!(matches!(
        Device::open(&path, options(None)).await,
        Err(Error::InUse)
    ));
    drop(device);
    assert!(Device::open(&path, options(None)).await.is_ok());
}

#[tokio::test]
async fn a_folder_is_no_device() {
    let folder = tempfile::tempdir().unwrap();
    let error = Device::open(folder.path(), options(None))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Io {
                operation: Operation::Open,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn errors_strike_as_often_as_told() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let device = open(&folder.path().join("disk"), Some(faults.clone())).await;
    faults.add(Rule::times(Operation::Write, Fault::Errno(libc::ENOSPC), 2));
    for _ in 0..2 {
        let error = device
            .write_at(0, pattern(&device, 1, 1))
            .await
            .unwrap_err();
        assert!(error.is_no_space(), "{error}");
    }
    device.write_at(0, pattern(&device, 1, 1)).await.unwrap();
    faults.add(Rule::always(Operation::Sync, Fault::Errno(libc::EIO)));
    assert!(!device.sync().await.unwrap_err().is_no_space());
    assert_eq!(
        (
            faults.count(Operation::Write),
            faults.count(Operation::Sync)
        ),
        (3, 1)
    );
}

#[tokio::test]
async fn a_torn_write_leaves_its_first_half() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let device = open(&folder.path().join("disk"), Some(faults.clone())).await;
    faults.add(Rule::times(Operation::Write, Fault::Short, 1));
    device
        .write_at(0, pattern(&device, 4, 9))
        .await
        .unwrap_err();
    let read = device.read_at(0, 4 * BLOCK).await.unwrap();
    assert_eq!(read[..2 * BLOCK], pattern(&device, 4, 9)[..2 * BLOCK]);
    assert!(read[2 * BLOCK..].iter().all(|byte| *byte == 0));
}

#[tokio::test]
async fn bytes_flip_and_writes_get_lost_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let device = open(&folder.path().join("disk"), Some(faults.clone())).await;
    let offset = BLOCK as u64;
    device
        .write_at(offset, pattern(&device, 1, 0))
        .await
        .unwrap();
    faults.add(Rule::times(
        Operation::Read,
        Fault::Flip {
            at: offset + 7,
            mask: 0x80,
        },
        1,
    ));
    let read = device.read_at(offset, BLOCK).await.unwrap();
    assert_eq!(read[7], 7 ^ 0x80);
    faults.add(Rule::times(Operation::Write, Fault::Lost, 1));
    device
        .write_at(offset, pattern(&device, 1, 99))
        .await
        .unwrap();
    let read = device.read_at(offset, BLOCK).await.unwrap();
    assert_eq!(read[..], pattern(&device, 1, 0)[..]);
}

#[tokio::test]
async fn a_fault_keeps_to_its_range() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let device = open(&folder.path().join("disk"), Some(faults.clone())).await;
    let bad = 4 * BLOCK as u64..5 * BLOCK as u64;
    let rule = Rule::always(Operation::Read, Fault::Errno(libc::EIO));
    faults.add(Rule {
        within: bad,
        ..rule
    });
    assert!(device.read_at(0, 4 * BLOCK).await.is_ok());
    assert!(device.read_at(0, 5 * BLOCK).await.is_err());
    assert!(device.read_at(5 * BLOCK as u64, BLOCK).await.is_ok());
}

#[tokio::test]
async fn what_hangs_goes_on_when_the_faults_are_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let device = open(&folder.path().join("disk"), Some(faults.clone())).await;
    faults.add(Rule::always(Operation::Read, Fault::Hang));
    let asked = device.clone();
    let read = tokio::spawn(async move { asked.read_at(0, BLOCK).await.map(|_| ()) });
    while faults.count(Operation::Read) == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!read.is_finished());
    faults.clear();
    read.await.unwrap().unwrap();
}

#[tokio::test]
async fn more_space_than_there_is_is_refused_and_none_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let device = open(&folder.path().join("disk"), None).await;
    device.write_at(0, pattern(&device, 1, 3)).await.unwrap();
    let before = std::fs::metadata(device.path()).unwrap();
    let error = device.resize(8 << 40).await.unwrap_err();
    assert!(error.is_no_space(), "{error}");
    let after = std::fs::metadata(device.path()).unwrap();
    assert_eq!(
        (after.len(), after.blocks()),
        (before.len(), before.blocks())
    );
    assert_eq!(
        device.read_at(0, BLOCK).await.unwrap()[..],
        pattern(&device, 1, 3)[..]
    );
}

/// Four at a time, a hundred at once, over and over: each gets its own bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_reads_and_writes_at_once_keep_apart() {
    let folder = tempfile::tempdir().unwrap();
    let device = open(&folder.path().join("disk"), None).await;
    for block in 0..32_u8 {
        device
            .write_at(u64::from(block) * BLOCK as u64, pattern(&device, 1, block))
            .await
            .unwrap();
    }
    let mut all = tokio::task::JoinSet::new();
    for number in 0..400_u32 {
        let device = device.clone();
        all.spawn(async move {
            let block = u8::try_from(number % 32).unwrap();
            let read = device.read_at(u64::from(block) * BLOCK as u64, BLOCK).await;
            assert_eq!(read.unwrap()[..], pattern(&device, 1, block)[..]);
            if number % 8 == 0 {
                let at = u64::from(32 + block) * BLOCK as u64;
                device
                    .write_at(at, pattern(&device, 1, block))
                    .await
                    .unwrap();
                device.sync().await.unwrap();
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    for block in (0..32_u8).step_by(8) {
        let read = device
            .read_at(u64::from(32 + block) * BLOCK as u64, BLOCK)
            .await;
        assert_eq!(read.unwrap()[..], pattern(&device, 1, block)[..]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_are_given_up_harm_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let device = open(&folder.path().join("disk"), None).await;
    device.write_at(0, pattern(&device, 16, 7)).await.unwrap();
    for round in 0..200_u32 {
        let asked = device.clone();
        let given_up = tokio::spawn(async move { asked.read_at(0, 16 * BLOCK).await.map(drop) });
        for _ in 0..round % 5 {
            tokio::task::yield_now().await;
        }
        given_up.abort();
        let read = device.read_at(0, 16 * BLOCK).await.unwrap();
        assert_eq!(read[..], pattern(&device, 16, 7)[..]);
    }
}

#[tokio::test]
async fn a_read_that_takes_longer_than_it_may_is_an_error_and_the_device_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let options = Options {
        read_deadline: Duration::from_millis(20),
        ..options(Some(faults.clone()))
    };
    let device = Device::open(folder.path().join("disk"), options)
        .await
        .unwrap();
    device.resize(64 * BLOCK as u64).await.unwrap();
    faults.add(Rule::times(Operation::Read, Fault::Hang, 1));
    let error = device.read_at(0, BLOCK).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    // The deadline is short for a busy machine: one that goes on answers at last.
    while device.read_at(0, BLOCK).await.is_err() {}
}

#[tokio::test]
async fn a_device_dropped_in_the_middle_of_its_work_can_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    for _ in 0..20 {
        let device = loop {
            // What was under way keeps the lock until it has landed.
            match Device::open(&path, options(None)).await {
                Ok(device) => break device,
                Err(Error::InUse) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        device.resize(64 * BLOCK as u64).await.unwrap();
        let asked = device.clone();
        let given_up = tokio::spawn(async move { asked.read_at(0, 64 * BLOCK).await.map(drop) });
        tokio::task::yield_now().await;
        given_up.abort();
    }
}

#[tokio::test]
async fn a_buffer_is_used_again_once_it_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let device = open(&folder.path().join("disk"), None).await;
    drop(device.read_at(0, 4 * BLOCK).await.unwrap().freeze());
    let kept = device.pool().retained_bytes();
    let second = device.read_at(0, 4 * BLOCK).await.unwrap();
    assert_eq!(device.pool().retained_bytes(), kept - second.len());
}

/// Waits until as many reads are in the device's hands.
async fn asked(faults: &Faults, reads: u64) {
    while faults.count(Operation::Read) < reads {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_queue_that_does_not_move_is_blamed_on_the_device_and_one_that_does_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let device = open(&folder.path().join("disk"), Some(faults.clone())).await;
    faults.add(Rule::times(Operation::Read, Fault::Hang, 5));
    let patient: Vec<_> = (0..5)
        .map(|_| {
            let device = device.clone();
            tokio::spawn(async move { device.read_at(0, BLOCK).await.map(drop) })
        })
        .collect();
    asked(&faults, 4).await;
    let short = Duration::from_millis(50);
    let error = device.read_within(short, 0, BLOCK).await.unwrap_err();
    assert!(
        matches!(error, Error::TimedOut { stuck: true, .. }),
        "{error:?}"
    );
    // One in front ends, and the fifth takes its place: the queue moves, if not fast enough.
    let moving = async {
        patient[0].abort();
        asked(&faults, 5).await;
    };
    let (read, ()) = tokio::join!(device.read_within(short, 0, BLOCK), moving);
    let error = read.unwrap_err();
    assert!(
        matches!(error, Error::TimedOut { stuck: false, .. }),
        "{error:?}"
    );
    faults.clear();
}

#[tokio::test]
async fn a_viewers_read_does_not_wait_for_background_reads_that_hang() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let device = open(&folder.path().join("disk"), Some(faults.clone())).await;
    faults.add(Rule::times(Operation::Read, Fault::Hang, 2));
    let behind: Vec<_> = (0..10)
        .map(|_| {
            let device = device.clone();
            tokio::spawn(async move { device.read_behind(0, BLOCK).await.map(drop) })
        })
        .collect();
    asked(&faults, 2).await;
    device.read_at(0, BLOCK).await.unwrap();
    assert_eq!(faults.count(Operation::Read), 3, "eight wait outside");
    faults.clear();
    for read in behind {
        read.await.unwrap().unwrap();
    }
}
