//! Why a node did not start.

use daemon::config::Report;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its config has problems.
    #[error("{0}")]
    Config(Report),
    /// A certificate or key is unusable.
    #[error("tls")]
    Tls(#[from] tls::Error),
    /// The store did not open.
    #[error("store")]
    Store(#[from] store::Error),
    /// The listeners did not come up.
    #[error("listening")]
    Downstream(#[from] downstream::Error),
    /// The next hop's settings are unusable.
    #[error("upstream")]
    Upstream(#[from] upstream::Error),
    /// The steering API did not start.
    #[error("steering")]
    Steering(#[from] steering::Error),
    /// Two metrics have one name.
    #[error("metrics")]
    Metrics(#[from] prometheus::Error),
    /// A thread that serves connections did not start.
    #[error("workers")]
    Workers(#[from] std::io::Error),
    /// The popularity of objects cannot be kept.
    #[error("popularity")]
    Popularity(#[from] popularity::Error),
    /// A room of one node alone did not start.
    #[error("{0}")]
    Room(
        &'static str,
        #[source] Box<dyn std::error::Error + Send + Sync>,
    ),
}
