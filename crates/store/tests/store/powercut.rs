//! Power that goes at every step of writing: what lies on the disk then is a beginning of what was
//! written, the last of it torn or not.

use std::{collections::HashMap, fs};

use disk::{Fault, Operation, Rule};
use store::Record;

use crate::oracle::{Opened, Place, STAMP, content, key};

/// Keys of the scenario. They are few, so that most are put again and again.
const KEYS: u64 = 24;
/// How many writes into the scenario the power goes, at most: it goes round the disk more than
/// twice in so many.
const WRITES: u32 = 130;
/// Steps of the scenario, each of which writes at least once.
const STEPS: u64 = 140;

/// What a key may be found as: a version, or nothing for removed.
type State = Option<u64>;

/// A key's record, checked byte for byte, as the version that it says it is.
fn version(number: u64, record: &Record) -> u64 {
    let version = u64::from_le_bytes(record.bytes[..8].try_into().unwrap());
    let expected = content(&key(number), version, record.bytes.len());
    assert_eq!(record.bytes, expected, "WRONG BYTES for key {number}");
    version
}

/// One put or removal, of which the outcome is waited for.
async fn step(opened: &Opened, step: u64) -> (u64, State) {
    let number = step * 7 % KEYS;
    let state = (step % 11 != 5).then_some(step);
    match state {
        Some(version) => {
            let length = [64, 9_000, 30_000][usize::try_from(step % 3).unwrap()];
            let body = content(&key(number), version, length);
            opened.store.put(key(number), STAMP, body);
        }
        None => opened.store.remove(&key(number)),
    }
    opened.store.flush().await;
    (number, state)
}

/// A small disk, and its journal as it was before anything was written.
struct Cut {
    place: Place,
    journal: Vec<u8>,
    /// What is known to be durable of each key.
    durable: HashMap<u64, State>,
    /// What was under way when the power went.
    torn: Option<(u64, State)>,
    /// How many keys could be read just before.
    held: u64,
}

async fn held(opened: &Opened) -> u64 {
    let mut held = 0;
    for number in 0..KEYS {
        held += u64::from(opened.get(number).await.is_some());
    }
    held
}

/// Runs the scenario until `writes` writes were done, of which the last strikes `last`. From then on
/// nothing reaches the disk, though the store does not hear of it.
async fn cut(writes: u32, last: Option<Fault>) -> Cut {
    let mut place = Place::new(512 << 10);
    place.config.segment_bytes = 64 << 10;
    let opened = place.open().await;
    let journal = fs::read(place.path("state/purges")).unwrap();
    let already = place.faults.count(Operation::Write);
    let pass = Fault::Delay(std::time::Duration::ZERO);
    place
        .faults
        .add(Rule::times(Operation::Write, pass, writes));
    if let Some(last) = last {
        place.faults.add(Rule::times(Operation::Write, last, 1));
    }
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Lost));
    let mut cut = Cut {
        place,
        journal,
        durable: HashMap::new(),
        torn: None,
        held: 0,
    };
    for number in 1..STEPS {
        let held = held(&opened).await;
        let (key, state) = step(&opened, number).await;
        let done = cut.place.faults.count(Operation::Write) - already;
        if done > u64::from(writes) {
            cut.torn = Some((key, state));
            cut.held = held;
            break;
        }
        cut.durable.insert(key, state);
    }
    // As the process is gone with the power.
    drop(opened);
    cut
}

/// Checks every key after the power is back; returns how many are held.
async fn check(cut: &Cut, opened: &Opened, when: &str) -> u64 {
    let mut held = 0;
    for number in 0..KEYS {
        let found = opened.get(number).await;
        let found = found.map(|(record, _)| version(number, &record));
        held += u64::from(found.is_some());
        let durable = cut.durable.get(&number).copied().flatten();
        let torn = cut.torn.filter(|(key, _)| *key == number);
        let torn = torn.and_then(|(_, state)| state);
        assert!(
            found.is_none() || found == durable || found == torn,
            "{when}: key {number} is {found:?}, not {durable:?} or {torn:?}"
        );
    }
    held
}

#[tokio::test]
async fn whatever_write_the_power_goes_in_nothing_old_or_torn_comes_back() {
    let (mut before, mut after) = (0, 0);
    for writes in 0..WRITES {
        let last = [None, Some(Fault::Short)][usize::try_from(writes % 2).unwrap()];
        let cut = cut(writes, last).await;
        let mut place = cut.place.crashed();
        fs::write(place.path("state/purges"), &cut.journal).unwrap();
        let opened = place.open().await;
        let held = check(&cut, &opened, &format!("cut at {writes}")).await;
        before += cut.held;
        after += held;
        // It goes on from there, and is cut again.
        opened.put_all(100..110).await;
        let goes_on = opened.count_held(100..110).await;
        assert_eq!(goes_on, 10, "cut at {writes}");
        place = place.crashed();
        let opened = place.open().await;
        check(&cut, &opened, &format!("a second time at {writes}")).await;
    }
    assert!(
        after * 10 > before * 7,
        "{after} of {before} records were found again"
    );
}
