//! h2o. The packaged version has no cache: it serves the same bodies as files, out of the page
//! cache, which is less work than a cache has. It stands for a lean server of static files.

use benches::bodies;

use super::{
    super::{
        Error,
        select::{Peer, Size},
        world::{World, write},
    },
    Program, Recipe, Setup, as_root, listener, said,
};

pub(super) fn recipe(world: &World, setup: &Setup) -> Result<Recipe, Error> {
    let target = listener(Peer::H2o, "h2o, static files")?;
    let folder = world.own("h2o")?;
    for size in Size::ALL {
        for number in 0..size.objects() {
            let path = bodies::path(number, size.bytes());
            let path = folder.join("files").join(path.trim_start_matches('/'));
            write(&path, &bodies::body(number, size.bytes()))?;
        }
    }
    let config = folder.join("h2o.conf");
    let text = format!(
        r#"{user}num-threads: {workers}
max-connections: 8000
http1-request-timeout: 3600
http2-idle-timeout: 3600
listen:
  host: 127.0.0.1
  port: {port}
  ssl:
    certificate-file: {root}/server.pem
    key-file: {root}/server.key
    minimum-version: TLSv1.3
    ocsp-update-interval: 0
hosts:
  "localhost":
    paths:
      "/":
        file.dir: {folder}/files
        file.mime.setdefaulttype: video/iso.segment
"#,
        user = if as_root() { "user: root\n" } else { "" },
        workers = setup.workers,
        port = target.port,
        root = world.root().display(),
        folder = folder.display(),
    );
    write(&config, text.as_bytes())?;
    let arguments = ["-m", "worker", "-c", &config.to_string_lossy()].map(str::to_owned);
    Ok(Recipe {
        programs: vec![Program::new("h2o", arguments)],
        listeners: vec![target],
    })
}

pub(super) fn version() -> Option<String> {
    let said = said("h2o", "-v")?;
    let mut lines = said.lines();
    Some([lines.next()?, lines.next()?].join(", "))
}
