use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn window(hours: &str, zone: &str, days: &[&str]) -> Window {
    let days: Vec<String> = days.iter().map(|day| (*day).to_owned()).collect();
    Window::parse(hours, zone, &days).unwrap()
}

fn at(text: &str) -> Duration {
    since_epoch(text.parse().unwrap()).unwrap()
}

fn opening(start: &str, end: &str) -> Opening {
    Opening {
        start: at(start),
        end: at(end),
    }
}

#[test]
fn a_window_is_open_from_its_start_to_before_its_end() {
    let windows = [window("02:00-14:00", "Europe/Zurich", &[])];
    let today = opening("2026-07-01T00:00:00Z", "2026-07-01T12:00:00Z");
    assert_eq!(At::of(&windows, today.start), At::Open(today));
    assert_eq!(
        At::of(&windows, today.end.saturating_sub(Duration::from_nanos(1))),
        At::Open(today)
    );
    let tomorrow = opening("2026-07-02T00:00:00Z", "2026-07-02T12:00:00Z");
    assert_eq!(At::of(&windows, today.end), At::Closed(Some(tomorrow)));
}

#[test]
fn a_window_across_midnight_belongs_to_the_day_on_which_it_begins() {
    let windows = [window("23:00-05:00", "UTC", &["sat"])];
    let night = opening("2026-07-04T23:00:00Z", "2026-07-05T05:00:00Z");
    assert_eq!(
        At::of(&windows, at("2026-07-05T04:59:59Z")),
        At::Open(night)
    );
    let before = At::of(&windows, at("2026-07-04T04:00:00Z"));
    assert_eq!(
        before,
        At::Closed(Some(night)),
        "friday's night is not saturday's"
    );
}

#[test]
fn the_same_start_and_end_are_a_whole_day() {
    let windows = [window("06:00-06:00", "UTC", &["mon"])];
    let day = opening("2026-07-06T06:00:00Z", "2026-07-07T06:00:00Z");
    assert_eq!(At::of(&windows, at("2026-07-07T05:00:00Z")), At::Open(day));
}

#[test]
fn in_spring_a_window_over_the_jump_is_an_hour_shorter() {
    // Zurich, 2026-03-29: 02:00 is 03:00.
    let windows = [window("01:00-05:00", "Europe/Zurich", &[])];
    let short = opening("2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z");
    assert_eq!(At::of(&windows, short.start), At::Open(short));
    assert_eq!(short.end.saturating_sub(short.start), 3 * HOUR);
}

#[test]
fn in_autumn_a_window_over_the_jump_is_an_hour_longer() {
    // Zurich, 2026-10-25: 03:00 is 02:00.
    let windows = [window("01:00-05:00", "Europe/Zurich", &[])];
    let long = opening("2026-10-24T23:00:00Z", "2026-10-25T04:00:00Z");
    assert_eq!(At::of(&windows, long.start), At::Open(long));
    assert_eq!(long.end.saturating_sub(long.start), 5 * HOUR);
}

#[test]
fn a_window_that_begins_in_the_gap_begins_at_the_jump() {
    let windows = [window("02:30-05:00", "Europe/Zurich", &[])];
    let jump = at("2026-03-29T01:00:00Z");
    let after = opening("2026-03-29T01:00:00Z", "2026-03-29T03:00:00Z");
    assert_eq!(
        At::of(&windows, jump.saturating_sub(Duration::from_nanos(1))),
        At::Closed(Some(after))
    );
    assert_eq!(At::of(&windows, jump), At::Open(after));
}

#[test]
fn a_window_that_ends_in_the_gap_ends_at_the_jump() {
    let windows = [window("00:00-02:30", "Europe/Zurich", &[])];
    let night = opening("2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z");
    assert_eq!(At::of(&windows, night.start), At::Open(night));
}

#[test]
fn a_window_within_the_gap_does_not_open_that_day() {
    let windows = [window("02:15-02:45", "Europe/Zurich", &[])];
    let monday = opening("2026-03-30T00:15:00Z", "2026-03-30T00:45:00Z");
    let sunday = At::of(&windows, at("2026-03-28T23:00:00Z"));
    assert_eq!(sunday, At::Closed(Some(monday)));
}

