//! The page for people.

use bytes::Bytes;
use http::Method;

use crate::support::{Got, OWNER, READER, STEERING, World, request};

async fn get(world: &World, path: &str, fields: &[(&'static str, &str)]) -> Got {
    let mut get = request(Method::GET, path, "", Bytes::new());
    for (name, value) in fields {
        get.headers_mut().insert(*name, value.parse().unwrap());
    }
    world.send(STEERING, get).await
}

#[tokio::test]
async fn who_may_read_has_a_page_of_how_the_node_is() {
    let world = World::new().await;
    let got = world.get(READER, "/").await.is(200);
    assert_eq!(got.field("content-type"), "text/html; charset=utf-8");
    assert_eq!(got.field("cache-control"), "no-store");
    let page = String::from_utf8_lossy(&got.body);
    for told in [
        "<title>edge1: serving</title>",
        "waits to try again what failed",
        "its digest differs",
        "/disk",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    world.get(OWNER, "/").await.refused(403, "role");
}

#[tokio::test]
async fn nothing_runs_in_the_page_and_nothing_is_loaded_for_it() {
    let world = World::new().await;
    let got = world.get(STEERING, "/").await.is(200);
    let policy = got.field("content-security-policy");
    for directive in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = String::from_utf8_lossy(&got.body);
    for loading in [
        "<script", "<link", "<img", "src=", "href=", "style=", "url(",
    ] {
        assert!(!page.contains(loading), "{loading}: {page}");
    }
}

#[tokio::test]
async fn a_browser_may_visit_the_page_and_nothing_else() {
    let world = World::new().await;
    let visit = [
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    get(&world, "/", &visit).await.is(200);
    get(&world, "/v1/heartbeat", &visit)
        .await
        .refused(403, "browser");
    for wrong in [
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-dest", "iframe"),
        ("origin", "https://evil.example"),
    ] {
        let mut fields = visit.to_vec();
        fields.push(wrong);
        get(&world, "/", &fields).await.refused(403, "browser");
    }
}
