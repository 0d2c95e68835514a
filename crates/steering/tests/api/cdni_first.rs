//! CDNI triggers as RFC 8007 has them.

use http::Method;
use serde_json::{Value as Json, json};

use crate::support::{Got, OWNER, READER, RIVAL, STEERING, World, eventually, request};

const COMMAND: &str = "application/cdni; ptype=ci-trigger-command";
const STATUS: &str = "application/cdni; ptype=ci-trigger-status";

async fn command(world: &World, who: &str, command: Json) -> Got {
    world
        .post(who, "/cdni/triggers", COMMAND, command.to_string())
        .await
}

/// Sends a trigger that is taken; its path.
async fn create(world: &World, trigger: Json) -> String {
    let got = command(
        world,
        OWNER,
        json!({ "trigger": trigger, "cdn-path": ["AS64496:0"] }),
    )
    .await
    .is(201);
    assert_eq!(got.field("content-type"), STATUS);
    assert_eq!(got.json()["trigger"], trigger);
    let location = got.field("location").to_owned();
    location
        .strip_prefix("https://localhost")
        .unwrap()
        .to_owned()
}

/// Waits for a trigger to get into a state; shows it then.
async fn becomes(world: &World, path: &str, status: &str) -> Json {
    eventually(status, async || {
        let got = world.get(OWNER, path).await.is(200).json();
        (got["status"] == status).then_some(got)
    })
    .await
}

#[tokio::test]
async fn a_preposition_fills_and_is_complete() {
    let world = World::new().await;
    let urls = [
        "https://cdn.example/a/1.m4s",
        "http://CDN.example:8080/a/2.m4s?x=1",
    ];
    let path = create(
        &world,
        json!({ "type": "preposition", "content.urls": urls }),
    )
    .await;
    let status = becomes(&world, &path, "complete").await;
    assert!(status["ctime"].as_u64().unwrap() > 1_600_000_000);
    assert_eq!(status.get("errors"), None);
    let mut asked = world.engine.asked();
    asked.sort();
    assert_eq!(
        asked,
        ["prefill vod:/a/1.m4s 0", "prefill vod:/a/2.m4s?x=1 0"]
    );
}

