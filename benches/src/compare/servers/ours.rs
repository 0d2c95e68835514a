//! Our side: an edge as its own process, filled through a shield from the one origin.

use std::{env, net::Ipv4Addr};

use super::{
    super::{
        Error, pki,
        target::{Kind, Target},
        world::{OPEN, SIGNED, World, free_port, write},
    },
    DISK_MIB, Program, Recipe, Setup,
};

/// The edge with two sites: one as in production, with signed URLs, and one without.
pub(super) fn recipe(world: &World, setup: &Setup) -> Result<Recipe, Error> {
    let port = free_port()?;
    world.own("millpond")?;
    let file = world
        .root()
        .join(format!("edge-{}.toml", setup.tier.name()));
    write(&file, config(world, setup, port).as_bytes())?;
    let program = env::current_exe().map_err(Error::io("the path of this program"))?;
    let signed = Target {
        label: "millpond",
        kind: Kind::Signed,
        host: "localhost",
        address: Ipv4Addr::LOCALHOST,
        port,
        prefix: world.signed_prefix()?,
    };
    let open = Target {
        label: "millpond, unsigned",
        kind: Kind::Open,
        host: "127.0.0.1",
        address: Ipv4Addr::LOCALHOST,
        port,
        prefix: String::new(),
    };
    Ok(Recipe {
        programs: vec![Program::new(
            program,
            ["edge".into(), "--config".into(), file.into_os_string()],
        )],
        listeners: vec![signed, open],
    })
}

/// Limits against floods are lifted where one load generator would run into them; all else is the
/// default. Keys are written dotted, so that one of the command line takes another's place.
fn config(world: &World, setup: &Setup, port: u16) -> String {
    let quoted = |text: &str| format!("\"{text}\"");
    let (ram, disk) = (setup.tier.ram_mib(), DISK_MIB);
    let tier = setup.tier.name();
    let own = [
        ("node.name", quoted("edge1")),
        (
            "listen.address",
            quoted(&format!("{}:{port}", setup.listen.address())),
        ),
        (
            "tls.certificates",
            "[{ certificate = \"server.pem\", key = \"server.key\" }]".to_owned(),
        ),
        ("limits.connections_per_ipv4", "20000".to_owned()),
        ("limits.new_connections_per_s", "10000".to_owned()),
        ("limits.new_connections_burst", "10000".to_owned()),
        ("limits.requests_per_connection", "1000000000".to_owned()),
        ("limits.idle_timeout", quoted("1h")),
        ("cache.ram", quoted(&format!("{ram}MiB"))),
        ("cache.state", quoted(&format!("millpond/state-{tier}"))),
        (
            "cache.disk",
            format!("[{{ path = \"millpond/slices-{tier}\", size = \"{disk}MiB\" }}]"),
        ),
        ("admin.address", quoted("127.0.0.1:0")),
        ("log.level", quoted("error")),
        ("log.access", quoted("off")),
        ("shields.ca", quoted("ca.pem")),
        ("shields.certificate", quoted("client.pem")),
        ("shields.key", quoted("client.key")),
        (
            "shields.member",
            format!(
                "[{{ name = \"shield1\", addresses = [\"{}\"], server_name = \"{}\" }}]",
                world.shield(),
                pki::SHIELD
            ),
        ),
    ];
    let given = |key: &str| setup.edge.iter().any(|(given, _)| given == key);
    let own = own.iter().filter(|(key, _)| !given(key));
    let own = own.map(|(key, value)| format!("{key} = {value}\n"));
    let others = setup.edge.iter();
    let others = others.map(|(key, value)| format!("{key} = {value}\n"));
    let keys: String = own.chain(others).collect();
    format!(
        r#"{keys}
[[site]]
name = "{SIGNED}"
hosts = ["localhost"]
keys = "keys.json"
ttl_default = "6h"
[[site]]
name = "{OPEN}"
hosts = ["127.0.0.1"]
signing = "none"
ttl_default = "6h"
"#
    )
}
