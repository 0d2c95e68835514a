//! The sketch takes what it was given, whatever comes. Alone in its process, because it is measured
//! by what the process takes.

#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]

use std::{fs, sync::Arc, time::Duration};

use popularity::{Config, Demand, Popularity};

const OBJECTS: u64 = 10_000_000;

fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages = statm.split(' ').nth(1).unwrap();
    pages.parse::<u64>().unwrap() * 4096
}

/// Ten million objects, which fill every slot over and over, with the longest names that a slot has room
/// for.
#[test]
fn a_sketch_takes_no_more_than_it_was_given_for_ten_million_objects() {
    let config = Config::default();
    let most = config.memory_bytes;
    let before = resident_bytes();
    let sketch = Popularity::new(config);
    let site: Arc<str> = "vod".into();
    for object in 0..OBJECTS {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&object.to_le_bytes());
        let path: Arc<str> = format!("/vod/{object:/<91}").into();
        let demand = Demand {
            object: &id,
            site: &site,
            path: &path,
            size: 10,
            served: 0..10,
            viewer: object,
        };
        sketch.count(&demand, Duration::from_hours(1 + object / 1_000_000));
    }
    let taken = resident_bytes() - before;
    assert!(taken <= most, "{taken} of {most} bytes");
    assert!(
        taken >= most / 2,
        "{taken} of {most} bytes: it could name more"
    );
}
