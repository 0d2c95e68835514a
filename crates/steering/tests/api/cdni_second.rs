//! The second edition's shapes: object lists, time windows, priorities, labels.

use serde_json::{Value as Json, json};

use crate::support::{Got, OWNER, World, eventually};

const TRIGGER: &str = "application/cdni; ptype=ci-trigger.v2";

pub(crate) fn spec(kind: &str, value: &Json) -> Json {
    json!({ "trigger-subject": "content", "cit-spec-type": kind, "cit-spec-value": value })
}

fn extension(kind: &str, value: &Json) -> Json {
    json!({ "cit-extension-type": kind, "cit-extension-value": value })
}

pub(crate) async fn post(world: &World, path: &str, body: Json) -> Got {
    world.post(OWNER, path, TRIGGER, body.to_string()).await
}

pub(crate) async fn create(world: &World, body: Json) -> String {
    let got = post(world, "/cdni/triggers", body).await.is(201);
    assert_eq!(got.field("content-type"), TRIGGER);
    got.field("location")
        .strip_prefix("https://localhost")
        .unwrap()
        .to_owned()
}

pub(crate) async fn becomes(world: &World, path: &str, state: &str) -> Json {
    eventually(state, async || {
        let got = world.get(OWNER, path).await.is(200).json();
        (got["state"] == state).then_some(got)
    })
    .await
}

#[tokio::test]
async fn objects_urls_and_patterns_are_done_and_counted() {
    let world = World::new().await;
    let objects = json!({ "objects": [
        { "href": "https://cdn.example/a/1", "type": "object", "size": 10 },
        { "href": "https://cdn.example/a/2" },
    ] });
    let body = json!({
        "action": "preposition",
        "specs": [spec("content-objectlist", &objects), spec("urls", &json!({ "urls": ["https://cdn.example/b"] }))],
        "labels": ["launch=2026-11"],
    });
    let path = create(&world, body.clone()).await;
    let shown = becomes(&world, &path, "complete").await;
    assert_eq!(
        (&shown["specs"], &shown["action"]),
        (&body["specs"], &body["action"])
    );
    assert_eq!(shown["total-objects-count"], 3);
    let pattern = spec(
        "uri-pattern-match",
        &json!({ "pattern": "https://cdn.example/*" }),
    );
    let path = create(&world, json!({ "action": "purge", "specs": [pattern] })).await;
    becomes(&world, &path, "complete").await;
    assert_eq!(world.engine.asked().last().unwrap(), "Forget vod ~/*");
}

#[tokio::test]
async fn a_trigger_waits_for_its_window_and_may_be_hurried() {
    let world = World::new().await;
    let now = message::now().unix_s();
    let window = json!({ "unix-time-window": { "start": now + 3_600, "end": now + 7_200 } });
    let body = json!({
        "action": "preposition",
        "specs": [spec("urls", &json!(["https://cdn.example/a"]))],
        "extensions": [extension("time-policy", &window)],
    });
    let path = create(&world, body).await;
    becomes(&world, &path, "pending").await;
    assert!(world.engine.asked().is_empty());
    post(&world, &path, json!({ "state": "active" }))
        .await
        .is(200);
    becomes(&world, &path, "complete").await;
    post(&world, &path, json!({ "state": "cancelled" }))
        .await
        .refused(409, "conflict");
}

#[tokio::test]
async fn of_a_trigger_nothing_but_its_state_is_changed() {
    let world = World::new().await;
    let body = json!({
        "action": "preposition",
        "specs": [spec("urls", &json!(["https://cdn.example/slow"]))],
        "labels": ["a=b"],
    });
    let path = create(&world, body.clone()).await;
    becomes(&world, &path, "active").await;
    let other = json!([spec("urls", &json!(["https://cdn.example/b"]))]);
    for change in [
        json!({}),
        json!({ "labels": ["a=c"] }),
        json!({ "state": "complete" }),
        json!({ "state": "cancelled", "labels": ["a=c"] }),
        json!({ "state": "cancelled", "action": "purge" }),
        json!({ "state": "cancelled", "specs": other }),
        json!({ "state": "cancelled", "extensions": [{}] }),
    ] {
        let got = post(&world, &path, change).await;
        got.refused(501, "unsupported");
    }
    let first = "application/cdni; ptype=ci-trigger-command";
    let got = world.post(OWNER, &path, first, "{}").await;
    got.refused(415, "media_type");
    let mut whole = body;
    whole["state"] = json!("cancelled");
    post(&world, &path, whole).await.is(202);
    let shown = becomes(&world, &path, "cancelled").await;
    assert_eq!(shown["errors"][0]["error"], "ecancelled");
    assert_eq!(shown["state-reason"], "cancelled");
}

