//! Triggers that name lists in files of their own, and manifests of Smooth Streaming.

use serde_json::{Value as Json, json};
use steering::{Role, Roles};

use crate::{
    cdni_second::{becomes, create, post, spec},
    playlists::{trigger, world},
    support::{OWNER, STEERING, World},
};

const SMOOTH: &str = "<SmoothStreamingMedia><StreamIndex Url=\"Q({bitrate})/F(v={start time})\">\
    <QualityLevel Bitrate=\"800\"/><c d=\"2\" r=\"2\"/></StreamIndex></SmoothStreamingMedia>";

fn at(name: &str) -> String {
    format!("https://cdn.example/{name}")
}

fn list(objects: &Json) -> String {
    json!({ "objects": objects }).to_string()
}

/// A catalogue in JSON, with a list in text, a manifest and a playlist in it.
async fn catalogue() -> World {
    let all = list(&json!([
        { "href": at("poster.jpg"), "size": 10 },
        { "href": at("more.txt"), "type": "TEXT" },
        { "href": "https://cdn2.example/film.ism/Manifest", "type": "mss" },
        { "href": at("a.m3u8"), "type": "hls" },
    ]));
    let more = format!("{}\r\n\r\n{}\r\n", at("extra/1.ts"), at("extra/2.ts?v=2"));
    world(&[
        ("/all.json", &all),
        ("/more.txt", &more),
        ("/film.ism/Manifest", SMOOTH),
        (
            "/a.m3u8",
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.ts\n#EXT-X-ENDLIST\n",
        ),
    ])
    .await
}

/// What the catalogue comes to, in its order.
const OBJECTS: [&str; 9] = [
    "/poster.jpg",
    "/extra/1.ts",
    "/extra/2.ts?v=2",
    "/more.txt",
    "/film.ism/Q(800)/F(v=0)",
    "/film.ism/Q(800)/F(v=2)",
    "/film.ism/Manifest",
    "/1.ts",
    "/a.m3u8",
];

/// What the owner is told of `kind`.
fn told(shown: &Json, kind: &str) -> Vec<String> {
    let errors = shown["errors"].as_array().unwrap().iter();
    let of_kind = errors.filter(|error| error["error"] == kind);
    let urls = of_kind.flat_map(|error| {
        let urls = &error["specs"][0]["cit-spec-value"]["urls"];
        urls.as_array().unwrap().clone()
    });
    let mut urls: Vec<String> = urls.map(|url| url.as_str().unwrap().to_owned()).collect();
    urls.sort_unstable();
    urls
}

#[tokio::test]
async fn a_preposition_brings_exactly_what_lists_name_in_lists_and_manifests() {
    let world = catalogue().await;
    let path = create(&world, trigger("preposition", &at("all.json"), "json")).await;
    let shown = becomes(&world, &path, "complete").await;
    assert_eq!(shown["total-objects-count"], 10, "{shown}");
    let asked = world.engine.asked();
    let mut brought: Vec<String> = asked
        .iter()
        .filter_map(|asked| asked.strip_prefix("prefill vod:")?.strip_suffix(" 0"))
        .map(str::to_owned)
        .collect();
    brought.sort_unstable();
    let mut expected = [&OBJECTS[..], &["/all.json"]].concat();
    expected.sort_unstable();
    assert_eq!(brought, expected);
}

#[tokio::test]
async fn lists_are_purged_after_all_that_they_name() {
    for (action, reach) in [("purge", "Forget"), ("invalidate", "Confirm")] {
        let world = catalogue().await;
        let path = create(&world, trigger(action, &at("all.json"), "json")).await;
        becomes(&world, &path, "complete").await;
        let asked = world.engine.asked();
        let place = |path: &str| {
            let what = format!("{reach} vod {path}");
            // A list in a file is confirmed before it is read as well.
            asked.iter().rposition(|asked| *asked == what).expect(path)
        };
        let mut places: Vec<usize> = OBJECTS.iter().map(|path| place(path)).collect();
        places.push(place("/all.json"));
        // Of the same list in any order.
        for pair in [1..3, 4..6] {
            places[pair].sort_unstable();
        }
        assert!(places.is_sorted(), "{places:?} {asked:?}");
        assert!(!asked.iter().any(|asked| asked.starts_with("prefill")));
    }
}

#[tokio::test]
async fn a_list_in_a_file_is_read_as_its_origin_has_it_now() {
    let world = catalogue().await;
    let path = create(&world, trigger("preposition", &at("more.txt"), "text")).await;
    becomes(&world, &path, "complete").await;
    let first = world.engine.asked();
    assert_eq!(
        first[..3],
        [
            "Confirm vod /more.txt",
            "prefill vod:/more.txt 0",
            "read vod:/more.txt"
        ]
    );
    assert_eq!(first.len(), 5, "{first:?}");
}

