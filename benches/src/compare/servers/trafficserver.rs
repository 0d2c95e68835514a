//! Apache Traffic Server: one event thread for each core, a RAM cache before a file.

use std::fs;

use super::{
    super::{
        Error,
        select::Peer,
        world::{World, write},
    },
    DISK_MIB, Program, Recipe, Setup, listener,
};

/// Where Debian keeps the configs that ours starts from.
const SHIPPED: &str = "/etc/trafficserver";

pub(super) fn recipe(world: &World, setup: &Setup) -> Result<Recipe, Error> {
    let target = listener(Peer::TrafficServer, "trafficserver")?;
    let folder = world.own("trafficserver")?;
    let at = folder.display();
    for name in ["etc", "run", "log", "cache-ram", "cache-disk"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(Error::io(path.display()))?;
    }
    let etc = folder.join("etc");
    for name in [
        "ip_allow.yaml",
        "logging.yaml",
        "sni.yaml",
        "strategies.yaml",
    ] {
        // What is not shipped has its default built in.
        let _absent = fs::copy(format!("{SHIPPED}/{name}"), etc.join(name));
    }
    let (port, origin, tier) = (target.port, world.origin.port(), setup.tier.name());
    let disk = DISK_MIB;
    for (name, text) in [
        ("records.config", records(world, setup, port)),
        (
            "ssl_multicert.config",
            "dest_ip=* ssl_cert_name=server.pem ssl_key_name=server.key\n".to_owned(),
        ),
        ("storage.config", format!("{at}/cache-{tier} {disk}M\n")),
        (
            "remap.config",
            format!("map https://localhost:{port}/ http://127.0.0.1:{origin}/\n"),
        ),
        ("plugin.config", String::new()),
    ] {
        write(&etc.join(name), text.as_bytes())?;
    }
    let layout = format!(
        "prefix: {at}\nexec_prefix: {at}\nbindir: /usr/bin\nsbindir: /usr/sbin\n\
         sysconfdir: {at}/etc\ndatadir: {at}/cache-{tier}\nincludedir: /usr/include\n\
         libdir: /usr/lib/trafficserver\nlibexecdir: /usr/lib/trafficserver/modules\n\
         localstatedir: {at}/run\nruntimedir: {at}/run\nlogdir: {at}/log\n\
         cachedir: {at}/cache-{tier}\n"
    );
    write(&folder.join("runroot.yaml"), layout.as_bytes())?;
    Ok(Recipe {
        programs: vec![Program::new(
            "traffic_server",
            [format!("--run-root={at}/runroot.yaml")],
        )],
        listeners: vec![target],
    })
}

/// Readers may follow a writer, as its documentation has it for herds: without it each would ask the
/// origin.
fn records(world: &World, setup: &Setup, port: u16) -> String {
    let (root, workers) = (world.root().display(), setup.workers);
    let ram_bytes = u64::from(setup.tier.ram_mib()) << 20;
    format!(
        "CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.exec_thread.autoconfig.enabled INT 0
CONFIG proxy.config.exec_thread.limit INT {workers}
CONFIG proxy.config.accept_threads INT 0
CONFIG proxy.config.cache.threads_per_disk INT 8
CONFIG proxy.config.http.server_ports STRING {port}:ssl:ip-in=127.0.0.1
CONFIG proxy.config.url_remap.remap_required INT 1
CONFIG proxy.config.cache.ram_cache.size INT {ram_bytes}
CONFIG proxy.config.cache.ram_cache_cutoff INT 8388608
CONFIG proxy.config.cache.ram_cache.algorithm INT 1
CONFIG proxy.config.cache.enable_read_while_writer INT 1
CONFIG proxy.config.cache.read_while_writer.max_retries INT 100
CONFIG proxy.config.http.background_fill_active_timeout INT 0
CONFIG proxy.config.http.background_fill_completed_threshold FLOAT 0.0
CONFIG proxy.config.http.cache.max_open_read_retries INT 5
CONFIG proxy.config.http.cache.open_read_retry_time INT 50
CONFIG proxy.config.http.cache.open_write_fail_action INT 5
CONFIG proxy.config.http.cache.required_headers INT 0
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.diags.debug.enabled INT 0
CONFIG proxy.config.http.keep_alive_no_activity_timeout_in INT 3600
CONFIG proxy.config.http.transaction_no_activity_timeout_in INT 3600
CONFIG proxy.config.http2.no_activity_timeout_in INT 3600
CONFIG proxy.config.ssl.server.TLSv1_3.cipher_suites STRING TLS_AES_128_GCM_SHA256
CONFIG proxy.config.ssl.TLSv1_2 INT 0
CONFIG proxy.config.ssl.server.cert.path STRING {root}
CONFIG proxy.config.ssl.server.private_key.path STRING {root}
CONFIG proxy.config.net.connections_throttle INT 8000
"
    )
}