#[tokio::test]
async fn a_trigger_that_is_sent_as_active_waits_for_no_window() {
    let world = World::new().await;
    let now = message::now().unix_s();
    let window = json!({ "unix-time-window": { "start": now + 3_600, "end": now + 7_200 } });
    let body = |state: &str| {
        json!({
            "action": "preposition",
            "state": state,
            "specs": [spec("urls", &json!(["https://cdn.example/a"]))],
            "extensions": [extension("time-policy", &window)],
        })
    };
    let pending = create(&world, body("pending")).await;
    let active = create(&world, body("active")).await;
    becomes(&world, &active, "complete").await;
    let shown = becomes(&world, &pending, "pending").await;
    assert_eq!(shown["etime"], now + 7_200, "by the end of its window");
    assert!(
        world
            .engine
            .asked()
            .contains(&"prefill vod:/a 0!".to_owned())
    );
    let got = post(&world, "/cdni/triggers", body("cancelled")).await;
    got.refused(400, "malformed");
}

#[tokio::test]
async fn words_count_whatever_their_case_and_others_are_told_by_their_own_errors() {
    let world = World::new().await;
    let urls = json!({ "urls": ["https://cdn.example/a"], "url-type": "Published" });
    let mut shouted = spec("URLs", &urls);
    shouted["trigger-subject"] = json!("Content");
    let extension = extension("Execution-Policy", &json!({ "priority": 1 }));
    let body = json!({ "action": "purge", "specs": [shouted], "extensions": [extension] });
    let path = create(&world, body).await;
    becomes(&world, &path, "complete").await;
    let about = |subject: &str| {
        let mut about = spec("urls", &json!({ "urls": ["https://cdn.example/a"] }));
        about["trigger-subject"] = json!(subject);
        about
    };
    let private = json!({ "urls": ["https://cdn.example/a"], "url-type": "private" });
    let pattern = json!({ "pattern": "*", "url-type": "private" });
    for (spec, error) in [
        (about("metadata"), "esubject"),
        (about("weather"), "esubject"),
        (spec("urls", &private), "espec"),
        (spec("uri-pattern-match", &pattern), "espec"),
        (spec("smells", &json!({})), "espec"),
    ] {
        let path = create(&world, json!({ "action": "purge", "specs": [spec] })).await;
        let shown = becomes(&world, &path, "failed").await;
        assert_eq!(shown["errors"][0]["error"], error, "{spec}");
        assert_eq!(shown["errors"][0]["specs"], json!([spec]));
    }
    let warm = json!({ "action": "warm", "specs": [about("content")] });
    let path = create(&world, warm).await;
    let shown = becomes(&world, &path, "failed").await;
    assert_eq!(shown["errors"][0]["error"], "eunsupported");
    assert_eq!(world.engine.asked(), ["Forget vod /a"]);
}

#[tokio::test]
async fn a_label_that_is_none_refused() {
    let world = World::new().await;
    let with = |label: &str| {
        json!({
            "action": "purge",
            "specs": [spec("urls", &json!(["https://cdn.example/a"]))],
            "labels": [label],
        })
    };
    let long = "a".repeat(64);
    for bad in [
        "a",
        "=b",
        "a=",
        "a=b=c",
        "-a=b",
        "a=_b",
        "a=b/c",
        &format!("a={long}"),
    ] {
        let got = post(&world, "/cdni/triggers", with(bad)).await;
        got.refused(400, "malformed");
    }
    create(&world, with(&format!("0.a-_={}", &long[1..]))).await;
}

#[tokio::test]
async fn a_window_that_has_passed_fails_its_trigger() {
    let world = World::new().await;
    let window =
        json!({ "utc-window": { "start": "2020-01-01T02:00:00Z", "end": "2020-01-01T06:00:00Z" } });
    let body = json!({
        "action": "preposition",
        "specs": [spec("urls", &json!(["https://cdn.example/a"]))],
        "extensions": [extension("time-policy", &window)],
    });
    let path = create(&world, body).await;
    let shown = becomes(&world, &path, "failed").await;
    assert_eq!(shown["errors"][0]["error"], "ereject");
}

