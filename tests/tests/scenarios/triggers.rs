//! CDNI triggers on the whole way: playlists and regular expressions, at an edge before a shield, also
//! when the edge is killed. Nothing that was triggered is lost, or served afterwards.

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value as Json, json};
use tests::{
    client::Client,
    eventually,
    node::free_address,
    oracle::Object,
    origin::LiveOrigin,
    world::{Plan, World},
};

const TRIGGER: &str = "application/cdni; ptype=ci-trigger.v2";

const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n";
const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nlow1.ts\n#EXTINF:4,\n\
    https://media.test/film/low2.ts\n#EXT-X-ENDLIST\n";
const MPD: &str = "<MPD mediaPresentationDuration=\"PT8S\"><Period><AdaptationSet>\
    <SegmentTemplate duration=\"4\" media=\"$Number$.m4s\" initialization=\"init.mp4\"/>\
    <Representation id=\"v\"/></AdaptationSet></Period></MPD>";

/// What the playlists name.
const NAMED: [&str; 5] = [
    "/film/low1.ts",
    "/film/low2.ts",
    "/film/init.mp4",
    "/film/1.m4s",
    "/film/2.m4s",
];
/// What the regular expression matches.
const MATCHED: [&str; 2] = ["/extra/1.ts", "/extra/22.ts"];
/// What neither does.
const KEPT: [&str; 2] = ["/extra/poster.jpg", "/film/low3.ts"];

/// A film behind a shield and an edge that can be killed and steered.
struct Film {
    origin: LiveOrigin,
    world: World,
    steering: SocketAddr,
}

impl Film {
    async fn new() -> Self {
        let origin = LiveOrigin::start().await;
        for (path, text) in [
            ("/film/master.m3u8", MASTER),
            ("/film/low.m3u8", MEDIA),
            ("/film/a.mpd", MPD),
        ] {
            origin.publish(path, text.as_bytes());
        }
        // A child does not tell where its steering API is.
        let steering = free_address();
        let world = Plan::default()
            .edge_disk(64)
            .edge_apart()
            .edge_steered()
            .edge_key("steering.listen", steering.to_string())
            .shield_key("site.0.origin.urls", vec![origin.url()])
            .start(&[])
            .await;
        let film = Self {
            origin,
            world,
            steering,
        };
        film.publish(Object::clone);
        film
    }

    /// Puts this version of each object at the origin; of those that are kept, the first.
    fn publish(&self, version: impl Fn(&Object) -> Object) {
        for path in NAMED.into_iter().chain(MATCHED) {
            self.put(&version(&object(path)));
        }
        for path in KEPT {
            self.put(&object(path));
        }
    }

    fn put(&self, object: &Object) {
        let whole = object.slice(0..object.bytes);
        self.origin.publish(&object.name, &whole);
    }

    async fn get_all(&self, version: impl Fn(&Object) -> Object) {
        for path in NAMED.into_iter().chain(MATCHED) {
            self.world.whole(&version(&object(path))).await;
        }
        for path in KEPT {
            self.world.whole(&object(path)).await;
        }
    }

    async fn ask(&self, method: Method, path: &str, body: &Json) -> (u16, Json) {
        let client = self
            .world
            .steering_at("steering.test", self.steering.port());
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let asked = client.raw(method, path, TRIGGER, body.into()).await;
        let (status, body) = asked.unwrap();
        (status.as_u16(), serde_json::from_slice(&body).unwrap())
    }

    async fn all(&self) -> Vec<String> {
        let (_, listed) = self
            .ask(Method::GET, "/cdni/v2/triggers", &Json::Null)
            .await;
        let urls = listed["trigger-urls"].as_array().unwrap();
        let paths = urls.iter().map(|url| {
            let url = url.as_str().unwrap();
            url[url.find("/cdni/").unwrap()..].to_owned()
        });
        paths.collect()
    }

    /// Sends a trigger; its path.
    async fn trigger(&self, trigger: &Json) -> String {
        let before = self.all().await;
        let (status, shown) = self.ask(Method::POST, "/cdni/triggers", trigger).await;
        assert_eq!(status, 201, "{shown}");
        let mut after = self.all().await;
        after.retain(|path| !before.contains(path));
        after.remove(0)
    }

