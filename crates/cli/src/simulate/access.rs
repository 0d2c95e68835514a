//! A request, cut into the slices that a node knows.

use std::time::Duration;

use forecast::model::{Access, mix};
use traces::Request;

/// How to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// As a node does.
    Slices,
    /// Not at all: an object is a slice.
    Whole,
}

impl Cut {
    /// The slices of a request, in order.
    pub(crate) fn accesses(
        self,
        request: &Request,
        start_ms: u64,
    ) -> impl Iterator<Item = Access> + use<> {
        let request = *request;
        let size = request.object_size;
        let cut = match self {
            Self::Slices if size > cache::WHOLE_BYTES_MAX => cache::SLICE_BYTES,
            Self::Slices | Self::Whole => size.max(1),
        };
        let end = request.offset + request.length;
        let slices = request.offset / cut..=(end - 1) / cut;
        slices.map(move |index| {
            let (from, to) = (index * cut, (index + 1).saturating_mul(cut).min(size));
            Access {
                at: Duration::from_millis(request.unix_ms.saturating_sub(start_ms)),
                viewer: request.client,
                tag: mix(mix(request.object) ^ index),
                bytes: to - from,
                wanted: to.min(end) - from.max(request.offset),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use forecast::replay::Record;

    use super::*;

    fn request(offset: u64, length: u64, object_size: u64) -> Request {
        Request {
            unix_ms: 5000,
            client: 3,
            object: 9,
            offset,
            length,
            object_size,
        }
    }

    fn cut(cut: Cut, request: &Request) -> Vec<(u64, u64)> {
        let accesses = cut.accesses(request, 1000);
        accesses
            .map(|access| (access.bytes, access.wanted))
            .collect()
    }

    #[test]
    fn replays_cut_objects_as_nodes_do() {
        let (whole, piece) = (Record::WHOLE_BYTES_MAX, Record::PIECE_BYTES);
        assert_eq!((whole, piece), (cache::WHOLE_BYTES_MAX, cache::SLICE_BYTES));
    }

    #[test]
    fn a_large_object_is_cut_and_a_small_one_is_not() {
        const MIB: u64 = 1 << 20;
        let small = request(100, 200, 4 * MIB);
        assert_eq!(cut(Cut::Slices, &small), [(4 * MIB, 200)]);
        let large = request(MIB - 1, MIB + 2, 4 * MIB + 1);
        assert_eq!(cut(Cut::Slices, &large), [(MIB, 1), (MIB, MIB), (MIB, 1)]);
        let last = request(4 * MIB, 1, 4 * MIB + 1);
        assert_eq!(cut(Cut::Slices, &last), [(1, 1)]);
        assert_eq!(cut(Cut::Whole, &large), [(4 * MIB + 1, MIB + 2)]);
    }
}
