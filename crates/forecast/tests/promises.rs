//! What plans promise, on a small workload that is always the same: the bounds here are of this seed. It
//! has no launch in the days that are measured. What larger ones reach is printed by `just replay`.

#![expect(
    clippy::expect_used,
    reason = "the helpers of a test fail by panicking as well"
)]

use std::sync::OnceLock;

use forecast::replay::{
    Options, Record, Table, plot,
    report::{self, Figures},
    table,
};
use traces::Preset;

/// Days after the two weeks that are played.
const FOLLOW: usize = 14;

/// One replay for all tests.
fn replayed() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let settings = Preset::N.settings(0.04, 14 + FOLLOW as u64, 1);
        let record = Record::synthetic(&settings, FOLLOW).expect("four weeks");
        let options = Options {
            percents: vec![25],
            ..Options::default()
        };
        table(&record, &options, |_, _| ())
    })
}

fn figures() -> Figures {
    let table = replayed();
    Figures::of(table, &table.rows[0])
}

#[test]
fn evenings_take_less_from_upstream_with_plans() {
    let [_, _, credit, planned, _] = figures().evening;
    assert!(planned < 0.96, "{planned:.3} of the best alone");
    assert!(credit < 0.98, "{credit:.3} with credit alone");
}

#[test]
fn plans_are_never_worse_than_none() {
    let figures = figures();
    let [_, reactive, seeded, planned, _] = figures.hits;
    assert!(seeded > reactive && planned > reactive, "{figures:?}");
    assert!(figures.upstream < 1.0, "{figures:?}");
}

#[test]
fn a_box_that_was_filled_before_its_first_viewer_is_no_cold_box() {
    let [lru, alone, planned] = figures().first_day;
    let best = lru.max(alone);
    assert!(planned > best + 0.25, "{planned:.3}, not {best:.3}");
}

#[test]
fn what_is_filled_is_used() {
    let efficiency = figures().efficiency;
    assert!(efficiency > 7.0, "{efficiency:.1} bytes served a byte");
}

#[test]
fn the_same_workload_is_the_same_replay_and_is_drawn() {
    let table = replayed();
    let svg = plot::svg(table);
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    let text = report::text(table);
    assert!(text.contains("\n 25 %  "), "{text}");
    assert_eq!((table.days, table.follow_days), (14, FOLLOW));
}
