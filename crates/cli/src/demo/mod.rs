//! `millpond demo`: an origin with real segments, a shield, an edge, a signed URL, and a page that
//! plays it; each part as it runs in production.

mod content;
mod figures;
mod night;
mod pki;
mod settings;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use edge::Edge;
use manifest::{Keys, PlannerKey, Role};
use shield::Shield;
use signing::{Algorithm, Carrier, Carriers, Claims, KeySet, Label, Scope, SigningKey};
use tempfile::TempDir;
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    time::{self, Sleep},
};

use crate::{
    Error, keys,
    output::{refresh, say},
};
use figures::Figures;

/// The demo's one site.
pub(crate) const SITE: &str = "demo";

/// How long the demo's URLs are good.
const LIFETIME_S: u64 = 12 * 3600;

/// A century, to a demo.
const FOR_EVER_S: u64 = 100 * 365 * 24 * 3600;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The edge's port, TCP and UDP; 0 takes a free one.
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// The port of the edge's admin listener; 0 takes a free one.
    #[arg(long, default_value_t = 9090)]
    admin_port: u16,
    /// Keep certificates, configs, origin and caches in this folder. Default: a temporary one.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// End by itself after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Play three days of viewers in minutes, with nights in which an edge is filled by plan beside one
    /// that is not; then end
    #[arg(long, conflicts_with_all = ["seconds", "port", "admin_port"])]
    night: bool,
    #[command(flatten)]
    night_settings: night::Arguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let runtime = Runtime::new().map_err(Error::Runtime)?;
    runtime.block_on(play(arguments))
}

async fn play(arguments: &Arguments) -> Result<(), Error> {
    // First of all, so that a signal during the start is not lost.
    let mut end = End::new(arguments.seconds)?;
    let temporary = TempDir::with_prefix("millpond-demo-").map_err(Error::Runtime)?;
    let folder = arguments
        .folder
        .as_deref()
        .unwrap_or_else(|| temporary.path());
    fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    let reports = folder.join("reports");
    fs::create_dir_all(&reports).map_err(|error| Error::file(reports, error))?;
    pki::write(folder)?;
    let key = write_keys(folder)?;
    write_planner_key(folder)?;
    if arguments.night {
        return tokio::select! {
            played = night::play(folder, &arguments.night_settings, key) => played,
            () = end.came() => Err(Error::Demo("ended before the third day was over".to_owned())),
        };
    }
    content::write(&folder.join("origin"))?;

    let shield = settings::write_shield(folder)?;
    let shield = shield::Config::load(&shield).map_err(|report| Error::Config { report })?;
    let shield = Shield::start(shield).await?;
    let edge = settings::write_edge(folder, arguments, shield.address())?;
    let edge = edge::Config::load(&edge).map_err(|report| Error::Config { report })?;
    let edge = Edge::start(edge).await?;

    tell(folder, &edge, &key)?;
    tell_steering(folder, &edge, &shield)?;
    watch(&mut end, &edge, &shield).await;
    edge.drain().await;
    shield.drain().await;
    say("drained; goodbye");
    Ok(())
}

fn write_keys(folder: &Path) -> Result<SigningKey, Error> {
    let key = SigningKey::generate(Algorithm::Ed25519, Label::parse("demo-1")?)?;
    let set = KeySet::new(vec![key.verify_key()])?;
    keys::replace(&folder.join("keys.json"), &set.to_json())?;
    keys::replace(&folder.join("signing-key.json"), &key.to_json())?;
    Ok(key)
}

/// A key that signs manifests, and what the edges trust.
fn write_planner_key(folder: &Path) -> Result<(), Error> {
    let key = SigningKey::generate(Algorithm::Ed25519, Label::parse("planner-1")?)?;
    let trusted = PlannerKey {
        key: key.verify_key(),
        roles: vec![Role::Plan, Role::Evict],
    };
    let path = folder.join("planners.json");
    let trusted = Keys::new(vec![trusted], []).map_err(|error| Error::manifest(&path, error))?;
    keys::replace(&path, &trusted.to_json())?;
    keys::replace(&folder.join("planner.json"), &key.to_json())
}

