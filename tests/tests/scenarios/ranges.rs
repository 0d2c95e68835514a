//! Ranges: across slices, from RAM, disk and upstream; and those that name nothing.

use tests::{
    client::PROTOCOLS,
    oracle::Object,
    world::{Plan, World},
};

const MIB: u64 = 1 << 20;

fn field(range: &std::ops::Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end - 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_over_slices_in_ram_on_disk_and_upstream_is_right() {
    for protocol in PROTOCOLS {
        let object = Object::new("/v/film.mp4", 14 * MIB + 5);
        let mut world = Plan::default()
            .edge_disk(128)
            .start(std::slice::from_ref(&object))
            .await;
        // The first four slices go to disk and are read from there; the third comes back to RAM.
        let first = world
            .client
            .get(protocol, &object.name, &[("range", "bytes=0-4194303")])
            .await;
        first.is_part(&object, 0..4 * MIB);
        world.restart_edge().await;
        let part = 2 * MIB + 100..2 * MIB + 200;
        let third = world
            .client
            .get(protocol, &object.name, &[("range", &field(&part))])
            .await;
        third.is_part(&object, part);
        let across = MIB + 17..7 * MIB + 3;
        let reply = world
            .client
            .get(protocol, &object.name, &[("range", &field(&across))])
            .await;
        reply.is_part(&object, across);
        for source in ["ram", "disk"] {
            let sample = format!("millpond_cache_body_bytes_total{{source=\"{source}\"}}");
            let bytes = world.edge().metric(&sample).await;
            assert!(bytes > 0.0, "nothing from {source}");
        }
        // What is read ahead is in RAM when the reader comes to it; it was upstream all the same.
        let filled = world.edge().metric("millpond_cache_fill_bytes_total").await;
        assert!(filled >= 3e6, "{filled} bytes from upstream");
        let again = world.client.get(protocol, &object.name, &[]).await;
        again.is_whole(&object);
        let reads = world.origin.reads_by_slice(&object, MIB);
        assert!(reads.iter().all(|&reads| reads == 1), "{reads:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_cold_and_warm_hold_what_they_say() {
    let total = 9 * MIB + 12_345;
    let ranges = [
        0..1,
        0..total,
        MIB - 1..MIB + 1,
        4 * MIB..4 * MIB + 1,
        3 * MIB + 5..8 * MIB + 6,
        total - 1..total,
        6 * MIB..total,
    ];
    for protocol in PROTOCOLS {
        for range in &ranges {
            let object = Object::new("/v/film.mp4", total);
            let world = World::start(std::slice::from_ref(&object)).await;
            for _ in 0..2 {
                let fields = [("range", field(range))];
                let fields = fields
                    .each_ref()
                    .map(|(name, value)| (*name, value.as_str()));
                let reply = world.client.get(protocol, &object.name, &fields).await;
                reply.is_part(&object, range.clone());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_range_of_a_large_object_reads_little_upstream() {
    let object = Object::new("/v/large.mp4", 200 * MIB);
    let world = World::start(std::slice::from_ref(&object)).await;
    for (protocol, at) in PROTOCOLS.into_iter().zip([50, 100, 150]) {
        let range = at * MIB + 7..at * MIB + 8;
        let reply = world
            .client
            .get(protocol, &object.name, &[("range", &field(&range))])
            .await;
        reply.is_part(&object, range);
    }
    let read: u64 = world
        .origin
        .reads_of(&object)
        .iter()
        .map(|read| read.sent().count() as u64)
        .sum();
    assert!(
        read <= 3 * 2 * MIB,
        "three ranges of one byte cost {read} bytes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn open_and_suffix_ranges_are_answered() {
    let object = Object::new("/v/a.mp4", 5 * MIB + 9);
    let world = World::start(std::slice::from_ref(&object)).await;
    let total = object.bytes;
    for protocol in PROTOCOLS {
        let ask = async |range: &str| {
            let reply = world
                .client
                .get(protocol, &object.name, &[("range", range)])
                .await;
            (reply, range.to_owned())
        };
        ask("bytes=5242880-")
            .await
            .0
            .is_part(&object, 5 * MIB..total);
        ask("bytes=-5").await.0.is_part(&object, total - 5..total);
        ask("bytes=-99999999").await.0.is_part(&object, 0..total);
        ask("bytes=100-99999999")
            .await
            .0
            .is_part(&object, 100..total);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_names_nothing_is_416_and_a_strange_one_is_ignored() {
    let object = Object::new("/v/a.mp4", 100_000);
    let world = World::start(std::slice::from_ref(&object)).await;
    for protocol in PROTOCOLS {
        for range in ["bytes=100000-", "bytes=200000-300000", "bytes=-0"] {
            let reply = world
                .client
                .get(protocol, &object.name, &[("range", range)])
                .await;
            reply.is(416);
            assert_eq!(reply.field("content-range"), "bytes */100000", "{range}");
        }
        for range in ["items=0-5", "bytes=9-3", "bytes=a-b", "bytes"] {
            let reply = world
                .client
                .get(protocol, &object.name, &[("range", range)])
                .await;
            reply.is_whole(&object);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_ranges_are_parts_or_the_one_that_covers_them() {
    let object = Object::new("/v/a.mp4", 3 * MIB);
    let world = World::start(std::slice::from_ref(&object)).await;
    for protocol in PROTOCOLS {
        let two = [("range", "bytes=10-19,40-59")];
        let reply = world.client.get(protocol, &object.name, &two).await;
        // They lie close together: one part covers them.
        reply.is_part(&object, 10..60);
        let apart = [("range", "bytes=10-19,2000000-2000009")];
        let reply = world.client.get(protocol, &object.name, &apart).await;
        let kind = reply.is(206).field("content-type");
        let boundary = kind
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        let mut at = 0;
        for first in [10, 2_000_000] {
            let rest = &reply.body[at..];
            let end = rest
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap()
                + 4;
            let opening = String::from_utf8_lossy(&rest[..end]).to_lowercase();
            let range = format!("content-range: bytes {first}-{}/", first + 9);
            assert!(
                opening.contains(boundary) && opening.contains(&range),
                "{opening}"
            );
            object.check(first, &rest[end..end + 10]).unwrap();
            at += end + 10;
        }
        assert_eq!(
            reply.body[at..],
            *format!("\r\n--{boundary}--\r\n").as_bytes()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_resumes_where_a_client_left_only_while_the_object_is_the_same() {
    let object = Object::new("/v/a.mp4", 2 * MIB);
    let world = World::start(std::slice::from_ref(&object)).await;
    for protocol in PROTOCOLS {
        let (same, other) = (object.etag(), object.next().etag());
        let fields = [("range", "bytes=1000000-"), ("if-range", same.as_str())];
        let reply = world.client.get(protocol, &object.name, &fields).await;
        reply.is_part(&object, 1_000_000..object.bytes);
        let weak = format!("W/{same}");
        for tag in [other.as_str(), &weak] {
            let fields = [("range", "bytes=1000000-"), ("if-range", tag)];
            world
                .client
                .get(protocol, &object.name, &fields)
                .await
                .is_whole(&object);
        }
    }
}
