//! The promised bounds at ten million distinct objects in the default memory, against exact counts.

#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]

use std::{sync::Arc, time::Duration};

use popularity::{Config, Demand, Popularity};

const OBJECTS: u32 = 10_000_000;
/// One request of four is for one of the popular, which are a thousandth of all.
const POPULAR: u32 = OBJECTS / 1000;
const NOW: Duration = Duration::from_hours(1);

fn path(object: u32) -> String {
    format!("/vod/title-{object}/seg.m4s")
}

fn ask(sketch: &Popularity, site: &Arc<str>, object: u32) {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&object.to_le_bytes());
    let demand = Demand {
        object: &id,
        site,
        path: &path(object).into(),
        size: 10,
        served: 0..10,
        viewer: 1,
    };
    sketch.count(&demand, NOW);
}

/// How often an object is asked for beside the once that each is: the lower its number, the more often.
fn again(turn: u32) -> u32 {
    let part = u64::from(turn.wrapping_mul(0x9e37_79b9) >> 16);
    u32::try_from((part * part * u64::from(POPULAR)) >> 32).unwrap()
}

#[test]
#[ignore = "a minute or two without optimisation: just ten-million"]
fn bounds_hold_and_the_popular_are_named_among_ten_million_objects() {
    let config = Config {
        sessions_min: 1,
        ..Config::default()
    };
    let (sketch, site) = (Popularity::new(config), Arc::from("vod"));
    let mut exact = vec![0_u64; OBJECTS as usize];
    let mut count = |object: u32| {
        ask(&sketch, &site, object);
        exact[object as usize] += 1000;
    };
    for turn in 0..OBJECTS {
        // All objects in an order in which the popular ones do not come first.
        count(turn.wrapping_add(POPULAR) % OBJECTS);
        if turn % 3 == 0 {
            count(again(turn));
        }
    }
    let top = sketch.top(usize::MAX, NOW);
    let mut named = 0;
    for object in &top.objects {
        let number = object.path.strip_prefix("/vod/title-").unwrap();
        let number: u32 = number.strip_suffix("/seg.m4s").unwrap().parse().unwrap();
        let truth = std::mem::take(&mut exact[number as usize]);
        let least = object.plays - object.error;
        assert!(
            least <= truth + 1 && truth <= object.plays,
            "{truth}: {object:?}"
        );
        named += u32::from(number < POPULAR / 10);
    }
    let others = exact.iter().max().copied().unwrap();
    assert!(
        others <= top.others_at_most,
        "{others}: {}",
        top.others_at_most
    );
    // The tenth of the popular that is asked for most, by far.
    assert!(
        named >= POPULAR / 10 * 99 / 100,
        "{named} of {}",
        POPULAR / 10
    );
}
