//! What the policy knows, as the chunks of a file that is kept over restarts: see
//! [`crate::recency`].
//!
//! ```text
//! mark      number of the first bucket
//! payload   version 1, zero 7 | how many buckets the table has 8 | bucket | bucket | ...
//! bucket    as the policy tells it, 32 B: it depends on no clock
//!
//! mark      2^64 - 1: prices, the first chunk
//! payload   version 1, zero 7 | binary logarithm of the price, float 8 | bytes left to write, signed 8 |
//!           bytes missed a day, float 8
//! ```
//!
//! Without the price what a restart finds would give way to anything, and without what is left of the
//! budget a node that is restarted every day would write a week's worth on each.
//!
//! A table of another size takes it in as well: disks come and go between two runs. Races with
//! what is counted meanwhile cost a count, as everywhere in the table: nobody waits, nothing is
//! locked. Time stands still between two runs.

use std::{iter, sync::Arc};

use crate::{
    format::take,
    judge::Judge,
    keepsake::Chunk,
    policy::{BUCKETS, TOLD_BYTES, Told},
};

/// Of what a bucket tells: the slots, and the half-life by which they count.
const VERSION: u8 = 1;
/// Buckets of a chunk: 1 MiB of them.
const CHUNK_BUCKETS: u64 = (1 << 20) / TOLD_BYTES as u64;

/// Marks the chunk with prices. No table has so many buckets.
const PRICES: u64 = u64::MAX;

/// Prices, and all of the table, a MiB at a time.
pub(crate) fn chunks(judge: Arc<Judge>) -> impl Iterator<Item = Chunk> {
    let of = judge.buckets();
    let prices = Chunk {
        mark: PRICES,
        payload: prices(judge.tell_price()),
    };
    let table = (0..of.div_ceil(CHUNK_BUCKETS)).map(move |number| {
        let first = number * CHUNK_BUCKETS;
        let mut payload = vec![VERSION, 0, 0, 0, 0, 0, 0, 0];
        payload.extend_from_slice(&of.to_le_bytes());
        judge.tell(first..of.min(first + CHUNK_BUCKETS), &mut payload);
        Chunk {
            mark: first,
            payload,
        }
    });
    iter::once(prices).chain(table)
}

fn prices(told: Told) -> Vec<u8> {
    let version = [VERSION, 0, 0, 0, 0, 0, 0, 0];
    let (log2, missed) = (told.log2.to_le_bytes(), told.missed_per_day.to_le_bytes());
    [version, log2, told.budget_bytes.to_le_bytes(), missed].concat()
}

fn parse_prices(mut payload: &[u8]) -> Option<Told> {
    let version: [u8; 8] = take(&mut payload)?;
    let told = Told {
        log2: f64::from_le_bytes(take(&mut payload)?),
        budget_bytes: i64::from_le_bytes(take(&mut payload)?),
        missed_per_day: f64::from_le_bytes(take(&mut payload)?),
    };
    (version == [VERSION, 0, 0, 0, 0, 0, 0, 0] && payload.is_empty()).then_some(told)
}

/// Takes in a chunk, unless it makes no sense.
pub(crate) fn recall(judge: &Judge, chunk: &Chunk) {
    if chunk.mark == PRICES {
        if let Some(told) = parse_prices(&chunk.payload) {
            judge.recall_price(told);
        }
        return;
    }
    let Some((of, told)) = parse(&chunk.payload) else {
        return;
    };
    for (bucket, told) in (chunk.mark..of).zip(told.as_chunks::<TOLD_BYTES>().0) {
        judge.recall(bucket, of, told);
    }
}

/// How many buckets the table had that told it, and what they told. One that is smaller than any
/// would have each of its buckets remembered all over the table.
fn parse(mut payload: &[u8]) -> Option<(u64, &[u8])> {
    let version = take(&mut payload)?;
    let of = u64::from_le_bytes(take(&mut payload)?);
    let is_known = version == [VERSION, 0, 0, 0, 0, 0, 0, 0] && BUCKETS.contains(&of);
    is_known.then_some((of, payload))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::{Admit, Clock, keepsake, policy::Worth};

    const TAG: u64 = 0x1234_5678_9abc_def1;

    fn judge(capacity_bytes: u64) -> Arc<Judge> {
        let clock = Clock::new(|| Duration::ZERO);
        Arc::new(Judge::new(capacity_bytes, 0, clock, Admit::Proven))
    }

    fn asked() -> Arc<Judge> {
        let judge = judge(1 << 40);
        (0..4).for_each(|_| judge.reference(None, TAG));
        judge
    }

    #[test]
    fn what_was_asked_for_is_remembered_by_the_next_run() {
        let after = judge(1 << 40);
        chunks(asked()).for_each(|chunk| recall(&after, &chunk));
        assert_eq!(after.worth(TAG, false), asked().worth(TAG, false));
    }

    #[test]
    fn prices_are_remembered_by_the_next_run() {
        let told = Told {
            log2: 1.5,
            budget_bytes: -7,
            missed_per_day: 1e12,
        };
        assert_eq!(parse_prices(&prices(told)), Some(told));
        let after = judge(1 << 40);
        let mut whole = prices(told);
        whole.push(0);
        assert_eq!(parse_prices(&whole), None);
        assert_eq!(parse_prices(&whole[..31]), None);
        chunks(asked()).for_each(|chunk| recall(&after, &chunk));
        assert_eq!(after.tell_price(), asked().tell_price());
    }

    #[test]
    fn what_makes_no_sense_is_not_remembered() {
        let whole: Vec<_> = chunks(asked()).collect();
        let spoil: [fn(&mut Chunk); 5] = [
            |chunk| chunk.payload[0] += 1,
            |chunk| chunk.payload[8..16].copy_from_slice(&0_u64.to_le_bytes()),
            |chunk| chunk.payload[8..16].copy_from_slice(&u64::MAX.to_le_bytes()),
            |chunk| chunk.payload.truncate(15),
            |chunk| chunk.mark = u64::MAX,
        ];
        for spoil in spoil {
            let after = judge(1 << 40);
            for mut chunk in whole.clone() {
                spoil(&mut chunk);
                recall(&after, &chunk);
            }
            assert_eq!(after.worth(TAG, false), Worth::NOTHING);
        }
    }

    /// `cargo test --release -p store --lib asked -- --ignored --nocapture`
    #[test]
    #[ignore = "a measurement that takes the memory of a table of 100 TB of disks: just recall"]
    fn how_long_a_large_table_takes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("asked");
        for terabytes in [1, 10, 100] {
            let (before, after) = [(); 2]
                .map(|()| judge(terabytes * 1_000_000_000_000))
                .into();
            let slots = before.buckets() * 8;
            for number in 0..slots {
                before.reference(None, number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            }
            let begun = Instant::now();
            keepsake::write(&path, &[1; 16], chunks(Arc::clone(&before))).unwrap();
            let written = begun.elapsed();
            let begun = Instant::now();
            keepsake::read(&path, &[1; 16], |chunk| recall(&after, chunk)).unwrap();
            let recalled = begun.elapsed();
            println!(
                "{terabytes} TB of disks: a table of {} MiB is kept in {written:.2?} and recalled \
                 in {recalled:.2?}",
                before.table_bytes() >> 20,
            );
        }
    }
}
