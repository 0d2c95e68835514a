//! The wire: a TUN device whose packets come back, later and with their addresses swapped.
//!
//! A client connects to the far address; what it sends leaves through the device, from the near one.
//! Swapped, it comes in as from the far address to the near one, where the servers listen; and their
//! answers go the same way back. So the kernel's own TCP, and QUIC over its UDP, run over the path from
//! end to end: nothing here ends a connection. Sums over addresses do not depend on their order, so
//! that all checksums stay right.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tokio::time::Instant;
use tun_rs::{DeviceBuilder, SyncDevice};

use super::{
    super::Error,
    link::{Fate, Link, Shape},
};

/// Where clients connect to, and where servers are.
pub(super) const FAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
pub(super) const NEAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(super) const DEVICE: &str = "path0";
/// Ethernet's.
const MTU: u16 = 1500;
/// Packets of one direction on their way: 200 MB/s for a second.
const ON_THE_WAY_MAX: usize = 1 << 17;

/// Packets to clients: all, and those that did not arrive.
#[derive(Debug, Default)]
pub(super) struct Counts {
    offered: AtomicU64,
    lost: AtomicU64,
}

impl Counts {
    /// All, and what was lost of them, until now.
    pub(super) fn now(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.offered), read(&self.lost))
    }
}

struct Packet {
    due: Instant,
    bytes: Vec<u8>,
}

/// Opens the device and begins. The wire ends with the process.
pub(super) fn open(shape: Shape, servers: Vec<u16>) -> Result<Arc<Counts>, Error> {
    let broken = || Error::io(format!("the TUN device {DEVICE}"));
    let device = DeviceBuilder::new()
        .name(DEVICE)
        .mtu(MTU)
        .build_sync()
        .map_err(broken())?;
    let (device, counts) = (Arc::new(device), Arc::<Counts>::default());
    let directions = [1, 2].map(|seed| {
        let (send, receive) = sync_channel(ON_THE_WAY_MAX);
        let device = Arc::clone(&device);
        (Link::new(shape, seed), send, device, receive)
    });
    let [down, up] = directions.map(|(link, send, device, receive)| {
        thread::spawn(move || arrive(&device, &receive));
        Direction { link, send }
    });
    let counted = Arc::clone(&counts);
    thread::spawn(move || {
        let reader = Reader {
            began: Instant::now(),
            down,
            up,
            servers,
            counts: counted,
        };
        reader.run(&device);
    });
    Ok(counts)
}

struct Direction {
    link: Link,
    send: SyncSender<Packet>,
}

/// Takes packets from the device, and decides what becomes of them.
struct Reader {
    began: Instant,
    down: Direction,
    up: Direction,
    /// Ports: what comes from one of them is on its way to a client.
    servers: Vec<u16>,
    counts: Arc<Counts>,
}

impl Reader {
    fn run(mut self, device: &SyncDevice) {
        let mut buffer = [0; MTU as usize];
        while let Ok(length) = device.recv(&mut buffer) {
            let packet = &mut buffer[..length];
            let Some(source) = source_port(packet) else {
                // The kernel's own, of IPv6.
                continue;
            };
            swap_addresses(packet);
            let is_down = self.servers.contains(&source);
            let direction = if is_down {
                &mut self.down
            } else {
                &mut self.up
            };
            let fate = direction.link.offer(self.began.elapsed(), length as u64);
            if is_down {
                self.counts.offered.fetch_add(1, Ordering::Relaxed);
            }
            match fate {
                Fate::Arrives(at) => {
                    let due = self.began + at;
                    let bytes = packet.to_vec();
                    if direction.send.send(Packet { due, bytes }).is_err() {
                        return;
                    }
                }
                Fate::Overflows | Fate::Lost if is_down => {
                    self.counts.lost.fetch_add(1, Ordering::Relaxed);
                }
                Fate::Overflows | Fate::Lost => {}
            }
        }
    }
}

/// Hands packets over when they are due, in their order.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own: tokio's timers would let packets arrive in heaps of a millisecond"
)]
fn arrive(device: &SyncDevice, packets: &Receiver<Packet>) {
    while let Ok(packet) = packets.recv() {
        let early = packet.due.saturating_duration_since(Instant::now());
        if early > Duration::ZERO {
            thread::sleep(early);
        }
        if device.send(&packet.bytes).is_err() {
            return;
        }
    }
}

/// RFC 791: the header's length in words of four bytes is in the first byte; TCP and UDP both begin
/// with the source's port.
fn source_port(packet: &[u8]) -> Option<u16> {
    let first = *packet.first()?;
    let header = usize::from(first & 0xf) * 4;
    let port = packet.get(header..header + 2)?;
    (first >> 4 == 4 && header >= 20).then(|| u16::from_be_bytes([port[0], port[1]]))
}

/// Of an IPv4 packet: the four bytes from the twelfth on are the source's, the next the destination's.
fn swap_addresses(packet: &mut [u8]) {
    let (before, after) = packet.split_at_mut(16);
    before[12..].swap_with_slice(&mut after[..4]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_comes_back_from_where_it_went_to() {
        let mut packet = [0; 24];
        packet[0] = 0x45;
        packet[12..16].copy_from_slice(&NEAR.octets());
        packet[16..20].copy_from_slice(&FAR.octets());
        packet[20..22].copy_from_slice(&443_u16.to_be_bytes());
        assert_eq!(source_port(&packet), Some(443));
        swap_addresses(&mut packet);
        assert_eq!(packet[12..16], FAR.octets());
        assert_eq!(packet[16..20], NEAR.octets());
        packet[0] = 0x60;
        assert_eq!(source_port(&packet), None, "IPv6");
    }
}
