//! Recovery at the size of a real disk: openings and footers as they lie there, on a sparse file.
//!
//! ```text
//! cargo test --release -p store --lib recovery::scale -- --ignored --nocapture
//! ```
//!
//! `SCALE_SLICES` (10,000,000), `SCALE_SEGMENT_MIB` (64), `SCALE_DEPTH` (reads at one time, the
//! store's default), `SCALE_RUNS` (3) and `SCALE_FOLDER` (the temporary folder; it takes 8 KiB a
//! segment) change it. Writing the file takes longer than all runs.

use std::{fs::File, os::unix::fs::FileExt, path::PathBuf, time::Duration};

use prometheus::Registry;
use tokio::time::Instant;

use super::*;
use crate::{
    Admit, Clock, Config, DiskConfig, Epoch, Key, Memory, Record,
    format::{
        BLOCK, Secret,
        record::{Kind, span},
        segment::{encode_footer, encode_opening, footer_bytes},
        superblock::{SUPERBLOCKS_BYTES, Superblock},
    },
    log::open::sparse,
    placement::Tags,
};

const SLICE: u32 = 1 << 20;
const SECRET: Secret = Secret([5; 16]);

fn set(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn key(number: u64) -> Key {
    let mut id = [0; 16];
    id[..8].copy_from_slice(
        &(number / 1000)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .to_le_bytes(),
    );
    Key::slice(id, u32::try_from(number % 1000).unwrap())
}

/// How many slices a segment takes.
fn slices_per_segment(segment_bytes: u64) -> u64 {
    let fits = |count: u64| {
        let footer = footer_bytes(usize::try_from(count).unwrap());
        BLOCK + count * span(SLICE).next_multiple_of(BLOCK) + footer <= segment_bytes
    };
    (1..1 << 20)
        .take_while(|count| fits(*count))
        .last()
        .unwrap()
}

/// Writes what recovery reads of full segments.
fn write_segments(file: &File, slices: u64, segment_bytes: u64) {
    let per_segment = slices_per_segment(segment_bytes);
    for segment in 0..slices.div_ceil(per_segment) {
        let base = SUPERBLOCKS_BYTES + segment * segment_bytes;
        let generation = 1 + segment * 1000;
        let mut block = vec![0; disk::BLOCK];
        encode_opening(&mut block, generation, &SECRET);
        file.write_all_at(&block, base).unwrap();
        let entries: Vec<_> = (0..per_segment.min(slices - segment * per_segment))
            .map(|index| Entry {
                kind: Kind::Payload,
                key: key(segment * per_segment + index),
                length: SLICE,
                stamp: Epoch::ZERO,
                sequence: generation + 1 + index,
                start: BLOCK + index * span(SLICE).next_multiple_of(BLOCK),
            })
            .collect();
        let mut footer = vec![0; usize::try_from(footer_bytes(entries.len())).unwrap()];
        encode_footer(&mut footer, &entries, generation, &SECRET);
        let end = base + segment_bytes;
        file.write_all_at(&footer, end - footer.len() as u64)
            .unwrap();
    }
    file.set_len(SUPERBLOCKS_BYTES + slices.div_ceil(per_segment) * segment_bytes)
        .unwrap();
    file.sync_all().unwrap();
}

fn resident_bytes() -> u64 {
    let told = std::fs::read_to_string("/proc/self/statm").unwrap();
    told.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement that takes minutes and 1.3 GB of disk: just recovery"]
async fn ten_million_slices_are_found_in_seconds() {
    let (slices, segment) = (
        set("SCALE_SLICES", 10_000_000),
        set("SCALE_SEGMENT_MIB", 64) << 20,
    );
    let parent = std::env::var_os("SCALE_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(parent).unwrap();
    let path = folder.path().join("disk");
    let segments = slices.div_ceil(slices_per_segment(segment));
    write_segments(&File::create(&path).unwrap(), slices, segment);

    let settings = Config {
        segment_bytes: segment,
        ..Config::default()
    };
    let settings = Config {
        reads_per_disk: usize::try_from(set("SCALE_DEPTH", settings.reads_per_disk as u64))
            .unwrap(),
        ..settings
    };
    let superblock = Superblock {
        disk: [1; 16],
        store: [2; 16],
        secret: SECRET,
        segment_bytes: segment,
        segments,
    };
    let config = DiskConfig::new(path, segments * segment);
    for _ in 0..set("SCALE_RUNS", 3) {
        let disk = sparse(&config, &settings, &superblock).await.unwrap();
        find(Arc::new(disk), slices).await;
    }
}

/// Finds what lies on a disk, and tells how long it took.
async fn find(disk: Arc<Disk>, slices: u64) {
    let ram = Memory::new(1 << 20, |_: &Key, record: &Record| record.bytes.len());
    let directory = Arc::new(Directory::new(ram, Tags::new(&[2; 16]), 1 << 40));
    let crew = Crew {
        directory: Arc::clone(&directory),
        keeper: Keeper::volatile(16),
        metrics: Arc::new(Metrics::new(&Registry::new()).unwrap()),
        recency: Recency::new(None, [2; 16]),
        judge: Arc::new(Judge::new(0, 0, Clock::default(), Admit::Everything)),
        batch_bytes: 1 << 20,
    };
    let (before, begun) = (resident_bytes(), Instant::now());
    let recovered = start(&[Slot::Open(Arc::clone(&disk))], HashMap::new(), crew);
    let mut most = 0;
    while recovered.is_running() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        most = most.max(resident_bytes().saturating_sub(before));
    }
    let time = begun.elapsed();
    let (records, _) = directory.usage(0);
    println!(
        "{records} slices in {} segments of {} MiB by {}: {:.2} s, {} bytes of index a slice, \
         {} bytes resident at most",
        disk.segments(),
        disk.segment_bytes >> 20,
        disk.device.engine(),
        time.as_secs_f64(),
        directory.index_bytes() / records,
        most / records,
    );
    assert_eq!(records, slices);
    assert!(directory.index_bytes() / records < 64);
    disk.queue.close().await;
}
