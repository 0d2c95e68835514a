//! Datagrams to one address that go to the kernel in one call.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use quinn::{
    AsyncUdpSocket,
    udp::{EcnCodepoint, Transmit},
};

/// What one call may carry: the largest UDP payload over IPv6 without options, and less than that
/// over IPv4.
pub(super) const BYTES_MAX: usize = 65_535 - 8 - 40;

/// Datagrams of one size, but for the last, which may be shorter.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// How many of `bytes` the kernel has.
    gone: usize,
    /// `None` when there is nothing in it.
    flow: Option<Flow>,
    segment: usize,
    /// Datagrams since somebody asked last, whether gathered or sent.
    taken: usize,
}

/// What all datagrams of a call share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flow {
    destination: SocketAddr,
    ecn: Option<EcnCodepoint>,
    src_ip: Option<IpAddr>,
}

impl Flow {
    fn of(transmit: &Transmit<'_>) -> Self {
        Self {
            destination: transmit.destination,
            ecn: transmit.ecn,
            src_ip: transmit.src_ip,
        }
    }
}

impl Batch {
    /// Gathers datagrams, or sends them behind what was gathered before. With `WouldBlock`, none
    /// of them was taken.
    pub(super) fn send(
        &mut self,
        transmit: &Transmit<'_>,
        socket: &dyn AsyncUdpSocket,
    ) -> io::Result<()> {
        let datagrams = datagrams(transmit);
        if self.continues(transmit, socket.max_transmit_segments()) {
            self.bytes.extend_from_slice(transmit.contents);
        } else {
            self.flush(socket)?;
            if datagrams > 1 {
                self.begin(transmit);
            } else {
                // Alone, because it may be a probe for a larger MTU: a call for several of them
                // that the path is too small for would end offload for good.
                socket.try_send(transmit)?;
            }
        }
        self.taken += datagrams;
        Ok(())
    }

    /// Hands all that was gathered to the kernel. After `WouldBlock` the rest is still there; an
    /// error of another kind is the socket's end.
    pub(super) fn flush(&mut self, socket: &dyn AsyncUdpSocket) -> io::Result<()> {
        while let Some(rest) = self.rest(socket.max_transmit_segments() > 1) {
            let (bytes, offloaded) = (rest.contents.len(), rest.segment_size.is_some());
            socket.try_send(&rest)?;
            // A device that cannot offload refuses the first call, and quinn's socket asks for
            // none any more. It counts the refused ones as sent.
            let refused = offloaded && socket.max_transmit_segments() == 1;
            if !refused {
                self.gone += bytes;
            }
        }
        self.clear();
        Ok(())
    }

    /// Forgets what was not sent, but keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.gone = 0;
        self.flow = None;
    }

    /// How many datagrams came since this was asked last.
    pub(super) fn take_count(&mut self) -> usize {
        std::mem::take(&mut self.taken)
    }

    fn begin(&mut self, transmit: &Transmit<'_>) {
        self.flow = Some(Flow::of(transmit));
        self.segment = segment(transmit);
        // Once: growing by doubling would end at nearly twice as much.
        self.bytes.reserve_exact(BYTES_MAX);
        self.bytes.extend_from_slice(transmit.contents);
    }

    #[cfg(test)]
    pub(super) fn capacity_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    fn continues(&self, transmit: &Transmit<'_>, segments_max: usize) -> bool {
        let fits = match datagrams(transmit) {
            1 => transmit.contents.len() <= self.segment,
            _ => segment(transmit) == self.segment,
        };
        let bytes = self.bytes.len() + transmit.contents.len();
        self.flow == Some(Flow::of(transmit))
            && fits
            && self.gone == 0
            && self.bytes.len().is_multiple_of(self.segment)
            && bytes <= BYTES_MAX.min(segments_max * self.segment)
    }

    /// What the next call is to send: all that is left, or one datagram.
    fn rest(&self, offload: bool) -> Option<Transmit<'_>> {
        let flow = self.flow?;
        let rest = &self.bytes[self.gone..];
        let alone = !offload || rest.len() <= self.segment;
        let contents = if alone {
            rest.get(..self.segment).unwrap_or(rest)
        } else {
            rest
        };
        (!contents.is_empty()).then_some(Transmit {
            destination: flow.destination,
            ecn: flow.ecn,
            contents,
            segment_size: (!alone).then_some(self.segment),
            src_ip: flow.src_ip,
        })
    }
}

fn segment(transmit: &Transmit<'_>) -> usize {
    transmit.segment_size.unwrap_or(transmit.contents.len())
}

fn datagrams(transmit: &Transmit<'_>) -> usize {
    transmit.contents.len().div_ceil(segment(transmit).max(1))
}
