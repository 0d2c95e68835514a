//! Both engines beside `fio`, on the same file, in the same run: throughput and CPU as ratios.
//!
//! ```text
//! cargo run --release -p disk --example compare -- FILE [GIB [ROUNDS [SECONDS [KIB DEPTH]]]]
//! ```
//!
//! The file is made and filled if it is shorter than GIB (2). Each row is the median of ROUNDS (3)
//! of SECONDS (2) each, taken in turns, because disks and machines drift. `crc32c` is one pass over
//! each block as the slice log makes it. `fio` (from any distribution) reads with `io_uring` at the
//! row's depth, or with as many threads of `psync`, past the page cache.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a measurement for people, which may stop where it fails"
)]

use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};

use disk::{BLOCK, Device, Engine, Options, Pool, Registration};
use tokio::time::Instant;

const GIB: u64 = 1 << 30;
const SIZES: [usize; 3] = [16 << 10, 256 << 10, 1 << 20];
const DEPTHS: [usize; 3] = [1, 8, 64];

/// Who reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Fio(&'static str),
    Ours(Ours),
}

/// A way of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ours {
    engine: Engine,
    batch_max: usize,
    registration: Registration,
    /// With a pass of crc32c.
    check: bool,
}

const URING: Ours = Ours {
    engine: Engine::Uring,
    batch_max: Options::BATCH_MAX,
    registration: Registration::Off,
    check: false,
};
const BLOCKING: Ours = Ours {
    engine: Engine::Blocking,
    ..URING
};

const TOGETHER: Reader = Reader::Ours(URING);
const ONE_BY_ONE: Reader = Reader::Ours(Ours {
    batch_max: 1,
    ..URING
});
const REGISTERED: Ours = Ours {
    registration: Registration::Always,
    ..URING
};

const READERS: [(&str, Reader); 9] = [
    ("fio io_uring", Reader::Fio("io_uring")),
    ("io_uring, one by one", ONE_BY_ONE),
    ("io_uring", TOGETHER),
    ("io_uring, registered", Reader::Ours(REGISTERED)),
    ("io_uring, crc32c", checked(URING)),
    ("io_uring, registered, crc32c", checked(REGISTERED)),
    ("fio psync", Reader::Fio("psync")),
    ("blocking", Reader::Ours(BLOCKING)),
    ("blocking, crc32c", checked(BLOCKING)),
];

const fn checked(way: Ours) -> Reader {
    Reader::Ours(Ours { check: true, ..way })
}

/// GB/s and CPU-seconds per GB.
#[derive(Clone, Copy)]
struct Rate {
    speed: f64,
    cost: f64,
}

/// Of all turns of one reader.
struct Summary {
    median: Rate,
    /// The lowest and the highest.
    costs: (f64, f64),
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .expect("FILE [GIB [ROUNDS [SECONDS [KIB DEPTH]]]]");
    let mut number = |default| {
        arguments
            .next()
            .map_or(default, |text| text.parse().unwrap())
    };
    let (gib, rounds, seconds): (u64, u64, u64) = (number(2), number(3), number(2));
    let (only_kib, only_depth) = (number(0), number(0));
    let path = Path::new(&path);
    let length = gib * GIB;
    if fs::metadata(path).map_or(0, |file| file.len()) < length {
        runtime().block_on(fill(path, length));
    }
    println!("| block | depth | reader | GB/s | of fio's | CPU-s/GB | lowest to highest |");
    println!("|---|---|---|---|---|---|---|");
    for size in SIZES {
        for depth in DEPTHS {
            let wanted = |only: u64, this: usize| only == 0 || only == this as u64;
            if !wanted(only_kib, size >> 10) || !wanted(only_depth, depth) {
                continue;
            }
            compare(
                path,
                length,
                size,
                depth,
                rounds,
                Duration::from_secs(seconds),
            );
        }
    }
}

fn compare(path: &Path, length: u64, size: usize, depth: usize, rounds: u64, time: Duration) {
    let mut taken = [const { Vec::new() }; READERS.len()];
    for round in 0..rounds {
        for ((_, reader), taken) in READERS.iter().zip(&mut taken) {
            let rate = match *reader {
                Reader::Fio(engine) => fio(path, engine, size, depth, time),
                Reader::Ours(way) => {
                    let work = Work {
                        length,
                        size,
                        depth,
                        time,
                        way,
                        seed: round + 1,
                    };
                    Some(runtime().block_on(ours(path, work)))
                }
            };
            taken.extend(rate);
        }
    }
    let mut fio = None;
    for ((name, reader), taken) in READERS.iter().zip(&taken) {
        let Some(Summary { median, costs }) = summary(taken) else {
            continue;
        };
        if matches!(reader, Reader::Fio(_)) {
            fio = Some(median);
        }
        let ratio = fio.map_or(f64::NAN, |fio: Rate| median.speed / fio.speed);
        println!(
            "| {} KiB | {depth} | {name} | {:.2} | {ratio:.2} | {:.3} | {:.3} to {:.3} |",
            size >> 10,
            median.speed,
            median.cost,
            costs.0,
            costs.1
        );
    }
}

