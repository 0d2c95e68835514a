//! Triggers that name playlists.

use serde_json::{Value as Json, json};

use crate::{
    cdni_second::{becomes, create, spec},
    support::World,
};

const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2\nhttps://cdn2.example/film/high.m3u8\n";

fn media(segments: &str) -> String {
    format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-KEY:METHOD=AES-128,URI=\"https://keys.example/1\"\n\
         #EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4,\n{segments}\n#EXT-X-ENDLIST\n"
    )
}

/// A world whose cache has these.
pub(crate) async fn world(texts: &[(&str, &str)]) -> World {
    let world = World::new().await;
    let texts = texts.iter();
    let texts = texts.map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    world.engine.texts.lock().extend(texts);
    world
}

pub(crate) fn trigger(action: &str, url: &str, kind: &str) -> Json {
    let list = json!([{ "href": url, "type": kind }]);
    json!({ "action": action, "specs": [spec("content-objectlist", &list)] })
}

async fn film(action: &str) -> (World, Json) {
    let (low, high) = (media("low1.ts\nlow2.ts"), media("high1.ts"));
    let world = world(&[
        ("/film/master.m3u8", MASTER),
        ("/film/low.m3u8", &low),
        ("/film/high.m3u8", &high),
    ])
    .await;
    let body = trigger(action, "https://cdn.example/film/master.m3u8", "hls");
    let path = create(&world, body).await;
    let shown = becomes(&world, &path, "complete").await;
    (world, shown)
}

#[tokio::test]
async fn a_preposition_has_a_playlist_here_and_then_all_that_it_names() {
    let (world, shown) = film("preposition").await;
    let asked = world.engine.asked();
    let place = |what: &str| asked.iter().position(|asked| asked == what).expect(what);
    let inside = [
        "prefill vod:/film/low.m3u8 0",
        "prefill vod:/film/init.mp4 0",
        "prefill vod:/film/low1.ts 0",
        "prefill vod:/film/low2.ts 0",
        "prefill vod:/film/high.m3u8 0",
        "prefill vod:/film/high1.ts 0",
    ];
    let read = place("read vod:/film/master.m3u8");
    assert!(place("prefill vod:/film/master.m3u8 0") < read);
    assert!(inside.iter().all(|what| place(what) > read), "{asked:?}");
    // Three playlists, three segments, and the initialisation of each of two.
    assert_eq!(shown["total-objects-count"], 8);
}

#[tokio::test]
async fn a_playlist_is_purged_after_all_that_it_names() {
    for (action, reach) in [("purge", "Forget"), ("invalidate", "Confirm")] {
        let (world, _) = film(action).await;
        let asked = world.engine.asked();
        let place = |path: &str| {
            let what = format!("{reach} vod /film/{path}");
            asked.iter().position(|asked| *asked == what).expect(path)
        };
        for (inside, outside) in [
            ("low1.ts", "low.m3u8"),
            ("low2.ts", "low.m3u8"),
            ("init.mp4", "low.m3u8"),
            ("high1.ts", "high.m3u8"),
            ("low.m3u8", "master.m3u8"),
            ("high.m3u8", "master.m3u8"),
        ] {
            assert!(place(inside) < place(outside), "{inside}: {asked:?}");
        }
        assert!(!asked.iter().any(|asked| asked.starts_with("prefill")));
    }
}

