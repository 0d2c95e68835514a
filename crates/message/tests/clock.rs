//! A process with a clock of its own: set once for all of it, so that this file is one test.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use message::{OtherClock, live_by, nap, now, stopwatch};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_process_lives_by_the_clock_that_it_was_given_first() {
    let system = now().wall;
    assert!(system > Duration::from_hours(24 * 365 * 50), "{system:?}");
    assert_eq!(nap(MINUTE), MINUTE);

    let hours = Arc::new(AtomicU64::new(7));
    let shown = Arc::clone(&hours);
    live_by(move || Duration::from_hours(shown.load(Ordering::Relaxed))).unwrap();
    let passed = stopwatch();
    assert_eq!(now().wall, Duration::from_hours(7));
    hours.store(31, Ordering::Relaxed);
    assert_eq!(now().unix_s(), 31 * 3600);
    assert_eq!(passed(), Duration::from_hours(24));
    assert!(
        nap(MINUTE) < Duration::from_millis(10),
        "an hour may be short"
    );
    assert_eq!(live_by(Duration::default), Err(OtherClock));
    assert_eq!(now().wall, Duration::from_hours(31));
}