#[tokio::test]
async fn names_in_lists_are_held_to_the_rules_of_names_in_triggers() {
    let odd = [
        "https://news.example/theirs.ts",
        "https://nobody.example/1.ts",
    ];
    let malformed = [
        "ftp://cdn.example/1",
        "https://cdn.example/1#2",
        "relative.ts",
    ];
    let both = [&odd[..], &malformed].concat();
    let mut objects: Vec<Json> = both.iter().map(|href| json!({ "href": href })).collect();
    objects.extend([
        json!({ "href": at("own.ts") }),
        json!({ "href": at("a.zip"), "type": "zip" }),
        json!({ "href": "https://news.example/theirs.json", "type": "json" }),
        json!({ "href": at("own2.ts"), "size": 7 }),
    ]);
    let world = world(&[
        ("/all.json", &list(&json!(objects))),
        (
            "/all.txt",
            &[&both[..], &[&at("own.ts")]].concat().join("\n"),
        ),
    ])
    .await;
    for (name, kind) in [("all.json", "json"), ("all.txt", "text")] {
        let path = create(&world, trigger("purge", &at(name), kind)).await;
        let shown = becomes(&world, &path, "failed").await;
        let mut foreign = odd.to_vec();
        if kind == "json" {
            foreign.push("https://news.example/theirs.json");
            foreign.sort_unstable();
            assert_eq!(told(&shown, "espec"), [at("a.zip")], "{shown}");
        }
        assert_eq!(told(&shown, "eperm"), foreign, "{shown}");
        assert_eq!(told(&shown, "ereject"), malformed, "{shown}");
        let asked = world.engine.asked();
        assert!(asked.contains(&"Forget vod /own.ts".to_owned()));
        assert!(!asked.iter().any(|asked| asked.contains("theirs")));
    }
}

#[tokio::test]
async fn a_list_reaches_its_owners_other_sites_and_nobody_elses_in_whosever_name() {
    let text = format!("{}\nhttps://news.example/1.ts", at("1.ts"));
    let roles = |config: &mut steering::Config| {
        let both = ["vod".to_owned(), "news".to_owned()];
        config.roles = Roles::new([
            (OWNER.to_owned(), Role::Owner(both.into())),
            (STEERING.to_owned(), Role::Steering),
        ]);
    };
    let world = World::with(|_, config| roles(config)).await;
    world
        .engine
        .texts
        .lock()
        .insert("/all.txt".to_owned(), text);
    let body = trigger("purge", &at("all.txt"), "text");
    let path = create(&world, body.clone()).await;
    becomes(&world, &path, "complete").await;
    let theirs = "Forget news /1.ts".to_owned();
    assert!(world.engine.asked().contains(&theirs));
    world.engine.asked.lock().clear();
    let kind = "application/cdni; ptype=ci-trigger.v2";
    let got = world
        .post(STEERING, "/cdni/triggers", kind, body.to_string())
        .await
        .is(201);
    let path = got.field("location").strip_prefix("https://localhost");
    let shown = crate::support::eventually("failed", async || {
        let shown = world.get(STEERING, path.unwrap()).await.is(200).json();
        (shown["state"] == "failed").then_some(shown)
    })
    .await;
    assert_eq!(told(&shown, "eperm"), ["https://news.example/1.ts"]);
    assert!(!world.engine.asked().contains(&theirs));
}