#[tokio::test]
async fn a_manifest_of_dash_is_listed_as_well() {
    let mpd = "<MPD mediaPresentationDuration=\"PT8S\"><Period><AdaptationSet>\
        <SegmentTemplate duration=\"4\" media=\"$Number$.m4s\"/><Representation id=\"v\"/>\
        </AdaptationSet></Period></MPD>";
    let world = world(&[("/film/a.mpd", mpd)]).await;
    let body = trigger("invalidate", "https://cdn.example/film/a.mpd", "dash");
    let path = create(&world, body).await;
    becomes(&world, &path, "complete").await;
    let asked = world.engine.asked();
    for name in ["1.m4s", "2.m4s", "a.mpd"] {
        assert!(
            asked.contains(&format!("Confirm vod /film/{name}")),
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_is_not_on_the_playlists_site_is_left_alone_and_told_by_name() {
    let text = media("https://news.example/theirs.ts\nhttps://nobody.example/1.ts\nown.ts");
    let world = world(&[("/film/a.m3u8", &text)]).await;
    let body = trigger("purge", "https://cdn.example/film/a.m3u8", "hls");
    let path = create(&world, body).await;
    let shown = becomes(&world, &path, "failed").await;
    assert_eq!(shown["errors"].as_array().unwrap().len(), 1);
    assert_eq!(shown["errors"][0]["error"], "eperm");
    let told = &shown["errors"][0]["specs"][0]["cit-spec-value"]["urls"];
    let mut told: Vec<&str> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|url| url.as_str().unwrap())
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "https://news.example/theirs.ts",
            "https://nobody.example/1.ts"
        ],
        "a key that is elsewhere is no fault"
    );
    let asked = world.engine.asked();
    assert!(asked.contains(&"Forget vod /film/own.ts".to_owned()));
    assert!(!asked.iter().any(|asked| asked.contains("theirs")));
}

#[tokio::test]
async fn a_playlist_that_cannot_be_read_is_purged_itself_and_told() {
    let world = world(&[("/film/odd.m3u8", "<html>")]).await;
    for (name, why) in [("gone", "404"), ("odd", "#EXTM3U")] {
        let url = format!("https://cdn.example/film/{name}.m3u8");
        let path = create(&world, trigger("purge", &url, "hls")).await;
        let shown = becomes(&world, &path, "failed").await;
        let error = &shown["errors"][0];
        assert_eq!(error["error"], "econtent", "{shown}");
        assert!(error["description"].as_str().unwrap().contains(why));
        assert_eq!(error["specs"][0]["cit-spec-value"]["urls"], json!([url]));
        let purged = format!("Forget vod /film/{name}.m3u8");
        assert!(world.engine.asked().contains(&purged));
    }
}

#[tokio::test]
async fn playlists_that_name_each_other_end() {
    let circle = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n";
    let world = world(&[("/film/a.m3u8", circle)]).await;
    let body = trigger("preposition", "https://cdn.example/film/a.m3u8", "hls");
    let path = create(&world, body).await;
    let shown = becomes(&world, &path, "failed").await;
    assert_eq!(shown["errors"][0]["error"], "econtent");
    assert_eq!(world.engine.asked().len(), 4, "two looks, and no third");
}

#[tokio::test]
async fn a_playlist_that_names_too_much_is_refused_and_few_of_its_faults_are_told() {
    let many: String = (0..300).map(|n| stream(&format!("{n}.m3u8"))).collect();
    let foreign: Vec<String> = (0..100)
        .map(|n| format!("https://nobody.example/{n}.ts"))
        .collect();
    let world = world(&[
        ("/film/many.m3u8", &format!("#EXTM3U\n{many}")),
        ("/film/foreign.m3u8", &media(&foreign.join("\n"))),
    ])
    .await;
    let url = "https://cdn.example/film/many.m3u8";
    let path = create(&world, trigger("preposition", url, "hls")).await;
    let shown = becomes(&world, &path, "failed").await;
    assert_eq!(shown["errors"][0]["error"], "ereject");
    assert_eq!(world.engine.asked().len(), 2);
    let url = "https://cdn.example/film/foreign.m3u8";
    let path = create(&world, trigger("preposition", url, "hls")).await;
    let shown = becomes(&world, &path, "failed").await;
    let named = |error: &Json| {
        let urls = &error["specs"][0]["cit-spec-value"]["urls"];
        urls.as_array().unwrap().len()
    };
    let errors = shown["errors"].as_array().unwrap();
    let counts: Vec<usize> = errors.iter().map(named).collect();
    assert_eq!(counts, [32, 1], "the rest by the playlist's own name");
}

fn stream(name: &str) -> String {
    format!("#EXT-X-STREAM-INF:BANDWIDTH=1\n{name}\n")
}

#[tokio::test]
async fn the_playlist_of_another_owner_is_refused_at_once() {
    let world = World::new().await;
    let body = trigger("purge", "https://news.example/a.m3u8", "hls");
    let got = world
        .post(
            crate::support::OWNER,
            "/cdni/triggers",
            "application/cdni; ptype=ci-trigger.v2",
            body.to_string(),
        )
        .await;
    got.refused(403, "role");
}
