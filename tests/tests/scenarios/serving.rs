//! Cold, warm in RAM and warm on disk.

use tests::{
    client::PROTOCOLS,
    oracle::Object,
    world::{Plan, World},
};

const MIB: u64 = 1 << 20;

/// One slice, the largest that is one slice, and the first that is several.
fn sizes(name: &str) -> Vec<Object> {
    let sizes = [1, 4095, 300_007, 4 * MIB, 4 * MIB + 1, 9 * MIB + 77];
    sizes
        .map(|bytes| Object::new(&format!("/v/{name}-{bytes}.m4s"), bytes))
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_object_is_read_once_and_then_served_from_ram() {
    for protocol in PROTOCOLS {
        let objects = sizes("cold");
        let world = World::start(&objects).await;
        for object in &objects {
            let cold = world.client.get(protocol, &object.name, &[]).await;
            cold.is_whole(object);
            assert!(
                cold.cache_status().starts_with("edge1; fwd=uri-miss"),
                "{cold:?}"
            );
            let warm = world.client.get(protocol, &object.name, &[]).await;
            warm.is_whole(object);
            assert!(
                warm.cache_status().starts_with("edge1; hit"),
                "{:?}",
                warm.headers
            );
            assert!(
                warm.cache_status().contains("detail=RAM"),
                "{:?}",
                warm.headers
            );
            let reads = world.origin.reads_by_slice(object, MIB);
            assert!(
                reads.iter().all(|&reads| reads == 1),
                "{}: {reads:?}",
                object.name
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_protocol_fetched_is_a_hit_for_the_others() {
    let object = Object::new("/v/shared.m4s", 700_001);
    let world = World::start(std::slice::from_ref(&object)).await;
    for protocol in PROTOCOLS {
        world
            .client
            .get(protocol, &object.name, &[])
            .await
            .is_whole(&object);
    }
    assert_eq!(world.origin.reads_of(&object).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_edge_serves_from_disk_with_its_upstream_gone() {
    let objects = sizes("disk");
    let mut world = Plan::default().edge_disk(128).start(&objects).await;
    for object in &objects {
        world
            .client
            .get(PROTOCOLS[1], &object.name, &[])
            .await
            .is_whole(object);
    }
    world.restart_edge().await;
    world.stop_shield().await;
    for (protocol, object) in PROTOCOLS.into_iter().cycle().zip(&objects) {
        let warm = world.client.get(protocol, &object.name, &[]).await;
        warm.is_whole(object);
        assert!(
            warm.cache_status().starts_with("edge1; hit"),
            "{:?}",
            warm.headers
        );
        assert!(
            warm.cache_status().contains("detail=NVME"),
            "{:?}",
            warm.headers
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fell_out_of_ram_comes_from_disk() {
    let objects: Vec<_> = (0..12)
        .map(|n| Object::new(&format!("/v/{n}.m4s"), 3 * MIB))
        .collect();
    let plan = Plan::default().edge_disk(128).edge_key("cache.ram", "8MiB");
    let world = plan.start(&objects).await;
    for object in &objects {
        world
            .client
            .get(PROTOCOLS[1], &object.name, &[])
            .await
            .is_whole(object);
    }
    for (protocol, object) in PROTOCOLS.into_iter().cycle().zip(&objects) {
        let again = world.client.get(protocol, &object.name, &[]).await;
        again.is_whole(object);
        assert!(
            again.cache_status().starts_with("edge1; hit"),
            "{:?}",
            again.headers
        );
    }
    for object in &objects {
        assert_eq!(world.origin.reads_of(object).len(), 1, "{}", object.name);
    }
    let from_disk = world
        .edge()
        .metric("millpond_cache_body_bytes_total{source=\"disk\"}")
        .await;
    assert!(from_disk >= 12e6, "{from_disk} bytes came from disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_layer_serves_right_bytes_and_the_one_in_use_is_told() {
    // Where the kernel cannot seal, the node's own records are in use.
    for (asked, used) in [
        ("own", &["own"][..]),
        ("rustls", &["rustls"]),
        ("kernel", &["kernel", "own"]),
    ] {
        let objects = sizes(asked);
        let plan = Plan::default().edge_key("tls.record_layer", asked);
        let world = plan.start(&objects).await;
        for protocol in PROTOCOLS {
            for object in &objects {
                let got = world.client.get(protocol, &object.name, &[]).await;
                got.is_whole(object);
            }
        }
        let mut told = Vec::new();
        for layer in ["own", "rustls", "kernel"] {
            let sample = format!("millpond_tls_record_layer{{layer=\"{layer}\"}}");
            if world.edge().metric(&sample).await > 0.0 {
                told.push(layer);
            }
        }
        assert!(
            told.len() == 1 && used.contains(&told[0]),
            "{asked}: {told:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_object_is_whole() {
    let object = Object::new("/v/empty.vtt", 0);
    let world = World::start(std::slice::from_ref(&object)).await;
    for protocol in PROTOCOLS {
        for _ in 0..2 {
            world
                .client
                .get(protocol, &object.name, &[])
                .await
                .is_whole(&object);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_objects_at_once_over_one_connection_are_each_whole() {
    let objects: Vec<_> = (0..40)
        .map(|n| Object::new(&format!("/many/{n}.m4s"), 100_000 + n * 7_777))
        .collect();
    let world = World::start(&objects).await;
    for protocol in PROTOCOLS {
        let asking = objects
            .iter()
            .map(|object| world.client.get(protocol, &object.name, &[]));
        for (object, reply) in objects
            .iter()
            .zip(futures_util::future::join_all(asking).await)
        {
            reply.is_whole(object);
        }
    }
}
