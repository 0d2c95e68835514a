//! The load on its own core: h2load over TCP, and a client of our own over QUIC.

use std::{collections::BTreeSet, path::PathBuf};

use benches::bodies;
use tokio::process::{Child, Command};

use super::{
    Error,
    cpu::Usage,
    measure::Sample,
    select::{Protocol, Shape, Size},
    target::Target,
    world::{World, write},
};

/// The objects of 1 MiB for hits from disk: sixteen times what memory may hold then.
pub(crate) const DISK_FROM: u32 = 100_000;
pub(crate) const DISK_OBJECTS: u32 = 1024;

const CIPHER: &str = "TLS_AES_128_GCM_SHA256";

/// Requests in flight on a connection over HTTP/2 and 3. HTTP/1.1 is not pipelined, as no player does that.
const STREAMS: &str = "4";

/// Who asks for what.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) protocol: Protocol,
    /// Of every body, in bytes.
    pub(crate) length: usize,
    /// One generator for each, with the objects that it goes through, again and again.
    lists: Vec<Vec<u32>>,
    /// Of each generator.
    connections: u32,
    /// Of each generator.
    pub(crate) requests: u64,
    /// Whether the page cache is dropped before.
    pub(crate) from_disk: bool,
}

impl Load {
    /// Four generators of four connections. Each goes through the objects from another place on:
    /// connections of one h2load ask for the same object at the same time, which would then lie in
    /// the CPU's caches for all but the first.
    pub(crate) fn ram(shape: Shape) -> Self {
        const GENERATORS: u32 = 4;
        let count = shape.size.objects();
        let list = |place| {
            let first = place * count / GENERATORS;
            (first..count).chain(0..first).collect()
        };
        Self {
            protocol: shape.protocol,
            length: shape.size.bytes(),
            lists: (0..GENERATORS).map(list).collect(),
            connections: 4,
            requests: shape.size.requests() / u64::from(GENERATORS),
            from_disk: false,
        }
    }

    /// Sixteen generators of one connection that ask for each object once.
    pub(crate) fn disk(protocol: Protocol) -> Self {
        const GENERATORS: u32 = 16;
        let each = DISK_OBJECTS / GENERATORS;
        let list = |place| {
            let first = DISK_FROM + place * each;
            (first..first + each).collect()
        };
        Self {
            protocol,
            length: Size::Mib1.bytes(),
            lists: (0..GENERATORS).map(list).collect(),
            connections: 1,
            requests: u64::from(each),
            from_disk: true,
        }
    }

    /// A shorter one.
    pub(crate) fn part(&self, of: u64) -> Self {
        Self {
            requests: (self.requests / of).max(1),
            ..self.clone()
        }
    }

    /// How many different objects are asked for.
    pub(crate) fn objects(&self) -> usize {
        let all: BTreeSet<u32> = self.lists.iter().flatten().copied().collect();
        all.len()
    }

    pub(crate) fn total(&self) -> u64 {
        self.requests * self.lists.len() as u64
    }
}

/// h2load on its cores.
pub(crate) struct Generator {
    pub(crate) cores: String,
    pub(crate) version: String,
}

impl Generator {
    pub(crate) async fn find(cores: &str) -> Result<Self, Error> {
        let what = "h2load, which makes the load (Debian: nghttp2-client)";
        let mut command = Command::new("h2load");
        let output = command.arg("--version").output().await;
        let output = output.map_err(Error::io(what))?;
        Ok(Self {
            cores: cores.to_owned(),
            version: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        })
    }

    /// How it is used, for the report.
    pub(crate) fn settings() -> String {
        format!(
            "4 at once with 4 connections each (from disk: 16 with 1), {STREAMS} streams on each \
             over H2 and H3, no pipelining over H1, {CIPHER}"
        )
    }

    /// Lets a server answer a load, and takes its CPU time.
    pub(crate) async fn measure(
        &self,
        world: &World,
        load: &Load,
        target: &Target,
        pids: &BTreeSet<u32>,
    ) -> Result<Sample, Error> {
        let mut files = Vec::new();
        for (place, list) in load.lists.iter().enumerate() {
            files.push(urls(world, target, load.length, list, place)?);
        }
        let before = Usage::now(pids);
        let mut running = Vec::new();
        for file in files {
            running.push(self.start(world, load, file)?);
        }
        let mut sample = Sample::default();
        let body_bytes = load.requests * load.length as u64;
        for child in running {
            let output = child.wait_with_output().await;
            let output = output.map_err(Error::io("the generator"))?;
            let text = String::from_utf8_lossy(&output.stdout);
            let told = match load.protocol {
                Protocol::Http1 | Protocol::Http2 => {
                    agreed(&text, load.protocol, load.requests, body_bytes)
                }
                // It checks every answer itself, and does not count fields.
                Protocol::Http3 => http3_seconds(&text).map(|wall_s| (wall_s, 0)),
            };
            let (wall_s, header_bytes) =
                told.ok_or_else(|| Error::Broken(format!("{} under load:\n{text}", target.label)))?;
            sample.wall_s = sample.wall_s.max(wall_s);
            sample.requests += load.requests;
            sample.body_bytes += body_bytes;
            sample.header_bytes += header_bytes;
        }
        sample.cpu_s = Usage::now(pids).since_s(&before);
        Ok(sample)
    }

