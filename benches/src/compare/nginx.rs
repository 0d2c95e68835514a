//! The other side: nginx from the distribution, `proxy_cache` with the slice module, in several
//! settings at once. Each setting is a port of one nginx with one worker and one warm cache.

use std::{path::Path, process::Stdio};

use tokio::process::{Child, Command};

use super::{
    Cores, Error, Target, cpu,
    pinned::on_core,
    proof,
    target::Kind,
    world::{World, free_port, write},
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

pub(crate) struct Nginx {
    master: Child,
    pids: Vec<u32>,
    ports: Vec<u16>,
    config: std::path::PathBuf,
}

impl Nginx {
    /// Starts it; `None` when there is no nginx on this machine.
    pub(crate) async fn start(world: &World, cores: &Cores) -> Result<Option<Self>, Error> {
        if version().await.is_none() {
            return Ok(None);
        }
        let origin = free_port()?;
        let ports = SETTINGS
            .iter()
            .map(|_| free_port())
            .collect::<Result<Vec<_>, _>>()?;
        let config = world.root().join("nginx.conf");
        write(&config, text(world.root(), origin, &ports).as_bytes())?;
        let master = on_core(cores.server, "nginx")
            .arg("-e")
            .arg(world.root().join("nginx-error.log"))
            .arg("-c")
            .arg(&config)
            .stderr(Stdio::null())
            .kill_on_drop(false)
            .spawn()
            .map_err(Error::io("starting nginx on its core (taskset)"))?;
        let mut nginx = Self {
            master,
            pids: Vec::new(),
            ports,
            config,
        };
        for port in &nginx.ports {
            proof::listening(*port).await?;
        }
        let Some(pid) = nginx.master.id() else {
            return Err(Error::Broken("nginx has ended".to_owned()));
        };
        // The master listens before it has a worker.
        let workers = proof::within_start("nginx has a worker", || {
            let workers = cpu::workers(pid)?;
            Ok((!workers.is_empty()).then_some(workers))
        });
        nginx.pids = workers.await?;
        nginx.pids.push(pid);
        Ok(Some(nginx))
    }

    pub(crate) fn targets(&self) -> Vec<Target> {
        let settings = SETTINGS.iter().zip(&self.ports);
        let target = |((label, _), port): (&(&'static str, &str), &u16)| Target {
            label,
            kind: Kind::Nginx,
            host: "localhost",
            port: *port,
            prefix: String::new(),
            pids: self.pids.clone(),
        };
        settings.map(target).collect()
    }

    /// Ends it and its workers, and waits until they are gone.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        self.ask_to_stop();
        self.master
            .wait()
            .await
            .map(drop)
            .map_err(Error::io("ending nginx"))
    }

    fn ask_to_stop(&self) {
        let mut stop = std::process::Command::new("nginx");
        stop.arg("-c").arg(&self.config).args(["-s", "stop"]);
        // An nginx that has gone already complains, and nobody needs to know.
        let _gone = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

impl Drop for Nginx {
    /// A kill of the master would leave its worker behind.
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

/// What the nginx of this machine calls itself.
pub(crate) async fn version() -> Option<String> {
    let output = Command::new("nginx").arg("-V").output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let name = line("nginx version: ")?;
    let tls = line("built with ").unwrap_or("unknown TLS library");
    Some(format!("{name} ({tls})"))
}

fn text(root: &Path, origin: u16, ports: &[u16]) -> String {
    let root = root.display();
    let servers: String = SETTINGS
        .iter()
        .zip(ports)
        .map(|((_, directives), port)| server(*port, origin, directives))
        .collect();
    format!(
        r"
user root;
daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {root}/nginx.pid;
error_log {root}/nginx-error.log error;
events {{ worker_connections 4096; multi_accept on; }}
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
    client_body_temp_path {root}/nginx-body;
    proxy_temp_path {root}/nginx-proxy;
    fastcgi_temp_path {root}/nginx-fastcgi;
    uwsgi_temp_path {root}/nginx-uwsgi;
    scgi_temp_path {root}/nginx-scgi;
    proxy_cache_path {root}/nginx-cache levels=1:2 keys_zone=bench:64m max_size=4g inactive=6h
        use_temp_path=off;
    ssl_certificate {root}/server.pem;
    ssl_certificate_key {root}/server.key;
    ssl_protocols TLSv1.3;
    ssl_session_cache shared:tls:8m;
    server {{ listen 127.0.0.1:{origin}; root {root}/origin; }}
    {servers}
}}
"
    )
}

fn server(port: u16, origin: u16, directives: &str) -> String {
    format!(
        r"
    server {{
        listen 127.0.0.1:{port} ssl http2;
        server_name localhost;
        {directives}
        location / {{
            slice 1m;
            proxy_pass http://127.0.0.1:{origin};
            proxy_http_version 1.1;
            proxy_set_header Range $slice_range;
            proxy_cache bench;
            proxy_cache_key $uri$slice_range;
            proxy_cache_valid 200 206 6h;
            proxy_cache_lock on;
        }}
    }}
"
    )
}