#[tokio::test]
async fn lists_in_circles_end_and_too_deep_ones_are_refused() {
    let names = |name: &str| list(&json!([{ "href": at(name), "type": "json" }]));
    let world = world(&[
        ("/a.json", &names("b.json")),
        ("/b.json", &names("a.json")),
        ("/1.json", &names("2.json")),
        ("/2.json", &names("3.json")),
        ("/3.json", &names("4.json")),
        ("/4.json", &names("5.json")),
        ("/5.json", &names("6.json")),
    ])
    .await;
    for action in ["preposition", "purge"] {
        let path = create(&world, trigger(action, &at("a.json"), "json")).await;
        let shown = becomes(&world, &path, "failed").await;
        assert_eq!(told(&shown, "econtent"), [at("a.json")], "{shown}");
        let path = create(&world, trigger(action, &at("1.json"), "json")).await;
        let shown = becomes(&world, &path, "failed").await;
        assert_eq!(told(&shown, "ereject"), [at("5.json")], "{shown}");
    }
    let asked = world.engine.asked();
    assert!(!asked.contains(&"read vod:/5.json".to_owned()));
    let reads = asked.iter().filter(|asked| *asked == "read vod:/a.json");
    assert_eq!(reads.count(), 2, "once for each action");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_whole_is_told_and_nothing_of_it_is_done() {
    let good = list(&json!([{ "href": at("1.ts") }]));
    let world = world(&[
        ("/cut.json", &good[..good.len() - 1]),
        ("/none.json", "{\"objects\":[]}"),
        ("/odd.json", "<html>"),
        ("/none.txt", "\r\n"),
        ("/cut.ism", &SMOOTH[..SMOOTH.len() - 3]),
        (
            "/bomb.ism",
            &SMOOTH.replace("r=\"2\"", "r=\"18446744073709551615\""),
        ),
        (
            "/dtd.ism",
            &format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{SMOOTH}"),
        ),
    ])
    .await;
    for (name, kind) in [
        ("cut.json", "json"),
        ("none.json", "json"),
        ("odd.json", "json"),
        ("gone.json", "json"),
        ("none.txt", "text"),
        ("gone.txt", "text"),
        ("cut.ism", "mss"),
        ("bomb.ism", "mss"),
        ("dtd.ism", "mss"),
        ("gone.ism", "mss"),
    ] {
        let path = create(&world, trigger("purge", &at(name), kind)).await;
        let shown = becomes(&world, &path, "failed").await;
        assert_eq!(told(&shown, "econtent"), [at(name)], "{shown}");
        let purged = format!("Forget vod /{name}");
        let asked = world.engine.asked();
        assert_eq!(asked.last(), Some(&purged), "and itself: {asked:?}");
        assert!(!asked.iter().any(|asked| asked.contains("1.ts")));
    }
    let sized = json!([{ "href": at("cut.json"), "type": "json", "size": 3 }]);
    let body = json!({ "action": "purge", "specs": [spec("content-objectlist", &sized)] });
    let path = create(&world, body).await;
    let shown = becomes(&world, &path, "failed").await;
    let why = shown["errors"][0]["description"].as_str().unwrap();
    assert!(why.contains("3 were named"), "{why}");
}

#[tokio::test]
async fn more_lists_than_may_wait_are_refused_and_what_else_is_named_is_done() {
    let mut objects: Vec<Json> = (0..4_000)
        .map(|n| json!({ "href": at(&format!("{n}.m3u8")), "type": "hls" }))
        .collect();
    objects.push(json!({ "href": at("1.ts") }));
    let world = world(&[("/all.json", &list(&json!(objects)))]).await;
    let path = create(&world, trigger("preposition", &at("all.json"), "json")).await;
    let shown = becomes(&world, &path, "failed").await;
    assert_eq!(told(&shown, "ereject"), [at("all.json")], "{shown}");
    let asked = world.engine.asked();
    assert!(asked.contains(&"prefill vod:/1.ts 0".to_owned()));
    assert_eq!(asked.len(), 4, "{asked:?}");
}

#[tokio::test]
async fn long_lists_with_lists_in_them_all_come_to_an_end() {
    // Two of them together leave too little to read another.
    let world = World::with(|_, config| config.memory_bytes = 24 << 20).await;
    let names = |lists: &str, n: usize, count: usize| {
        let objects = (0..count).map(|m| json!({ "href": at(&format!("{lists}/{n}/{m:030}")) }));
        let inner = json!({ "href": at(&format!("inner-{n}.json")), "type": "json" });
        let inner = (lists == "outer").then_some(inner);
        list(&objects.chain(inner).collect())
    };
    for n in 0..2 {
        let mut texts = world.engine.texts.lock();
        texts.insert(format!("/outer-{n}.json"), names("outer", n, 3_600));
        texts.insert(format!("/inner-{n}.json"), names("inner", n, 1));
    }
    let mut paths = Vec::new();
    for n in 0..2 {
        let url = at(&format!("outer-{n}.json"));
        paths.push(create(&world, trigger("purge", &url, "json")).await);
    }
    for path in paths {
        let shown = becomes(&world, &path, "complete").await;
        assert_eq!(shown["total-objects-count"], 3_603);
    }
}

#[tokio::test]
async fn the_list_of_another_owner_is_refused_at_once() {
    let world = World::new().await;
    for kind in ["json", "text", "mss"] {
        let body = trigger("purge", "https://news.example/all", kind);
        let got = post(&world, "/cdni/triggers", body).await;
        got.refused(403, "role");
    }
    assert!(world.engine.asked().is_empty());
}
