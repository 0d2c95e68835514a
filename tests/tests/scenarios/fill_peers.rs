//! Edges of a cluster: one fetches from far away, the others copy from it.

use tests::{
    client::{Client, Protocol},
    eventually,
    node::{Home, Node, Role, Settings},
    oracle::Object,
    origin::ScriptedOrigin,
    planner::{Planner, Wishes, planned},
    world::World,
};

use crate::fill::{objects, state};

const ALL_DAY: &str = "00:00-00:00";
/// Refuses every connection.
const NOBODY: &str = "127.0.0.1:9";

/// The first edge of a cluster of two, which fetches from far away.
async fn master(planner: &Planner, objects: &[Object]) -> World {
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.publish(1, &wanted);
    let wishes = Wishes {
        audience: Some("edge2"),
        ..Wishes::default()
    };
    planner.publish_as(1, &wanted, &wishes);
    let plan = planner.edge(ALL_DAY).edge_key("fill.master", true);
    let mut world = plan.start(objects).await;
    let home = &world.edge_home;
    let settings = peers(
        world.edge_settings.clone(),
        &world,
        "edge1",
        ("edge2", NOBODY),
    );
    let settings = settings.with("fill.peers.listen", "127.0.0.1:0");
    world.client.hang_up();
    world.edge.take().unwrap().drain().await;
    world.edge = Some(home.start(&settings).await);
    world.edge_settings = settings;
    state(&world, "held", u32::try_from(objects.len()).unwrap()).await;
    world
}

/// Adds a peer to the settings of `edge`.
fn peers(settings: Settings, world: &World, edge: &str, (name, at): (&str, &str)) -> Settings {
    let identity = world.pki.client(&format!("{edge}.test"));
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    settings
        .with("fill.peers.ca", text(world.pki.ca()))
        .with("fill.peers.certificate", text(&identity.cert))
        .with("fill.peers.key", text(&identity.key))
        .with("fill.peers.member.0.name", name)
        .with("fill.peers.member.0.server_name", format!("{name}.test"))
        .with("fill.peers.member.0.addresses", vec![at])
}

/// The second edge, which copies from `peer` and waits so long before it asks the shield.
async fn copier(
    planner: &Planner,
    world: &World,
    (name, peer): (&str, &str),
    shield_after: &str,
) -> (Home, Node) {
    let home = Home::new(Role::Edge);
    let settings = Settings::edge(&home, &world.pki, &[world.shield().address]);
    let mut settings = settings.with_disk(&home, 256).with("node.name", "edge2");
    for (key, value) in planner.settings("edge2", ALL_DAY) {
        settings.set(key, value);
    }
    settings.set("fill.shield_after", shield_after);
    let settings = peers(settings, world, "edge2", (name, peer));
    let node = home.start(&settings).await;
    (home, node)
}

async fn holds(edge: &Node, count: u64) {
    let what = format!("{count} objects to be held");
    let sample = "millpond_fill_objects{state=\"held\"}";
    eventually(40, &what, async || {
        (edge.count(sample).await == count).then_some(())
    })
    .await;
}

/// How many were filled from a kind of source.
async fn filled(edge: &Node, source: &str) -> u64 {
    let sample = format!("millpond_fill_filled_total{{source=\"{source}\"}}");
    edge.count(&sample).await
}

async fn serves(world: &World, edge: &Node, objects: &[Object]) {
    let client = Client::new(&world.pki, edge.address, "media.test");
    for object in objects {
        let reply = client.get(Protocol::Http2, &object.name, &[]).await;
        reply.is_whole(object);
        let how = reply.cache_status();
        assert!(how.contains("hit"), "{how}");
    }
}

fn all(objects: &[Object]) -> u64 {
    objects.len() as u64
}

fn asked(world: &World) -> usize {
    world.shield_home.logs().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_edge_of_a_cluster_copies_from_the_first_and_asks_no_shield() {
    // Some are larger than what is read at once.
    let mut objects = objects(6);
    objects.push(Object::new("/v/long.mp4", 11_000_003));
    let planner = Planner::new();
    let world = master(&planner, &objects).await;
    let asked_before = asked(&world);
    let peer = world.edge().peers.unwrap().to_string();
    let (_home, second) = copier(&planner, &world, ("edge1", &peer), "10m").await;
    holds(&second, all(&objects)).await;
    assert_eq!(filled(&second, "peer").await, all(&objects));
    assert_eq!(asked(&world), asked_before, "the shield was asked");
    serves(&world, &second, &objects).await;
    second.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_peer_is_escalated_to_the_shield_after_its_time() {
    let (objects, planner) = (objects(4), Planner::new());
    let world = master(&planner, &objects).await;
    let (_home, second) = copier(&planner, &world, ("edge1", NOBODY), "2s").await;
    holds(&second, all(&objects)).await;
    assert_eq!(filled(&second, "shield").await, all(&objects));
    serves(&world, &second, &objects).await;
    second.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_wrong_bytes_is_refused_by_the_digest_and_the_shield_asked_at_once() {
    let (objects, planner) = (objects(4), Planner::new());
    let world = master(&planner, &objects).await;
    // What speaks as a peer does and has other bytes: a shield of another origin.
    let other: Vec<_> = objects.iter().map(Object::next).collect();
    let origin = ScriptedOrigin::start(&other).await;
    let home = Home::new(Role::Shield);
    let settings = Settings::shield(&home, &world.pki, &origin.url());
    let liar = home.start(&settings).await;
    let address = liar.address.to_string();
    let (_home, second) = copier(&planner, &world, ("shield", &address), "10m").await;
    holds(&second, all(&objects)).await;
    assert!(!origin.reads().is_empty(), "the liar was asked");
    assert_eq!(filled(&second, "shield").await, all(&objects));
    serves(&world, &second, &objects).await;
    second.drain().await;
    liar.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_members_are_served_and_only_what_is_planned_and_verified() {
    let (objects, planner) = (objects(3), Planner::new());
    let world = master(&planner, &objects[..2]).await;
    world
        .origin
        .put(&objects[2], tests::origin::Script::default());
    let viewed = world
        .client_of(world.edge())
        .get(Protocol::Http2, &objects[2].name, &[])
        .await;
    viewed.is_whole(&objects[2]);
    let address = world.edge().peers.unwrap();
    let as_peer = |name: &str| {
        let identity = world.pki.client(name);
        Client::with_identity(&world.pki, address, "edge1.test", Some(&identity))
    };
    let member = as_peer("edge2.test");
    let get = async |client: &Client, object: &Object| {
        let target = format!("/media{}", object.name);
        client.get(Protocol::Http2, &target, &[]).await
    };
    get(&member, &objects[0]).await.is_whole(&objects[0]);
    get(&member, &objects[2]).await.is(404);
    // As an edge asks that was purged: what is here may be older than that.
    let confirmed = [("cache-control", "no-cache")];
    let target = format!("/media{}", objects[0].name);
    let reply = member.get(Protocol::Http2, &target, &confirmed).await;
    reply.is(404);
    get(&as_peer("edge3.test"), &objects[0]).await.is(403);
    let stranger = Client::new(&world.pki, address, "edge1.test");
    let request = stranger.request(&http::Method::GET, "/media/v/0.m4s", &[]);
    let heard = stranger.try_send(Protocol::Http2, request).await;
    assert!(heard.is_err(), "without a certificate: {heard:?}");
}