#[tokio::test]
async fn what_failed_is_told_by_its_url_as_it_was_given() {
    let world = World::new().await;
    let (good, bad) = ("https://cdn.example/a", "https://CDN.example/missing");
    let path = create(
        &world,
        json!({ "type": "preposition", "content.urls": [good, bad] }),
    )
    .await;
    let status = becomes(&world, &path, "failed").await;
    assert_eq!(status["errors"][0]["error"], "econtent");
    assert_eq!(status["errors"][0]["content.urls"], json!([bad]));
    assert_eq!(status["errors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn purges_and_invalidations_reach_urls_and_patterns() {
    let world = World::new().await;
    let pattern = json!({ "pattern": "https://cdn*.example/a/*", "case-sensitive": true });
    let purge = json!({ "type": "purge", "content.urls": ["https://cdn.example/b"], "content.patterns": [pattern] });
    let path = create(&world, purge).await;
    becomes(&world, &path, "complete").await;
    assert_eq!(world.engine.asked()[0], "Forget vod /b");
    assert!(
        world
            .engine
            .asked()
            .contains(&"Forget vod ~/a/*".to_owned()),
        "{:?}",
        world.engine.asked()
    );
    let invalidate = json!({ "type": "invalidate", "content.patterns": [{ "pattern": "//*/c/*" }], "metadata.urls": ["https://cdn.example/m"] });
    let path = create(&world, invalidate).await;
    becomes(&world, &path, "complete").await;
    let asked = world.engine.asked();
    assert!(
        asked.iter().any(|asked| asked.starts_with("Confirm vod")),
        "{asked:?}"
    );
    assert!(
        !asked.iter().any(|asked| asked.contains("news")),
        "an owner reaches its own: {asked:?}"
    );
}

#[tokio::test]
async fn what_is_not_known_here_is_a_failed_trigger() {
    let world = World::new().await;
    for (trigger, error) in [
        (
            json!({ "type": "warm", "content.urls": ["https://cdn.example/a"] }),
            "eunsupported",
        ),
        (
            json!({ "type": "preposition", "metadata.urls": ["https://cdn.example/m"] }),
            "emeta",
        ),
        (json!({ "type": "purge", "content.ccid": ["1"] }), "ereject"),
        (
            json!({ "type": "purge", "content.urls": ["https://elsewhere.example/a"] }),
            "eperm",
        ),
        (
            json!({ "type": "purge", "content.patterns": [{ "pattern": "https://elsewhere.example/*" }] }),
            "eperm",
        ),
    ] {
        let path = create(&world, trigger.clone()).await;
        let status = becomes(&world, &path, "failed").await;
        assert_eq!(status["errors"][0]["error"], error, "{trigger}");
    }
    assert!(world.engine.asked().is_empty());
}

#[tokio::test]
async fn a_bad_command_is_400_and_somebody_elses_content_403() {
    let world = World::new().await;
    for bad in [
        json!({}),
        json!({ "trigger": { "type": "purge" } }),
        json!({ "trigger": { "type": "purge", "content.urls": ["/a"] } }),
        json!({ "trigger": { "type": "purge", "content.urls": ["ftp://cdn.example/a"] } }),
        json!({ "trigger": { "type": "purge", "content.urls": ["https://cdn.example/%41"] } }),
        json!({ "trigger": { "type": "preposition", "content.patterns": [{ "pattern": "*" }] } }),
        json!({ "trigger": { "type": "purge", "content.patterns": [{ "pattern": "$a" }] } }),
        json!({ "trigger": { "type": "purge", "content.urls": ["https://cdn.example/a"] }, "cancel": ["x"] }),
    ] {
        command(&world, OWNER, bad).await.refused(400, "malformed");
    }
    let trigger = json!({ "type": "purge", "content.urls": ["https://cdn.example/a"] });
    command(&world, RIVAL, json!({ "trigger": trigger }))
        .await
        .refused(403, "role");
    let pattern =
        json!({ "type": "purge", "content.patterns": [{ "pattern": "https://cdn.example/*" }] });
    command(&world, RIVAL, json!({ "trigger": pattern }))
        .await
        .refused(403, "role");
    let looping = json!({ "trigger": trigger, "cdn-path": ["AS64496:0", "AS64500:1"] });
    command(&world, OWNER, looping).await.refused(400, "loop");
}

#[tokio::test]
async fn a_trigger_is_cancelled_while_it_waits_and_while_it_works() {
    let world = World::new().await;
    let slow = |at: usize| json!({ "type": "preposition", "content.urls": [format!("https://cdn.example/slow/{at}")] });
    let mut paths = Vec::new();
    for at in 0..65 {
        paths.push(create(&world, slow(at)).await);
    }
    let states = eventually("64 at work", async || {
        let mut states = Vec::new();
        for path in &paths {
            let got = world.get(OWNER, path).await.json();
            states.push(got["status"].as_str().unwrap().to_owned());
        }
        (states.iter().filter(|state| *state == "active").count() == 64).then_some(states)
    })
    .await;
    let waiting = states.iter().position(|state| state == "pending").unwrap();
    let working = (waiting + 1) % 65;
    let url = |at: usize| format!("https://localhost{}", paths[at]);
    command(&world, OWNER, json!({ "cancel": [url(waiting)] }))
        .await
        .is(200);
    becomes(&world, &paths[waiting], "canceled").await;
    command(&world, OWNER, json!({ "cancel": [url(working)] }))
        .await
        .is(202);
    let status = becomes(&world, &paths[working], "canceled").await;
    assert_eq!(status["errors"][0]["error"], "ecanceled");
    for unknown in ["https://localhost/cdni/triggers/none", "none", ""] {
        command(&world, OWNER, json!({ "cancel": [unknown] }))
            .await
            .refused(404, "not_found");
    }
    world.engine.slow.add_permits(10);
}

#[tokio::test]
async fn collections_tell_what_there_is_to_those_who_may_know() {
    let world = World::new().await;
    let done = create(
        &world,
        json!({ "type": "purge", "content.urls": ["https://cdn.example/a"] }),
    )
    .await;
    becomes(&world, &done, "complete").await;
    let failed = create(
        &world,
        json!({ "type": "warm", "content.urls": ["https://cdn.example/a"] }),
    )
    .await;
    let all = world.get(OWNER, "/cdni/triggers").await.is(200);
    assert_eq!(
        all.field("content-type"),
        "application/cdni; ptype=ci-trigger-collection"
    );
    let all = all.json();
    assert_eq!(all["triggers"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&all["staleresourcetime"], &all["cdn-id"]),
        (&json!(86_400), &json!("AS64500:1"))
    );
    for (view, path) in [("coll-complete", &done), ("coll-failed", &failed)] {
        let url = all[view]
            .as_str()
            .unwrap()
            .strip_prefix("https://localhost")
            .unwrap();
        let listed = world.get(OWNER, url).await.is(200).json();
        assert_eq!(
            listed["triggers"],
            json!([format!("https://localhost{path}")]),
            "{view}"
        );
    }
    for (who, count) in [(STEERING, 2), (READER, 2), (RIVAL, 0)] {
        let listed = world.get(who, "/cdni/triggers").await.is(200).json();
        assert_eq!(listed["triggers"].as_array().unwrap().len(), count, "{who}");
    }
    world.get(RIVAL, &done).await.refused(404, "not_found");
    world.delete(RIVAL, &done).await.refused(404, "not_found");
    world
        .get(OWNER, "/cdni/collections/odd")
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn who_knows_a_status_is_told_that_it_is_the_same() {
    let world = World::new().await;
    let path = create(
        &world,
        json!({ "type": "purge", "content.urls": ["https://cdn.example/a"] }),
    )
    .await;
    becomes(&world, &path, "complete").await;
    let got = world.get(OWNER, &path).await;
    assert_eq!(got.field("cache-control"), "private, max-age=60");
    for path in [path.as_str(), "/cdni/triggers"] {
        let tag = world.get(OWNER, path).await.field("etag").to_owned();
        let mut again = request(Method::GET, path, "", "".into());
        again
            .headers_mut()
            .insert("if-none-match", format!("\"x\", {tag}").parse().unwrap());
        let got = world.send(OWNER, again).await.is(304);
        assert_eq!(got.field("etag"), tag);
        assert!(got.body.is_empty());
    }
}

#[tokio::test]
async fn a_status_takes_no_post_and_is_gone_once_deleted() {
    let world = World::new().await;
    let path = create(
        &world,
        json!({ "type": "preposition", "content.urls": ["https://cdn.example/slow"] }),
    )
    .await;
    for (media, body) in [
        (
            "application/cdni; ptype=ci-trigger.v2",
            "{\"state\":\"active\"}",
        ),
        (COMMAND, "{}"),
    ] {
        let got = world.post(OWNER, &path, media, body).await;
        assert_eq!(
            got.refused(405, "method").field("allow"),
            "GET, DELETE, HEAD"
        );
    }
    for path in [path.as_str(), "/cdni/triggers", "/cdni/collections/all"] {
        let put = request(Method::PUT, path, COMMAND, "{}".into());
        let got = world.send(OWNER, put).await.refused(405, "method");
        assert!(got.field("allow").contains("GET"), "{got:?}");
    }
    world.delete(OWNER, &path).await.is(204);
    world.get(OWNER, &path).await.refused(404, "not_found");
    assert_eq!(
        std::fs::read_dir(world.state.path().join("triggers"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn triggers_outlive_a_restart_and_go_on() {
    let mut world = World::new().await;
    let done = create(
        &world,
        json!({ "type": "purge", "content.urls": ["https://cdn.example/a"] }),
    )
    .await;
    becomes(&world, &done, "complete").await;
    let slow = create(
        &world,
        json!({ "type": "preposition", "content.urls": ["https://cdn.example/slow"] }),
    )
    .await;
    becomes(&world, &slow, "active").await;
    let damaged = world.state.path().join("triggers/00.json");
    std::fs::write(&damaged, "{").unwrap();
    world.restart().await;
    becomes(&world, &done, "complete").await;
    becomes(&world, &slow, "active").await;
    world.engine.slow.add_permits(1);
    becomes(&world, &slow, "complete").await;
    assert!(damaged.exists(), "what cannot be read is left for people");
}

#[tokio::test]
async fn a_trigger_under_way_tells_when_it_expects_to_be_done() {
    let world = World::new().await;
    let urls = ["https://cdn.example/a", "https://cdn.example/slow"];
    let path = create(
        &world,
        json!({ "type": "preposition", "content.urls": urls }),
    )
    .await;
    let status = eventually("half of it to be done", async || {
        let got = world.get(OWNER, &path).await.is(200).json();
        got.get("etime").is_some().then_some(got)
    })
    .await;
    let time = |name: &str| status[name].as_u64().unwrap();
    assert_eq!(status["status"], "active");
    assert!(time("ctime") <= time("mtime"), "{status}");
    assert!(time("ctime") <= time("etime"), "{status}");
    world.engine.slow.add_permits(1);
    let status = becomes(&world, &path, "complete").await;
    assert_eq!(status.get("etime"), None, "it is over");
}

#[tokio::test]
async fn a_cancelled_trigger_stays_so_and_tells_why_over_a_restart() {
    let mut world = World::new().await;
    let path = create(
        &world,
        json!({ "type": "preposition", "content.urls": ["https://cdn.example/slow"] }),
    )
    .await;
    becomes(&world, &path, "active").await;
    // As a crash leaves it: the cancellation is written down, and its end is not.
    let id = path.rsplit('/').next().unwrap();
    let file = world.state.path().join(format!("triggers/{id}.json"));
    world.steering.take().unwrap().end().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let mut kept: Json = serde_json::from_str(&text).unwrap();
    kept["state"] = json!("Cancelling");
    std::fs::write(&file, kept.to_string()).unwrap();
    world.start_again().await;
    let status = becomes(&world, &path, "canceled").await;
    assert_eq!(status["errors"][0]["error"], "ecanceled");
}
