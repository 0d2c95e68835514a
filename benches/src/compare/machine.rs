//! Where and with what it was measured.

use std::fs;

use super::{load::Generator, select::Peer, servers};

/// Lines for the report. `cores` counts the machine's, before this process went to one of them.
pub(crate) fn describe(
    cores: usize,
    server_cores: &str,
    generator: &Generator,
    peers: &[Peer],
) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{}, {cores} cores, Linux {}; servers on {server_cores}, generator and origin on {}",
            cpu_name(),
            read("/proc/sys/kernel/osrelease"),
            generator.cores
        ),
        format!(
            "load average at the end: {} (the generator and one server make up to 2)",
            read("/proc/loadavg")
        ),
        format!(
            "millpond {}, defaults but for limits of requests and new connections; access log off, \
             as everybody's",
            env!("CARGO_PKG_VERSION")
        ),
    ];
    for peer in peers {
        let version = servers::version(*peer);
        lines.push(version.unwrap_or_else(|| format!("no {} on this machine", peer.name())));
    }
    lines.push(format!("{}: {}", generator.version, Generator::settings()));
    lines
}

fn cpu_name() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown CPU", |(_, name)| name).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}
