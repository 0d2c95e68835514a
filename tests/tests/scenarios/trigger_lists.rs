//! CDNI triggers of an owner that name object lists: in files of their own, and of Smooth Streaming. At
//! an edge before a shield, over mutual TLS.

use http::Method;
use serde_json::{Value as Json, json};
use tests::{
    eventually,
    oracle::Object,
    origin::LiveOrigin,
    planner::Planner,
    world::{Plan, World},
};

const TRIGGER: &str = "application/cdni; ptype=ci-trigger.v2";

const SMOOTH: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
    <SmoothStreamingMedia MajorVersion=\"2\" MinorVersion=\"0\" Duration=\"60000000\">\
    <StreamIndex Type=\"video\" Url=\"QualityLevels({bitrate})/Fragments(video={start time})\">\
    <QualityLevel Index=\"0\" Bitrate=\"800000\"/><QualityLevel Index=\"1\" Bitrate=\"300000\"/>\
    <c t=\"0\" d=\"20000000\" r=\"2\"/></StreamIndex>\
    <StreamIndex Type=\"audio\" Url=\"QualityLevels({Bitrate},{CustomAttributes})/Fragments(en={start_time})\">\
    <QualityLevel Bitrate=\"64000\"><CustomAttributes><Attribute Name=\"lang\" Value=\"en\"/>\
    </CustomAttributes></QualityLevel><c d=\"20000000\"/><c d=\"20000000\"/></StreamIndex>\
    </SmoothStreamingMedia>";

/// What the lists name.
const NAMED: [&str; 10] = [
    "/poster.jpg",
    "/extra/1.ts",
    "/extra/2.ts",
    "/film/low1.ts",
    "/film.ism/QualityLevels(800000)/Fragments(video=0)",
    "/film.ism/QualityLevels(800000)/Fragments(video=20000000)",
    "/film.ism/QualityLevels(300000)/Fragments(video=0)",
    "/film.ism/QualityLevels(300000)/Fragments(video=20000000)",
    "/film.ism/QualityLevels(64000,lang=en)/Fragments(en=0)",
    "/film.ism/QualityLevels(64000,lang=en)/Fragments(en=20000000)",
];
/// The lists.
const LISTS: [&str; 5] = [
    "/all.json",
    "/more.json",
    "/extra.txt",
    "/film/low.m3u8",
    "/film.ism/Manifest",
];
/// What they do not name.
const KEPT: [&str; 2] = ["/extra/3.ts", "/film/low2.ts"];

/// What an owner has at its origin, behind a shield and an edge that it may send triggers to.
struct Owner {
    origin: LiveOrigin,
    world: World,
}

impl Owner {
    async fn new() -> Self {
        Self::before(Plan::default().edge_disk(64)).await
    }

    /// The same before nodes of their own.
    async fn before(plan: Plan) -> Self {
        let origin = LiveOrigin::start().await;
        let world = plan
            .edge_steered()
            .edge_key("steering.owner.0.name", "owner.test")
            .edge_key("steering.owner.0.sites", vec!["media"])
            .edge_key("site.0.path_grammar", "delimited")
            .shield_key("site.0.origin.urls", vec![origin.url()])
            .start(&[])
            .await;
        let owner = Self { origin, world };
        owner.list(
            "/all.json",
            &[("/poster.jpg", "object"), ("/more.json", "json")],
        );
        owner.list(
            "/more.json",
            &[
                ("/extra.txt", "text"),
                ("/film/low.m3u8", "hls"),
                ("/film.ism/Manifest", "mss"),
            ],
        );
        let lines = [at("/extra/1.ts"), at("/extra/2.ts")].join("\r\n");
        owner.write("/extra.txt", &lines);
        let media = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nlow1.ts\n#EXT-X-ENDLIST\n";
        owner.write("/film/low.m3u8", media);
        owner.write("/film.ism/Manifest", SMOOTH);
        owner.publish(Object::clone);
        owner
    }

    fn write(&self, path: &str, text: &str) {
        self.origin.publish(path, text.as_bytes());
    }

    fn list(&self, path: &str, objects: &[(&str, &str)]) {
        let objects = objects.iter();
        let objects = objects.map(|(path, kind)| json!({ "href": at(path), "type": kind }));
        let list = json!({ "objects": objects.collect::<Vec<_>>() });
        self.write(path, &list.to_string());
    }

