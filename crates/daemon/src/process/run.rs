//! The life of a node's process.

use std::{
    future::Future,
    io::{self, Write},
    pin::Pin,
    process::ExitCode,
    time::Duration,
};

use prometheus::{IntCounterVec, Opts, Registry};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::{
    Lifecycle, Sockets,
    panics::tell_of_panics,
    signals::{Event, Signals},
    systemd,
};
use crate::{
    access::{AccessLog, RequestMetrics},
    admin::{Admin, Effective, Routes, add_pages},
    config::{AccessTarget, Common},
    logs::{self, Lines, LogMetrics, Target},
    resources,
};

/// What a node has beyond its drain deadline to write down what it must and return.
const DRAIN_SLACK: Duration = Duration::from_secs(5);

/// For the last log lines, each log.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// For tasks that still run when all is over.
const RUNTIME_PATIENCE: Duration = Duration::from_secs(2);

/// Any error, as text for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A node that answers, as its process sees it.
pub trait Node: Send + Sync + 'static {
    /// Takes over what changed in the config file and in the files that it names; whole or not at
    /// all. Returns the effective config that is now in force.
    ///
    /// An error is logged, and everything stays as it was. Dropped when the process is asked to
    /// end meanwhile. Never called twice at a time.
    fn reload(&self) -> impl Future<Output = Result<Json, BoxError>> + Send;

    /// Takes nothing new, lets what is in flight finish for up to `deadline`, cuts the rest, and
    /// writes down what must outlive the process.
    ///
    /// Dropped 5 s after the deadline, and at a second SIGTERM or SIGINT.
    fn drain(self, deadline: Duration) -> impl Future<Output = ()> + Send;
}

/// What a process has for its node to build on.
#[derive(Debug)]
pub struct Daemon {
    /// For the metrics of every room.
    pub registry: Registry,
    /// To say what the start is waiting for.
    pub lifecycle: Lifecycle,
    /// Sockets that systemd opened for us.
    pub sockets: Sockets,
    /// To add to the admin listener, which serves already.
    pub routes: Routes,
    /// Counts requests; tell it the names of the sites.
    pub requests: RequestMetrics,
    /// Where access lines go, if anywhere.
    pub access: Option<Lines>,
}

impl Daemon {
    /// Wraps the outermost handler of a node.
    pub fn access_log<H>(&self, inner: H) -> AccessLog<H> {
        AccessLog::new(inner, self.requests.clone(), self.access.clone())
    }
}

/// Runs a node from `build` to its exit code: 0 when asked to end, 1 when it could not start, or
/// had to be cut short.
///
/// Blocks; call it from `main`, once. Starts a runtime with a thread for each core, the logs and
/// the admin listener, and only then builds, so that a long start can be watched. `effective` is
/// shown at `/config`.
pub fn start<N, F>(
    common: &Common,
    effective: Json,
    sockets: Sockets,
    build: impl FnOnce(Daemon) -> F,
) -> ExitCode
where
    N: Node,
    F: Future<Output = Result<N, BoxError>>,
{
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("cannot start the runtime: {error}")),
    };
    let code = match Process::new(common, effective) {
        Ok(process) => runtime.block_on(process.run(sockets, build)),
        Err(error) => refuse(&told(&*error)),
    };
    runtime.shutdown_timeout(RUNTIME_PATIENCE);
    code
}

type Reloading<'n> = Pin<Box<dyn Future<Output = ()> + Send + 'n>>;

struct Process {
    common: Common,
    effective: Effective,
    registry: Registry,
    lifecycle: Lifecycle,
    requests: RequestMetrics,
    events: Lines,
    access: Option<Lines>,
    reloads: IntCounterVec,
}

impl Process {
    fn new(common: &Common, effective: Json) -> Result<Self, BoxError> {
        let registry = Registry::new();
        let log_metrics = LogMetrics::new(&registry)?;
        let events = Lines::start("events", Target::Stderr, &log_metrics)?;
        logs::start_events(&common.log, events.clone())?;
        let target = match &common.log.access {
            AccessTarget::Off => None,
            AccessTarget::Stdout => Some(Target::Stdout),
            AccessTarget::File(path) => Some(Target::File(path.clone())),
        };
        let access = target.map(|target| {
            let lines = Lines::start("access", target, &log_metrics);
            lines.map_err(|error| format!("cannot open the access log: {error}"))
        });
        resources::register_process_metrics(&registry)?;
        tell_of_panics(&registry)?;
        let reloads = Opts::new("millpond_daemon_reloads_total", "Reloads by their result.");
        let reloads = IntCounterVec::new(reloads, &["result"])?;
        registry.register(Box::new(reloads.clone()))?;
        Ok(Self {
            common: common.clone(),
            effective: Effective::new(effective),
            requests: RequestMetrics::new(&registry)?,
            registry,
            lifecycle: Lifecycle::new(),
            events,
            access: access.transpose()?,
            reloads,
        })
    }

