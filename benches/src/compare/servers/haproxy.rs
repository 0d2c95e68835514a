//! `HAProxy` with its RAM cache. It has no disk tier and no slices.

use super::{
    super::{
        Error,
        select::Peer,
        world::{World, write},
    },
    Program, Recipe, Setup, listener,
};

/// Buffers, and the TLS records made of them: a name for the table, bytes of both. One process has
/// one size of buffers, so the second is not tried with the first in one process.
const LABEL: &str = "haproxy, 64k buffers";
const BUFFER_BYTES: u32 = 64 << 10;

pub(super) fn recipe(world: &World, setup: &Setup) -> Result<Recipe, Error> {
    let target = listener(Peer::Haproxy, LABEL)?;
    let folder = world.own("haproxy")?;
    let config = folder.join("haproxy.cfg");
    let mut pem = Vec::new();
    for name in ["server.pem", "server.key"] {
        pem.extend(std::fs::read(world.root().join(name)).map_err(Error::io(name))?);
    }
    write(&folder.join("both.pem"), &pem)?;
    let pem = folder.join("both.pem");
    // It counts in MiB and takes at most 4095; its objects at most half of that.
    let cache_mib = setup.tier.ram_mib().min(1024);
    let text = format!(
        r"
global
    nbthread {workers}
    maxconn 8000
    tune.bufsize {BUFFER_BYTES}
    tune.h2.initial-window-size 1048576
    ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
    ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
cache bench
    total-max-size {cache_mib}
    max-object-size 8388608
    max-age 21600
    process-vary off
frontend tls
    bind 127.0.0.1:{port} ssl crt {pem} alpn h2,http/1.1
    default_backend origin
backend origin
    http-request cache-use bench
    http-response cache-store bench
    server origin 127.0.0.1:{origin}
",
        workers = setup.workers,
        port = target.port,
        pem = pem.display(),
        origin = world.origin.port(),
    );
    write(&config, text.as_bytes())?;
    let arguments = ["-db", "-f", &config.to_string_lossy()].map(str::to_owned);
    Ok(Recipe {
        programs: vec![Program::new("haproxy", arguments)],
        listeners: vec![target],
    })
}
