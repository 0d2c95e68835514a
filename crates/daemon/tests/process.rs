//! A real child process: signals, drain, systemd's sockets and messages.
//!
//! The child is this very test binary, asked to run the ignored test [`child`].

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test program of its own"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use daemon::{
    config::{self, Common},
    process::{self, BoxError, Node, Sockets},
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
const CONFIG: &str = "MILLPOND_TEST_CONFIG";
const CHILD: [&str; 4] = ["--exact", "child", "--ignored", "--nocapture"];

/// Says on stdout what happens to it. Its drain ends when there is a file `drained`.
struct Told {
    folder: std::path::PathBuf,
    reloads: AtomicU32,
}

impl Node for Told {
    async fn reload(&self) -> Result<Json, BoxError> {
        let count = self.reloads.fetch_add(1, Ordering::Relaxed) + 1;
        say(&format!("reload {count}"));
        if self.folder.join("broken").exists() {
            return Err("the config is broken".into());
        }
        Ok(json!({ "reloads": count }))
    }

    async fn drain(self, deadline: Duration) {
        say(&format!("drain {}s", deadline.as_secs()));
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        while !self.folder.join("drained").exists() {
            ticks.tick().await;
        }
    }
}

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "told: {line}").unwrap();
    stdout.flush().unwrap();
}

#[test]
#[ignore = "a child process of the other tests, not a test"]
fn child() {
    let path = std::env::var(CONFIG).expect("started by one of the other tests");
    let mut sockets = Sockets::inherit().unwrap();
    let code = match config::load(Path::new(&path), Common::read) {
        Err(report) => report.refuse(),
        Ok(loaded) => process::start(
            &loaded.value,
            loaded.effective,
            std::mem::take(&mut sockets),
            |mut daemon| {
                let folder = Path::new(&path).parent().unwrap().to_owned();
                async move {
                    if folder.join("fail").exists() {
                        return Err("disk 3 is missing".into());
                    }
                    if folder.join("panics").exists() {
                        let task = tokio::spawn(async { panic!("this is a bug") });
                        assert!(task.await.unwrap_err().is_panic());
                    }
                    if folder.join("slow").exists() {
                        daemon.lifecycle.starting("recovering 3 disks");
                        say("building");
                        std::future::pending::<()>().await;
                    }
                    for listener in daemon.sockets.take_tcp("https-tcp") {
                        say(&format!("tcp {}", listener.local_addr().unwrap()));
                    }
                    for socket in daemon.sockets.take_udp("https-udp") {
                        say(&format!("udp {}", socket.local_addr().unwrap()));
                    }
                    say(&format!("unclaimed {:?}", daemon.sockets.unclaimed()));
                    say("built");
                    Ok(Told {
                        folder,
                        reloads: AtomicU32::new(0),
                    })
                }
            },
        ),
    };
    // `ExitCode` cannot be asked for its number.
    let codes = [
        (ExitCode::SUCCESS, 0),
        (ExitCode::FAILURE, 1),
        (ExitCode::from(78), 78),
    ];
    let number = codes
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, number)| *number);
    #[expect(
        clippy::exit,
        reason = "the exit code of a test process is the harness's otherwise"
    )]
    std::process::exit(number.unwrap());
}

struct Running {
    child: Child,
    folder: TempDir,
    said: Box<dyn BufRead>,
}

impl Running {
    fn start(
        config: &str,
        prepare: impl FnOnce(&Path),
        command: impl FnOnce(&mut Command),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        fs::write(&path, config).unwrap();
        prepare(folder.path());
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(CHILD)
            .env(CONFIG, &path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        child.stderr(fs::File::create(folder.path().join("stderr")).unwrap());
        command(&mut child);
        let mut child = child.spawn().unwrap();
        let said = Box::new(BufReader::new(child.stdout.take().unwrap()));
        Self {
            child,
            folder,
            said,
        }
    }

    /// With two sockets as descriptors 3 and 4.
    fn with_sockets(third: OwnedFd, fourth: OwnedFd, names: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        fs::write(&path, NODE).unwrap();
        // A shell between us: it may choose the numbers of descriptors, and `exec` keeps the
        // process id that `LISTEN_PID` must name.
        let script = "exec 3<&0 4<&1 0</dev/null 1>&2; LISTEN_PID=$$ exec \"$@\"";
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script, "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(CHILD);
        shell
            .env(CONFIG, &path)
            .env("LISTEN_FDS", "2")
            .env("LISTEN_FDNAMES", names);
        shell
            .stdin(Stdio::from(third))
            .stdout(Stdio::from(fourth))
            .stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let said = Box::new(BufReader::new(child.stderr.take().unwrap()));
        Self {
            child,
            folder,
            said,
        }
    }

    fn plain(config: &str) -> Self {
        Self::start(config, |_| {}, |_| {})
    }

    /// The next line that the child says.
    fn told(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(
                self.said.read_line(&mut line).unwrap() > 0,
                "{}",
                self.events()
            );
            if let Some((_, told)) = line.trim_end().split_once("told: ") {
                return told.to_owned();
            }
        }
    }

