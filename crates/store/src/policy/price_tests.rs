use super::*;

const CAPACITY: u64 = 1_000_000;

fn price(per_day: u64, found_bytes: u64) -> Price {
    let mut price = Price::new(&Settings {
        capacity_bytes: CAPACITY,
        disk_writes_per_day: per_day,
    });
    price.found(found_bytes);
    price
}

/// Misses `bytes` on each of `days`, hour by hour, and writes what is admitted of slices whose
/// worths are spread evenly from 0 to 4. Tells the bytes written.
fn live(price: &mut Price, bytes: u64, days: std::ops::Range<u64>) -> u64 {
    let mut written = 0;
    for slot in days.start * 2400..days.end * 2400 {
        let now = Duration::from_secs(slot * 36);
        let slice = bytes / 2400;
        price.missed(slice, now);
        if price.admits(Worth::new(real(slot * 37 % 100) / 25.0)) == Admission::Write {
            price.wrote(slice);
            written += slice;
        }
    }
    written
}

#[test]
fn everything_is_written_until_the_disk_is_full() {
    let mut price = price(u64::MAX, 0);
    assert_eq!(price.admits(Worth::ONCE), Admission::Write);
    price.filled();
    assert_eq!(price.admits(Worth::ONCE), Admission::Unproven);
}

#[test]
fn of_a_tight_disk_s_misses_a_small_share_is_written() {
    let mut price = price(u64::MAX, CAPACITY);
    live(&mut price, 2 * CAPACITY, 0..2);
    let written = real(live(&mut price, 2 * CAPACITY, 2..12)) / real(20 * CAPACITY);
    assert!((0.09..0.11).contains(&written), "{written}");
}

#[test]
fn what_a_plan_writes_moves_no_price_and_neither_does_what_it_pushes_on() {
    let mut price = price(u64::MAX, CAPACITY);
    price.filled();
    let before = price.keeping();
    for _ in 0..50 {
        price.wrote_planned(CAPACITY / 50, Worth::ONCE);
        price.kept(CAPACITY / 50);
    }
    assert!(price.keeping().log2() < before.log2() + 1.0);
    price.wrote(CAPACITY / 2);
    assert!(price.keeping().log2() > before.log2() + 1.5);
}

#[test]
fn a_disk_that_plans_have_filled_asks_for_what_the_last_of_it_is_worth() {
    let mut price = price(u64::MAX, 0);
    for fill in (0..100).rev() {
        price.wrote_planned(CAPACITY / 100, Worth::new(2.0 + f64::from(fill) / 10.0));
    }
    price.filled();
    assert_eq!(price.admits(Worth::new(2.0)), Admission::Unproven);
    assert_eq!(price.admits(Worth::new(3.0)), Admission::Write);
    assert!(price.keeping() < Worth::new(2.0), "the last of it stays");
    // Nor is it young, as one that viewers have filled.
    let mut viewers = self::price(u64::MAX, 0);
    viewers.wrote(CAPACITY);
    viewers.filled();
    let [chosen, young] = [&mut price, &mut viewers].map(|price| live(price, CAPACITY / 2, 0..1));
    assert!(2 * chosen < young, "{chosen} beside {young}");
}

#[test]
fn what_plans_put_on_a_disk_that_viewers_filled_says_little_of_its_price() {
    let mut price = price(u64::MAX, 0);
    price.wrote(CAPACITY * 9 / 10);
    price.wrote_planned(CAPACITY / 10, Worth::new(5.0));
    price.filled();
    assert!(price.keeping().log2() < 0.1);
}

#[test]
fn a_disk_that_several_nights_have_filled_asks_for_what_the_least_of_all_is_worth() {
    let mut price = price(u64::MAX, 0);
    for fill in (0..90).chain(85..95) {
        price.wrote_planned(
            CAPACITY / 100,
            Worth::new(5.0 - f64::from(fill % 30) / 10.0),
        );
    }
    price.filled();
    assert!(
        (1.5..2.5).contains(&price.keeping().log2()),
        "{:?}",
        price.keeping()
    );
}

