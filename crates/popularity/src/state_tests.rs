use super::*;
use crate::{Demand, HALF_LIFE, Top};

const DAY: Duration = Duration::from_hours(24);

fn config() -> Config {
    Config {
        memory_bytes: *Config::MEMORY_BYTES.start(),
        sessions_min: 2,
        ..Config::default()
    }
}

/// 3000 objects, the first ones asked for most.
fn sketch() -> Popularity {
    let popularity = Popularity::with_secret(config(), Secret([1, 2]));
    for turn in 0..20_000_u64 {
        let object = turn % (turn % 3000 + 1);
        count(&popularity, object, turn, DAY);
    }
    popularity
}

fn count(popularity: &Popularity, object: u64, viewer: u64, now: Duration) {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&object.to_le_bytes());
    let demand = Demand {
        object: &id,
        site: &["vod", "music"][usize::try_from(object % 2).unwrap()].into(),
        path: &format!("/title-{object}").into(),
        size: 1000,
        served: 0..1000,
        viewer,
    };
    popularity.count(&demand, now);
}

fn saved(popularity: &Popularity, now: Duration) -> Vec<u8> {
    let mut bytes = Vec::new();
    popularity.save(now, &mut bytes).unwrap();
    bytes
}

fn all(popularity: &Popularity, now: Duration) -> Top {
    popularity.top(usize::MAX, now)
}

#[test]
fn a_restart_forgets_nothing() {
    let popularity = sketch();
    popularity.end_hour(Hour::of(DAY)).for_each(drop);
    let bytes = saved(&popularity, DAY);
    let loaded = Popularity::load(config(), DAY, &*bytes).unwrap();
    assert!(all(&popularity, DAY).objects.len() > 500);
    assert_eq!(all(&loaded, DAY), all(&popularity, DAY));
    assert_eq!(saved(&loaded, DAY), bytes);
    // What comes next is counted alike, the front's estimates included.
    for object in 0..5000 {
        count(&popularity, object, object, DAY);
        count(&loaded, object, object, DAY);
    }
    // Who asked before is not known any more, so some are not named yet.
    let (loaded, all) = (all(&loaded, DAY).objects, all(&popularity, DAY).objects);
    assert!(loaded.len() > 500);
    assert!(loaded.iter().all(|object| all.contains(object)));
}

#[test]
fn demand_fades_while_a_node_is_down() {
    let popularity = sketch();
    popularity.end_hour(Hour::of(DAY)).for_each(drop);
    let bytes = saved(&popularity, DAY);
    let before = all(&popularity, DAY).objects[0].plays;
    let loaded = Popularity::load(config(), DAY + HALF_LIFE, &*bytes).unwrap();
    let after = all(&loaded, DAY + HALF_LIFE).objects[0].plays;
    assert!(after.abs_diff(before / 2) <= 1, "{before} then {after}");
}

#[test]
fn who_asked_is_not_in_the_file() {
    let (one, other) = (Popularity::with_secret(config(), Secret([1, 2])), {
        Popularity::with_secret(config(), Secret([1, 2]))
    });
    for object in 0..100 {
        count(&one, object, 1, DAY);
        count(&other, object, 2, DAY);
    }
    assert_eq!(saved(&one, DAY), saved(&other, DAY));
}

#[test]
fn a_time_to_come_does_not_stop_the_decay() {
    let popularity = sketch();
    popularity.end_hour(Hour::of(DAY)).for_each(drop);
    let bytes = saved(&popularity, DAY * 10_000);
    let loaded = Popularity::load(config(), DAY * 2, &*bytes).unwrap();
    let before = all(&loaded, DAY * 2).others_at_most;
    count(&loaded, 1, 1, DAY * 2);
    assert!(all(&loaded, DAY * 2 + HALF_LIFE * 10).others_at_most <= before / 1000 + 1);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = saved(&sketch(), DAY);
    for length in (0..100).chain((100..bytes.len()).step_by(997)) {
        let cut = Popularity::load(config(), DAY, &bytes[..length]);
        assert!(matches!(cut, Err(StateError::Damaged(_))), "{length}");
    }
    let longer = [&*bytes, &[0]].concat();
    assert!(Popularity::load(config(), DAY, &*longer).is_err());
}

#[test]
fn a_file_with_any_byte_flipped_is_refused() {
    let mut bytes = saved(&sketch(), DAY);
    for at in (0..200).chain((200..bytes.len()).step_by(4999)) {
        bytes[at] ^= 0x10;
        assert!(Popularity::load(config(), DAY, &*bytes).is_err(), "{at}");
        bytes[at] ^= 0x10;
    }
}

#[test]
fn a_file_of_another_size_or_version_is_refused() {
    let bytes = saved(&sketch(), DAY);
    let larger = Config {
        memory_bytes: 4 << 20,
        ..config()
    };
    let other = Popularity::load(larger, DAY, &*bytes);
    assert!(matches!(other, Err(StateError::Shape)));
    let foreign = Popularity::load(config(), DAY, &[b'x'; 100][..]);
    assert!(matches!(foreign, Err(StateError::Foreign)));
}

/// A checksum that fits does not make an object legal.
#[test]
fn a_shard_with_an_impossible_object_is_refused() {
    let shape = shape(config().memory_bytes);
    let object = |slot: u32, plays: f64, site: u16, length: u16| {
        let mut body = vec![1, 0, 3, 0];
        body.extend(b"vod");
        body.extend(vec![0; shape.sets * 8 + shape.blocks * 64]);
        body.extend(1_u32.to_le_bytes());
        body.extend(slot.to_le_bytes());
        body.extend(9_u64.to_le_bytes());
        body.extend(plays.to_le_bytes());
        body.extend([0; 16]);
        body.extend(site.to_le_bytes());
        body.push(1);
        body.extend(length.to_le_bytes());
        body.extend(b"/path");
        let mut shard = Shard::new(shape, crate::decay::Decay::new(HALF_LIFE));
        let mut fields = Fields(&body);
        read_shard(&mut shard, &mut fields).is_ok()
    };
    assert!(object(0, 1.0, 0, 5));
    assert!(!object(u32::MAX, 1.0, 0, 5), "no such slot");
    assert!(!object(0, f64::NAN, 0, 5), "no count");
    assert!(!object(0, -1.0, 0, 5), "no count");
    assert!(!object(0, 1.0, 1, 5), "no such site");
    assert!(!object(0, 1.0, 0, 9), "no such path");
}
