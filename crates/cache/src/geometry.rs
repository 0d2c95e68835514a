//! How an object is cut into slices: pure arithmetic.

use std::ops::Range;

use message::ByteRange;

/// An object of up to this many bytes is one slice (design: segments are cached whole).
pub const WHOLE_BYTES_MAX: u64 = 4 << 20;

/// A larger object is cut into slices of this size. Simulated: 1.3 % more upstream bytes than
/// 256 KiB slices, at a quarter of the index.
pub const SLICE_BYTES: u64 = 1 << 20;

/// No object is larger: what claims to be is a lie, and its slices could not be numbered.
pub(crate) const OBJECT_BYTES_MAX: u64 = 1 << 50;

/// No release cut larger slices; one is held in memory whole.
const STORED_SLICE_BYTES_MAX: u64 = 64 << 20;

/// How one version is cut. It is kept in the object's head, so that another cut in a later
/// release does not lose what is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    total_bytes: u64,
    slice_bytes: u64,
}

impl Geometry {
    pub(crate) fn of(total_bytes: u64) -> Self {
        let whole = total_bytes <= WHOLE_BYTES_MAX;
        Self {
            total_bytes,
            slice_bytes: if whole { WHOLE_BYTES_MAX } else { SLICE_BYTES },
        }
    }

    /// The cut that a stored head names, or `None` when it is impossible.
    pub(crate) fn stored(total_bytes: u64, slice_bytes: u64) -> Option<Self> {
        let count = total_bytes.div_ceil(slice_bytes.max(1));
        let possible = (1..=STORED_SLICE_BYTES_MAX).contains(&slice_bytes)
            && total_bytes <= OBJECT_BYTES_MAX
            && count < u64::from(u32::MAX);
        possible.then_some(Self {
            total_bytes,
            slice_bytes,
        })
    }

    pub(crate) fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    pub(crate) fn slice_bytes(&self) -> u64 {
        self.slice_bytes
    }

    /// The slice that holds the byte at `offset`.
    pub(crate) fn slice_at(&self, offset: u64) -> u32 {
        u32::try_from(offset / self.slice_bytes).unwrap_or(u32::MAX)
    }

    /// The bytes of slice `index`, as offsets in the object; empty beyond its end.
    pub(crate) fn extent(&self, index: u32) -> Range<u64> {
        let start = (u64::from(index) * self.slice_bytes).min(self.total_bytes);
        start..(start + self.slice_bytes).min(self.total_bytes)
    }

    /// The slices that cover `bytes`.
    pub(crate) fn covering(&self, bytes: &Range<u64>) -> Range<u32> {
        if bytes.is_empty() {
            return 0..0;
        }
        self.slice_at(bytes.start)..self.slice_at(bytes.end - 1) + 1
    }
}

/// What to ask for when nothing is known of an object and its byte at `offset` is wanted.
///
/// Up to 4 MiB the object may be one slice, so the question starts at 0 and one read answers it.
/// Beyond, the object can only be one that is cut, and its slice is asked for at once: a one-byte
/// range deep in a large object costs one slice. What lies beyond all objects is no place to ask
/// for either.
pub(crate) fn first_question(offset: u64) -> ByteRange {
    if !(WHOLE_BYTES_MAX..OBJECT_BYTES_MAX).contains(&offset) {
        return ByteRange {
            first: 0,
            last: WHOLE_BYTES_MAX - 1,
        };
    }
    let first = offset - offset % SLICE_BYTES;
    ByteRange {
        first,
        last: first + SLICE_BYTES - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_one_slice() {
        let cut = Geometry::of(WHOLE_BYTES_MAX);
        assert_eq!(cut.covering(&(0..WHOLE_BYTES_MAX)), 0..1);
        assert_eq!(cut.extent(0), 0..WHOLE_BYTES_MAX);
    }

    #[test]
    fn a_larger_object_is_cut_at_one_mebibyte_and_its_last_slice_is_short() {
        let cut = Geometry::of(WHOLE_BYTES_MAX + 1);
        assert_eq!(cut.covering(&(0..WHOLE_BYTES_MAX + 1)), 0..5);
        assert_eq!(cut.extent(4), WHOLE_BYTES_MAX..WHOLE_BYTES_MAX + 1);
        assert_eq!(cut.covering(&(SLICE_BYTES - 1..SLICE_BYTES + 1)), 0..2);
        assert!(cut.extent(5).is_empty());
    }

    #[test]
    fn an_empty_object_has_no_slices() {
        assert_eq!(Geometry::of(0).covering(&(0..0)), 0..0);
    }

    #[test]
    fn the_first_question_is_aligned_and_holds_the_wanted_byte() {
        for offset in [
            0,
            1,
            WHOLE_BYTES_MAX - 1,
            WHOLE_BYTES_MAX,
            5_000_000_001,
            OBJECT_BYTES_MAX - 1,
        ] {
            let question = first_question(offset);
            assert_eq!(question.first % SLICE_BYTES, 0);
            assert!(question.first <= offset && offset <= question.last);
        }
        for offset in [OBJECT_BYTES_MAX, u64::MAX] {
            assert_eq!(first_question(offset).first, 0);
        }
    }

    #[test]
    fn an_impossible_stored_cut_is_refused() {
        assert_eq!(Geometry::stored(10, 0), None);
        assert_eq!(Geometry::stored(u64::MAX, 1), None);
        assert_eq!(Geometry::stored(1 << 39, 1 << 40), None);
    }
}
