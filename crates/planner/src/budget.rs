//! What the engine makes of the memory it is given.

use crate::Limits;

/// Sorted runs that are read back at a time. The pool keeps two batches of each, which it cannot ask
/// back: with as many as there are, four sorts at once left nothing to the steps after them.
pub(crate) const MERGED_RUNS_MAX: usize = 8;

/// What the process takes besides the pool.
const UNCOUNTED: u64 = 512 << 20;
/// The least pool, with which small fleets are planned.
const POOL_LEAST: u64 = 32 << 20;
/// A pool for each thread: each has its own sorts and tables, which share what there is.
const POOL_OF_THREAD: u64 = 768 << 20;
/// A pool below this has smaller batches, of which sorts hold several in memory.
const POOL_OF_BATCHES: u64 = 2 << 30;
const BATCH_ROWS: usize = 8_192;
const BATCH_ROWS_SMALL: usize = 2_048;

/// How the engine is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Bytes that the engine may account for itself. The rest is what it does not count: decoded pages,
    /// batches on their way, the file that is written, and what the allocator keeps.
    pub(crate) pool_bytes: usize,
    /// Partitions that are worked on at a time.
    pub(crate) threads: usize,
    /// Rows of a batch.
    pub(crate) batch_rows: usize,
}

impl Budget {
    pub(crate) fn of(limits: &Limits) -> Self {
        let left = limits.memory_bytes.saturating_sub(UNCOUNTED) / 4 * 3;
        let pool = left.max(limits.memory_bytes / 4).max(POOL_LEAST);
        let threads = usize::try_from(pool / POOL_OF_THREAD).unwrap_or(usize::MAX);
        Self {
            pool_bytes: usize::try_from(pool).unwrap_or(usize::MAX),
            threads: limits.threads.min(threads).max(1),
            batch_rows: if pool < POOL_OF_BATCHES {
                BATCH_ROWS_SMALL
            } else {
                BATCH_ROWS
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(memory_bytes: u64) -> Budget {
        Budget::of(&Limits {
            memory_bytes,
            threads: 2,
            spill_bytes: 0,
        })
    }

    #[test]
    fn little_memory_is_used_by_one_thread_in_small_batches() {
        let budget = of(1536 << 20);
        assert_eq!(budget.pool_bytes, 768 << 20);
        assert_eq!((budget.threads, budget.batch_rows), (1, BATCH_ROWS_SMALL));
        let budget = of(4 << 30);
        assert_eq!(budget.pool_bytes, 2688 << 20);
        assert_eq!((budget.threads, budget.batch_rows), (2, BATCH_ROWS));
    }

    #[test]
    fn no_memory_is_so_little_that_there_is_no_pool() {
        assert_eq!(of(0).pool_bytes, 32 << 20);
        assert_eq!(of(u64::MAX).threads, 2);
    }
}