fn tell(folder: &Path, edge: &Edge, key: &SigningKey) -> Result<(), Error> {
    let now_s = message::now().unix_s();
    let site = Label::parse(SITE)?;
    let claims = Claims::new(site, Scope::prefix("/clip")?, now_s, now_s + LIFETIME_S);
    let token = signing::sign(key, &claims)?;
    let port = edge.address().port();
    let url = |path: &str| {
        let url = format!("https://localhost:{port}{path}");
        Carriers::default().signed_url(&url, Carrier::Path, &token)
    };
    let (hls, dash) = (url("/clip/master.m3u8")?, url("/clip/manifest.mpd")?);
    let page = url("/clip/player.html")?;
    let ca = folder.join("ca.pem");
    let ca = ca.display();
    say(format!("HLS      {hls}"));
    say(format!("DASH     {dash}"));
    say(format!("page     {page}#url={hls}"));
    say("         (your browser will warn: the certificate's authority was made a moment ago)");
    say(format!("HTTP/1.1 curl --http1.1 --cacert {ca} -i '{hls}'"));
    say(format!("HTTP/2   curl --http2 --cacert {ca} -i '{hls}'"));
    say(format!("HTTP/3   UDP port {port}; Alt-Svc tells"));
    say(format!("metrics  http://{}/metrics", edge.admin_address()));
    Ok(())
}

/// The commands that ask running nodes, ready to be run.
fn tell_steering(folder: &Path, edge: &Edge, shield: &Shield) -> Result<(), Error> {
    let port = |address: Option<SocketAddr>| address.map_or(0, |address| address.port());
    let (edge, shield) = (
        port(edge.steering_address()),
        port(shield.steering_address()),
    );
    let nodes = settings::write_nodes(folder, edge, shield)?;
    let (nodes, folder) = (nodes.display(), folder.display());
    say(format!("asked    millpond popularity top --nodes {nodes}"));
    say(format!(
        "fill     millpond manifest new --audience edge1 --directory {folder}/origin --site {SITE} --output \
         {folder}/tonight.manifest\n         millpond manifest sign {folder}/tonight.manifest --key \
         {folder}/planner.json\n         millpond manifest push {folder}/tonight.manifest --nodes \
         {nodes}\n         millpond fill status --follow --nodes {nodes}"
    ));
    say(format!(
        "purge    millpond purge --site {SITE} --prefix /clip/ --nodes {nodes}"
    ));
    say(format!("folder   {folder}"));
    say("Ctrl-C drains and ends.");
    say("");
    Ok(())
}

/// What ends the demo: Ctrl-C, SIGTERM or the end of the time.
struct End {
    interrupt: Signal,
    terminate: Signal,
    time: Pin<Box<Sleep>>,
}

impl End {
    fn new(seconds: Option<u64>) -> Result<Self, Error> {
        let seconds = seconds.unwrap_or(FOR_EVER_S);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(Error::Runtime)?,
            terminate: signal(SignalKind::terminate()).map_err(Error::Runtime)?,
            time: Box::pin(time::sleep(Duration::from_secs(seconds))),
        })
    }

    /// Cancel safe: what came meanwhile is not lost.
    async fn came(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = &mut self.time => {}
        }
    }
}

/// Shows the figures until the end comes.
async fn watch(end: &mut End, edge: &Edge, shield: &Shield) {
    let mut tick = time::interval(Duration::from_secs(1));
    let mut last = None;
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let figures = Figures::of(edge.registry(), shield.registry());
                if last != Some(figures) {
                    refresh(&figures.to_string());
                    last = Some(figures);
                }
            }
            () = end.came() => break,
        }
    }
    say("");
}