#[test]
fn an_hour_that_comes_twice_opens_and_closes_at_its_first_coming() {
    let windows = [window("02:15-02:45", "Europe/Zurich", &[])];
    let first = opening("2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z");
    assert_eq!(At::of(&windows, first.start), At::Open(first));
    let second_coming = at("2026-10-25T01:30:00Z");
    assert!(matches!(At::of(&windows, second_coming), At::Closed(_)));
}

#[test]
fn the_other_hemisphere_jumps_the_other_way() {
    // Sydney, 2026-10-04: 02:00 is 03:00; 2026-04-05: 03:00 is 02:00.
    let windows = [window("01:00-04:00", "Australia/Sydney", &[])];
    let spring = opening("2026-10-03T15:00:00Z", "2026-10-03T17:00:00Z");
    assert_eq!(At::of(&windows, spring.start), At::Open(spring));
    let autumn = opening("2026-04-04T14:00:00Z", "2026-04-04T18:00:00Z");
    assert_eq!(At::of(&windows, autumn.start), At::Open(autumn));
}

#[test]
fn an_offset_never_jumps() {
    let windows = [window("01:00-05:00", "+05:30", &[])];
    for date in ["2026-03-29", "2026-10-25"] {
        let start = at(&format!("{date}T01:00:00+05:30"));
        let At::Open(open) = At::of(&windows, start) else {
            panic!("closed on {date}")
        };
        assert_eq!(
            (open.start, open.end.saturating_sub(open.start)),
            (start, 4 * HOUR)
        );
    }
}

#[test]
fn windows_that_meet_are_one() {
    let windows = [
        window("02:00-04:00", "UTC", &[]),
        window("04:00-06:00", "UTC", &[]),
        window("05:00-05:30", "UTC", &[]),
    ];
    let all = opening("2026-07-01T02:00:00Z", "2026-07-01T06:00:00Z");
    assert_eq!(At::of(&windows, at("2026-07-01T05:45:00Z")), At::Open(all));
}

#[test]
fn without_a_window_it_never_runs() {
    assert_eq!(At::of(&[], HOUR), At::Closed(None));
}

#[test]
fn what_is_no_window_is_refused_by_its_part() {
    let parse = |hours: &str, zone: &str, day: &str| {
        Window::parse(hours, zone, &[day.to_owned()]).unwrap_err()
    };
    for hours in [
        "",
        "02:00",
        "2:00-3:00",
        "24:00-01:00",
        "02:60-03:00",
        "+1:00-02:00",
    ] {
        assert!(
            matches!(parse(hours, "UTC", "mon"), BadWindow::Hours(_)),
            "{hours}"
        );
    }
    for zone in ["", "Mars/Olympus", "+5", "+25:99", "../etc"] {
        assert!(
            matches!(parse("01:00-02:00", zone, "mon"), BadWindow::Zone(_)),
            "{zone}"
        );
    }
    assert!(matches!(
        parse("01:00-02:00", "UTC", "monday"),
        BadWindow::Day(_)
    ));
}

proptest! {
    #[test]
    fn an_opening_holds_now_and_the_next_one_comes_later(
        minutes in 0..40_u64 * 365 * 24 * 60,
        start in 0..1440_u32,
        end in 0..1440_u32,
        zone in prop::sample::select(vec![
            "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "-03:30",
        ]),
    ) {
        let hours = format!("{:02}:{:02}-{:02}:{:02}", start / 60, start % 60, end / 60, end % 60);
        let windows = [window(&hours, zone, &[])];
        let now = Duration::from_secs(minutes * 60);
        match At::of(&windows, now) {
            At::Open(open) => prop_assert!(open.start <= now && now < open.end),
            At::Closed(Some(next)) => {
                prop_assert!(now < next.start && next.start < next.end);
                let before = next.start.saturating_sub(Duration::from_nanos(1));
                prop_assert_eq!(At::of(&windows, before), At::Closed(Some(next)));
            }
            At::Closed(None) => prop_assert!(false, "a daily window opens every day"),
        }
    }
}