    /// Puts this version of each object at the origin; of those that are kept, the first.
    fn publish(&self, version: impl Fn(&Object) -> Object) {
        let named = NAMED.map(|path| version(&object(path)));
        for object in named.into_iter().chain(KEPT.map(object)) {
            let whole = object.slice(0..object.bytes);
            self.origin.publish(&object.name, &whole);
        }
    }

    async fn get_all(&self, version: impl Fn(&Object) -> Object) {
        for path in NAMED {
            self.world.whole(&version(&object(path))).await;
        }
        for path in KEPT {
            self.world.whole(&object(path)).await;
        }
    }

    async fn ask(&self, method: Method, path: &str, body: String) -> (u16, Json) {
        let client = self.world.steering("owner.test");
        let asked = client.raw(method, path, TRIGGER, body.into()).await;
        let (status, body) = asked.unwrap();
        (status.as_u16(), serde_json::from_slice(&body).unwrap())
    }

    /// Sends a trigger for one list; its path.
    async fn send(&self, action: &str, path: &str, kind: &str, state: &str) -> String {
        let objects = json!({ "objects": [{ "href": at(path), "type": kind }] });
        let trigger = json!({
            "action": action,
            "state": state,
            "specs": [{
                "trigger-subject": "content",
                "cit-spec-type": "content-objectlist",
                "cit-spec-value": objects,
            }],
            "labels": [format!("n={}", rand::random::<u64>())],
        });
        let asked = self.ask(Method::POST, "/cdni/triggers", trigger.to_string());
        let (status, shown) = asked.await;
        assert_eq!(status, 201, "{shown}");
        let label = shown["labels"][0].as_str().unwrap();
        let of_label = format!("/cdni/v2/labels/{label}");
        let (_, listed) = self.ask(Method::GET, &of_label, String::new()).await;
        let url = listed["trigger-urls"][0].as_str().unwrap();
        url[url.find("/cdni/").unwrap()..].to_owned()
    }

    /// Sends a trigger for one list, and waits until it has come to its end.
    async fn trigger(&self, action: &str, path: &str, kind: &str) -> Json {
        let own = self.send(action, path, kind, "pending").await;
        self.ends(&own).await
    }

    async fn ends(&self, trigger: &str) -> Json {
        eventually(60, "a trigger to end", async || {
            let (_, shown) = self.ask(Method::GET, trigger, String::new()).await;
            let is_over = ["complete", "failed"]
                .iter()
                .any(|over| shown["state"] == *over);
            is_over.then_some(shown)
        })
        .await
    }

    async fn completes(&self, action: &str, path: &str, kind: &str) -> Json {
        let shown = self.trigger(action, path, kind).await;
        assert_eq!(shown["state"], "complete", "{shown}");
        shown
    }

    /// What the owner is told of a trigger that fails: kinds of errors, and what they name.
    async fn fails(&self, action: &str, path: &str, kind: &str) -> Vec<(String, Vec<String>)> {
        let shown = self.trigger(action, path, kind).await;
        assert_eq!(shown["state"], "failed", "{shown}");
        let text = |json: &Json| json.as_str().unwrap().to_owned();
        let errors = shown["errors"].as_array().unwrap().iter();
        let told = errors.map(|error| {
            let urls = &error["specs"][0]["cit-spec-value"]["urls"];
            let urls = urls.as_array().unwrap().iter().map(text).collect();
            (text(&error["error"]), urls)
        });
        told.collect()
    }
}

fn at(path: &str) -> String {
    format!("https://media.test{path}")
}