#[test]
fn with_a_plan_in_force_a_tight_disk_writes_more() {
    let mut price = price(u64::MAX, CAPACITY);
    live(&mut price, 2 * CAPACITY, 0..2);
    for day in 2..4 {
        price.planned(u32::try_from(day).unwrap() * DAY);
        live(&mut price, 2 * CAPACITY, day..day + 1);
    }
    price.planned(4 * DAY);
    let written = real(live(&mut price, 2 * CAPACITY, 4..5)) / real(2 * CAPACITY);
    assert!((0.25..0.35).contains(&written), "{written}");
    live(&mut price, 2 * CAPACITY, 5..7);
    let written = real(live(&mut price, 2 * CAPACITY, 7..14)) / real(14 * CAPACITY);
    assert!(written < 0.12, "{written} when it is over");
}

#[test]
fn of_a_roomy_disk_s_misses_all_is_written() {
    let mut price = price(u64::MAX, CAPACITY);
    live(&mut price, CAPACITY / 10, 0..4);
    let written = real(live(&mut price, CAPACITY / 10, 4..14)) / real(CAPACITY);
    assert!(written > 0.95, "{written}");
}

#[test]
fn a_disk_that_has_just_filled_up_turns_over_quickly() {
    let mut price = price(u64::MAX, 0);
    live(&mut price, CAPACITY, 0..1);
    price.filled();
    let young = live(&mut price, CAPACITY, 1..3);
    live(&mut price, CAPACITY, 3..20);
    let old = live(&mut price, CAPACITY, 20..22);
    assert!(young > 4 * old, "{young} then {old}");
}

#[test]
fn the_budget_holds_whatever_else_is_wanted() {
    for is_full in [false, true] {
        let mut price = price(CAPACITY / 100, 0);
        if is_full {
            price.filled();
        }
        let written = live(&mut price, CAPACITY / 8, 0..30);
        let allowed = CAPACITY / 100 * (30 + BURST_DAYS) + CAPACITY / 8 / 2400;
        assert!(written <= allowed, "{written} of {allowed}");
        assert!(written > allowed * 8 / 10, "{written} of {allowed}");
    }
}

#[test]
fn nothing_is_kept_while_the_budget_is_spent() {
    let mut price = price(1000, CAPACITY);
    assert!(price.keeping() < Worth::MOST);
    price.wrote(7001);
    assert_eq!(price.keeping(), Worth::MOST);
    assert_eq!(price.admits(Worth::new(20.0)), Admission::BudgetSpent);
    price.missed(1, DAY);
    assert!(price.keeping() < Worth::MOST);
}

/// A full disk whose price rose, most of the week's budget spent.
fn spent() -> Price {
    let mut price = price(CAPACITY / 10, CAPACITY);
    price.missed(0, Duration::from_secs(1));
    price.wrote(CAPACITY / 2);
    assert!(price.keeping().log2() > 1.0);
    price
}

#[test]
fn a_restart_changes_neither_the_price_nor_what_is_left_of_the_budget() {
    let before = spent();
    let found_first = {
        let mut price = price(CAPACITY / 10, CAPACITY);
        price.recall(before.tell());
        price
    };
    let told_first = {
        let mut price = price(CAPACITY / 10, 0);
        price.recall(before.tell());
        price.found(CAPACITY);
        price
    };
    for price in [found_first, told_first] {
        assert_eq!(price.keeping(), before.keeping());
        assert_eq!(price.budget_left_bytes(), before.budget_left_bytes());
    }
}

#[test]
fn what_was_written_before_it_is_told_what_was_spent_is_spent_as_well() {
    let before = spent();
    let mut price = price(CAPACITY / 10, CAPACITY);
    price.wrote(CAPACITY / 10);
    price.recall(before.tell());
    assert_eq!(price.budget_left_bytes(), CAPACITY / 10);
}

#[test]
fn the_price_of_disks_that_were_emptied_since_is_not_that_of_what_fills_them_now() {
    let mut price = price(CAPACITY / 10, 0);
    price.recall(spent().tell());
    price.filled();
    assert_eq!(price.keeping(), Worth::ONCE);
}

#[test]
fn what_no_run_can_have_told_does_no_harm() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
        for budget_bytes in [i64::MIN, i64::MAX] {
            let mut price = price(CAPACITY / 10, CAPACITY);
            price.recall(Told {
                log2: number,
                budget_bytes,
                missed_per_day: number,
            });
            assert!(price.keeping().log2() <= PRICE_MAX || price.keeping() == Worth::MOST);
            assert!(price.budget_left_bytes() <= CAPACITY / 10 * BURST_DAYS);
            assert!(live(&mut price, CAPACITY, 0..30) > 0, "it recovers");
        }
    }
}
