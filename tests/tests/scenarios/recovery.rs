//! Ends and beginnings: kill, corruption, a full disk, a drain. Never a wrong byte.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tests::{
    client::{Client, PROTOCOLS, Protocol},
    eventually, foreign,
    node::{Child, Launch},
    oracle::Object,
    origin::{Gate, Script},
    within,
    world::{Plan, World},
};

const MIB: u64 = 1 << 20;

fn objects(count: u64) -> Vec<Object> {
    (0..count)
        .map(|n| Object::new(&format!("/v/{n}.m4s"), 400_000 + n * 100_003))
        .collect()
}

fn bytes(objects: &[Object]) -> u64 {
    objects.iter().map(|object| object.bytes).sum()
}

/// Waits until the edge has put all that it was given on its disk.
async fn is_on_disk(world: &World, bytes: u64) {
    eventually(60, "the disk to be written", async || {
        let (_, metrics) = world.edge().ask("/metrics").await;
        let written = metrics
            .lines()
            .filter(|line| line.starts_with("millpond_store_disk_written_bytes_total"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum::<u64>();
        (written >= bytes).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_under_load_costs_no_byte_and_the_hits_come_back() {
    let objects = objects(24);
    let plan = Plan::default().edge_disk(256).edge_apart();
    let mut world = plan.start(&objects).await;
    for object in &objects {
        world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await
            .is_whole(object);
    }
    is_on_disk(&world, bytes(&objects)).await;

    let fresh: Vec<_> = (0..40)
        .map(|n| Object::new(&format!("/fresh/{n}.m4s"), 3 * MIB + n))
        .collect();
    for object in &fresh {
        world.origin.put(object, Script::default());
    }
    kill_under_load(&mut world, &[objects.clone(), fresh.clone()].concat()).await;
    // The kernel ends what was in flight on a ring after its process is gone, and holds the file's
    // lock until then: long, where the disk is slow.
    eventually(60, "the kernel to let go of the disk", async || {
        let disk = fs::File::open(world.edge_home.disk()).unwrap();
        disk.try_lock().ok()
    })
    .await;
    world.edge = Some(world.edge_home.spawn(&world.edge_settings).await);
    world.client = Client::new(&world.pki, world.edge().address, "media.test");
    let before = world.origin.reads().len();
    let mut hits = 0;
    for (protocol, object) in PROTOCOLS.into_iter().cycle().zip(&objects) {
        let reply = world.client.get(protocol, &object.name, &[]).await;
        hits += usize::from(
            reply
                .is_whole(object)
                .cache_status()
                .starts_with("edge1; hit"),
        );
    }
    let logs = world.edge_home.logs();
    let events: Vec<_> = logs
        .lines()
        .filter(|line| line.contains("\"level\""))
        .collect();
    assert!(hits >= 23, "{hits} of 24 hits came back: {events:#?}");
    for object in &fresh {
        world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await
            .is_whole(object);
    }
    assert!(
        world.origin.reads().len() - before < 41,
        "the shield was warm"
    );
}

/// Kills the edge while clients of all protocols read, and waits for their end.
async fn kill_under_load(world: &mut World, objects: &[Object]) {
    let (going, served) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let load = (0..6).map(|n| {
        let client = Client::new(&world.pki, world.edge().address, "media.test");
        let objects = objects.to_vec();
        tokio::spawn(load(
            client,
            PROTOCOLS[n % 3],
            objects,
            n as u64,
            going.clone(),
            served.clone(),
        ))
    });
    let load: Vec<_> = load.collect();
    eventually(60, "some load", async || {
        (served.load(Ordering::Relaxed) > 60).then_some(())
    })
    .await;
    world.edge.take().unwrap().kill().await;
    going.store(false, Ordering::Relaxed);
    for task in load {
        within(60, "the load to end", task).await.unwrap();
    }
}

/// Reads at random until the edge is gone; whatever comes must be right.
async fn load(
    client: Client,
    protocol: Protocol,
    objects: Vec<Object>,
    seed: u64,
    going: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
) {
    let mut random = StdRng::seed_from_u64(seed);
    while going.load(Ordering::Relaxed) {
        let object = &objects[random.random_range(0..objects.len())];
        let request = client.request(&http::Method::GET, &object.name, &[]);
        let Ok(reply) = client.try_send(protocol, request).await else {
            return;
        };
        if reply.end.is_ok() {
            reply.is_whole(object);
            served.fetch_add(1, Ordering::Relaxed);
        } else {
            reply.is_cut(object, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_on_the_disk_are_never_served() {
    let objects = objects(24);
    let mut world = Plan::default().edge_disk(128).start(&objects).await;
    for object in &objects {
        world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await
            .is_whole(object);
    }
    world.client.hang_up();
    world.edge.take().unwrap().drain().await;
    let seed = 4711;
    flip(&world.edge_home.disk(), 400, seed);
    world.edge = Some(world.edge_home.start(&world.edge_settings).await);
    world.client = Client::new(&world.pki, world.edge().address, "media.test");
    for (protocol, object) in PROTOCOLS.into_iter().cycle().zip(&objects) {
        world
            .client
            .get(protocol, &object.name, &[])
            .await
            .is_whole(object);
    }
    let corrupt = "millpond_store_disk_reads_total{outcome=\"corrupt\"}";
    let lost = world.edge().metric(corrupt).await
        + world
            .edge()
            .metric("millpond_store_disk_reads_total{outcome=\"mismatch\"}")
            .await
        + world
            .edge()
            .metric("millpond_store_skipped_segments_total")
            .await;
    assert!(lost > 0.0, "nothing of it was noticed (seed {seed})");
}

/// Flips bits where the file has content.
fn flip(file: &std::path::Path, count: usize, seed: u64) {
    let disk = fs::File::options()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let length = disk.metadata().unwrap().len();
    let mut random = StdRng::seed_from_u64(seed);
    let mut flipped = 0;
    while flipped < count {
        let at = random.random_range(0..length);
        let mut byte = [0];
        disk.read_exact_at(&mut byte, at).unwrap();
        if byte[0] == 0 {
            continue;
        }
        byte[0] ^= 1 << random.random_range(0..8);
        disk.write_all_at(&byte, at).unwrap();
        flipped += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_emptied_or_cut_is_only_cold() {
    let objects = objects(6);
    let mut world = Plan::default().edge_disk(64).start(&objects).await;
    for cut in [Some(5 * MIB + 17), None] {
        for object in &objects {
            world
                .client
                .get(Protocol::Http2, &object.name, &[])
                .await
                .is_whole(object);
        }
        world.client.hang_up();
        world.edge.take().unwrap().drain().await;
        match cut {
            Some(length) => {
                let disk = fs::File::options()
                    .write(true)
                    .open(world.edge_home.disk())
                    .unwrap();
                disk.set_len(length).unwrap();
            }
            None => fs::remove_file(world.edge_home.disk()).unwrap(),
        }
        world.edge = Some(world.edge_home.start(&world.edge_settings).await);
        world.client = Client::new(&world.pki, world.edge().address, "media.test");
        for (protocol, object) in PROTOCOLS.into_iter().cycle().zip(&objects) {
            world
                .client
                .get(protocol, &object.name, &[])
                .await
                .is_whole(object);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_hits_and_nothing_else() {
    if !Child::can_mount().await {
        return foreign::skip("no right to mount a small file system");
    }
    let objects = objects(30);
    let mut world = World::start(&objects).await;
    // The log believes in 64 MiB; the file system has 24.
    let small = world.edge_home.path().join("small");
    let settings = world.edge_settings.clone().with_disk(&world.edge_home, 64);
    let settings = settings.with(
        "cache.disk.0.path",
        small.join("cache.disk").to_str().unwrap(),
    );
    let settings = settings.with("cache.ram", "8MiB");
    world.edge.take().unwrap().drain().await;
    let edge = world
        .edge_home
        .spawn_as(&settings, Launch::SmallFolder(24))
        .await;
    world.edge = Some(edge);
    world.client = Client::new(&world.pki, world.edge().address, "media.test");
    for _ in 0..3 {
        for (protocol, object) in PROTOCOLS.into_iter().cycle().zip(&objects) {
            world
                .client
                .get(protocol, &object.name, &[])
                .await
                .is_whole(object);
        }
    }
    // The log reserves its space when it starts, so that it cannot run out of it later.
    let (_, metrics) = world.edge().ask("/metrics").await;
    let states: Vec<_> = metrics
        .lines()
        .filter(|line| line.starts_with("millpond_store_disk_state") && line.ends_with(" 1"))
        .collect();
    assert!(
        states.len() == 1 && !states[0].contains("\"serving\""),
        "{states:?}"
    );
    assert!(
        world.edge_home.logs().contains("cache.disk"),
        "nothing tells of the disk"
    );
    world.edge.take().unwrap().drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_what_is_in_flight_finish_and_exits_0() {
    let object = Object::new("/v/film.mp4", 3 * MIB);
    let mut world = Plan::default().edge_apart().shield_apart().start(&[]).await;
    let gate = Gate::new();
    let hold = Some((2 * MIB, gate.clone()));
    world.origin.put(
        &object,
        Script {
            hold,
            ..Script::default()
        },
    );
    let mut streams = Vec::new();
    for protocol in PROTOCOLS {
        let mut stream = world.client.stream(protocol, &object.name, &[]).await;
        object.check(0, &stream.read(1000).await).unwrap();
        // What was read is gone from the stream; ask anew for all of it beside it.
        streams.push((
            world.client.stream(protocol, &object.name, &[]).await,
            stream,
        ));
    }
    gate.arrivals(1).await;
    world.edge().child().signal("TERM").await;
    eventually(60, "the edge to refuse what is new", async || {
        let refused = world.client.connect(Protocol::Http1).await.is_err();
        refused.then_some(())
    })
    .await;
    let (status, _) = world.edge().ask("/readyz").await;
    assert_ne!(status, 200, "a draining node wants no more traffic");
    gate.open();
    for (whole, begun) in streams {
        whole.finish().await.is_whole(&object);
        let rest = begun.finish().await;
        rest.end.as_ref().unwrap();
    }
    let edge = world.edge.take().unwrap();
    let ended = edge.child().wait().await;
    assert_eq!(ended.code(), Some(0), "{}", world.edge_home.logs());
    world.stop_shield().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_in_any_order_end_in_one_drain() {
    let object = Object::new("/v/a.m4s", 5_000);
    let mut world = Plan::default()
        .edge_apart()
        .start(std::slice::from_ref(&object))
        .await;
    for signal in ["HUP", "PIPE", "HUP"] {
        world.edge().child().signal(signal).await;
        world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await
            .is_whole(&object);
    }
    world.client.hang_up();
    let edge = world.edge.take().unwrap();
    edge.child().signal("INT").await;
    let ended = edge.child().wait().await;
    assert_eq!(ended.code(), Some(0), "{}", world.edge_home.logs());
}
