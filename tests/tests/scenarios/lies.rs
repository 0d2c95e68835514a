//! Origins that lie: what a viewer gets is right or an error, and nothing wrong stays behind.

use tests::{
    client::{Protocol, Reply},
    oracle::Object,
    origin::{Lie, Script},
    world::World,
};

const MIB: u64 = 1 << 20;

/// What an answer may be when upstream lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The object, whole: the lie did no harm.
    Whole,
    /// 502 to 504 with a reason, or a body that is cut.
    Failure,
    /// Either of them.
    Either,
}

async fn try_lie(lie: Lie, bytes: u64, expected: Expected) {
    let object = Object::new("/v/a.mp4", bytes);
    let world = World::start(&[]).await;
    world.origin.put(
        &object,
        Script {
            lie: Some(lie),
            ..Script::default()
        },
    );
    let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
    let whole = judge(&reply, &object, lie);
    match expected {
        Expected::Whole => assert!(whole, "{lie:?}: {:?} {:?}", reply.status, reply.headers),
        Expected::Failure => assert!(!whole, "{lie:?}: taken for the whole"),
        Expected::Either => {}
    }
    let range = world
        .client
        .get(
            Protocol::Http1,
            &object.name,
            &[("range", "bytes=100-4999")],
        )
        .await;
    if range.status == 206 && range.end.is_ok() {
        // The total may be a lie; the bytes are not.
        object.check(100, &range.body).unwrap();
        assert_eq!(range.body.len(), 4900, "{lie:?}");
    } else {
        judge(&range, &object, lie);
    }
    // Once the origin tells the truth, so do we.
    world.origin.put(&object, Script::default());
    tests::eventually(60, "the truth", async || {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        judge(&reply, &object, lie).then_some(())
    })
    .await;
}

/// Whether it is the whole object; fails the test when it is neither that nor an honest failure.
#[track_caller]
fn judge(reply: &Reply, object: &Object, lie: Lie) -> bool {
    match (reply.status.as_u16(), &reply.end) {
        (200, Ok(())) => {
            reply.is_whole(object);
            true
        }
        (200, Err(_)) => {
            reply.is_cut(object, 0);
            false
        }
        (206, Err(_)) => {
            reply.is_cut(object, 100);
            false
        }
        (502..=504, _) => {
            assert!(
                reply.field("proxy-status").contains("error="),
                "{lie:?}: {reply:?}"
            );
            false
        }
        _ => panic!("{lie:?}: {reply:?}"),
    }
}

macro_rules! lies {
    ($($name:ident: $lie:expr => $small:ident, $large:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            try_lie($lie, 500_001, Expected::$small).await;
            try_lie($lie, 9 * MIB + 5, Expected::$large).await;
        }
    )*};
}

lies! {
    a_body_that_is_too_short_is_never_whole: Lie::Short(1000) => Failure, Failure;
    bytes_beyond_the_length_reach_nobody: Lie::Long(1000) => Either, Either;
    a_content_range_that_is_not_what_was_asked_is_refused: Lie::ShiftedRange => Failure, Failure;
    a_content_range_with_another_total_is_never_believed: Lie::WrongTotal => Failure, Failure;
    the_whole_to_a_range_request_is_cut_to_measure: Lie::IgnoreRange => Whole, Either;
    a_range_that_was_not_asked_for_is_no_whole: Lie::UnaskedRange => Either, Either;
    an_object_that_denies_its_own_bytes_is_an_error: Lie::Unsatisfiable => Failure, Failure;
    not_modified_without_a_validator_is_an_error: Lie::NotModified => Failure, Failure;
    slices_under_a_weak_tag_are_never_combined: Lie::WeakTag => Either, Either;
    an_object_without_a_validator_is_never_mixed: Lie::NoValidator => Either, Either;
    a_chunked_body_is_whole_when_its_end_was_seen: Lie::Chunked => Either, Either;
    a_chunked_body_without_an_end_is_never_whole: Lie::ChunkedCut => Failure, Failure;
    a_body_that_ends_with_its_connection_is_never_wrong: Lie::UntilClose => Either, Either;
    two_lengths_are_refused: Lie::TwoLengths => Failure, Failure;
    a_length_beside_chunks_is_refused: Lie::LengthAndChunks => Failure, Failure;
    a_bare_line_feed_in_a_field_hides_nothing: Lie::BareLineFeed => Either, Either;
    an_answer_that_is_not_http_is_an_error: Lie::Garbage => Failure, Failure;
    a_head_beyond_all_bounds_is_refused: Lie::HugeHeaders => Failure, Failure;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_origin_are_told_and_not_kept() {
    let world = World::start(&[]).await;
    for status in [400, 403, 413, 500, 502, 503, 504] {
        let object = Object::new(&format!("/v/{status}.m4s"), 5_000);
        world.origin.put(
            &object,
            Script {
                status: Some(status),
                ..Script::default()
            },
        );
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        assert!(reply.status.as_u16() >= 400, "{status}: {reply:?}");
        assert_eq!(
            reply.field("cache-control"),
            "no-store",
            "{status}: {reply:?}"
        );
        world.origin.put(&object, Script::default());
        tests::eventually(60, "the origin to be believed again", async || {
            let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
            (reply.status == 200).then(|| reply.is_whole(&object).status)
        })
        .await;
    }
}
