//! A directory as object storage.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use futures_util::StreamExt;
use message::{Condition, Kind};
use upstream::{Limits, ObjectStorage, ObjectStorageConfig, Store};

use crate::support::{Ask, body, content, expect, field, metrics, unhurried};

const SIZE: u64 = 1_000_000;

fn storage(root: &Path) -> ObjectStorage {
    let config = ObjectStorageConfig {
        name: "dir".into(),
        store: Store::Directory {
            root: root.to_owned(),
        },
        limits: Limits {
            retries_max: 0,
            ..unhurried()
        },
    };
    ObjectStorage::new(&config, &metrics().0).unwrap()
}

fn with_object() -> (tempfile::TempDir, ObjectStorage) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("a")).unwrap();
    fs::write(
        root.path().join("a/clip.m4s"),
        content("/a/clip.m4s", 0, SIZE),
    )
    .unwrap();
    fs::write(root.path().join("empty"), b"").unwrap();
    let storage = storage(root.path());
    (root, storage)
}

const CLIP: &str = "/a/clip.m4s";

#[tokio::test]
async fn a_file_is_read_whole_and_in_ranges() {
    let (_root, storage) = with_object();
    let whole = Ask::whole(CLIP).of(&storage).await.unwrap();
    assert_eq!(field(&whole, "content-length"), "1000000");
    assert_eq!(field(&whole, "content-type"), "video/iso.segment");
    assert!(!field(&whole, "etag").is_empty() && !field(&whole, "last-modified").is_empty());
    expect(whole, 200, &content(CLIP, 0, SIZE)).await;
    for (first, last, content_range) in [
        (0, 0, "bytes 0-0/1000000"),
        (262_143, 524_288, "bytes 262143-524288/1000000"),
        (0, 4_194_303, "bytes 0-999999/1000000"),
        (999_999, 1_048_575, "bytes 999999-999999/1000000"),
    ] {
        let part = Ask::range(CLIP, first, last).of(&storage).await.unwrap();
        assert_eq!(field(&part, "content-range"), content_range);
        let length = last.min(SIZE - 1) + 1 - first;
        expect(part, 206, &content(CLIP, first, length)).await;
    }
}

/// R12 among others.
#[tokio::test]
async fn a_range_beyond_the_end_is_416_with_the_size() {
    let (_root, storage) = with_object();
    for (path, first, expected) in [
        (CLIP, SIZE, "bytes */1000000"),
        ("/empty", 0, "bytes */0"),
        (CLIP, u64::MAX - 1, "bytes */1000000"),
    ] {
        let response = Ask::range(path, first, first + 1)
            .of(&storage)
            .await
            .unwrap();
        assert_eq!(field(&response, "content-range"), expected);
        expect(response, 416, b"").await;
    }
    expect(Ask::whole("/empty").of(&storage).await.unwrap(), 200, b"").await;
}

#[tokio::test]
async fn conditions_hold_or_do_not() {
    let (_root, storage) = with_object();
    let head = Ask::whole(CLIP).of(&storage).await.unwrap();
    let etag = field(&head, "etag").to_owned();
    let date = field(&head, "last-modified").to_owned();
    let part = Ask::range(CLIP, 5, 9)
        .if_match(&etag)
        .of(&storage)
        .await
        .unwrap();
    expect(part, 206, &content(CLIP, 5, 5)).await;
    expect(
        Ask::range(CLIP, 5, 9)
            .if_match("\"x\"")
            .of(&storage)
            .await
            .unwrap(),
        412,
        b"",
    )
    .await;
    let ask = Ask::whole(CLIP).with(Condition::IfNoneMatch(etag.as_str().into()));
    let unchanged = ask.of(&storage).await.unwrap();
    assert_eq!(field(&unchanged, "etag"), etag);
    expect(unchanged, 304, b"").await;
    let ask = Ask::whole(CLIP).with(Condition::IfModifiedSince(date.into()));
    expect(ask.of(&storage).await.unwrap(), 304, b"").await;
}

#[tokio::test]
async fn what_is_not_a_file_below_the_root_is_404() {
    let (root, storage) = with_object();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), b"secret").unwrap();
    symlink(outside.path().join("secret"), root.path().join("link")).unwrap();
    symlink(outside.path(), root.path().join("door")).unwrap();
    symlink(root.path().join("a/clip.m4s"), root.path().join("inner")).unwrap();
    let long = format!("/{}", "x".repeat(300));
    for path in [
        "/none",
        "/a",
        "/a/",
        "/",
        "//a/clip.m4s",
        "/a/clip.m4s/x",
        "/../secret",
        "/a/../empty",
        "/%2e%2e/secret",
        "/a%2fclip.m4s",
        "/link",
        "/door/secret",
        "/dev/null",
        &long,
        "empty",
    ] {
        expect(Ask::whole(path).of(&storage).await.unwrap(), 404, b"").await;
    }
    expect(
        Ask::range("/inner", 0, 4).of(&storage).await.unwrap(),
        206,
        &content(CLIP, 0, 5),
    )
    .await;
}

#[tokio::test]
async fn a_file_replaced_by_rename_is_still_read_as_it_was() {
    let (root, storage) = with_object();
    let response = Ask::whole(CLIP).of(&storage).await.unwrap();
    fs::write(root.path().join("new"), content("new", 0, SIZE)).unwrap();
    fs::rename(root.path().join("new"), root.path().join("a/clip.m4s")).unwrap();
    expect(response, 200, &content(CLIP, 0, SIZE)).await;
    expect(
        Ask::whole(CLIP).of(&storage).await.unwrap(),
        200,
        &content("new", 0, SIZE),
    )
    .await;
}

/// Never mixed: the version of each piece is looked at after it was read.
#[tokio::test]
async fn a_file_changed_in_place_while_it_is_read_ends_with_an_error() {
    for change in [b"other bytes".as_slice(), b""] {
        let (root, storage) = with_object();
        let response = Ask::whole(CLIP).of(&storage).await.unwrap();
        let mut body = response.into_body();
        let first = body.next().await.unwrap().unwrap();
        assert!(first == content(CLIP, 0, first.len() as u64));
        let file = root.path().join("a/clip.m4s");
        fs::write(&file, change).unwrap();
        // The same size again, so that only the time of the change tells.
        fs::OpenOptions::new()
            .write(true)
            .open(&file)
            .unwrap()
            .set_len(SIZE)
            .unwrap();
        let error = loop {
            match body.next().await.expect("an error before the end") {
                Ok(_bytes) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), Kind::HttpResponseIncomplete);
    }
}

#[tokio::test]
async fn a_body_that_is_dropped_ends_its_reading() {
    let (_root, storage) = with_object();
    drop(Ask::whole(CLIP).of(&storage).await.unwrap());
    let response = Ask::range(CLIP, 0, 9).of(&storage).await.unwrap();
    assert_eq!(body(response).await.unwrap(), content(CLIP, 0, 10));
}

#[test]
fn a_root_that_does_not_exist_is_refused() {
    let config = ObjectStorageConfig {
        name: "dir".into(),
        store: Store::Directory {
            root: "/nonexistent/millpond".into(),
        },
        limits: Limits {
            head_timeout: Duration::from_secs(1),
            ..Limits::default()
        },
    };
    assert!(matches!(
        ObjectStorage::new(&config, &metrics().0),
        Err(upstream::Error::Root { .. })
    ));
}
