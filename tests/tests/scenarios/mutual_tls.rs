//! A shield answers whoever shows a certificate of the right authority, and nobody else.

use tests::{
    client::{Client, Protocol},
    eventually,
    oracle::Object,
    pki::Pki,
    world::{Plan, World},
};

fn object() -> Object {
    Object::new("/v/a.m4s", 5_000)
}

fn edge_like(world: &World, identity: Option<&tests::pki::Files>) -> Client {
    Client::with_identity(&world.pki, world.shield().address, "shield.test", identity)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_right_authority_opens_the_shield() {
    let (object, world) = (object(), World::start(&[object()]).await);
    let identity = world.pki.client("edge7.test");
    let client = edge_like(&world, Some(&identity));
    client
        .get(Protocol::Http2, "/media/v/a.m4s", &[])
        .await
        .is_whole(&object);
    client
        .get(Protocol::Http2, "/nobody/v/a.m4s", &[])
        .await
        .is(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_certificate_no_request_is_heard() {
    let world = World::start(&[object()]).await;
    let other = Pki::new();
    let identities = [
        ("none", None),
        (
            "of another authority",
            Some(world.pki.strange_client("edge1.test")),
        ),
        ("of another installation", Some(other.client("edge1.test"))),
        ("expired", Some(world.pki.expired_client("edge1.test"))),
    ];
    for (what, identity) in &identities {
        let client = edge_like(&world, identity.as_ref());
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let request = client.request(&http::Method::GET, "/media/v/a.m4s", &[]);
            let heard = client.try_send(protocol, request).await;
            assert!(
                heard.is_err(),
                "a certificate {what} over {protocol}: {heard:?}"
            );
        }
    }
    assert!(world.origin.reads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_edges_on_the_list_are_answered() {
    let object = object();
    let plan = Plan::default().shield_key("edges.names", vec!["edge1.test"]);
    let world = plan.start(std::slice::from_ref(&object)).await;
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
    let identity = world.pki.client("edge7.test");
    let client = edge_like(&world, Some(&identity));
    client
        .get(Protocol::Http2, "/media/v/a.m4s", &[])
        .await
        .is(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_with_a_wrong_certificate_tells_its_viewers_why() {
    let object = object();
    let mut world = World::start(std::slice::from_ref(&object)).await;
    let wrong = world.pki.strange_client("edge1.test");
    world
        .edge_settings
        .set("shields.certificate", wrong.cert.to_str().unwrap());
    world
        .edge_settings
        .set("shields.key", wrong.key.to_str().unwrap());
    world.restart_edge().await;
    // In TLS 1.3 a client learns after its handshake that it was refused; the alert may be lost
    // when the connection is reset behind it, so one telling reply out of some is asked for.
    eventually(60, "the refusal to be named", async || {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        assert!(matches!(reply.status.as_u16(), 502 | 503), "{reply:?}");
        reply
            .field("proxy-status")
            .contains("tls_certificate_error")
            .then_some(())
    })
    .await;
    assert!(world.origin.reads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_trusts_no_shield_of_another_authority() {
    let object = object();
    let mut world = World::start(std::slice::from_ref(&object)).await;
    let other = Pki::new();
    world
        .edge_settings
        .set("shields.ca", other.ca().to_str().unwrap());
    world.restart_edge().await;
    let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
    assert!(matches!(reply.status.as_u16(), 502 | 503), "{reply:?}");
    assert!(
        reply
            .field("proxy-status")
            .contains("tls_certificate_error"),
        "{reply:?}"
    );
}
