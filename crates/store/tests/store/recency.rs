//! What was used before a restart is known after it.

use std::{fs, path::PathBuf, time::Duration};

use crate::oracle::{Opened, Place, until};

/// A place whose disk holds records 0 to 100, of which 0 to 20 were read.
async fn used() -> (Place, Opened) {
    let place = Place::new(2 << 20);
    let opened = place.open().await;
    opened.put_all(0..100).await;
    assert_eq!(opened.count_held(0..20).await, 20);
    (place, opened)
}

/// The file that was written, when it is whole.
fn kept(place: &Place) -> Option<PathBuf> {
    let files = fs::read_dir(place.path("state")).unwrap();
    let mut paths = files.map(|file| file.unwrap().path());
    paths.find(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("used-") && path.extension().is_none()
    })
}

/// Opens the place and puts so much that the segments of records 0 to 100 are turned over, once.
/// Returns how many of those that were read are left, and of the others.
async fn turned_over(place: &Place) -> (u64, u64) {
    let opened = place.open().await;
    let mut number = 1_000;
    while opened.counter("evicted_segments_total", None) < 8 {
        opened.put_all(number..number + 10).await;
        number += 10;
    }
    (
        opened.count_held(0..20).await,
        opened.count_held(20..100).await,
    )
}

#[tokio::test]
async fn what_was_used_before_a_restart_survives_the_turnover_after_it() {
    let (place, opened) = used().await;
    opened.close().await;
    assert_eq!(turned_over(&place).await, (20, 0));
}

#[tokio::test]
async fn it_survives_many_restarts() {
    let (place, opened) = used().await;
    opened.close().await;
    for _ in 0..3 {
        place.open().await.close().await;
    }
    assert_eq!(turned_over(&place).await, (20, 0));
}

/// Shows that the test above can fail.
#[tokio::test]
async fn where_nothing_was_kept_or_it_is_damaged_all_is_cold_and_right() {
    for damage in [false, true] {
        let (place, opened) = used().await;
        opened.close().await;
        let file = kept(&place).unwrap();
        if damage {
            let mut bytes = fs::read(&file).unwrap();
            bytes[40] ^= 1;
            fs::write(&file, bytes).unwrap();
        } else {
            fs::remove_file(&file).unwrap();
        }
        assert_eq!(turned_over(&place).await, (0, 0));
    }
}

#[tokio::test]
async fn what_was_used_until_some_minutes_ago_survives_a_kill() {
    let (place, opened) = used().await;
    tokio::task::yield_now().await;
    assert_eq!(kept(&place), None);
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(6)).await;
    tokio::time::resume();
    until("saving", || kept(&place).is_some()).await;
    let killed = place.crashed();
    drop(opened);
    assert_eq!(turned_over(&killed).await, (20, 0));
}
