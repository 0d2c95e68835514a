//! Upstream goes away: hits go on, misses say why, and all is well when it returns.

use std::net::SocketAddr;

use tests::{
    client::{PROTOCOLS, Protocol},
    eventually,
    node::{Home, Role, Settings},
    oracle::Object,
    origin::Script,
    world::{Plan, World},
};

fn objects(name: &str, count: u64) -> Vec<Object> {
    (0..count)
        .map(|n| Object::new(&format!("/{name}/{n}.m4s"), 90_000 + n))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_go_on_and_misses_say_why_while_the_shield_is_down() {
    let (held, missing) = (objects("held", 9), objects("missing", 9));
    let mut world = World::start(&[held.clone(), missing.clone()].concat()).await;
    for object in &held {
        world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await
            .is_whole(object);
    }
    let address = world.shield().address;
    world.stop_shield().await;
    for protocol in PROTOCOLS {
        for object in &held {
            let hit = world.client.get(protocol, &object.name, &[]).await;
            hit.is_whole(object);
            assert!(
                hit.cache_status().starts_with("edge1; hit"),
                "{:?}",
                hit.headers
            );
        }
        for object in &missing {
            let miss = world.client.get(protocol, &object.name, &[]).await;
            assert!(matches!(miss.status.as_u16(), 502..=504), "{miss:?}");
            assert!(
                miss.field("proxy-status").starts_with("edge1; error="),
                "{miss:?}"
            );
            assert_eq!(miss.field("cache-control"), "no-store");
        }
    }
    restart_shield(&mut world, address).await;
    for object in &missing {
        eventually(60, "the shield to be asked again", async || {
            let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
            (reply.status == 200).then(|| reply.is_whole(object).status)
        })
        .await;
    }
}

async fn restart_shield(world: &mut World, address: SocketAddr) {
    let settings = world
        .shield_settings
        .clone()
        .with("listen.address", address.to_string());
    world.shield = Some(world.shield_home.start(&settings).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_shield_takes_over() {
    let (before, after) = (objects("before", 12), objects("after", 12));
    let mut world = World::start(&[before.clone(), after.clone()].concat()).await;
    let home = Home::new(Role::Shield);
    let settings = Settings::shield(&home, &world.pki, &world.origin.url())
        .with_vault_at(&world.origin.url())
        .with("node.name", "shield2");
    let second = home.start(&settings).await;
    world.point_edge_at(&[world.shield().address, second.address]);
    world.restart_edge().await;
    let mut by_second = 0;
    for object in &before {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        by_second += usize::from(reply.is_whole(object).field("via").contains("shield2"));
    }
    assert!(
        (1..12).contains(&by_second),
        "the ring gave the second shield {by_second} of 12"
    );
    world.stop_shield().await;
    for (protocol, object) in PROTOCOLS.into_iter().cycle().zip(&after) {
        let reply = world.client.get(protocol, &object.name, &[]).await;
        assert!(
            reply.is_whole(object).field("via").contains("shield2"),
            "{:?}",
            reply.headers
        );
    }
    world.edge.take().unwrap().drain().await;
    second.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_object_is_served_while_the_shield_is_down() {
    let object = Object::new("/live/a.m3u8", 2_000);
    let mut world = World::start(&[]).await;
    world.origin.put(&object, Script::under("max-age=1"));
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
    world.stop_shield().await;
    eventually(60, "the object to be stale", async || {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        let status = reply.is_whole(&object).cache_status();
        status.contains("ttl=-").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_be_revalidated_is_not_served_stale() {
    let object = Object::new("/live/a.m3u8", 2_000);
    let mut world = World::start(&[]).await;
    world
        .origin
        .put(&object, Script::under("max-age=1, must-revalidate"));
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
    world.stop_shield().await;
    eventually(60, "the object to be stale", async || {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        if reply.status == 200 {
            reply.is_whole(&object);
            return None;
        }
        // RFC 9111 section 5.2.2.2: an error, 504 unless another is more applicable.
        assert!(matches!(reply.status.as_u16(), 502..=504), "{reply:?}");
        Some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_object_is_served_while_the_origin_fails() {
    let object = Object::new("/live/a.m3u8", 2_000);
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
    world.origin.put(
        &object,
        Script {
            status: Some(503),
            ..Script::default()
        },
    );
    eventually(60, "a question to the failing origin", async || {
        world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await
            .is_whole(&object);
        (world.origin.reads_of(&object).len() >= 2).then_some(())
    })
    .await;
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_never_answers_is_a_timeout() {
    let object = Object::new("/v/a.m4s", 2_000);
    let plan = Plan::default()
        .shield_key("site.0.origin.first_byte_timeout", "300ms")
        .shield_key("site.0.origin.retries_max", 0);
    let world = plan.start(&[]).await;
    let before = Some(tests::origin::Gate::new());
    world.origin.put(
        &object,
        Script {
            before,
            ..Script::default()
        },
    );
    for protocol in PROTOCOLS {
        let reply = world.client.get(protocol, &object.name, &[]).await;
        reply.is(504);
        assert!(reply.field("proxy-status").contains("error="), "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_is_not_there_is_named() {
    let plan = Plan::default().shield_key("site.0.origin.urls", vec!["http://127.0.0.1:9"]);
    let world = plan.start(&[]).await;
    for protocol in PROTOCOLS {
        let reply = world.client.get(protocol, "/v/a.m4s", &[]).await;
        assert!(matches!(reply.status.as_u16(), 502 | 503), "{reply:?}");
        assert!(reply.field("proxy-status").contains("error="), "{reply:?}");
        assert!(reply.end.is_ok() && reply.body.len() < 100, "{reply:?}");
    }
}
