//! nginx: `proxy_cache` with the slice module, in several settings at once. Each setting is a port
//! of one nginx with one warm cache.

use std::path::Path;

use super::{
    super::{
        Error,
        select::Peer,
        target::Target,
        world::{World, write},
    },
    DISK_MIB, Program, Recipe, Setup, listener, said,
};

/// What is tried: a name for the table, and the directives that differ.
const SETTINGS: [(&str, &str); 5] = [
    ("nginx, its defaults with sendfile", ""),
    (
        "nginx, 64k TLS buffer, 64k H2 chunks",
        "ssl_buffer_size 64k; http2_chunk_size 64k; output_buffers 2 128k;",
    ),
    (
        "nginx, 256k output buffers",
        "ssl_buffer_size 16k; http2_chunk_size 16k; output_buffers 1 256k;",
    ),
    (
        "nginx, aio threads",
        "aio threads; ssl_buffer_size 64k; http2_chunk_size 64k; output_buffers 2 128k;",
    ),
    (
        "nginx, kernel TLS if there is one",
        "ssl_conf_command Options KTLS; sendfile_max_chunk 2m; http2_chunk_size 64k;",
    ),
];

pub(super) fn recipe(world: &World, setup: &Setup) -> Result<Recipe, Error> {
    let folder = world.own("nginx")?;
    let listeners = SETTINGS
        .iter()
        .map(|(label, _)| listener(Peer::Nginx, label))
        .collect::<Result<Vec<_>, _>>()?;
    let config = folder.join("nginx.conf");
    let text = text(world, &folder, setup, &listeners);
    write(&config, text.as_bytes())?;
    let arguments = ["-e", "stderr", "-c", &config.to_string_lossy()].map(str::to_owned);
    Ok(Recipe {
        programs: vec![Program::new("nginx", arguments)],
        listeners,
    })
}

pub(super) fn version() -> Option<String> {
    let text = said("nginx", "-V")?;
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let name = line("nginx version: ")?;
    let tls = line("built with ").unwrap_or("unknown TLS library");
    Some(format!("{name} ({tls})"))
}

fn text(world: &World, folder: &Path, setup: &Setup, listeners: &[Target]) -> String {
    let (root, folder) = (world.root().display(), folder.display());
    let (workers, origin, disk) = (setup.workers, world.origin.port(), DISK_MIB);
    let tier = setup.tier.name();
    let servers: String = SETTINGS
        .iter()
        .zip(listeners)
        .map(|((_, directives), target)| server(setup, target.port, directives))
        .collect();
    format!(
        r"
user root;
daemon off;
worker_processes {workers};
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; multi_accept on; }}
http {{
    access_log off;
    default_type video/iso.segment;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    reset_timedout_connection on;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    open_file_cache max=20000 inactive=1h;
    open_file_cache_valid 1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache-{tier} levels=1:2 keys_zone=bench:64m max_size={disk}m
        inactive=6h use_temp_path=off;
    ssl_certificate {root}/server.pem;
    ssl_certificate_key {root}/server.key;
    ssl_protocols TLSv1.3;
    ssl_session_cache shared:tls:8m;
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}
    {servers}
}}
"
    )
}

fn server(setup: &Setup, port: u16, directives: &str) -> String {
    let address = setup.listen.address();
    format!(
        r#"
    server {{
        listen {address}:{port} ssl http2;
        server_name localhost;
        {directives}
        location / {{
            slice 1m;
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Range $slice_range;
            proxy_cache bench;
            proxy_cache_key $uri$slice_range;
            proxy_cache_valid 200 206 6h;
            proxy_cache_lock on;
        }}
    }}
"#
    )
}