fn summary(rates: &[Rate]) -> Option<Summary> {
    let sorted = |of: fn(&Rate) -> f64| {
        let mut all: Vec<_> = rates.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let (speeds, costs) = (sorted(|rate| rate.speed), sorted(|rate| rate.cost));
    Some(Summary {
        median: Rate {
            speed: *speeds.get(speeds.len() / 2)?,
            cost: *costs.get(costs.len() / 2)?,
        },
        costs: (*costs.first()?, *costs.last()?),
    })
}

/// As the nodes' workers have one each: it asks, reaps and checks in one thread, as `fio` does.
fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

/// Settings of one run of ours.
#[derive(Clone, Copy)]
struct Work {
    length: u64,
    size: usize,
    depth: usize,
    time: Duration,
    way: Ours,
    seed: u64,
}

async fn open(path: &Path, way: Ours, depth: usize, size: usize) -> Device {
    let options = Options {
        engine: way.engine,
        reads_in_flight: depth,
        read_deadline: Duration::from_mins(1),
        batch_max: way.batch_max,
        registration: way.registration,
        // Room for a region that is registered.
        pool: Pool::new(((depth + 2) * size).max(64 << 20)),
        faults: None,
    };
    Device::open(path, options).await.unwrap()
}

async fn ours(path: &Path, work: Work) -> Rate {
    let device = Arc::new(open(path, work.way, work.depth, work.size).await);
    assert!(device.is_direct(), "the page cache would be measured");
    read_all(&device, work, Duration::from_millis(200)).await;
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let bytes = read_all(&device, work, work.time).await;
    let gigabytes = gigabytes(bytes);
    Rate {
        speed: gigabytes / start.elapsed().as_secs_f64(),
        cost: (cpu_seconds() - cpu) / gigabytes,
    }
}

/// As many tasks as the depth, each reading one block after the other; returns the bytes read.
async fn read_all(device: &Arc<Device>, work: Work, time: Duration) -> u64 {
    let end = Instant::now() + time;
    let blocks = work.length / work.size as u64;
    let reader = |number: usize| {
        let device = Arc::clone(device);
        tokio::spawn(async move {
            let mut draw = work.seed << 32 | number as u64;
            let mut bytes = 0;
            while Instant::now() < end {
                draw = mix(draw);
                let block = device.read_at(draw % blocks * work.size as u64, work.size);
                let block = block.await.unwrap();
                if work.way.check {
                    std::hint::black_box(crc_fast::crc32_iscsi(&block));
                }
                bytes += block.len() as u64;
            }
            bytes
        })
    };
    let readers: Vec<_> = (0..work.depth).map(reader).collect();
    let mut bytes = 0;
    for reader in readers {
        bytes += reader.await.unwrap();
    }
    bytes
}

async fn fill(path: &Path, length: u64) {
    eprintln!("filling {} ...", path.display());
    let device = open(path, URING, 1, 4 << 20).await;
    device.resize(length).await.unwrap();
    let mut word = 1;
    for offset in (0..length).step_by(4 << 20) {
        let mut blocks = device.pool().take(4 << 20);
        for place in blocks.chunks_exact_mut(BLOCK / 16) {
            word = mix(word);
            place[..8].copy_from_slice(&word.to_le_bytes());
        }
        device.write_at(offset, blocks).await.unwrap();
    }
    device.sync().await.unwrap();
}

fn fio(path: &Path, engine: &str, size: usize, depth: usize, time: Duration) -> Option<Rate> {
    let (queue, jobs) = if engine == "psync" {
        (1, depth)
    } else {
        (depth, 1)
    };
    let output = Command::new("fio")
        .args([
            "--name=read",
            "--rw=randread",
            "--direct=1",
            "--norandommap",
            "--time_based",
        ])
        .args([
            "--thread",
            "--group_reporting",
            "--output-format=json",
            "--ramp_time=200ms",
            // Else each run reads the same blocks, which something below us may keep: on a virtual
            // disk 1.8 GB/s where others' first reads got 1.2.
            "--randrepeat=0",
        ])
        .arg(format!("--filename={}", path.display()))
        .arg(format!("--ioengine={engine}"))
        .arg(format!("--bs={size}"))
        .arg(format!("--iodepth={queue}"))
        .arg(format!("--numjobs={jobs}"))
        .arg(format!("--runtime={}ms", time.as_millis()))
        .output();
    let Ok(output) = output else {
        eprintln!("no fio here: apt-get install fio");
        return None;
    };
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("fio's JSON");
    let job = &told["jobs"][0];
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let speed = number(&job["read"]["bw_bytes"]) / 1e9;
    // Of one core, averaged over the jobs.
    let percent = number(&job["usr_cpu"]) + number(&job["sys_cpu"]);
    #[expect(clippy::cast_precision_loss, reason = "at most 64")]
    let cores = percent / 100.0 * jobs as f64;
    Some(Rate {
        speed,
        cost: cores / speed,
    })
}

/// What all threads of this process used so far.
fn cpu_seconds() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let nanoseconds = tasks.filter_map(|task| {
        let told = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        told.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum()).as_secs_f64()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "far below what a float counts exactly"
)]
fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
