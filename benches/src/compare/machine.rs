//! Where and with what it was measured.

use std::fs;

use super::{Cores, load::Generator, nginx};

/// Lines for the report.
pub(crate) async fn describe(cores: &Cores, nginx: bool, generator: &Generator) -> Vec<String> {
    let other = match (nginx, nginx::version().await) {
        (true, Some(version)) => version,
        (false, Some(version)) => format!("{version}, left out"),
        (_, None) => "no nginx on this machine: our own rows only".to_owned(),
    };
    vec![
        format!(
            "{}, {} cores, Linux {}; servers on core {}, generator on core {}",
            cpu_name(),
            std::thread::available_parallelism().map_or(1, usize::from),
            read("/proc/sys/kernel/osrelease"),
            cores.server,
            cores.client
        ),
        format!(
            "load average before the end: {} (the generator and one server make up to 2)",
            read("/proc/loadavg")
        ),
        format!(
            "millpond {}, defaults but for limits of requests and new connections; access log off",
            env!("CARGO_PKG_VERSION")
        ),
        other,
        format!("{}: {}", generator.version, Generator::settings()),
    ]
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