    async fn completes(&self, path: &str) -> Json {
        eventually(60, "a trigger to be complete", async || {
            let (_, shown) = self.ask(Method::GET, path, &Json::Null).await;
            let state = shown["state"].as_str().unwrap().to_owned();
            assert_ne!(state, "failed", "{shown}");
            (state == "complete").then_some(shown)
        })
        .await
    }

    async fn kill(&mut self) {
        self.world.edge.take().unwrap().kill().await;
        self.world.client.hang_up();
        eventually(60, "the kernel to let go of the disk", async || {
            let disk = std::fs::File::open(self.world.edge_home.disk()).unwrap();
            disk.try_lock().ok()
        })
        .await;
    }

    async fn start(&mut self) {
        let world = &mut self.world;
        world.edge = Some(world.edge_home.spawn(&world.edge_settings).await);
        world.client = Client::new(&world.pki, world.edge().address, "media.test");
    }
}

fn object(path: &str) -> Object {
    Object::new(path, 60_000)
}

fn playlists() -> Json {
    let objects = json!([
        { "href": "https://media.test/film/master.m3u8", "type": "hls" },
        { "href": "https://media.test/film/a.mpd", "type": "dash" },
    ]);
    spec("content-objectlist", &json!({ "objects": objects }))
}

fn matched() -> Json {
    let regex = r"^https://media\.test/extra/[0-9]+\.ts$";
    spec("uri-regex-match", &json!({ "regex": regex }))
}

fn spec(kind: &str, value: &Json) -> Json {
    json!({ "trigger-subject": "content", "cit-spec-type": kind, "cit-spec-value": value })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_playlists_and_expressions_reach_is_brought_in_and_is_gone_even_after_a_kill() {
    let mut film = Film::new().await;
    let bring = json!({ "action": "preposition", "specs": [playlists()] });
    let bring = film.trigger(&bring).await;
    let shown = film.completes(&bring).await;
    assert_eq!(shown["total-objects-count"], 8, "{shown}");
    for path in NAMED {
        let reply = film.world.whole(&object(path)).await;
        assert!(reply.cache_status().starts_with("edge1; hit"), "{reply:?}");
    }
    film.get_all(Object::clone).await;
    for (action, version) in [("purge", 1), ("invalidate", 2)] {
        let version = |object: &Object| (0..version).fold(object.clone(), |one, _| one.next());
        film.publish(version);
        let gone = json!({ "action": action, "specs": [playlists(), matched()] });
        let gone = film.trigger(&gone).await;
        film.completes(&gone).await;
        // The very moment after it is told to be complete.
        film.kill().await;
        film.start().await;
        film.get_all(version).await;
        let (_, shown) = film.ask(Method::GET, &gone, &Json::Null).await;
        assert_eq!(shown["state"], "complete", "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_a_kill_cuts_short_is_done_after_it() {
    let mut film = Film::new().await;
    film.get_all(Object::clone).await;
    film.publish(Object::next);
    // One that waits for its time, and one whose playlist is still being written.
    let start = message::now().unix_s() + 2;
    let window = json!({ "unix-time-window": { "start": start, "end": start + 600 } });
    let waiting = json!({
        "action": "purge",
        "specs": [playlists(), matched()],
        "extensions": [{ "cit-extension-type": "time-policy", "cit-extension-value": window }],
    });
    let waiting = film.trigger(&waiting).await;
    let late = object("/film/late.ts");
    film.put(&late);
    film.origin
        .open("/film/late.m3u8", b"#EXTM3U\n#EXTINF:4,\n");
    let list = json!([{ "href": "https://media.test/film/late.m3u8", "type": "hls" }]);
    let working = json!({ "action": "preposition", "specs": [spec("content-objectlist", &list)] });
    let working = film.trigger(&working).await;
    film.origin.asked_for("/film/late.m3u8", 1).await;
    film.kill().await;
    film.origin
        .append("/film/late.m3u8", b"late.ts\n#EXT-X-ENDLIST\n");
    film.origin.close("/film/late.m3u8");
    film.start().await;
    film.completes(&waiting).await;
    film.get_all(Object::next).await;
    film.completes(&working).await;
    let reply = film.world.whole(&late).await;
    assert!(reply.cache_status().starts_with("edge1; hit"), "{reply:?}");
}
