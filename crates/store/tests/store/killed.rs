//! A process that is killed while it writes.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use store::{Config, DiskConfig, Epoch};

use crate::oracle::{self, STAMP};

const FOLDER: &str = "MILLPOND_STORE_TEST_FOLDER";

fn config(folder: PathBuf) -> Config {
    Config {
        ram_bytes: 0,
        disks: vec![DiskConfig::new(folder.join("disk"), 16 << 20)],
        state_dir: Some(folder),
        segment_bytes: 256 << 10,
        // The machine may be busy: only a test of slowness is about time.
        read_timeout: std::time::Duration::from_mins(1),
        write_batch_bytes: 64 << 10,
        recovery_wait: std::time::Duration::from_mins(1),
        engine: crate::ENGINE,
        ..Config::default()
    }
}

/// Not a test of its own: what the child of the test below runs, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a child process of the test below, not a test"]
async fn child() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let opened = oracle::open(config(folder.into())).await;
    for number in 0.. {
        opened.put(number);
        if number % 50 == 49 {
            opened.store.remove(&oracle::key(number - 20));
            opened.store.flush().await;
            opened.store.purge(number).await.unwrap();
            println!("durable {number}");
        }
    }
}

#[tokio::test]
async fn a_killed_process_leaves_right_bytes_and_what_it_said_was_durable() {
    for lines in [3, 20, 60] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "killed::child", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut said = output.filter_map(|line| line.strip_prefix("durable ")?.parse::<u64>().ok());
        let last = said.by_ref().take(lines).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let last = said.last().unwrap_or(last);

        let opened = oracle::open(config(folder.path().into())).await;
        let removed = |number: u64| number % 50 == 29;
        let mut held = 0;
        for number in 0..last + 2_000 {
            let here = opened.holds(number).await;
            held += u64::from(here);
            assert!(
                !(here && removed(number) && number <= last),
                "{number} was removed"
            );
        }
        let written = (0..=last).filter(|number| !removed(*number));
        let bytes: usize = written
            .clone()
            .map(|number| oracle::body(number).len())
            .sum();
        if bytes < 12 << 20 {
            assert!(
                held >= written.count() as u64,
                "{held} held: {:?}",
                opened.store.stats().disks
            );
        }
        for number in (49..=last).step_by(50) {
            assert!(
                opened.store.purged_at(number) > Epoch::ZERO,
                "purge of {number}"
            );
        }
        opened.store.put(oracle::key(0), STAMP, oracle::body(0));
        opened.close().await;
    }
}
