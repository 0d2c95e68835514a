use std::{
    future::poll_fn,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
};

use proptest::prelude::*;
use quinn::udp::EcnCodepoint;
use tokio::sync::Notify;

use super::*;

const MTU: usize = 1_452;

/// Where a datagram goes, and how it is marked.
type Mark = (SocketAddr, Option<EcnCodepoint>, Option<IpAddr>);

type Datagram = (Mark, Vec<u8>);

/// A socket that writes down what it is asked to send.
#[derive(Debug)]
struct Kernel {
    /// The datagrams of each call.
    calls: Mutex<Vec<Vec<Datagram>>>,
    /// How many calls it takes before it is full.
    room: AtomicUsize,
    segments: AtomicUsize,
    /// Whether its device turns out not to offload.
    refuses: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
    keepers: Keepers,
}

impl Kernel {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            room: AtomicUsize::new(usize::MAX),
            segments: AtomicUsize::new(64),
            refuses: AtomicBool::new(false),
            waiting: Mutex::default(),
            keepers: Keepers::default(),
        })
    }

    fn make_room(&self, calls: usize) {
        self.room.store(calls, Ordering::Relaxed);
        self.waiting.lock().unwrap().drain(..).for_each(Waker::wake);
    }

    /// How many datagrams each call had.
    fn counts(&self) -> Vec<usize> {
        self.calls.lock().unwrap().iter().map(Vec::len).collect()
    }

    fn datagrams(&self) -> Vec<Datagram> {
        self.calls.lock().unwrap().concat()
    }

    /// Sends all in one turn of a driver, as quinn does: what is not taken is sent again when
    /// there is room.
    async fn turn(self: &Arc<Self>, transmits: Vec<Sent>) {
        let kernel = Arc::clone(self);
        let mut writable = Arc::clone(self).create_io_poller();
        let task = async move {
            for sent in transmits {
                poll_fn(|cx| {
                    loop {
                        match driver::send(&sent.transmit(), &*kernel) {
                            Ok(()) => return Poll::Ready(()),
                            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                        }
                        if writable.as_mut().poll_writable(cx).is_pending() {
                            return Poll::Pending;
                        }
                    }
                })
                .await;
            }
        };
        self.driver(task).await;
    }

    /// A driver among others.
    fn driver(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) -> Driver {
        Driver::new(Box::pin(task), self.below(), self.keepers.clone())
    }

    fn below(self: &Arc<Self>) -> Arc<dyn AsyncUdpSocket> {
        Arc::<Self>::clone(self)
    }
}

impl AsyncUdpSocket for Kernel {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let took = self
            .room
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |room| {
                room.checked_sub(1)
            });
        if took.is_err() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let size = transmit.segment_size.unwrap_or(transmit.contents.len());
        assert!(transmit.contents.len() <= 65_507);
        assert!(transmit.contents.len().div_ceil(size) <= 64);
        if transmit.segment_size.is_some() && self.refuses.load(Ordering::Relaxed) {
            self.segments.store(1, Ordering::Relaxed);
            return Ok(());
        }
        let mark = (transmit.destination, transmit.ecn, transmit.src_ip);
        let datagrams = transmit.contents.chunks(size);
        let call = datagrams.map(|bytes| (mark, bytes.to_vec())).collect();
        self.calls.lock().unwrap().push(call);
        Ok(())
    }

    fn poll_recv(
        &self,
        _: &mut Context<'_>,
        _: &mut [IoSliceMut<'_>],
        _: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(address(1))
    }

    fn max_transmit_segments(&self) -> usize {
        self.segments.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Poller(Arc<Kernel>);

impl UdpPoller for Poller {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.room.load(Ordering::Relaxed) > 0 {
            return Poll::Ready(Ok(()));
        }
        self.0.waiting.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    }
}

/// What quinn hands over at once.
#[derive(Clone)]
struct Sent {
    mark: Mark,
    bytes: Vec<u8>,
    segment_size: Option<usize>,
}

/// Without the bytes.
impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (length, size) = (self.bytes.len(), self.segment_size);
        write!(f, "{length} bytes by {size:?}, {:?}", self.mark)
    }
}

impl Sent {
    /// So many datagrams of `MTU` bytes.
    fn full(count: usize, first: u8) -> Self {
        let datagrams = (first..).take(count).map(|byte| [byte; MTU]);
        Self {
            mark: (address(443), None, None),
            bytes: datagrams.flatten().collect(),
            segment_size: (count > 1).then_some(MTU),
        }
    }

    fn single(bytes: usize) -> Self {
        Self {
            bytes: vec![0xff; bytes],
            ..Self::full(1, 0)
        }
    }

    fn transmit(&self) -> Transmit<'_> {
        Transmit {
            destination: self.mark.0,
            ecn: self.mark.1,
            contents: &self.bytes,
            segment_size: self.segment_size,
            src_ip: self.mark.2,
        }
    }

    fn datagrams(&self) -> Vec<Datagram> {
        let size = self.segment_size.unwrap_or(self.bytes.len());
        let datagrams = self.bytes.chunks(size);
        datagrams.map(|bytes| (self.mark, bytes.to_vec())).collect()
    }
}

fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn all(sent: &[Sent]) -> Vec<Datagram> {
    sent.iter().flat_map(Sent::datagrams).collect()
}

#[tokio::test]
async fn what_a_turn_sends_goes_in_one_call() {
    let kernel = Kernel::new();
    let sent = vec![Sent::full(10, 0), Sent::full(10, 10), Sent::single(7)];
    kernel.turn(sent.clone()).await;
    assert_eq!(kernel.counts(), [21]);
    assert_eq!(kernel.datagrams(), all(&sent));
}

#[tokio::test]
async fn what_goes_elsewhere_or_is_marked_otherwise_goes_by_itself_and_in_order() {
    let marks: [Mark; 4] = [
        (address(443), None, None),
        (address(444), None, None),
        (address(444), Some(EcnCodepoint::Ect0), None),
        (
            address(444),
            Some(EcnCodepoint::Ect0),
            Some(Ipv4Addr::LOCALHOST.into()),
        ),
    ];
    let sent = marks.map(|mark| Sent {
        mark,
        ..Sent::full(10, 0)
    });
    let kernel = Kernel::new();
    kernel.turn(sent.to_vec()).await;
    assert_eq!(kernel.counts(), [10, 10, 10, 10]);
    assert_eq!(kernel.datagrams(), all(&sent));
}

#[tokio::test]
async fn a_shorter_datagram_is_the_last_of_its_call() {
    let kernel = Kernel::new();
    let sent = vec![Sent::full(10, 0), Sent::single(9), Sent::full(10, 10)];
    kernel.turn(sent.clone()).await;
    assert_eq!(kernel.counts(), [11, 10]);
    assert_eq!(kernel.datagrams(), all(&sent));
}

/// A call whose datagrams do not fit the path ends offload; one datagram that does not is lost.
#[tokio::test]
async fn a_probe_for_a_larger_mtu_goes_alone() {
    let kernel = Kernel::new();
    let sent = [
        Sent::single(MTU + 20),
        Sent::single(30),
        Sent::full(10, 0),
        Sent::single(MTU + 20),
        Sent::single(30),
    ];
    kernel.turn(sent.to_vec()).await;
    assert_eq!(kernel.counts(), [1, 1, 10, 1, 1]);
    assert_eq!(kernel.datagrams(), all(&sent));
}

/// The socket asserts the limits.
#[tokio::test]
async fn a_call_is_no_larger_than_the_kernel_takes() {
    for size in [100, MTU] {
        let mut ten = Sent::full(10, 0);
        ten.bytes = (0..10).flat_map(|byte| vec![byte; size]).collect();
        ten.segment_size = Some(size);
        let sent = vec![ten; 20];
        let kernel = Kernel::new();
        kernel.turn(sent.clone()).await;
        assert!(kernel.counts().len() <= 5, "{:?}", kernel.counts());
        assert_eq!(kernel.datagrams(), all(&sent));
    }
}

#[tokio::test]
async fn where_offload_is_refused_every_datagram_goes_alone() {
    let kernel = Kernel::new();
    kernel.refuses.store(true, Ordering::Relaxed);
    let sent = [Sent::full(10, 0), Sent::full(10, 10), Sent::single(3)];
    kernel.turn(sent.to_vec()).await;
    assert_eq!(kernel.counts(), [1; 21]);
    assert_eq!(kernel.datagrams(), all(&sent));
}

#[tokio::test]
async fn nothing_waits_while_no_driver_runs() {
    let kernel = Kernel::new();
    driver::send(&Sent::full(10, 0).transmit(), &*kernel).unwrap();
    assert_eq!(kernel.counts(), [10]);
}

#[tokio::test]
async fn a_turn_ends_with_everything_at_the_socket_though_its_driver_does_not() {
    let kernel = Kernel::new();
    let (below, done) = (kernel.below(), Arc::new(Notify::new()));
    let waiting = Arc::clone(&done);
    let task = async move {
        driver::send(&Sent::full(10, 0).transmit(), &*below).unwrap();
        waiting.notified().await;
    };
    let mut driver = Box::pin(kernel.driver(task));
    assert!(futures_util::poll!(&mut driver).is_pending());
    assert_eq!(kernel.counts(), [10]);
    done.notify_one();
    driver.await;
    assert_eq!(kernel.counts(), [10]);
}

