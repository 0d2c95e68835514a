//! A site whose origin does not tell `A` from `a`: names, purges, and tokens, which do.

use signing::Carrier;
use steering::report::PurgeOrder;
use tests::{
    client::Protocol,
    keys::{carry, token},
    oracle::Object,
    origin::Script,
    world::Plan,
};

fn plan() -> Plan {
    Plan::default()
        .edge_key("site.0.path_case", "fold")
        .shield_key("site.0.path_case", "fold")
        .edge_key("site.1.path_case", "fold")
        .shield_key("site.1.path_case", "fold")
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_in_any_case_are_one_object_and_one_purge() {
    let object = Object::new("/film/a1.m4s", 50_000);
    let world = plan().edge_steered().shield_steered();
    let world = world.start(std::slice::from_ref(&object)).await;
    let spellings = ["/film/a1.m4s", "/FILM/A1.m4s", "/Film/a1.M4S"];
    let mut current = object;
    let orders: [fn(&mut PurgeOrder); 3] = [
        |order| order.path = Some("/Film/A1.M4S".to_owned()),
        |order| order.prefix = Some("/FI".to_owned()),
        |order| order.pattern = Some("*/A?.M4S".to_owned()),
    ];
    for change in orders {
        let reads = world.origin.reads().len();
        for spelling in spellings {
            let reply = world.client.get(Protocol::Http2, spelling, &[]).await;
            reply.is_whole(&current);
        }
        assert_eq!(world.origin.reads().len(), reads + 1);
        current = current.next();
        world.origin.put(&current, Script::default());
        let mut order = PurgeOrder {
            site: "media".to_owned(),
            ..PurgeOrder::default()
        };
        change(&mut order);
        let port = world.shield().steering.unwrap().port();
        let shield = world.steering_at("steering.test", port);
        shield.purge(&order).await.unwrap();
        let edge = world.steering("steering.test");
        edge.purge(&order).await.unwrap();
    }
    let reply = world.client.get(Protocol::Http2, spellings[1], &[]).await;
    reply.is_whole(&current);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_what_it_names_byte_by_byte() {
    let object = Object::new("/films/1/a.m4s", 50_000);
    let world = plan().start(std::slice::from_ref(&object)).await;
    let token = token(&world.keys.ed25519, "/films/1");
    let get = async |path: &str| {
        let target = carry(path, Carrier::Query, &token);
        world.viewer.get(Protocol::Http2, &target, &[]).await
    };
    get("/films/1/a.m4s").await.is_whole(&object);
    get("/films/1/A.M4S").await.is_whole(&object);
    get("/Films/1/a.m4s").await.is(403);
    get("/films/2/a.m4s").await.is(403);
    assert_eq!(world.origin.reads().len(), 1);
}
