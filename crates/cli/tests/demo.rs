//! The built `millpond demo` as a process: it serves what it prints, and a signal ends it well.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;

/// A drain of an idle demo is over long before its deadline.
const DRAIN_MAX: Duration = Duration::from_secs(30);

struct Demo {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    hls: String,
}

impl Demo {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_millpond"))
            .args(["demo", "--port", "0", "--admin-port", "0", "--folder"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut hls = String::new();
        // Its last line before the figures.
        for line in lines.by_ref() {
            let line = line.unwrap();
            if let Some(url) = line.strip_prefix("HLS") {
                url.trim().clone_into(&mut hls);
            }
            if line.starts_with("Ctrl-C") {
                break;
            }
        }
        assert!(hls.starts_with("https://localhost:"), "{hls}");
        Self { child, lines, hls }
    }

    /// Sends a signal, and returns the exit code and the last words.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id();
        let kill = format!("kill -{signal} {pid}");
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
        let last = self.lines.map_while(Result::ok).last();
        (self.child.wait().unwrap().code(), last.unwrap_or_default())
    }
}

#[test]
fn ctrl_c_and_sigterm_drain_and_exit_0() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let demo = Demo::start(folder.path());
        let asked = Instant::now();
        let (code, last) = demo.end(signal);
        assert_eq!(code, Some(0), "SIG{signal}");
        assert_eq!(last, "drained; goodbye", "SIG{signal}");
        assert!(
            asked.elapsed() < DRAIN_MAX,
            "SIG{signal}: {:?}",
            asked.elapsed()
        );
    }
}

#[test]
fn what_it_prints_is_served_and_the_timing_is_told_to_those_who_ask() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path());
    let curl = |more: &[&str]| {
        let got = Command::new("curl")
            .args(["-sS", "-i", "--max-time", "20", "--cacert"])
            .arg(folder.path().join("ca.pem"))
            .args(more)
            .arg(&demo.hls)
            .output()
            .unwrap();
        assert!(got.status.success(), "{got:?}");
        String::from_utf8(got.stdout).unwrap().to_ascii_lowercase()
    };
    let first = curl(&[]);
    assert!(
        first.contains("#extm3u") && first.contains("video-540p.m3u8"),
        "{first}"
    );
    assert!(!first.contains("server-timing"), "nobody asked");
    let again = curl(&["-H", "Server-Timing: ?1"]);
    assert!(
        again.contains("server-timing: cache;desc=\"hit ram\", edge;dur="),
        "{again}"
    );
    assert_eq!(demo.end("TERM").0, Some(0));
}
