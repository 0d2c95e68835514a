use super::*;

fn wishes() -> Wishes {
    Wishes {
        slice: 512 * KIB,
        own_records: true,
        ..Wishes::default()
    }
}

#[test]
fn every_budget_is_split_without_a_rest_that_is_owed() {
    for budget in [256 * MIB, GIB, 8 * GIB, 100 * GIB, 10_000 * GIB] {
        let split = split(budget, &wishes()).unwrap();
        assert!(sum(&split.parts) <= budget, "{split}");
        assert!(split.ram_bytes >= budget / 8, "{split}");
    }
}

#[test]
fn what_is_set_is_kept_and_the_ram_tier_has_what_is_left() {
    let set = Wishes {
        connections: Some(1000),
        heads: Some(50 * MIB),
        ..wishes()
    };
    let split = split(2 * GIB, &set).unwrap();
    assert_eq!((split.connections, split.heads_bytes), (1000, 50 * MIB));
    assert!(2 * GIB - sum(&split.parts) < MIB, "{split}");
}

#[test]
fn steering_has_a_part_of_its_own_where_there_is_any() {
    let part = |steered, steering| {
        let wishes = Wishes {
            steered,
            steering,
            ..wishes()
        };
        split(GIB, &wishes).unwrap().steering_bytes
    };
    assert_eq!(part(false, Some(GIB)), 0);
    assert_eq!(part(true, None), GIB / 16);
    assert_eq!(part(true, Some(20 * MIB)), 20 * MIB);
}

#[test]
fn plans_have_a_part_of_their_own_where_there_are_any() {
    let part = |budget, plans| {
        let wishes = Wishes { plans, ..wishes() };
        split(budget, &wishes).unwrap().plans_bytes()
    };
    assert_eq!(part(GIB, Plans::None), 0);
    assert_eq!(part(GIB, Plans::Some(None)), GIB / 16);
    assert_eq!(part(256 * MIB, Plans::Some(None)), 16 * MIB);
    assert_eq!(part(100 * GIB, Plans::Some(None)), 2 * GIB);
    assert_eq!(part(8 * GIB, Plans::Some(Some(3 * GIB))), 3 * GIB);
}

#[test]
fn plans_that_the_budget_has_no_room_for_are_refused_by_name() {
    let greedy = Wishes {
        plans: Plans::Some(Some(2 * GIB)),
        ..wishes()
    };
    let message = split(GIB, &greedy).unwrap_err();
    assert!(
        message.contains(": plans 2 GiB ([fill] memory)"),
        "{message}"
    );
}

#[test]
fn an_index_that_does_not_fit_is_refused_by_name() {
    let large = Wishes {
        disks: vec![16 << 40],
        ..wishes()
    };
    let message = split(GIB, &large).unwrap_err();
    assert!(message.contains("of 1 GiB is less"), "{message}");
    assert!(
        message.contains(": index 3 GiB (33554432 slices"),
        "{message}"
    );
    assert!(split(16 * GIB, &large).is_ok());
}

#[test]
fn parts_beyond_the_budget_are_refused_with_their_sum() {
    let greedy = Wishes {
        ram: Some(16 * GIB),
        connections: Some(100_000),
        ..wishes()
    };
    let message = split(16 * GIB, &greedy).unwrap_err();
    assert!(message.contains(": ram 17 GiB"), "{message}");
    assert!(
        message.contains(", connections 6.1 GiB (100000 of 64 KiB)"),
        "{message}"
    );
}

#[test]
fn records_of_rustls_cost_a_connection_its_buffer() {
    let theirs = Wishes {
        own_records: false,
        ..wishes()
    };
    let split = split(GIB, &theirs).unwrap();
    assert_eq!(split.connections, GIB / 4 / (320 * KIB));
}
