//! The floor: what no server can do without. Each body is sealed as TLS records out of place, from
//! as much memory as servers have their bodies in, into one buffer, and the buffer is written.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Stdio,
    thread::{self, JoinHandle},
};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use benches::bodies;
use serde_json::{Value, json};

use super::{Error, load::Load, measure::Sample};

const RECORD_BYTES: usize = 16 << 10;
/// TLS 1.3: header, type of the content, tag of the cipher.
const HEADER_BYTES: usize = 5;
const TAG_BYTES: usize = 16;
/// Sealed bytes that go out in one write: what the edge has as well.
const BUFFER_BYTES: usize = 256 << 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Who reads what is written.
    #[arg(long)]
    sink: SocketAddr,
    /// Bytes of a body.
    #[arg(long)]
    length: usize,
    /// Bodies that lie in memory, and are sent in turn: as many as servers are asked for.
    #[arg(long)]
    bodies: usize,
    /// Bodies to send.
    #[arg(long)]
    requests: u64,
}

/// What the other end of the socket does, in the process that asks for the floor: reads and forgets.
pub(crate) struct Sink {
    address: SocketAddr,
    _reader: JoinHandle<()>,
}

impl Sink {
    pub(crate) fn start() -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.map_err(Error::io("the floor's port"))?;
        let address = listener
            .local_addr()
            .map_err(Error::io("the floor's port"))?;
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            for mut socket in listener.incoming().flatten() {
                while socket.read(&mut buffer).is_ok_and(|read| read > 0) {}
            }
        });
        Ok(Self {
            address,
            _reader: reader,
        })
    }

    /// Runs the floor on `cores` in a process of its own.
    pub(crate) async fn measure(&self, cores: &str, load: &Load) -> Result<Sample, Error> {
        let (length, requests) = (load.length, load.total());
        let program = std::env::current_exe().map_err(Error::io("the path of this program"))?;
        let mut command = tokio::process::Command::new("taskset");
        command.args(["-c", cores]).arg(program).arg("floor");
        command.args(["--sink", &self.address.to_string()]);
        command.args(["--length", &length.to_string()]);
        command.args(["--bodies", &load.objects().to_string()]);
        command.args(["--requests", &requests.to_string()]);
        command.stderr(Stdio::inherit()).kill_on_drop(true);
        let output = command.output().await.map_err(Error::io("the floor"))?;
        let told: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| Error::Broken(format!("the floor: {error}")))?;
        let figure = |name: &str| told[name].as_f64();
        let (cpu_s, wall_s) = figure("cpu_s")
            .zip(figure("wall_s"))
            .ok_or_else(|| Error::Broken(format!("the floor told {told}")))?;
        Ok(Sample {
            cpu_s,
            wall_s,
            requests,
            body_bytes: requests * length as u64,
            header_bytes: 0,
        })
    }
}

/// Seals and writes, and prints what it took.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let Arguments {
        sink,
        length,
        bodies,
        requests,
    } = *arguments;
    let plain = bodies::body(0, length * bodies);
    let broken = |_: aws_lc_rs::error::Unspecified| Error::Broken("AES-128-GCM".to_owned());
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).map_err(broken)?);
    let mut socket = TcpStream::connect(sink).map_err(Error::io("the sink"))?;
    socket.set_nodelay(true).map_err(Error::io("the sink"))?;
    let records = BUFFER_BYTES / RECORD_BYTES;
    let mut buffer = vec![0; records * (HEADER_BYTES + RECORD_BYTES + 1 + TAG_BYTES)];
    let (mut place, mut sequence) = (0, 0_u64);

    let (began, before_ns) = (tokio::time::Instant::now(), own_ns()?);
    for _ in 0..requests {
        if place + length > plain.len() {
            place = 0;
        }
        let body = &plain[place..place + length];
        place += length;
        for part in body.chunks(BUFFER_BYTES) {
            let mut filled = 0;
            for record in part.chunks(RECORD_BYTES) {
                let end = filled + HEADER_BYTES + record.len() + TAG_BYTES;
                let mut nonce = [0; 12];
                nonce[4..].copy_from_slice(&sequence.to_be_bytes());
                sequence += 1;
                key.seal_in_place_scatter(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from([23, 3, 3, 0, 0]),
                    &mut [],
                    record,
                    &mut buffer[filled + HEADER_BYTES..end],
                )
                .map_err(broken)?;
                filled = end;
            }
            let written = socket.write_all(&buffer[..filled]);
            written.map_err(Error::io("the sink"))?;
        }
    }
    let (wall, cpu_ns) = (began.elapsed(), own_ns()? - before_ns);
    let told = json!({
        "wall_s": wall.as_secs_f64(),
        "cpu_s": std::time::Duration::from_nanos(cpu_ns).as_secs_f64(),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{told}").map_err(Error::io("stdout"))
}

/// What this thread has used, to the last tick of the scheduler.
fn own_ns() -> Result<u64, Error> {
    let path = Path::new("/proc/thread-self/schedstat");
    let text = fs::read_to_string(path).map_err(Error::io(path.display()))?;
    let ns = text
        .split_ascii_whitespace()
        .next()
        .and_then(|ns| ns.parse().ok());
    ns.ok_or_else(|| Error::Broken(format!("{}: {text}", path.display())))
}
