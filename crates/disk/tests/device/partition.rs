//! Raw block devices: loop devices here, which need root and are said to be skipped without.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use disk::{BLOCK, Device, Engine, Error, Options, Pool, Registration};

const BYTES: u64 = 64 * BLOCK as u64;

/// A block device on a file. Dropped, it is gone.
struct Loop(PathBuf);

impl Loop {
    /// One with sectors of this size; nothing, said aloud, where there are none to be had.
    fn on(folder: &Path, sector_bytes: u32) -> Option<Self> {
        let file = folder.join(format!("sectors-of-{sector_bytes}"));
        fs::write(&file, vec![0; usize::try_from(BYTES).unwrap()]).unwrap();
        let made = Command::new("losetup")
            .args(["--find", "--show", "--sector-size"])
            .arg(sector_bytes.to_string())
            .arg(&file)
            .output();
        match made {
            Ok(made) if made.status.success() => {
                let path = String::from_utf8(made.stdout).unwrap();
                Some(Self(path.trim().into()))
            }
            Ok(made) => {
                let why = String::from_utf8_lossy(&made.stderr).into_owned();
                eprintln!("skipped: no loop device here: {why}");
                None
            }
            Err(error) => {
                eprintln!("skipped: no losetup here: {error}");
                None
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let gone = Command::new("losetup")
            .arg("--detach")
            .arg(&self.0)
            .status();
        assert!(gone.unwrap().success());
    }
}

fn options(engine: Engine) -> Options {
    Options {
        engine,
        reads_in_flight: 4,
        read_deadline: Duration::from_mins(1),
        batch_max: Options::BATCH_MAX,
        registration: Registration::Auto,
        pool: Pool::new(1 << 20),
        faults: None,
    }
}

async fn is_read_and_written(path: &Path, engine: Engine) {
    let device = Device::open(path, options(engine)).await.unwrap();
    assert!(device.is_partition() && device.is_direct());
    assert_eq!(device.bytes(), BYTES, "its size is given");
    for (at, seed) in [(0, 3), (BYTES - BLOCK as u64, 7)] {
        let mut blocks = device.pool().take(BLOCK);
        blocks.fill(seed);
        device.write_at(at, blocks).await.unwrap();
    }
    device.sync().await.unwrap();
    assert_eq!(device.read_at(0, BLOCK).await.unwrap()[..], [3; BLOCK]);
    let last = device.read_at(BYTES - BLOCK as u64, BLOCK).await.unwrap();
    assert_eq!(last[..], [7; BLOCK]);
    let beyond = device.read_at(BYTES - BLOCK as u64, 2 * BLOCK).await;
    assert!(matches!(
        beyond,
        Err(Error::Short { .. } | Error::Io { .. })
    ));
    let second = Device::open(path, options(engine)).await;
    assert!(matches!(second, Err(Error::InUse)), "it has one owner");
}

async fn on_both_engines(sector_bytes: u32) {
    let folder = tempfile::tempdir().unwrap();
    let Some(device) = Loop::on(folder.path(), sector_bytes) else {
        return;
    };
    is_read_and_written(&device.0, Engine::Blocking).await;
    is_read_and_written(&device.0, Engine::Auto).await;
}

#[tokio::test]
async fn a_partition_with_sectors_of_512_bytes_is_read_and_written_directly() {
    on_both_engines(512).await;
}

#[tokio::test]
async fn a_partition_with_sectors_of_4096_bytes_is_read_and_written_directly() {
    on_both_engines(4096).await;
}