    fn until(&mut self, line: &str) {
        while self.told() != line {}
    }

    /// All lines up to the first that holds `text`.
    fn all_until(&mut self, text: &str) -> String {
        let mut all = String::new();
        while !all.contains(text) {
            assert!(self.said.read_line(&mut all).unwrap() > 0, "{all}");
        }
        all
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    fn touch(&self, name: &str) {
        fs::write(self.folder.path().join(name), "").unwrap();
    }

    fn events(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    /// The admin address, which the first event tells.
    fn admin(&self) -> SocketAddr {
        let mut address = None;
        eventually("the admin address is told", || {
            let events = self.events();
            let event = events.lines().find(|line| line.contains("\"starting\""));
            address =
                event.map(|event| serde_json::from_str::<Json>(event).unwrap()["admin"].clone());
            address.is_some()
        });
        address.unwrap().as_str().unwrap().parse().unwrap()
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Its exit code, and the rest of what it said.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing to kill when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again, within a bound, for what has no event to wait for.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let (sender, receiver) = std::sync::mpsc::sync_channel::<()>(1);
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        // Nobody sends: a wait of 10 ms.
        let _ = receiver.recv_timeout(Duration::from_millis(10));
    }
    drop(sender);
    panic!("never: {what}");
}

const NODE: &str = "[node]\nname = \"edge-1\"\n[admin]\naddress = \"127.0.0.1:0\"\n\
                    [drain]\ndeadline = \"60s\"\n";

#[test]
fn it_serves_drains_on_sigterm_and_exits_with_0() {
    let mut node = Running::plain(NODE);
    node.until("built");
    eventually("ready", || node.get("/readyz").starts_with("HTTP/1.1 200"));
    node.signal("TERM");
    assert_eq!(node.told(), "drain 60s");
    assert!(node.get("/readyz").starts_with("HTTP/1.1 503"));
    node.touch("drained");
    assert_eq!(node.end().0, Some(0));
    let events = node.events();
    assert!(events.contains("\"message\":\"drained\""), "{events}");
    assert!(
        events
            .lines()
            .all(|line| serde_json::from_str::<Json>(line).is_ok()),
        "{events}"
    );
}

#[test]
fn a_second_signal_ends_a_drain_at_once() {
    for (first, second) in [("TERM", "INT"), ("INT", "TERM"), ("TERM", "TERM")] {
        let mut node = Running::plain(NODE);
        node.until("built");
        node.signal(first);
        assert_eq!(node.told(), "drain 60s");
        node.signal(second);
        assert_eq!(node.end().0, Some(1), "{first} {second}");
    }
}

#[test]
fn signals_that_mean_nothing_do_nothing() {
    let mut node = Running::plain(NODE);
    node.until("built");
    for name in ["USR2", "PIPE", "USR1", "USR2", "PIPE"] {
        node.signal(name);
    }
    assert!(node.get("/readyz").starts_with("HTTP/1.1 200"));
    node.signal("TERM");
    node.until("drain 60s");
    for name in ["HUP", "USR1", "USR2", "PIPE", "HUP"] {
        node.signal(name);
    }
    node.touch("drained");
    assert_eq!(node.end().0, Some(0));
}

#[test]
fn sighup_reloads_and_a_refused_reload_changes_nothing() {
    let mut node = Running::plain(NODE);
    node.until("built");
    node.signal("HUP");
    node.until("reload 1");
    eventually("the new config", || {
        node.get("/config").contains("\"reloads\": 1")
    });
    node.touch("broken");
    node.signal("HUP");
    node.until("reload 2");
    let refused = "reloads_total{result=\"refused\"} 1";
    eventually("the refusal", || node.get("/metrics").contains(refused));
    assert!(node.get("/config").contains("\"reloads\": 1"));
    assert!(node.get("/readyz").starts_with("HTTP/1.1 200"));
    eventually("the reason", || {
        node.events().contains("the config is broken")
    });
}

#[test]
fn a_storm_of_sighup_leaves_a_node_that_serves_and_drains() {
    let mut node = Running::plain(NODE);
    node.until("built");
    let open_files = |node: &Running| {
        fs::read_dir(format!("/proc/{}/fd", node.child.id()))
            .unwrap()
            .count()
    };
    node.signal("HUP");
    node.until("reload 1");
    let before = open_files(&node);
    let pid = node.child.id();
    let storm = format!("i=0; while [ $i -lt 1000 ]; do kill -HUP {pid}; i=$((i+1)); done");
    assert!(
        Command::new("sh")
            .arg("-c")
            .arg(storm)
            .status()
            .unwrap()
            .success()
    );
    assert!(node.get("/readyz").starts_with("HTTP/1.1 200"));
    // A connection to the admin listener may be on its way out.
    assert!(open_files(&node) <= before + 2);
    node.touch("drained");
    node.signal("TERM");
    assert_eq!(node.end().0, Some(0));
}

#[test]
fn a_start_can_be_watched_and_broken_off() {
    let mut node = Running::start(
        NODE,
        |folder| fs::write(folder.join("slow"), "").unwrap(),
        |_| {},
    );
    node.until("building");
    let answer = node.get("/readyz");
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("recovering 3 disks"),
        "{answer}"
    );
    node.signal("TERM");
    assert_eq!(node.end().0, Some(0));
}

#[test]
fn a_node_that_cannot_be_built_says_why_and_exits_with_1() {
    let mut node = Running::start(
        NODE,
        |folder| fs::write(folder.join("fail"), "").unwrap(),
        |_| {},
    );
    assert_eq!(node.end().0, Some(1));
    assert!(
        node.events().contains("disk 3 is missing"),
        "{}",
        node.events()
    );
}

#[test]
fn a_taken_admin_address_is_told_and_exits_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut node = Running::plain(&NODE.replace("127.0.0.1:0", &address));
    assert_eq!(node.end().0, Some(1));
    assert!(
        node.events()
            .contains(&format!("cannot listen on {address}")),
        "{}",
        node.events()
    );
}

