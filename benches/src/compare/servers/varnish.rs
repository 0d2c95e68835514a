//! Varnish, with hitch before it for TLS: two processes that speak the PROXY protocol over a Unix
//! socket, as Varnish's documentation has it.

use super::{
    super::{
        Error,
        select::Peer,
        world::{World, write},
    },
    DISK_MIB, Program, Recipe, Setup, Tier, as_root, first_line, listener,
};

/// For herds and idle connections: a thread each while a request waits.
const THREADS: &str = "thread_pool_min=200";

pub(super) fn recipe(world: &World, setup: &Setup) -> Result<Recipe, Error> {
    let target = listener(Peer::Varnish, "varnish with hitch")?;
    let folder = world.own("varnish")?;
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let (vcl, socket) = (path("bench.vcl"), path("varnish.sock"));
    let origin = world.origin.port();
    write(
        folder.join("bench.vcl").as_path(),
        vcl_text(origin).as_bytes(),
    )?;
    let pem = ["server.pem", "server.key"]
        .map(|name| std::fs::read(world.root().join(name)).map_err(Error::io(name)));
    let [certificate, key] = pem;
    write(&folder.join("both.pem"), &[certificate?, key?].concat())?;
    let hitch = hitch_text(&path("both.pem"), &socket, target.port, setup.workers);
    write(&folder.join("hitch.conf"), hitch.as_bytes())?;

    let mib = setup.tier.ram_mib();
    let storage = match setup.tier {
        Tier::Ram => format!("default,{mib}m"),
        // Pages of a file that is mapped; the kernel decides what stays in memory.
        Tier::Disk => format!("file,{},{}m", path("storage"), DISK_MIB),
    };
    let varnishd = [
        "-F",
        "-j",
        "none",
        "-n",
        &path("work"),
        "-f",
        &vcl,
        "-a",
        &format!("bench={socket},PROXY"),
        "-s",
        &storage,
        "-T",
        "none",
        "-p",
        "feature=+http2",
        "-p",
        "thread_pools=1",
        "-p",
        THREADS,
        "-p",
        "timeout_idle=3600",
    ]
    .map(str::to_owned);
    let config = format!("--config={}", path("hitch.conf"));
    let hitch = Program {
        // It refuses a backend whose socket it does not see.
        after: Some(folder.join("varnish.sock")),
        ..Program::new("hitch", [config])
    };
    Ok(Recipe {
        programs: vec![Program::new("varnishd", varnishd), hitch],
        listeners: vec![target],
    })
}

pub(super) fn version() -> Option<String> {
    let varnish = first_line("varnishd", "-V")?;
    let hitch = first_line("hitch", "--version")?;
    Some(format!("{varnish}, {hitch}"))
}

fn vcl_text(origin: u16) -> String {
    format!(
        r#"vcl 4.1;
backend origin {{ .host = "127.0.0.1"; .port = "{origin}"; }}
sub vcl_recv {{ return (hash); }}
sub vcl_backend_response {{ set beresp.ttl = 6h; set beresp.do_gzip = false; }}
"#
    )
}

fn hitch_text(pem: &str, socket: &str, port: u16, workers: usize) -> String {
    let user = if as_root() { "user = \"root\"\n" } else { "" };
    format!(
        r#"frontend = {{ host = "127.0.0.1" port = "{port}" }}
pem-file = "{pem}"
backend = "{socket}"
alpn-protos = "h2,http/1.1"
tls-protos = TLSv1.3
ciphersuites = "TLS_AES_128_GCM_SHA256"
workers = {workers}
write-proxy-v2 = on
daemon = off
quiet = on
syslog = off
backlog = 4096
keepalive = 3600
{user}"#
    )
}
