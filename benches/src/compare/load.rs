//! The load on its own core: h2load over TCP, and a client of our own over QUIC.

use tokio::process::Command;

use super::{
    Cores, Error, Target, World, cpu,
    measure::{Protocol, Sample, Shape},
    pinned::on_core,
};

const CIPHER: &str = "TLS_AES_128_GCM_SHA256";

/// Connections, and requests in flight on each of them over HTTP/2 and 3. HTTP/1.1 is not pipelined, as
/// no player does that.
const CONNECTIONS: &str = "16";
const STREAMS: &str = "4";

/// h2load on its core.
pub(crate) struct Generator {
    core: usize,
    pub(crate) version: String,
}

impl Generator {
    pub(crate) async fn find(cores: &Cores) -> Result<Self, Error> {
        let what = "h2load, which makes the load (Debian: nghttp2-client)";
        let mut command = Command::new("h2load");
        let output = command.arg("--version").output().await;
        let output = output.map_err(Error::io(what))?;
        Ok(Self {
            core: cores.client,
            version: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        })
    }

    /// How it is used, for the report.
    pub(crate) fn settings() -> String {
        format!(
            "{CONNECTIONS} connections, {STREAMS} streams on each over H2 and H3, no pipelining over H1, \
             {CIPHER}"
        )
    }

    /// Lets a server send about `body_bytes` in one shape, and takes its CPU time.
    pub(crate) async fn measure(
        &self,
        world: &World,
        shape: Shape,
        target: &Target,
        body_bytes: u64,
    ) -> Result<Sample, Error> {
        let length = shape.length() as u64;
        let requests = body_bytes.div_ceil(length);
        let before_s = cpu::used_s(&target.pids)?;
        let wall_s = match shape.protocol {
            Protocol::Http1 | Protocol::Http2 => {
                self.h2load(world, shape, target, requests).await?
            }
            Protocol::Http3 => self.http3(world, shape, target, requests).await?,
        };
        Ok(Sample {
            cpu_s: cpu::used_s(&target.pids)? - before_s,
            wall_s,
            requests,
            body_bytes: requests * length,
        })
    }

    async fn h2load(
        &self,
        world: &World,
        shape: Shape,
        target: &Target,
        requests: u64,
    ) -> Result<f64, Error> {
        let mut h2load = on_core(self.core, "h2load");
        h2load.arg("-i").arg(world.urls(target, shape)?);
        h2load.args(["-t", "1", "-c", CONNECTIONS, "--tls13-ciphers", CIPHER]);
        if shape.protocol == Protocol::Http1 {
            h2load.args(["--h1", "-m", "1"]);
        } else {
            h2load.args(["--npn-list", "h2", "-m", STREAMS]);
        }
        h2load.arg("-n").arg(requests.to_string());

        h2load.stdout(std::process::Stdio::piped());
        let output = h2load.output().await.map_err(Error::io("h2load"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let body_bytes = requests * shape.length() as u64;
        agreed(&text, shape.protocol, requests, body_bytes)
            .ok_or_else(|| Error::Broken(format!("{} under h2load:\n{text}", target.label)))
    }

    async fn http3(
        &self,
        world: &World,
        shape: Shape,
        target: &Target,
        requests: u64,
    ) -> Result<f64, Error> {
        let program = std::env::current_exe().map_err(Error::io("the path of this program"))?;
        let mut load = on_core(self.core, program);
        load.arg("http3-load").arg("--ca").arg(world.ca());
        load.arg("--urls").arg(world.urls(target, shape)?);
        load.args(["--connections", CONNECTIONS, "--streams", STREAMS]);
        load.arg("--length").arg(shape.length().to_string());
        load.arg("--requests").arg(requests.to_string());
        load.stdout(std::process::Stdio::piped());
        let output = load.output().await.map_err(Error::io("the HTTP/3 load"))?;
        let told: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
        let wall_s = told.as_ref().and_then(|told| told["wall_s"].as_f64());
        wall_s.ok_or_else(|| Error::Broken(format!("{} under the HTTP/3 load", target.label)))
    }
}

/// The seconds that it took, if every request was answered with 2xx, by the right protocol and
/// cipher, with as many bytes as were asked for.
fn agreed(text: &str, protocol: Protocol, requests: u64, body_bytes: u64) -> Option<f64> {
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
    seconds.filter(|_| fine)
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
        assert_eq!(agreed(FINE, Protocol::Http2, 3, 30), Some(1.5));
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
