//! Origins that die or change in the middle of a body: no clean end of a part, no mix of versions.

use tests::{
    client::{PROTOCOLS, Protocol, Reply},
    eventually,
    oracle::Object,
    origin::{Death, Gate, Lie, Script},
    world::World,
};

const MIB: u64 = 1 << 20;

/// Either the body was cut, or its failure came early enough to be told in a status.
#[track_caller]
fn is_no_clean_end(reply: &Reply, object: &Object) {
    if reply.status == 200 {
        reply.is_cut(object, 0);
    } else {
        assert!(matches!(reply.status.as_u16(), 502..=504), "{reply:?}");
        assert!(
            reply.field("proxy-status").starts_with("edge1; error="),
            "{reply:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_dies_for_good_never_leaves_a_clean_end() {
    for protocol in PROTOCOLS {
        for death in [Death::Fin, Death::Rst] {
            for (bytes, dies_at) in [(3 * MIB, MIB + 5), (9 * MIB, 6 * MIB)] {
                let object = Object::new("/v/a.mp4", bytes);
                let world = World::start(&[]).await;
                let die = Some((dies_at, death, usize::MAX));
                world.origin.put(
                    &object,
                    Script {
                        die,
                        ..Script::default()
                    },
                );
                let reply = world.client.get(protocol, &object.name, &[]).await;
                is_no_clean_end(&reply, &object);
                // What came is kept, the rest is read when the origin is well.
                world.origin.put(&object, Script::default());
                eventually(60, "the origin to be believed again", async || {
                    let reply = world.client.get(protocol, &object.name, &[]).await;
                    (reply.status == 200).then(|| reply.is_whole(&object).status)
                })
                .await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_dies_once_is_resumed_under_the_same_version() {
    for protocol in PROTOCOLS {
        let object = Object::new("/v/a.mp4", 3 * MIB);
        let world = World::start(&[]).await;
        let die = Some((MIB + 5, Death::Rst, 1));
        world.origin.put(
            &object,
            Script {
                die,
                ..Script::default()
            },
        );
        world
            .client
            .get(protocol, &object.name, &[])
            .await
            .is_whole(&object);
        let reads = world.origin.reads_of(&object);
        assert_eq!(reads.len(), 2, "{reads:?}");
        let resumed = reads[1].head.to_lowercase();
        assert!(
            resumed.contains(&format!("if-match: {}", object.etag())),
            "{resumed}"
        );
        assert!(reads[1].start > 0 && reads[1].start <= MIB + 5, "{reads:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_fill_is_resumed_from_its_last_byte() {
    for protocol in PROTOCOLS {
        let object = Object::new("/v/a.mp4", 3 * MIB);
        let world = World::start(&[]).await;
        let gate = Gate::new();
        let hold = Some((MIB + 5, gate.clone()));
        world.origin.put(
            &object,
            Script {
                hold,
                ..Script::default()
            },
        );
        let stream = world.client.stream(protocol, &object.name, &[]).await;
        gate.arrivals(1).await;
        // The first read stands at its gate for ever; whoever asks next is served.
        world.origin.put(&object, Script::default());
        stream.finish().await.is_whole(&object);
        let reads = world.origin.reads_of(&object);
        assert!((2..=3).contains(&reads.len()), "{reads:?}");
        assert_eq!(reads[1].start, MIB + 5, "{reads:?}");
        assert!(
            reads[1].head.to_lowercase().contains("if-match: "),
            "{reads:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changes_between_slices_is_never_mixed() {
    for lie in [None, Some(Lie::IgnoreConditions)] {
        for protocol in PROTOCOLS {
            let old = Object::new("/v/a.mp4", 20 * MIB);
            let new = old.next();
            let world = World::start(&[]).await;
            let gate = Gate::new();
            let hold = Some((2 * MIB, gate.clone()));
            world.origin.put(
                &old,
                Script {
                    hold,
                    ..Script::default()
                },
            );
            let reading = world.client.stream(protocol, &old.name, &[]).await;
            gate.arrivals(1).await;
            world.origin.put(
                &new,
                Script {
                    lie,
                    ..Script::default()
                },
            );
            gate.open();
            reading.finish().await.is_cut(&old, 0);
            world.origin.put(&new, Script::default());
            is_replaced(&world, protocol, &old, &new).await;
        }
    }
}

/// Waits for the new version. Until it is there the old one is served as far as it is held, for it
/// is still fresh; nothing is ever of both.
async fn is_replaced(world: &World, protocol: Protocol, old: &Object, new: &Object) {
    eventually(60, "the new version", async || {
        let reply = world.client.get(protocol, &new.name, &[]).await;
        match (reply.status.as_u16(), reply.header("etag")) {
            (200, Some(tag)) if tag == new.etag() && reply.end.is_ok() => {
                reply.is_whole(new);
                Some(())
            }
            (200, Some(tag)) => {
                reply.is_cut(if tag == new.etag() { new } else { old }, 0);
                None
            }
            _ => None,
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_is_never_resumed_with_another_version() {
    for lie in [None, Some(Lie::IgnoreConditions)] {
        let old = Object::new("/v/a.mp4", 3 * MIB);
        let new = old.next();
        let world = World::start(&[]).await;
        let gate = Gate::new();
        let script = Script {
            hold: Some((MIB, gate.clone())),
            die: Some((2 * MIB, Death::Fin, 1)),
            ..Script::default()
        };
        world.origin.put(&old, script);
        let reading = world.client.stream(Protocol::Http2, &old.name, &[]).await;
        gate.arrivals(1).await;
        world.origin.put(
            &new,
            Script {
                lie,
                ..Script::default()
            },
        );
        gate.open();
        reading.finish().await.is_cut(&old, 0);
        world.origin.put(&new, Script::default());
        is_replaced(&world, Protocol::Http2, &old, &new).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_object_is_seen_when_its_time_is_over() {
    let old = Object::new("/live/a.m3u8", 3_000);
    let new = old.next();
    let world = World::start(&[]).await;
    world.origin.put(&old, Script::under("max-age=1"));
    world
        .client
        .get(Protocol::Http2, &old.name, &[])
        .await
        .is_whole(&old);
    world.origin.put(&new, Script::under("max-age=1"));
    eventually(60, "the new version", async || {
        let reply = world.client.get(Protocol::Http2, &old.name, &[]).await;
        let is_new = reply.field("etag") == new.etag();
        if is_new {
            reply.is_whole(&new)
        } else {
            reply.is_whole(&old)
        };
        is_new.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_object_is_revalidated_without_its_bytes() {
    let object = Object::new("/live/a.m4s", 300_000);
    let world = World::start(&[]).await;
    world.origin.put(
        &object,
        Script::under("max-age=1, stale-while-revalidate=0"),
    );
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
    eventually(60, "a revalidation", async || {
        world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await
            .is_whole(&object);
        (world.origin.reads_of(&object).len() >= 2).then_some(())
    })
    .await;
    let reads = world.origin.reads_of(&object);
    assert!(
        reads[1].head.to_lowercase().contains("if-none-match: "),
        "{reads:?}"
    );
    assert!(reads[1].sent().is_empty(), "{reads:?}");
}
