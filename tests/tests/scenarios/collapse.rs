//! Many viewers, one read: followers live on what the leader's fill brings, not on the leader.

use tests::{
    client::{PROTOCOLS, Protocol, Streaming},
    oracle::Object,
    origin::{Gate, Script},
    world::{Plan, World},
};

const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn followers_read_what_came_before_the_fill_is_done() {
    for protocol in PROTOCOLS {
        let object = Object::new("/live/a.m4s", 3 * MIB);
        let world = World::start(&[]).await;
        let gate = Gate::new();
        let hold = Some((2 * MIB, gate.clone()));
        world.origin.put(
            &object,
            Script {
                hold,
                ..Script::default()
            },
        );
        let mut leader = world.client.stream(protocol, &object.name, &[]).await;
        gate.arrivals(1).await;
        let mut follower = world.client.stream(protocol, &object.name, &[]).await;
        // Half of it has come, the origin stands at the gate, and both have that half.
        for stream in [&mut leader, &mut follower] {
            let part = stream.read(1_900_000).await;
            object.check(0, &part).unwrap();
        }
        drop((leader, follower));
        let whole = world.client.stream(protocol, &object.name, &[]).await;
        gate.open();
        whole.finish().await.is_whole(&object);
        assert_eq!(world.origin.reads_of(&object).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fill_goes_on_when_its_first_client_leaves() {
    for protocol in PROTOCOLS {
        let object = Object::new("/v/a.m4s", 3 * MIB + 1);
        let world = World::start(&[]).await;
        let gate = Gate::new();
        let hold = Some((MIB, gate.clone()));
        world.origin.put(
            &object,
            Script {
                hold,
                ..Script::default()
            },
        );
        let mut leader = world.client.stream(protocol, &object.name, &[]).await;
        leader.read(1000).await;
        let follower = world.client.stream(protocol, &object.name, &[]).await;
        gate.arrivals(1).await;
        drop(leader);
        gate.open();
        follower.finish().await.is_whole(&object);
        let reads = world.origin.reads_of(&object);
        assert_eq!(reads.len(), 1, "{reads:?}");
        assert_eq!(reads[0].sent(), 0..object.bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fill_goes_on_when_all_clients_leave() {
    let object = Object::new("/v/a.m4s", 2 * MIB);
    let world = World::start(&[]).await;
    let gate = Gate::new();
    let hold = Some((MIB, gate.clone()));
    world.origin.put(
        &object,
        Script {
            hold,
            ..Script::default()
        },
    );
    let mut only = world
        .client
        .stream(Protocol::Http2, &object.name, &[])
        .await;
    only.read(1000).await;
    gate.arrivals(1).await;
    drop(only);
    gate.open();
    let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
    reply.is_whole(&object);
    assert_eq!(world.origin.reads_of(&object).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_come_before_the_first_byte_share_one_read() {
    let object = Object::new("/v/film.mp4", 6 * MIB + 5);
    let world = World::start(&[]).await;
    let gate = Gate::new();
    world.origin.put(
        &object,
        Script {
            before: Some(gate.clone()),
            ..Script::default()
        },
    );
    let asking = (0..60).map(|n| world.client.stream(PROTOCOLS[n % 3], &object.name, &[]));
    let asking = async {
        let streams = futures_util::future::join_all(asking).await;
        let finishing = streams.into_iter().map(Streaming::finish);
        futures_util::future::join_all(finishing).await
    };
    let opening = async {
        gate.arrivals(1).await;
        gate.open();
    };
    let (replies, ()) = tokio::join!(asking, opening);
    for reply in replies {
        reply.is_whole(&object);
    }
    let reads = world.origin.reads_by_slice(&object, MIB);
    assert!(reads.iter().all(|&reads| reads == 1), "{reads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_up_nobody() {
    let object = Object::new("/v/film.mp4", 24 * MIB);
    let world = World::start(std::slice::from_ref(&object)).await;
    for protocol in PROTOCOLS {
        let mut slow = world.client.stream(protocol, &object.name, &[]).await;
        slow.read(1).await;
        let quick = world.client.stream(protocol, &object.name, &[]).await;
        assert_eq!(quick.check(&object, 0).await, object.bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_stored_is_not_serialised() {
    let object = Object::new("/v/private.json", 5_000);
    let world = World::start(&[]).await;
    let gate = Gate::new();
    world.origin.put(&object, Script::under("no-store"));
    // The first answer tells that nothing of it may be stored; from then on nobody waits.
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
    world.origin.put(
        &object,
        Script {
            before: Some(gate.clone()),
            ..Script::under("no-store")
        },
    );
    let asking = (0..5).map(|_| world.client.stream(Protocol::Http2, &object.name, &[]));
    let opening = async {
        gate.arrivals(5).await;
        gate.open();
    };
    let (streams, ()) = tokio::join!(futures_util::future::join_all(asking), opening);
    for stream in streams {
        stream.finish().await.is_whole(&object);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_restart_finds_the_shield_warm() {
    let object = Object::new("/v/film.mp4", 6 * MIB);
    let mut world = Plan::default().start(std::slice::from_ref(&object)).await;
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
    world.restart_edge().await;
    let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
    reply.is_whole(&object);
    let chain = reply.field("cache-status");
    assert!(chain.starts_with("shield1; hit"), "{chain}");
    let reads = world.origin.reads_by_slice(&object, MIB);
    assert!(reads.iter().all(|&reads| reads == 1), "{reads:?}");
}
