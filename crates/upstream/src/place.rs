//! A `host:port` and what its name resolves to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use message::{Error, Kind};
use parking_lot::Mutex;
use tokio::{
    net::lookup_host,
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::{address::HostPort, dial::ADDRESSES_MAX};

/// How long a resolved name is believed. The system's resolver does not tell the record's TTL.
const RESOLVED_FOR: Duration = Duration::from_secs(5);

/// One `host:port`, and what its name last resolved to.
pub(crate) struct Place {
    address: HostPort,
    known: Arc<Mutex<Known>>,
    turn: Arc<Semaphore>,
}

#[derive(Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    until: Option<Instant>,
}

impl Place {
    pub(crate) fn new(address: HostPort) -> Self {
        Self {
            address,
            known: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Resolves the name, or says what it was when DNS is dead: a node runs alone.
    pub(crate) async fn resolve(&self, patience: Duration) -> Result<Vec<SocketAddr>, Error> {
        if let Ok(ip) = self.address.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.address.port)]);
        }
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let error = match timeout(patience, self.look_up()).await {
            Ok(Ok(addresses)) => return Ok(addresses),
            Ok(Err(error)) => error,
            Err(_elapsed) => Error::new(Kind::DnsTimeout, format!("{}", self.address)),
        };
        let stale = self.known.lock().addresses.clone();
        if stale.is_empty() {
            Err(error)
        } else {
            Ok(stale)
        }
    }

    fn fresh(&self) -> Option<Vec<SocketAddr>> {
        let known = self.known.lock();
        known
            .until
            .is_some_and(|until| Instant::now() < until)
            .then(|| known.addresses.clone())
    }

    async fn look_up(&self) -> Result<Vec<SocketAddr>, Error> {
        let closed = || Error::new(Kind::ProxyInternalError, "name lookup was cut off");
        let turn = Arc::clone(&self.turn)
            .acquire_owned()
            .await
            .map_err(|_closed| closed())?;
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let (address, known) = (self.address.clone(), Arc::clone(&self.known));
        // A lookup occupies a blocking thread for as long as the system's resolver likes, which
        // is longer than anybody waits here. The task keeps the turn until then, so that a dead
        // resolver holds one thread per place and not one per request.
        let lookup = tokio::spawn(async move {
            let found = lookup_host((address.host.as_ref(), address.port)).await;
            let result = match found.map(|found| found.take(ADDRESSES_MAX).collect::<Vec<_>>()) {
                Ok(addresses) if !addresses.is_empty() => {
                    let until = Some(Instant::now() + RESOLVED_FOR);
                    *known.lock() = Known {
                        addresses: addresses.clone(),
                        until,
                    };
                    Ok(addresses)
                }
                Ok(_none) => Err(Error::new(
                    Kind::DnsError,
                    format!("{address} has no address"),
                )),
                Err(error) => Err(Error::new(Kind::DnsError, format!("{address}: {error}"))),
            };
            drop(turn);
            result
        });
        lookup.await.unwrap_or_else(|_panicked| Err(closed()))
    }
}
