//! The API as a part of a process: it starts, is reloaded, and ends.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use message::Timestamp;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    Config, Engine, Error,
    api::Api,
    cdni::{self, Book},
    listener,
    push::Pusher,
};

/// For changes under way at the end.
const CHANGES_PATIENCE: Duration = Duration::from_secs(5);

/// How often the counter of what was sent is read.
const METER_EVERY: Duration = Duration::from_secs(1);

/// A listening API. When it is dropped its tasks end.
pub struct Steering {
    address: SocketAddr,
    tls: Arc<tls::Server>,
    api: Arc<Api>,
    stop: CancellationToken,
    listener: JoinHandle<()>,
    triggers: JoinHandle<()>,
    meter: JoinHandle<()>,
    pusher: Option<JoinHandle<()>>,
}

impl Steering {
    /// Binds and serves. Must run in a tokio runtime.
    ///
    /// # Errors
    /// What keeps it from serving; nothing is left running then.
    pub async fn start(
        config: Config,
        engine: Arc<dyn Engine>,
        now: &Timestamp,
    ) -> Result<Self, Error> {
        if config.tls.client_ca.is_none() {
            return Err(Error::Config(
                "no authority for client certificates".to_owned(),
            ));
        }
        let (tls, warnings) = tls::Server::load(config.tls.clone(), now.wall)?;
        for warning in warnings {
            tracing::warn!(%warning, "tls of the steering listener");
        }
        let tls = Arc::new(tls);
        let address = config.address;
        let listen = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let book = Book::open(config.state.join("triggers"), config.memory_bytes / 4)
            .await
            .map_err(Error::Triggers)?;
        let pusher = Pusher::new(&config, now.wall)?;
        let stop = CancellationToken::new();
        let triggers = cdni::run(
            book.clone(),
            Arc::clone(&engine),
            config.roles.clone(),
            config.memory_bytes / 4,
            stop.clone(),
        );
        let api = Arc::new(Api::new(config, engine, Arc::clone(&tls), book, now)?);
        let serving = listener::serve(listener, Arc::clone(&tls), Arc::clone(&api), stop.clone());
        let pusher = pusher.map(|pusher| tokio::spawn(pusher.run(Arc::clone(&api), stop.clone())));
        tracing::info!(%address, "steering");
        Ok(Self {
            address,
            tls,
            listener: tokio::spawn(serving),
            triggers: tokio::spawn(triggers),
            pusher,
            meter: tokio::spawn(read_meter(Arc::clone(&api), stop.clone())),
            api,
            stop,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads certificates, keys and authorities again.
    ///
    /// # Errors
    /// What is wrong with the new ones; the old ones stay.
    pub fn reload(&self, now: &Timestamp) -> Result<(), Error> {
        let warnings = self.tls.reload(now.wall)?;
        for warning in warnings {
            tracing::warn!(%warning, "tls of the steering listener");
        }
        Ok(())
    }

    /// Stops accepting, and waits within bounds for answers and changes that are under way.
    pub async fn end(mut self) {
        self.stop.cancel();
        let _panicked = (&mut self.listener).await;
        let _panicked = (&mut self.meter).await;
        let _panicked = (&mut self.triggers).await;
        if let Some(pusher) = &mut self.pusher {
            let _panicked = pusher.await;
        }
        self.api.tasks.close();
        if timeout(CHANGES_PATIENCE, self.api.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("changes by steering were still under way");
        }
    }
}

impl Drop for Steering {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn read_meter(api: Arc<Api>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(METER_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            now = ticks.tick() => {
                api.pulse.read(&api.engine.vitals(), now);
            }
            () = stop.cancelled() => return,
        }
    }
}
