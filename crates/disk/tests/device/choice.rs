//! Which engine is taken when, and what an idle one costs.

use std::{fs, path::Path, time::Duration};

use disk::{BLOCK, Device, Engine, Error, Operation, Options, Pool, Registration};

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

/// A device on `io_uring`, or nothing, said aloud, where the kernel refuses it.
async fn on_uring(path: &Path) -> Option<Device> {
    match Device::open(path, options(Engine::Uring)).await {
        Ok(device) => {
            device.resize(64 * BLOCK as u64).await.unwrap();
            Some(device)
        }
        Err(error) => {
            eprintln!("skipped: no io_uring here: {error}");
            None
        }
    }
}

#[tokio::test]
async fn io_uring_is_taken_where_the_kernel_grants_it_and_the_file_is_read_directly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    if on_uring(&path).await.is_none() {
        return;
    }
    let other = folder.path().join("other");
    let device = Device::open(&other, options(Engine::Auto)).await.unwrap();
    if device.is_direct() {
        assert_eq!((device.engine(), device.fallback()), (Engine::Uring, None));
    } else {
        assert_eq!(device.engine(), Engine::Blocking);
        assert!(device.fallback().unwrap().contains("direct"));
    }
}

#[tokio::test]
async fn the_blocking_engine_is_taken_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let device = Device::open(path, options(Engine::Blocking)).await.unwrap();
    assert_eq!(
        (device.engine(), device.fallback()),
        (Engine::Blocking, None)
    );
}

#[tokio::test]
async fn io_uring_reads_and_writes_a_ram_filesystem_if_it_must() {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("skipped: no RAM filesystem at /dev/shm");
        return;
    };
    let Some(device) = on_uring(&folder.path().join("disk")).await else {
        return;
    };
    let mut blocks = device.pool().take(2 * BLOCK);
    blocks.fill(7);
    device.write_at(BLOCK as u64, blocks).await.unwrap();
    device.sync().await.unwrap();
    let read = device.read_at(0, 4 * BLOCK).await.unwrap();
    assert!(read[..BLOCK].iter().all(|byte| *byte == 0));
    assert!(read[BLOCK..3 * BLOCK].iter().all(|byte| *byte == 7));
}

/// A thread of its own whose calls of `io_uring_setup` are refused, and those of the threads that
/// it starts, as a sandbox does.
fn in_a_sandbox(work: impl FnOnce() + Send + 'static) {
    let sandboxed = move || {
        refuse_io_uring();
        work();
    };
    std::thread::spawn(sandboxed).join().unwrap();
}

fn refuse_io_uring() {
    let load_number = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let if_equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    let line = |code: u32, jt, jf, k| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let mut lines = [
        line(load_number, 0, 0, 0),
        line(
            if_equal,
            0,
            1,
            u32::try_from(libc::SYS_io_uring_setup).unwrap(),
        ),
        line(
            answer,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned(),
        ),
        line(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(lines.len()).unwrap(),
        filter: lines.as_mut_ptr(),
    };
    #[expect(
        unsafe_code,
        reason = "the standard library cannot refuse system calls"
    )]
    let modest = {
        // SAFETY: takes no pointers; it only takes rights from this thread.
        unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }
    };
    assert_eq!(modest, 0);
    #[expect(unsafe_code, reason = "as above")]
    let filtered = {
        // SAFETY: the program and its lines live until the call returns, which copies them.
        unsafe {
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            )
        }
    };
    assert_eq!(filtered, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn where_io_uring_is_refused_threads_do_the_work_and_say_why() {
    in_a_sandbox(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("disk");
            let error = Device::open(&path, options(Engine::Uring))
                .await
                .unwrap_err();
            let Error::Io {
                operation, source, ..
            } = error
            else {
                panic!("{error}")
            };
            assert_eq!(operation, Operation::Open);
            assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
            let device = Device::open(&path, options(Engine::Auto)).await.unwrap();
            assert_eq!(device.engine(), Engine::Blocking);
            assert!(device.fallback().is_some(), "it is said why");
            device.resize(BLOCK as u64).await.unwrap();
            device.read_at(0, BLOCK).await.unwrap();
        });
    });
}

/// User and system time of all of the process, in ticks of 10 ms.
fn ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_name, rest) = stat.rsplit_once(") ").unwrap();
    let fields = rest.split(' ').skip(11).take(2);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn an_idle_engine_uses_no_cpu() {
    // In a process of its own, because other tests keep their engines busy.
    const ALONE: &str = "DISK_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "choice::an_idle_engine_uses_no_cpu";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(ALONE, "1")
            .status();
        assert!(child.unwrap().success());
        return;
    }
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let Some(device) = on_uring(&folder.path().join("disk")).await else {
            return;
        };
        device.read_at(0, BLOCK).await.unwrap();
        let before = ticks();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let used = ticks() - before;
        assert!(used <= 1, "{used} ticks of 100");
        device.read_at(0, BLOCK).await.unwrap();
    });
}