    async fn run<N, F>(self, sockets: Sockets, build: impl FnOnce(Daemon) -> F) -> ExitCode
    where
        N: Node,
        F: Future<Output = Result<N, BoxError>>,
    {
        let stop = CancellationToken::new();
        let code = match self.live(sockets, build, &stop).await {
            Ok(code) => code,
            Err(error) => {
                tracing::error!(error = told(&*error), "cannot start");
                ExitCode::FAILURE
            }
        };
        stop.cancel();
        let logs: Vec<Lines> = self.access.into_iter().chain([self.events]).collect();
        let flushed = tokio::task::spawn_blocking(move || {
            logs.iter().all(|lines| lines.flush(FLUSH_PATIENCE))
        });
        // Whoever cannot take our last words cannot be told so either.
        let _ = flushed.await;
        code
    }

    async fn live<N, F>(
        &self,
        sockets: Sockets,
        build: impl FnOnce(Daemon) -> F,
        stop: &CancellationToken,
    ) -> Result<ExitCode, BoxError>
    where
        N: Node,
        F: Future<Output = Result<N, BoxError>>,
    {
        // First of all: a signal during the start must not kill us in the middle of it.
        let mut signals = Signals::listen()?;
        let address = self.common.admin.address;
        let admin = Admin::bind(address).await;
        let admin = admin.map_err(|error| format!("cannot listen on {address}: {error}"))?;
        let routes = Routes::new();
        let (registry, lifecycle) = (self.registry.clone(), self.lifecycle.clone());
        add_pages(
            &routes,
            registry.clone(),
            lifecycle.clone(),
            self.effective.clone(),
        );
        let admin_address = admin.address();
        let admin = tokio::spawn(admin.serve(routes.clone(), stop.clone()));
        tracing::info!(node = &*self.common.name, admin = %admin_address, "starting");

        let (requests, access) = (self.requests.clone(), self.access.clone());
        let daemon = Daemon {
            registry,
            lifecycle,
            sockets,
            routes,
            requests,
            access,
        };
        let node = tokio::select! {
            node = build(daemon) => node?,
            signal = signals.stop() => {
                tracing::info!(signal, "asked to end before the start was done");
                return Ok(ExitCode::SUCCESS);
            }
        };
        let watchdog = systemd::watchdog();
        self.lifecycle.serving();
        systemd::ready("serving");
        tracing::info!(node = &*self.common.name, "serving");

        let signal = self.serve(&node, &mut signals).await;
        let code = self.drain(node, signal, &mut signals).await;
        if let Some(watchdog) = watchdog {
            watchdog.abort();
        }
        stop.cancel();
        let _ = tokio::time::timeout(RUNTIME_PATIENCE, admin).await;
        Ok(code)
    }

    /// Until a signal asks for the end, whose name it returns.
    async fn serve<N: Node>(&self, node: &N, signals: &mut Signals) -> &'static str {
        // One reload at a time. A signal that comes meanwhile asks for one more: what it is about
        // may have been read already.
        let mut reload: Option<Reloading<'_>> = None;
        let mut again = false;
        loop {
            let event = tokio::select! {
                biased;
                event = signals.next() => event,
                () = async {
                    match reload.as_mut() {
                        Some(reload) => reload.await,
                        None => std::future::pending().await,
                    }
                } => {
                    reload = std::mem::take(&mut again).then(|| self.reload(node));
                    continue;
                }
            };
            match event {
                Event::Stop(signal) => return signal,
                Event::ReopenLogs => self.reopen_logs(),
                Event::Reload => {
                    self.reopen_logs();
                    match &reload {
                        Some(_) => again = true,
                        None => reload = Some(self.reload(node)),
                    }
                }
            }
        }
    }

    fn reopen_logs(&self) {
        if let Some(access) = &self.access {
            access.reopen();
        }
    }

    fn reload<'n, N: Node>(&'n self, node: &'n N) -> Reloading<'n> {
        Box::pin(async move {
            systemd::reloading();
            match node.reload().await {
                Ok(effective) => {
                    self.effective.replace(effective);
                    self.reloads.with_label_values(&["ok"]).inc();
                    tracing::info!("reloaded");
                    systemd::ready("serving");
                }
                Err(error) => {
                    self.reloads.with_label_values(&["refused"]).inc();
                    tracing::error!(error = told(&*error), "reload refused, nothing changed");
                    systemd::ready("serving; the last reload was refused");
                }
            }
        })
    }

    async fn drain<N: Node>(
        &self,
        node: N,
        signal: &'static str,
        signals: &mut Signals,
    ) -> ExitCode {
        let deadline = self.common.drain_deadline;
        self.lifecycle.draining(signal);
        systemd::stopping(deadline + DRAIN_SLACK + FLUSH_PATIENCE * 2 + RUNTIME_PATIENCE * 2);
        tracing::info!(signal, deadline_ms = deadline.as_millis(), "draining");
        tokio::select! {
            () = node.drain(deadline) => {
                tracing::info!("drained");
                ExitCode::SUCCESS
            }
            () = tokio::time::sleep(deadline + DRAIN_SLACK) => {
                tracing::error!("the drain did not end in time");
                ExitCode::FAILURE
            }
            again = signals.stop() => {
                tracing::warn!(signal = again, "asked again: ending at once");
                ExitCode::FAILURE
            }
        }
    }
}

/// An error with all its causes, in one line.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Before there is a log: to stderr, which may be closed.
fn refuse(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::FAILURE
}
