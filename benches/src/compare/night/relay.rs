//! A relay between the edge and its shield that notes what comes when: the wire, as the edge has it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::Instant,
};

use super::super::Error;

/// The length of the windows in which the rate is judged.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// What is read at once.
const PIECE_BYTES: usize = 64 << 10;

/// What came, in order: when, since the relay began, and how many bytes.
type Arrivals = Vec<(Duration, u64)>;

pub(super) struct Relay {
    pub(super) address: SocketAddr,
    began: Instant,
    arrivals: Arc<Mutex<Arrivals>>,
    listener: JoinHandle<()>,
}

impl Relay {
    /// Relays to `shield`.
    pub(super) async fn start(shield: String) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(Error::io("the relay's port"))?;
        let address = listener.local_addr();
        let address = address.map_err(Error::io("the relay's port"))?;
        let (began, arrivals) = (Instant::now(), Arc::<Mutex<Arrivals>>::default());
        let noted = Arc::clone(&arrivals);
        let listener = tokio::spawn(async move {
            while let Ok((edge, _)) = listener.accept().await {
                let (shield, noted) = (shield.clone(), Arc::clone(&noted));
                tokio::spawn(async move {
                    let shield = TcpStream::connect(shield).await?;
                    pass(edge, shield, began, &noted).await
                });
            }
        });
        Ok(Self {
            address,
            began,
            arrivals,
            listener,
        })
    }

    /// A moment, as arrivals are noted.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The most that came in any [`WINDOW`] since `from`, and all that came.
    pub(super) fn since(&self, from: Duration) -> (u64, u64) {
        let arrivals = self.arrivals.lock();
        let mut arrivals = arrivals.unwrap_or_else(PoisonError::into_inner).clone();
        arrivals.retain(|(at, _)| *at >= from);
        arrivals.sort_unstable();
        let all = arrivals.iter().map(|(_, bytes)| bytes).sum();
        (most_in_a_window(&arrivals), all)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn pass(
    edge: TcpStream,
    shield: TcpStream,
    began: Instant,
    noted: &Mutex<Arrivals>,
) -> std::io::Result<()> {
    let (mut asks, mut takes) = edge.into_split();
    let (mut gives, mut hears) = shield.into_split();
    let asking = async { tokio::io::copy(&mut asks, &mut hears).await.map(drop) };
    let giving = async {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = gives.read(&mut piece).await?;
            if read == 0 {
                return takes.shutdown().await;
            }
            takes.write_all(&piece[..read]).await?;
            let arrival = (began.elapsed(), read as u64);
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.push(arrival);
        }
    };
    tokio::try_join!(asking, giving).map(drop)
}

fn most_in_a_window(arrivals: &[(Duration, u64)]) -> u64 {
    let (mut most, mut sum, mut first) = (0, 0, 0);
    for (at, bytes) in arrivals {
        sum += bytes;
        while arrivals[first].0 + WINDOW <= *at {
            sum -= arrivals[first].1;
            first += 1;
        }
        most = most.max(sum);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_window_is_found_wherever_it_begins() {
        let arrivals = [(0, 5), (6, 1), (12, 7), (15, 2), (40, 9)];
        let arrivals = arrivals.map(|(at, bytes)| (Duration::from_secs(at), bytes));
        assert_eq!(most_in_a_window(&arrivals), 10, "from 6 to 15");
    }
}