    fn start(&self, world: &World, load: &Load, list: PathBuf) -> Result<Child, Error> {
        let mut command = Command::new("taskset");
        command.args(["-c", &self.cores]);
        let (connections, requests) = (load.connections.to_string(), load.requests.to_string());
        if load.protocol == Protocol::Http3 {
            let program = std::env::current_exe().map_err(Error::io("the path of this program"))?;
            command
                .arg(program)
                .arg("http3-load")
                .arg("--ca")
                .arg(world.ca());
            command.arg("--urls").arg(list).args(["--streams", STREAMS]);
            command.args(["--connections", &connections, "--requests", &requests]);
            command.args(["--length", &load.length.to_string()]);
        } else {
            command.args(["h2load", "-t", "1", "-c", &connections, "-n", &requests]);
            command.args(["--tls13-ciphers", CIPHER, "-i"]).arg(list);
            if load.protocol == Protocol::Http1 {
                command.args(["--h1", "-m", "1"]);
            } else {
                command.args(["--npn-list", "h2", "-m", STREAMS]);
            }
        }
        command
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::inherit())
            .kill_on_drop(true);
        command.spawn().map_err(Error::io("the generator"))
    }
}

fn http3_seconds(text: &str) -> Option<f64> {
    let told: serde_json::Value = serde_json::from_str(text).ok()?;
    told["wall_s"].as_f64()
}

/// Writes the list of URLs for one generator, and says where.
fn urls(
    world: &World,
    target: &Target,
    length: usize,
    list: &[u32],
    place: usize,
) -> Result<PathBuf, Error> {
    let urls: String = list
        .iter()
        .map(|number| target.url(&bodies::path(*number, length)) + "\n")
        .collect();
    let file = world.root().join(format!("urls-{place}.txt"));
    write(&file, urls.as_bytes())?;
    Ok(file)
}

/// The seconds that it took and the bytes of headers, if every request was answered with 2xx, by the
/// right protocol and cipher, with as many bytes as were asked for.
fn agreed(text: &str, protocol: Protocol, requests: u64, body_bytes: u64) -> Option<(f64, u64)> {
    let has = |line: &str| text.lines().any(|found| found.trim() == line);
    let all = format!(
        "requests: {requests} total, {requests} started, {requests} done, {requests} succeeded, \
         0 failed, 0 errored, 0 timeout"
    );
    let fine = has(&format!("Cipher: {CIPHER}"))
        && has(&format!("Application protocol: {}", protocol.alpn()))
        && has(&all)
        && text.contains(&format!("({body_bytes}) data"));
    let seconds = text
        .lines()
        .find_map(|line| line.strip_prefix("finished in ")?.split_once(','))
        .and_then(|(took, _)| seconds(took));
    let headers = text.split_once(") headers")?.0.rsplit_once('(')?.1;
    seconds.zip(headers.parse().ok()).filter(|_| fine)
}

/// h2load writes "1.55s", "803.20ms" or "1m 3.10s" the way it suits it.
fn seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    for part in text.split_ascii_whitespace() {
        let (number, factor) = match part {
            part if part.ends_with("us") => (part.strip_suffix("us")?, 1e-6),
            part if part.ends_with("ms") => (part.strip_suffix("ms")?, 1e-3),
            part if part.ends_with('s') => (part.strip_suffix('s')?, 1.0),
            part => (part.strip_suffix('m')?, 60.0),
        };
        total += number.parse::<f64>().ok()? * factor;
    }
    (total > 0.0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &str = "TLS Protocol: TLSv1.3\nCipher: TLS_AES_128_GCM_SHA256\n\
        Application protocol: h2\n\nfinished in 1.50s, 2.00 req/s, 20B/s\n\
        requests: 3 total, 3 started, 3 done, 3 succeeded, 0 failed, 0 errored, 0 timeout\n\
        status codes: 3 2xx, 0 3xx, 0 4xx, 0 5xx\n\
        traffic: 50B (50) total, 20B (20) headers (space savings 0%), 30B (30) data\n";

    #[test]
    fn only_a_run_without_a_flaw_counts() {
        assert_eq!(agreed(FINE, Protocol::Http2, 3, 30), Some((1.5, 20)));
        assert_eq!(agreed(FINE, Protocol::Http1, 3, 30), None);
        assert_eq!(agreed(FINE, Protocol::Http2, 3, 31), None);
        let failed = FINE.replace("0 failed", "1 failed");
        assert_eq!(agreed(&failed, Protocol::Http2, 3, 30), None);
        let other = FINE.replace("AES_128_GCM_SHA256", "AES_256_GCM_SHA384");
        assert_eq!(agreed(&other, Protocol::Http2, 3, 30), None);
    }

    #[test]
    fn times_are_read_in_every_unit() {
        assert_eq!(seconds("250.00ms"), Some(0.25));
        assert_eq!(seconds("1m 30.00s"), Some(90.0));
        assert_eq!(seconds("soon"), None);
    }
}