#[tokio::test]
async fn the_highest_priority_goes_first_and_prerequisites_before_it_however_they_end() {
    let world = World::new().await;
    let trigger = |url: &str, policy: Json| {
        json!({
            "action": "preposition",
            "specs": [spec("urls", &json!([format!("https://cdn.example/{url}")]))],
            "extensions": [extension("execution-policy", &policy)],
        })
    };
    // Sixteen that take all places of what is urgent, then those whose order is to be seen.
    let mut busy = Vec::new();
    for at in 0..16 {
        let policy = json!({ "priority": 1 });
        busy.push(create(&world, trigger(&format!("slow/{at}"), policy)).await);
    }
    for path in &busy {
        becomes(&world, path, "active").await;
    }
    let low = create(&world, trigger("missing/low", json!({ "priority": 2 }))).await;
    let needed = format!("https://localhost{low}");
    let after = create(
        &world,
        trigger(
            "after",
            json!({ "priority": 100, "prerequisites": [needed] }),
        ),
    )
    .await;
    let high = create(&world, trigger("high", json!({ "priority": 5 }))).await;
    world.engine.slow.add_permits(1);
    becomes(&world, &low, "failed").await;
    for path in [&after, &high] {
        becomes(&world, path, "complete").await;
    }
    let asked = world.engine.asked();
    let place = |what: &str| asked.iter().position(|asked| asked.contains(what)).unwrap();
    assert!(
        place("/high") < place("/low") && place("/low") < place("/after"),
        "{asked:?}"
    );
    assert!(asked.contains(&"prefill vod:/high 5!".to_owned()));
    world.engine.slow.add_permits(10);
}

#[tokio::test]
async fn what_must_be_enforced_and_is_not_understood_fails_the_trigger() {
    let world = World::new().await;
    let with = |extension: Json| {
        json!({
            "action": "preposition",
            "specs": [spec("urls", &json!(["https://cdn.example/a"]))],
            "extensions": [extension],
        })
    };
    let location = extension("location-policy", &json!({ "locations": [] }));
    let path = create(&world, with(location.clone())).await;
    let shown = becomes(&world, &path, "failed").await;
    assert_eq!(shown["errors"][0]["error"], "eextension");
    assert_eq!(shown["errors"][0]["cdn-id"], "AS64500:1");
    assert_eq!(shown["errors"][0]["extensions"], json!([location]));
    let window = json!({ "unix-time-window": { "start": 5, "end": 4_000_000_000_u64 } });
    let window = extension("time-policy", &window);
    let unknown = json!({ "prerequisites": ["https://localhost/cdni/triggers/none"] });
    let mut twice = with(window.clone());
    twice["extensions"] = json!([window, window]);
    for body in [twice, with(extension("execution-policy", &unknown))] {
        let path = create(&world, body).await;
        let shown = becomes(&world, &path, "failed").await;
        assert_eq!(shown["errors"][0]["error"], "eextension", "{shown}");
    }
    assert!(world.engine.asked().is_empty());
    let mut optional = location;
    optional["mandatory-to-enforce"] = json!(false);
    let path = create(&world, with(optional)).await;
    becomes(&world, &path, "complete").await;
}

#[tokio::test]
async fn a_spec_that_is_not_known_is_told_as_it_was_given() {
    let world = World::new().await;
    let ccids = spec("ccids", &json!({ "ccids": ["film-7"] }));
    let list = json!([{ "href": "https://cdn.example/film.zip", "type": "zip" }]);
    let body = json!({ "action": "purge", "specs": [ccids, spec("content-objectlist", &list)] });
    let path = create(&world, body).await;
    let shown = becomes(&world, &path, "failed").await;
    assert_eq!(shown["errors"][0]["error"], "espec");
    assert_eq!(shown["errors"][0]["specs"][0], ccids);
    assert!(
        shown["errors"][1]["specs"][0]
            .to_string()
            .contains("film.zip"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_trigger_of_too_many_names_refused_however_they_are_spread() {
    let world = World::new().await;
    let urls = |count| spec("urls", &json!(vec!["https://cdn.example/a"; count]));
    let pattern = spec(
        "uri-pattern-match",
        &json!({ "pattern": "https://cdn.example/*" }),
    );
    let ccids = spec("ccids", &json!({ "ccids": ["film-7"] }));
    let with = |specs: Json| json!({ "action": "purge", "specs": specs });
    create(&world, with(json!([urls(9_998), pattern, ccids]))).await;
    for (specs, is_bad) in [
        (json!([urls(5_000), urls(5_001)]), "two lists"),
        (json!([urls(10_000), pattern]), "a list and a pattern"),
        (json!([urls(10_000), ccids]), "a list and what is not known"),
        (json!([urls(0)]), "a list of none"),
    ] {
        let got = post(&world, "/cdni/triggers", with(specs)).await;
        assert_eq!(got.status, 400, "{is_bad}: {got:?}");
    }
    let optional = json!({ "cit-extension-type": "x", "cit-extension-value": 1, "mandatory-to-enforce": false });
    let extended = |count| json!({ "action": "purge", "specs": [urls(1)], "extensions": vec![&optional; count] });
    create(&world, extended(16)).await;
    post(&world, "/cdni/triggers", extended(17))
        .await
        .refused(400, "malformed");
}

#[tokio::test]
async fn what_is_malformed_is_told_with_what_it_is() {
    let world = World::new().await;
    let url = "https://cdn.example/a%2fb";
    for (body, told) in [
        (
            json!({ "specs": [spec("urls", &json!([url]))] }),
            "`action`",
        ),
        (
            json!({ "action": "purge", "specs": [spec("urls", &json!([url]))] }),
            url,
        ),
    ] {
        let got = post(&world, "/cdni/triggers", body).await;
        let got = got.refused(400, "malformed");
        assert!(got.json()["detail"].to_string().contains(told), "{got:?}");
    }
}

#[tokio::test]
async fn a_spec_that_says_a_thing_twice_refused() {
    let world = World::new().await;
    let body = r#"{"action":"purge","specs":[{"trigger-subject":"content",
        "cit-spec-type":"uri-pattern-match",
        "cit-spec-value":{"pattern":"https://cdn.example/a","pattern":"https://cdn.example/*"}}]}"#;
    world
        .post(OWNER, "/cdni/triggers", TRIGGER, body)
        .await
        .refused(400, "malformed");
    assert!(world.engine.asked().is_empty());
}

