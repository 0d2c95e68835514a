//! A client's records, as they are or damaged on their way: what was read is what was sent before
//! the damage, and nothing after it.

use std::time::Duration;

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestCaseResult, TestRng, TestRunner},
};
use tokio::time::Instant;

use super::{
    DATA, HANDSHAKE, Setup,
    receiving::{End, UPDATE, UPDATE_ASKED, receive},
    setup,
};

/// What a client does.
#[derive(Debug, Clone)]
enum Step {
    Data {
        bytes: usize,
        padding: usize,
    },
    /// New keys, and whether it asks for the same.
    Update {
        asks: bool,
    },
}

/// What becomes of the bytes that it sent.
#[derive(Debug, Clone)]
enum Damage {
    None,
    Flip { bit: usize },
    Cut { at: usize, bytes: usize },
    Insert { at: usize, bytes: Vec<u8> },
    Double { record: usize },
    Swap { record: usize, with: usize },
}

#[derive(Debug, Clone)]
struct Course {
    steps: Vec<Step>,
    damage: Damage,
    /// Bytes that a read of the socket gives at most; 0 for all.
    read_max: usize,
}

fn course() -> impl Strategy<Value = Course> {
    let data =
        |bytes| (bytes, 0_usize..300).prop_map(|(bytes, padding)| Step::Data { bytes, padding });
    let step = prop_oneof![
        6 => data(0_usize..400),
        1 => data(0_usize..16_385),
        2 => any::<bool>().prop_map(|asks| Step::Update { asks }),
    ];
    let any_at = any::<usize>;
    let damage = prop_oneof![
        1 => Just(Damage::None),
        3 => any_at().prop_map(|bit| Damage::Flip { bit }),
        1 => (any_at(), 1_usize..600).prop_map(|(at, bytes)| Damage::Cut { at, bytes }),
        1 => (any_at(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
        1 => any_at().prop_map(|record| Damage::Double { record }),
        1 => (any_at(), any_at()).prop_map(|(record, with)| Damage::Swap { record, with }),
    ];
    // Fewer than the steps without data that are borne in a row.
    let steps = prop::collection::vec(step, 1..30);
    (steps, damage, prop_oneof![Just(0_usize), 1_usize..2_000]).prop_map(
        |(steps, damage, read_max)| Course {
            steps,
            damage,
            read_max,
        },
    )
}

/// The records of a client, each with the data in it.
fn records(setup: &mut Setup, steps: &[Step]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::Data { bytes, padding } => {
                let plain: Vec<u8> = (0..bytes)
                    .map(|byte| (byte * 7 + number).to_le_bytes()[0])
                    .collect();
                let sealed = setup
                    .peer
                    .seal(DATA, &plain, padding.min((1 << 14) - bytes));
                records.push((sealed, plain));
            }
            Step::Update { asks } => {
                let message = if asks { UPDATE_ASKED } else { UPDATE };
                records.push((setup.peer.seal(HANDSHAKE, &message, 0), Vec::new()));
                setup.peer.update();
            }
        }
    }
    records
}

fn damaged(records: &[(Vec<u8>, Vec<u8>)], damage: &Damage) -> Vec<u8> {
    let mut records: Vec<_> = records.iter().map(|(sealed, _)| sealed.clone()).collect();
    let count = records.len();
    match damage {
        Damage::Double { record } => {
            let again = records[record % count].clone();
            records.insert(record % count, again);
        }
        Damage::Swap { record, with } => records.swap(record % count, with % count),
        Damage::None | Damage::Flip { .. } | Damage::Cut { .. } | Damage::Insert { .. } => {}
    }
    let mut bytes = records.concat();
    let length = bytes.len();
    match damage {
        Damage::Flip { bit } => bytes[bit / 8 % length] ^= 1 << (bit % 8),
        Damage::Cut { at, bytes: gone } => {
            let at = at % length;
            bytes.drain(at..(at + gone).min(length));
        }
        Damage::Insert { at, bytes: more } => {
            let at = at % (length + 1);
            bytes.splice(at..at, more.iter().copied());
        }
        Damage::None | Damage::Double { .. } | Damage::Swap { .. } => {}
    }
    bytes
}

fn bear(course: &Course) -> TestCaseResult {
    let mut setup = setup(u64::MAX);
    setup.socket.wire().read_max = course.read_max;
    let records = records(&mut setup, &course.steps);
    let (whole, came) = (
        records.iter().flat_map(|(sealed, _)| sealed),
        damaged(&records, &course.damage),
    );
    let good = whole.zip(&came).take_while(|(sent, came)| sent == came);
    let mut good = good.count();
    let mut before_damage = Vec::new();
    let mut is_whole = true;
    for (sealed, plain) in &records {
        is_whole &= good >= sealed.len();
        if is_whole {
            good -= sealed.len();
            before_damage.extend_from_slice(plain);
        }
    }
    let (got, end) = receive(&mut setup, &came);
    prop_assert!(
        got == before_damage,
        "{} of {}",
        got.len(),
        before_damage.len()
    );
    prop_assert!(!matches!(end, End::Eof), "nobody said that it was the end");
    if is_whole && matches!(course.damage, Damage::None) {
        prop_assert!(matches!(end, End::Pending), "{end:?}");
    }
    Ok(())
}

fn run(seed: u64, cases: u32) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let borne = TestRunner::new_with_rng(config, rng).run(&course(), |course| bear(&course));
    if let Err(error) = borne {
        panic!("seed {seed}: {error}");
    }
}

#[test]
fn what_was_sent_before_the_damage_is_read_and_nothing_after_it() {
    run(0, 512);
}

#[test]
#[ignore = "as long as one likes (`just fuzz-records`): FUZZ_SECONDS, 300 unless set"]
fn damaged_records_are_borne_for_minutes() {
    let seconds = std::env::var("FUZZ_SECONDS").map_or(300, |text| text.parse().unwrap());
    let (begun, time) = (Instant::now(), Duration::from_secs(seconds));
    let first = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_secs();
    let mut seed = first << 32;
    while begun.elapsed() < time {
        run(seed, 1_000);
        seed += 1;
    }
    println!(
        "{} thousand courses from seed {}",
        seed - (first << 32),
        first << 32
    );
}