fn object(path: &str) -> Object {
    Object::new(path, 60_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_lists_name_is_brought_in_and_counts_as_nobodys_demand() {
    let owner = Owner::new().await;
    let shown = owner.completes("preposition", "/all.json", "json").await;
    let all = NAMED.len() + LISTS.len();
    assert_eq!(shown["total-objects-count"], all, "{shown}");
    for path in NAMED.into_iter().chain(LISTS) {
        assert!(owner.origin.reads_of(path) > 0, "{path}");
    }
    for path in KEPT {
        assert_eq!(owner.origin.reads_of(path), 0, "{path}");
    }
    let (_, popular) = owner.world.edge().ask("/popularity/top?count=10").await;
    let popular: Json = serde_json::from_str(&popular).unwrap();
    assert_eq!(popular["objects"], json!([]));
    for path in NAMED {
        let reply = owner.world.whole(&object(path)).await;
        assert!(reply.cache_status().starts_with("edge1; hit"), "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_wait_for_the_window_with_what_they_name_unless_they_are_urgent() {
    let planner = Planner::new();
    // Half a day from now, whatever the day.
    let hour = (message::now().unix_s() / 3600 + 12) % 24;
    let owner = Owner::before(planner.edge(&format!("{hour:02}:00-{hour:02}:30"))).await;
    let waits = owner.send("preposition", "/extra.txt", "text", "pending");
    let waits = waits.await;
    let hurried = owner.send("preposition", "/film.ism/Manifest", "mss", "active");
    let shown = owner.ends(&hurried.await).await;
    assert_eq!(shown["state"], "complete", "{shown}");
    let fragments = NAMED
        .into_iter()
        .filter(|path| path.starts_with("/film.ism/"));
    for path in fragments {
        let reply = owner.world.whole(&object(path)).await;
        assert!(reply.cache_status().starts_with("edge1; hit"), "{reply:?}");
    }
    let (_, shown) = owner.ask(Method::GET, &waits, String::new()).await;
    assert!(
        ["pending", "active"]
            .iter()
            .any(|state| shown["state"] == *state),
        "{shown}"
    );
    for path in ["/extra.txt", "/extra/1.ts", "/extra/2.ts"] {
        assert_eq!(owner.origin.reads_of(path), 0, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lists_name_is_purged_and_invalidated_by_the_lists_as_they_are_now() {
    let owner = Owner::new().await;
    owner.get_all(Object::clone).await;
    for (action, version) in [("purge", 1), ("invalidate", 2)] {
        let version = |object: &Object| (0..version).fold(object.clone(), |one, _| one.next());
        owner.publish(version);
        owner.completes(action, "/all.json", "json").await;
        owner.get_all(version).await;
    }
    // Within the minute for which a cache may keep the list that it has read.
    let version = |object: &Object| (0..3).fold(object.clone(), |one, _| one.next());
    owner.publish(version);
    let lines: Vec<String> = NAMED.into_iter().map(at).collect();
    owner.write("/extra.txt", &lines.join("\n"));
    let shown = owner.completes("purge", "/extra.txt", "text").await;
    assert_eq!(shown["total-objects-count"], NAMED.len() + 1, "{shown}");
    owner.get_all(version).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_lists_are_told_and_reach_nothing_of_others() {
    let owner = Owner::new().await;
    let error = |kind: &str, paths: &[&str]| {
        let urls: Vec<String> = paths.iter().map(|path| at(path)).collect();
        (kind.to_owned(), urls)
    };
    owner.world.whole(&object("/poster.jpg")).await;
    // Of another owner, and of nobody.
    let foreign = [
        "https://signed.test/vault.ts",
        "https://nobody.example/1.ts",
    ];
    let lines = [foreign.map(str::to_owned).to_vec(), vec![at("/extra/1.ts")]].concat();
    owner.write("/foreign.txt", &lines.join("\n"));
    let told = owner.fails("preposition", "/foreign.txt", "text").await;
    let [(kind, urls)] = &told[..] else {
        panic!("{told:?}");
    };
    let mut urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    urls.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!((kind.as_str(), &urls[..]), ("eperm", &foreign[..]));
    let reply = owner.world.whole(&object("/extra/1.ts")).await;
    assert!(reply.cache_status().starts_with("edge1; hit"), "{reply:?}");
    // In circles.
    owner.list("/a.json", &[("/b.json", "json"), ("/poster.jpg", "object")]);
    owner.list("/b.json", &[("/a.json", "json")]);
    let told = owner.fails("purge", "/a.json", "json").await;
    assert_eq!(told, [error("econtent", &["/a.json"])]);
    // Without end, or cut short.
    let bomb = SMOOTH.replace("r=\"2\"", "r=\"18446744073709551615\"");
    owner.write("/bomb.ism/Manifest", &bomb);
    let entities = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    owner.write("/dtd.ism/Manifest", &format!("{entities}{SMOOTH}"));
    owner.write("/long.txt", &format!("{}\n", at("/1.ts")).repeat(200_000));
    owner.write("/deep.json", &"[".repeat(100_000));
    owner.origin.open("/cut.json", b"{\"objects\":[");
    owner.origin.cut("/cut.json");
    for (path, kind) in [
        ("/bomb.ism/Manifest", "mss"),
        ("/dtd.ism/Manifest", "mss"),
        ("/long.txt", "text"),
        ("/deep.json", "json"),
        ("/cut.json", "json"),
        ("/absent.json", "json"),
    ] {
        let told = owner.fails("invalidate", path, kind).await;
        assert_eq!(told, [error("econtent", &[path])]);
    }
    owner.get_all(Object::clone).await;
}