/// quinn's drivers take a break after twenty datagrams, whatever they have left.
#[tokio::test]
async fn a_driver_that_has_more_to_send_goes_on_once_before_its_turn_ends() {
    let kernel = Kernel::new();
    let (below, mut polls) = (kernel.below(), 0);
    let task = poll_fn(move |cx| {
        for _ in 0..2 {
            driver::send(&Sent::full(10, 0).transmit(), &*below).unwrap();
        }
        polls += 1;
        cx.waker().wake_by_ref();
        if polls < 3 {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    });
    kernel.driver(task).await;
    assert_eq!(kernel.counts(), [40, 20]);
}

#[tokio::test]
async fn a_driver_that_has_ended_stays_until_a_full_socket_has_room() {
    let kernel = Kernel::new();
    kernel.make_room(0);
    let sent = vec![Sent::full(10, 0), Sent::full(10, 10)];
    let (sends, expected) = (Arc::clone(&kernel), all(&sent));
    let turn = tokio::spawn(async move { sends.turn(sent).await });
    while kernel.waiting.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(kernel.counts().is_empty() && !turn.is_finished());
    kernel.make_room(1);
    turn.await.unwrap();
    assert_eq!(kernel.datagrams(), expected);
}

#[tokio::test]
async fn only_so_many_drivers_keep_what_a_full_socket_does_not_take() {
    let kernel = Kernel::new();
    kernel.make_room(0);
    let mut drivers = Vec::new();
    for number in 0..kept::KEEPERS_MAX {
        let below = kernel.below();
        let ten = Sent::full(10, u8::try_from(number).unwrap());
        let mut driver = Box::pin(kernel.driver(async move {
            driver::send(&ten.transmit(), &*below).unwrap();
        }));
        assert!(futures_util::poll!(&mut driver).is_pending());
        drivers.push(driver);
    }
    let below = kernel.below();
    let refused = kernel.driver(async move {
        let error = driver::send(&Sent::full(10, 0).transmit(), &*below).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "quinn keeps it");
    });
    refused.await;
    kernel.make_room(usize::MAX);
    for driver in drivers {
        driver.await;
    }
    assert_eq!(kernel.counts(), [10; kept::KEEPERS_MAX]);
    kernel
        .turn(vec![Sent::full(10, 0), Sent::full(10, 10)])
        .await;
    assert_eq!(kernel.counts().last(), Some(&20), "there is room again");
}

#[tokio::test]
async fn a_batch_takes_no_more_memory_than_a_call() {
    let (kernel, mut batch) = (Kernel::new(), batch::Batch::default());
    kernel.make_room(0);
    while batch.send(&Sent::full(10, 0).transmit(), &*kernel).is_ok() {}
    assert!(batch.capacity_bytes() <= batch::BYTES_MAX);
}

#[tokio::test]
async fn over_a_real_socket_each_datagram_arrives_whole_and_in_order() {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    receiver
        .set_read_timeout(Some(std::time::Duration::from_mins(1)))
        .unwrap();
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (socket, turns) = gather(sender, &Keepers::default()).unwrap();
    let mut sent = vec![
        Sent::full(10, 0),
        Sent::full(10, 10),
        Sent::single(77),
        Sent::full(10, 20),
    ];
    for sent in &mut sent {
        sent.mark.0 = receiver.local_addr().unwrap();
    }
    let expected = all(&sent);
    let mut writable = Arc::clone(&socket).create_io_poller();
    turns.spawn(Box::pin(async move {
        for sent in sent {
            // A socket that tokio does not know yet is not writable.
            while socket.try_send(&sent.transmit()).is_err() {
                poll_fn(|cx| writable.as_mut().poll_writable(cx))
                    .await
                    .unwrap();
            }
        }
    }));
    let received = tokio::task::spawn_blocking(move || {
        let mut bytes = [0; 65_536];
        let mut next = || {
            receiver
                .recv(&mut bytes)
                .map(|length| bytes[..length].to_vec())
        };
        (0..31).map(|_| next().unwrap()).collect::<Vec<_>>()
    });
    let expected: Vec<_> = expected.into_iter().map(|(_, bytes)| bytes).collect();
    assert!(received.await.unwrap() == expected);
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let ecn = prop_oneof![Just(None), Just(Some(EcnCodepoint::Ect0))];
    let size = prop_oneof![Just(1_200_usize), Just(MTU)];
    (1..=2_u16, ecn, size, 1..=10_usize, 0..40_usize, any::<u8>()).prop_map(
        |(port, ecn, size, count, short, byte)| Sent {
            mark: (address(port), ecn, None),
            bytes: (0..size * count - short)
                .map(|at| byte.wrapping_add((at / size).to_le_bytes()[0]))
                .collect(),
            segment_size: (count > 1).then_some(size),
        },
    )
}

proptest! {
    #[test]
    fn nothing_is_lost_doubled_or_overtaken(
        turns in prop::collection::vec(prop::collection::vec(any_sent(), 0..8), 1..6),
        room in prop::collection::vec(1..4_usize, 0..6),
        refuses in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let kernel = Kernel::new();
        kernel.refuses.store(refuses, Ordering::Relaxed);
        let expected = all(&turns.concat());
        runtime.block_on(async {
            kernel.make_room(0);
            let sends = Arc::clone(&kernel);
            let sending = tokio::spawn(async move {
                for turn in turns {
                    sends.turn(turn).await;
                }
            });
            for calls in room {
                tokio::task::yield_now().await;
                kernel.make_room(calls);
            }
            while !sending.is_finished() {
                kernel.make_room(64);
                tokio::task::yield_now().await;
            }
            sending.await.unwrap();
        });
        prop_assert!(kernel.datagrams() == expected);
    }
}
