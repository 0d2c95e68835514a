//! A node as a child process: it can be killed, measured, and run where the disk is small.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, UdpSocket},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use tokio::{
    process::{self, Command},
    sync::Mutex,
};

use super::{Home, Role, Settings, ask};
use crate::{eventually, within};

/// Below the ports that the kernel gives to clients, so that none of those gets in between.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Clock ticks in `/proc/PID/stat` are 10 ms on every Linux that runs this.
const TICK: Duration = Duration::from_millis(10);

/// How a child is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Launch {
    /// As it is.
    #[default]
    Plain,
    /// In a mount namespace of its own, with a file system of this many MiB at `small/` in its
    /// folder. Needs the right to mount; [`Child::can_mount`] tells.
    SmallFolder(u32),
    /// In a control group of its own that may use so many bytes of memory; beyond them the kernel
    /// kills it. [`Child::can_limit`] tells whether that works here.
    Limited(u64),
}

/// Where control groups are: version 2, and version 1's for memory.
const GROUPS: [(&str, &str); 2] = [
    ("/sys/fs/cgroup", "memory.max"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
];

/// A control group; it is removed when dropped, once its process is gone.
struct Group(PathBuf);

impl Group {
    /// A new one with this limit, if that is possible here.
    fn new(bytes_max: u64) -> Option<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("millpond-test-{}-{number}", std::process::id());
        GROUPS.into_iter().find_map(|(root, limit)| {
            let folder = PathBuf::from(root).join(&name);
            fs::create_dir(&folder).ok()?;
            let group = Self(folder);
            // Where the controller is not at work, the file is not there.
            let limit = group.0.join(limit);
            let limited = limit.exists() && fs::write(limit, bytes_max.to_string()).is_ok();
            limited.then_some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that was just killed is in it for some moments more. Nobody waits for this.
        let script = "for n in 1 2 3 4 5; do rmdir \"$1\" 2>&- && exit; sleep 1; done";
        let mut removing = std::process::Command::new("sh");
        drop(removing.args(["-c", script, "sh"]).arg(&self.0).spawn());
    }
}

/// A running child. It is killed when dropped.
pub struct Child {
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
    pid: u32,
    process: Mutex<process::Child>,
    /// After the process, which has to leave it first.
    _group: Option<Group>,
}

impl Child {
    pub(super) async fn spawn(
        role: Role,
        home: &Home,
        settings: &Settings,
        launch: Launch,
    ) -> Self {
        let (address, admin) = (free_address(), free_address());
        let mut settings = settings.clone();
        settings.set("listen.address", address.to_string());
        settings.set("admin.address", admin.to_string());
        let config = home.write_config(&settings);
        let group = match launch {
            Launch::Limited(bytes_max) => Group::new(bytes_max),
            Launch::Plain | Launch::SmallFolder(_) => None,
        };
        let mut command = match launch {
            Launch::Plain => Command::new(binary()),
            Launch::Limited(_) => {
                let group = group.as_ref().expect("a control group can be made");
                let mut command = Command::new("sh");
                let script = "echo $$ > \"$1\" && shift && exec \"$@\"";
                command.args(["-c", script, "sh"]);
                command.arg(group.0.join("cgroup.procs")).arg(binary());
                command
            }
            Launch::SmallFolder(mib) => {
                let folder = home.path().join("small");
                fs::create_dir_all(&folder).unwrap();
                let mut command = Command::new("unshare");
                let script = "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";
                command.args(["--mount", "sh", "-c", script, "sh"]);
                command.arg(format!("{mib}m")).arg(folder).arg(binary());
                command
            }
        };
        let log = |name| {
            File::options()
                .append(true)
                .create(true)
                .open(home.path().join(name))
        };
        let process = command
            .args([role.word(), "run"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(log("stdout.log").unwrap())
            .stderr(log("stderr.log").unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = process.id().unwrap();
        let child = Self {
            address,
            admin,
            pid,
            process: Mutex::new(process),
            _group: group,
        };
        eventually(60, "a child node to be ready", || child.is_ready(home)).await;
        child
    }

    async fn is_ready(&self, home: &Home) -> Option<()> {
        let ended = self.process.lock().await.try_wait().unwrap();
        assert!(
            ended.is_none(),
            "a child node ended with {ended:?}: {}",
            home.logs()
        );
        matches!(ask(self.admin, "/readyz").await, Ok((200, _))).then_some(())
    }

    /// Sends a signal by its short name.
    pub async fn signal(&self, name: &str) {
        let mut kill = Command::new("sh");
        kill.args([
            "-c",
            "kill -s \"$1\" \"$2\"",
            "sh",
            name,
            &self.pid.to_string(),
        ]);
        assert!(
            kill.status().await.unwrap().success(),
            "cannot signal {}",
            self.pid
        );
    }

    /// Waits for its end.
    pub async fn wait(&self) -> ExitStatus {
        let mut process = self.process.lock().await;
        within(60, "a child node to end", process.wait())
            .await
            .unwrap()
    }

    /// Resident memory now, in bytes.
    pub fn rss_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory that it ever had, in bytes.
    pub fn rss_peak_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib * 1024
    }

    /// Processor time used so far, of all its threads.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        // Fields 14 and 15, counted from behind the name in parentheses, which is field 2.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u32>().unwrap());
        TICK * ticks.sum::<u32>()
    }

    /// Whether [`Launch::Limited`] works here.
    pub fn can_limit() -> bool {
        Group::new(1 << 30).is_some()
    }

    /// Whether [`Launch::SmallFolder`] works here.
    pub async fn can_mount() -> bool {
        let mut attempt = Command::new("unshare");
        attempt.args([
            "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt",
        ]);
        attempt.stdout(Stdio::null()).stderr(Stdio::null());
        attempt.status().await.is_ok_and(|status| status.success())
    }
}

/// `millpond-node`, which cargo builds beside the tests of this package.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let file = test
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join("millpond-node");
    assert!(
        file.exists(),
        "{} is not built: run the tests through cargo",
        file.display()
    );
    file
}

/// An address on which nobody listens, TCP or UDP, and which this process gives to nobody else.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let spread = (std::process::id() * 131 % u32::from(PORTS.end - PORTS.start)) as u16;
    for _ in 0..1000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(spread);
        let address = SocketAddr::from((
            [127, 0, 0, 1],
            PORTS.start + step % (PORTS.end - PORTS.start),
        ));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port on 127.0.0.1 in {PORTS:?}");
}