fn regex(text: &str) -> Json {
    spec(
        "uri-regex-match",
        &json!({ "regex": text, "case-sensitive": true }),
    )
}

#[tokio::test]
async fn a_regular_expression_reaches_the_sites_that_it_can_match_of_the_owners_own() {
    let world = World::new().await;
    for (text, action, reach) in [
        (r"^https://cdn\.example/film/\d+\.ts$", "purge", "Forget"),
        (r"/film/\d+\.ts$", "invalidate", "Confirm"),
    ] {
        let body = json!({ "action": action, "specs": [regex(text)] });
        let path = create(&world, body).await;
        becomes(&world, &path, "complete").await;
        let asked = world.engine.asked();
        assert_eq!(*asked.last().unwrap(), format!("{reach} vod /{text}/"));
    }
    assert_eq!(world.engine.asked().len(), 2, "the other site is another's");
    let theirs = json!({ "action": "purge", "specs": [regex("^https://news")] });
    let got = post(&world, "/cdni/triggers", theirs).await;
    got.refused(403, "role");
}

#[tokio::test]
async fn a_regular_expression_that_cannot_be_held_is_told_with_its_reason() {
    let world = World::new().await;
    for (text, error, why) in [
        ("(?!a)", "espec", "look-around"),
        ("(a", "espec", "unclosed group"),
        ("((((a{99}){99}){99}){99})", "espec", "size limit"),
        ("^https://nobody", "eperm", "no site"),
    ] {
        let spec = regex(text);
        let path = create(&world, json!({ "action": "purge", "specs": [spec] })).await;
        let shown = becomes(&world, &path, "failed").await;
        assert_eq!(shown["errors"][0]["error"], error, "{text}");
        assert_eq!(shown["errors"][0]["specs"][0], spec);
        let told = shown["errors"][0]["description"].as_str().unwrap();
        assert!(told.contains(why), "{told}");
    }
    assert!(world.engine.asked().is_empty());
}

#[tokio::test]
async fn the_index_leads_to_triggers_by_state_and_label() {
    let world = World::new().await;
    let body = json!({
        "action": "purge",
        "specs": [spec("urls", &json!(["https://cdn.example/a"]))],
        "labels": ["title=42"],
    });
    let path = create(&world, body).await;
    becomes(&world, &path, "complete").await;
    let index = world.get(OWNER, "/cdni/v2/index").await.is(200).json();
    let mut found = 0;
    for entry in index["collections"].as_array().unwrap() {
        let url = entry["collection-uri"]
            .as_str()
            .unwrap()
            .strip_prefix("https://localhost")
            .unwrap();
        let listed = world.get(OWNER, url).await.is(200).json();
        for name in ["filter-type", "filter-value"] {
            assert_eq!(listed.get(name), entry.get(name));
        }
        found += listed["trigger-urls"].as_array().unwrap().len();
    }
    assert_eq!(found, 3, "among all, by its state and by its label");
    let first = world.get(OWNER, "/cdni/triggers").await.is(200).json();
    assert_eq!(first["triggers"], json!([]), "the editions are apart");
}