#[test]
fn a_wrong_config_exits_with_78_and_all_its_errors() {
    let mut node = Running::plain("[node]\nnmae = \"edge-1\"\n[drain]\ndeadline = \"1\"\n");
    assert_eq!(node.end().0, Some(78));
    let events = node.events();
    assert!(
        events.contains("node.toml:2:1: unknown key \"nmae\" in [node]: did you mean \"name\"?")
    );
    assert!(
        events.contains("node.toml:4:12: deadline in [drain] is \"1\""),
        "{events}"
    );
}

#[test]
fn sockets_from_systemd_are_taken_by_name() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addresses = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    let mut node = Running::with_sockets(tcp.into(), udp.into(), "https-tcp:https-udp");
    let told = node.all_until("built");
    assert!(
        told.contains(&format!("told: tcp {}", addresses.0)),
        "{told}"
    );
    assert!(
        told.contains(&format!("told: udp {}", addresses.1)),
        "{told}"
    );
    assert!(told.contains("told: unclaimed []"), "{told}");
}

#[test]
fn sockets_that_nobody_takes_are_named() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut node = Running::with_sockets(tcp.into(), udp.into(), "http:https-udp");
    let told = node.all_until("built");
    assert!(told.contains("told: unclaimed [\"http\"]"), "{told}");
}

#[test]
fn a_socket_of_another_kind_is_refused() {
    let unix = UnixDatagram::unbound().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut node = Running::with_sockets(unix.into(), udp.into(), "https-tcp:https-udp");
    let told = node.all_until("Kind");
    assert!(
        told.contains("name: \"https-tcp\", descriptor: 3"),
        "{told}"
    );
}

#[test]
fn systemd_hears_of_readiness_reload_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = |wanted: &str| {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).unwrap();
        let text = String::from_utf8_lossy(&message[..length]).into_owned();
        assert!(text.lines().any(|line| line == wanted), "{wanted}: {text}");
        text
    };
    let mut node = Running::start(
        NODE,
        |_| {},
        |command| {
            command.env("NOTIFY_SOCKET", &path);
        },
    );
    hear("READY=1");
    node.signal("HUP");
    assert!(hear("RELOADING=1").contains("MONOTONIC_USEC="));
    hear("READY=1");
    node.touch("broken");
    node.signal("HUP");
    hear("RELOADING=1");
    assert!(hear("READY=1").contains("refused"));
    node.touch("drained");
    node.signal("TERM");
    assert!(hear("STOPPING=1").contains("EXTEND_TIMEOUT_USEC=73000000"));
    assert_eq!(node.end().0, Some(0));
}

#[test]
fn systemd_hears_that_the_runtime_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let config = folder.path().join("node.toml");
    fs::write(&config, NODE).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "WATCHDOG_PID=$$ exec \"$@\"", "sh"]);
    shell.arg(std::env::current_exe().unwrap()).args(CHILD);
    shell
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "60000")
        .env(CONFIG, &config);
    let mut child = shell
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = Box::new(BufReader::new(child.stdout.take().unwrap()));
    let _node = Running {
        child,
        folder,
        said,
    };
    let mut beats = 0;
    while beats < 3 {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).unwrap();
        beats += usize::from(message[..length].starts_with(b"WATCHDOG=1"));
    }
}

#[test]
fn a_panic_is_an_event_and_a_counter_and_the_node_goes_on() {
    let panics = |folder: &Path| fs::write(folder.join("panics"), "").unwrap();
    let mut node = Running::start(NODE, panics, |_| {});
    node.until("built");
    eventually("ready", || node.get("/readyz").starts_with("HTTP/1.1 200"));
    assert!(
        node.get("/metrics")
            .contains("millpond_daemon_panics_total 1")
    );
    eventually("the event", || {
        node.events().contains("\"message\":\"this is a bug\"")
    });
}
