//! Edges and shields as they run in production: in this process, or as a child that can be killed.

mod child;
mod settings;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use bytes::Bytes;
use edge::Edge;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use shield::Shield;
use tempfile::TempDir;
use tokio::net::TcpStream;

pub use child::{Child, Launch, binary, free_address};
pub use settings::Settings;

use crate::within;

/// A node drains within this, or its test fails: its deadline of 20 s, and what a busy machine takes to
/// put away its disk.
const DRAIN_S: u64 = 60;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Towards viewers.
    Edge,
    /// Towards edges.
    Shield,
}

impl Role {
    /// The subcommand of `millpond-node`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Shield => "shield",
        }
    }
}

/// A folder of a node: its config, cache, logs. It outlives the node, so that one can start again.
pub struct Home {
    role: Role,
    folder: TempDir,
}

/// A node that runs.
pub struct Node {
    /// Where it serves, TCP and (an edge) UDP.
    pub address: SocketAddr,
    /// Where metrics and health are.
    pub admin: SocketAddr,
    /// Where the steering API is, if it has one and runs in this process.
    pub steering: Option<SocketAddr>,
    /// Where other edges copy from it, if it has that and runs in this process.
    pub peers: Option<SocketAddr>,
    life: Life,
}

enum Life {
    Edge(Box<Edge>),
    Shield(Box<Shield>),
    Child(Box<Child>),
}

impl Home {
    /// An empty folder.
    pub fn new(role: Role) -> Self {
        let folder = TempDir::with_prefix(format!("millpond-{}-", role.word())).unwrap();
        Self { role, folder }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The file of its access log.
    pub fn access_log(&self) -> PathBuf {
        self.path().join("access.log")
    }

    /// The file of a disk of its cache, if it has one.
    pub fn disk(&self) -> PathBuf {
        self.path().join("cache.disk")
    }

    /// All that it logged: access lines and, for a child, its standard output and error.
    pub fn logs(&self) -> String {
        let read = |name| fs::read_to_string(self.path().join(name)).unwrap_or_default();
        ["access.log", "stdout.log", "stderr.log"]
            .map(read)
            .concat()
    }

    /// Writes the config file.
    pub fn write_config(&self, settings: &Settings) -> PathBuf {
        let file = self.path().join("node.toml");
        fs::write(&file, settings.to_string()).unwrap();
        file
    }

    /// Starts the node in this process.
    pub async fn start(&self, settings: &Settings) -> Node {
        let started = within(60, "a node to start", Box::pin(self.try_start(settings))).await;
        started.unwrap_or_else(|error| panic!("{:?} did not start: {error}", self.role))
    }

    /// Starts the node in this process; the error is its own text.
    pub async fn try_start(&self, settings: &Settings) -> Result<Node, String> {
        let file = self.write_config(settings);
        match self.role {
            Role::Edge => {
                let config = edge::Config::load(&file).map_err(|report| report.to_string())?;
                let edge = Edge::start(config)
                    .await
                    .map_err(|error| format!("{error:?}"))?;
                let (address, admin) = (edge.address(), edge.admin_address());
                Ok(Node {
                    address,
                    admin,
                    steering: edge.steering_address(),
                    peers: edge.peers_address(),
                    life: Life::Edge(Box::new(edge)),
                })
            }
            Role::Shield => {
                let config = shield::Config::load(&file).map_err(|report| report.to_string())?;
                let shield = Shield::start(config)
                    .await
                    .map_err(|error| format!("{error:?}"))?;
                let (address, admin) = (shield.address(), shield.admin_address());
                Ok(Node {
                    address,
                    admin,
                    steering: shield.steering_address(),
                    peers: None,
                    life: Life::Shield(Box::new(shield)),
                })
            }
        }
    }

    /// Starts the node as a child process and waits until it is ready.
    pub async fn spawn(&self, settings: &Settings) -> Node {
        self.spawn_as(settings, Launch::Plain).await
    }

    /// Starts the node as a child process in some other way.
    pub async fn spawn_as(&self, settings: &Settings, launch: Launch) -> Node {
        let child = Child::spawn(self.role, self, settings, launch).await;
        Node {
            address: child.address,
            admin: child.admin,
            steering: None,
            peers: None,
            life: Life::Child(Box::new(child)),
        }
    }
}

impl Node {
    /// Asks it to end, and waits until it has: all that was written is on disk.
    pub async fn drain(self) {
        within(DRAIN_S, "a node to drain", Box::pin(self.drain_unbounded())).await;
    }

    async fn drain_unbounded(self) {
        match self.life {
            Life::Edge(edge) => edge.drain().await,
            Life::Shield(shield) => shield.drain().await,
            Life::Child(child) => {
                child.signal("TERM").await;
                let status = child.wait().await;
                assert!(status.success(), "a drained node ends with {status}");
            }
        }
    }

    /// Whether it is a child process.
    pub fn is_child(&self) -> bool {
        matches!(self.life, Life::Child(_))
    }

    /// The child, if it is one.
    pub fn child(&self) -> &Child {
        match &self.life {
            Life::Child(child) => child,
            Life::Edge(_) | Life::Shield(_) => panic!("this node runs in the test's process"),
        }
    }

    /// Ends a child at once, as the kernel would.
    pub async fn kill(self) -> ExitStatus {
        let Life::Child(child) = self.life else {
            panic!("only a child can be killed")
        };
        child.signal("KILL").await;
        child.wait().await
    }

    /// GET on the admin listener: status and text.
    pub async fn ask(&self, path: &str) -> (u16, String) {
        within(60, "the admin listener", Box::pin(ask(self.admin, path)))
            .await
            .unwrap()
    }

    /// The same, of a counter.
    pub async fn count(&self, sample: &str) -> u64 {
        whole(self.metric(sample).await)
    }

    /// A sample of `/metrics` by its name with labels, as it stands there; 0 if there is none.
    pub async fn metric(&self, sample: &str) -> f64 {
        let (_, text) = self.ask("/metrics").await;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// A sample that counts: whole, and not below 0.
fn whole(sample: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of tests are small"
    )]
    let whole = sample as u64;
    whole
}

/// One GET in clear text.
async fn ask(admin: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let stream = TcpStream::connect(admin)
        .await
        .map_err(|error| error.to_string())?;
    let (mut requests, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let driver = tokio::spawn(driver);
    let request = http::Request::get(path).header("host", admin.to_string());
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let response = requests
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    driver.abort();
    Ok((
        status,
        String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    ))
}
