//! Memory that is registered with the rings: what of it, and that it is that which is read.

use std::{path::Path, thread, time::Duration};

use disk::{Device, Engine, Options, Pool, Registration};
use tokio::runtime::{Builder, Runtime};

const MIB: usize = 1 << 20;
const REGION: u64 = 32 << 20;
/// Of what is read at one time.
const PIECE: usize = MIB / 4;
const PIECES: u8 = 16;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A device each of whose pieces says which it is, with a pool that keeps so much.
async fn open(path: &Path, registration: Registration, retain_bytes: usize) -> Device {
    let options = Options {
        engine: Engine::Auto,
        reads_in_flight: 16,
        read_deadline: Duration::from_mins(1),
        batch_max: Options::BATCH_MAX,
        registration,
        pool: Pool::new(retain_bytes),
        faults: None,
    };
    let device = Device::open(path, options).await.unwrap();
    device
        .resize(u64::from(PIECES) * PIECE as u64)
        .await
        .unwrap();
    for piece in 0..PIECES {
        let mut bytes = device.pool().take(PIECE);
        bytes.fill(piece);
        let at = u64::from(piece) * PIECE as u64;
        device.write_at(at, bytes).await.unwrap();
    }
    device
}

/// Whether buffers are registered here at all; if not, it is said aloud.
fn is_granted(device: &Device) -> bool {
    if device.engine() != Engine::Uring {
        eprintln!("skipped: no io_uring here: {:?}", device.fallback());
        return false;
    }
    let refusal = device.unregistered();
    if let Some(why) = &refusal {
        eprintln!("skipped: no registered buffers here: {why}");
    }
    refusal.is_none()
}

async fn read(device: &Device, piece: u8) -> disk::Buffer {
    let at = u64::from(piece) * PIECE as u64;
    let read = device.read_at(at, PIECE).await.unwrap();
    assert!(read.iter().all(|byte| *byte == piece), "not piece {piece}");
    read
}

#[tokio::test]
async fn a_region_is_registered_where_the_pool_may_keep_it_and_not_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let always = Registration::Always;
    for (retain_bytes, registered) in [(40 * MIB, REGION), (MIB, 0)] {
        let device = open(&folder.path().join("disk"), always, retain_bytes).await;
        if !is_granted(&device) {
            return;
        }
        drop(read(&device, 7).await);
        assert_eq!(device.registered_bytes(), registered);
        assert!(device.pool().retained_bytes() <= retain_bytes);
    }
}

#[tokio::test]
async fn nothing_is_registered_that_is_not_to_be_or_was_not_worth_it_yet() {
    let folder = tempfile::tempdir().unwrap();
    for registration in [Registration::Off, Registration::Auto] {
        let device = open(&folder.path().join("disk"), registration, 40 * MIB).await;
        drop(read(&device, 7).await);
        assert_eq!(device.registered_bytes(), 0, "{registration:?}");
    }
}

#[tokio::test]
async fn memory_that_is_read_into_again_and_again_is_registered_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let device = open(&folder.path().join("disk"), Registration::Auto, 40 * MIB).await;
    if !is_granted(&device) {
        return;
    }
    // All of a region is in use, then all of it is read into once more.
    for _ in 0..2 {
        let mut held = Vec::new();
        for number in 0..=REGION / PIECE as u64 {
            held.push(read(&device, u8::try_from(number % 16).unwrap()).await);
        }
    }
    drop(read(&device, 7).await);
    assert!(device.registered_bytes() >= REGION);
}

#[tokio::test]
async fn what_is_given_back_is_registered_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let device = open(&folder.path().join("disk"), Registration::Always, 33 * MIB).await;
    if !is_granted(&device) {
        return;
    }
    let mut held = Vec::new();
    for number in 0..3 * REGION / PIECE as u64 {
        held.push(read(&device, u8::try_from(number % 16).unwrap()).await);
    }
    assert_eq!(device.registered_bytes(), 3 * REGION);
    drop(held);
    assert!(device.pool().retained_bytes() <= 33 * MIB);
    assert!(device.registered_bytes() <= REGION, "more than is kept");
    for piece in 0..PIECES {
        read(&device, piece).await;
    }
}

/// Runtimes that come and go, each with a ring, while regions are registered and given back: no read is
/// answered with another's bytes, nor with what was there before.
#[test]
fn regions_that_come_and_go_under_many_rings_bring_no_wrong_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let keeper = runtime();
    let device = keeper.block_on(open(&path, Registration::Always, 33 * MIB));
    thread::scope(|scope| {
        for seed in 0..3_u64 {
            let device = &device;
            scope.spawn(move || {
                for life in 0..2 {
                    runtime().block_on(come_and_go(device, seed << 32 | life));
                }
            });
        }
    });
    assert!(device.pool().retained_bytes() <= 33 * MIB);
    keeper.block_on(async { drop(read(&device, 3).await) });
}

async fn come_and_go(device: &Device, mut draw: u64) {
    let mut held = Vec::new();
    for turn in 0..310_u32 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let [piece, other, ..] = (draw >> 32).to_le_bytes();
        let (piece, other) = (piece % PIECES, other % PIECES);
        let both = tokio::join!(read(device, piece), read(device, other));
        held.push((piece, both.0));
        if turn % 150 == 149 {
            // 37 MiB: more than the pool keeps.
            held.clear();
        }
    }
    for (piece, bytes) in held {
        assert!(
            bytes.iter().all(|byte| *byte == piece),
            "changed in our hands"
        );
    }
}

/// In a process of its own, as its limit is that of a process: without the right to lock what it likes.
#[test]
fn where_memory_may_not_be_locked_reads_go_without_and_it_is_said_why() {
    const LIMIT: &str = "DISK_TEST_LIMIT";
    let Ok(limit) = std::env::var(LIMIT) else {
        for limit in [MIB, 40 * MIB] {
            thread::spawn(move || {
                give_up_locking();
                let name = "registered::where_memory_may_not_be_locked_reads_go_without_and_it_is_said_why";
                let child = std::process::Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", name, "--nocapture"])
                    .env(LIMIT, limit.to_string())
                    .status();
                assert!(child.unwrap().success(), "with a limit of {limit}");
            })
            .join()
            .unwrap();
        }
        return;
    };
    let limit: u64 = limit.parse().unwrap();
    if !limit_locking(limit) {
        eprintln!("skipped: the limit is lower already");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let path = folder.path().join("disk");
        let device = open(&path, Registration::Always, 200 * MIB).await;
        if device.engine() != Engine::Uring {
            eprintln!("skipped: no io_uring here");
            return;
        }
        let mut held = Vec::new();
        for number in 0..2 * REGION / PIECE as u64 {
            held.push(read(&device, u8::try_from(number % 16).unwrap()).await);
        }
        let why = device.unregistered().unwrap();
        assert!(device.registered_bytes() <= limit);
        if limit < REGION {
            assert!(why.contains("LimitMEMLOCK"), "{why}");
        }
    });
}

/// Takes from what this thread starts the right to lock any memory, where it has it.
fn give_up_locking() {
    const CAP_IPC_LOCK: libc::c_ulong = 14;
    #[expect(unsafe_code, reason = "the standard library knows no capabilities")]
    {
        // SAFETY: takes no pointers; it only takes rights from this thread.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0) };
    }
}

fn limit_locking(bytes: u64) -> bool {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    #[expect(unsafe_code, reason = "the standard library knows no limits")]
    let outcome = {
        // SAFETY: the limit is there for the whole call.
        unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) }
    };
    outcome == 0
}
