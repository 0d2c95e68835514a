//! `millpond manifest push`, `fill status`, `fill inventory`, `popularity top` and `purge`, as an operator
//! runs them: the built program against a real edge and its steering API.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::Value;
use tests::{
    client::{PROTOCOLS, Protocol},
    eventually,
    oracle::Object,
    world::{Plan, World},
};
use tokio::process::Command;

/// A folder of an operator, and the edge that is steered from it.
struct Desk {
    folder: tempfile::TempDir,
    world: World,
}

impl Desk {
    async fn new(plan: Plan, objects: &[Object]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = "manifest key --kid p1 --signing-key p1.json --keys keys.json";
        assert!(run(folder.path(), keys).await.status.success());
        let trusted = text(&folder.path().join("keys.json"));
        let plan = plan
            .edge_steered()
            .edge_disk(64)
            .edge_key("fill.keys", trusted)
            .edge_key("fill.window.0.hours", "00:00-00:00")
            .edge_key("popularity.sessions_min", 1);
        let world = plan.start(objects).await;
        let desk = Self { folder, world };
        desk.write("nodes.toml", "steering.test", &[]);
        desk
    }

    /// A file of nodes: `edge1`, and others that may not be there.
    fn write(&self, file: &str, who: &str, others: &[(&str, u16, bool)]) {
        let identity = self.world.pki.client(who);
        let ca = self.world.pki.ca().display();
        let (certificate, key) = (identity.cert.display(), identity.key.display());
        let mut toml = format!("ca = '{ca}'\ncertificate = '{certificate}'\nkey = '{key}'\n");
        let steering = self.world.edge().steering.unwrap().port();
        for (name, port, shield) in [("edge1", steering, false)].iter().chain(others) {
            let url = format!("https://localhost:{port}");
            let node = format!("[[node]]\nname = '{name}'\nurl = '{url}'\nshield = {shield}\n");
            toml.push_str(&node);
        }
        fs::write(self.folder.path().join(file), toml).unwrap();
    }

    /// What the program says when it has done what it was told.
    async fn good(&self, arguments: &str) -> String {
        let run = run(self.folder.path(), arguments).await;
        assert!(run.status.success(), "{arguments}: {run:?}");
        String::from_utf8(run.stdout).unwrap()
    }

    /// What it says, and complains of, when it has not.
    async fn bad(&self, arguments: &str) -> (String, String) {
        let run = run(self.folder.path(), arguments).await;
        assert_eq!(run.status.code(), Some(1), "{arguments}: {run:?}");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(run.stdout), text(run.stderr))
    }

    /// Writes and signs a manifest of these for `audience`.
    async fn manifest(&self, audience: &str, generation: u64, objects: &[Object]) -> PathBuf {
        let folder = self.folder.path();
        for object in objects {
            let file = folder.join("www").join(object.name.trim_start_matches('/'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, object.content()).unwrap();
        }
        let name = format!("{audience}-{generation}.manifest");
        let new = format!(
            "manifest new --audience {audience} --generation {generation} --directory www \
             --site media -o {name}"
        );
        self.good(&new).await;
        self.good(&format!("manifest sign {name} --key p1.json"))
            .await;
        folder.join(name)
    }

    /// Asks for an object, and tells whether the edge had it.
    async fn is_hit(&self, object: &Object) -> bool {
        let reply = self
            .world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await;
        reply.is_whole(object);
        reply.cache_status().starts_with("edge1; hit")
    }
}

async fn run(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millpond"))
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .await
        .unwrap()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A port on which nobody listens while the guard lives, and nobody else gets.
fn silent() -> (TcpListener, u16) {
    let guard = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = guard.local_addr().unwrap().port();
    (guard, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_pushed_followed_to_its_end_seen_and_taken_back() {
    let objects = [1, 2, 3].map(|n| Object::new(&format!("/v/{n}.m4s"), 900_007 * n));
    let desk = Desk::new(Plan::default(), &objects).await;
    let idle = desk.good("fill status --nodes nodes.toml").await;
    assert_eq!(idle, "edge1: no manifest\n");

    let file = desk.manifest("edge1", 7, &objects).await;
    let push = format!("manifest push {} --nodes nodes.toml", file.display());
    let pushed = desk.good(&push).await;
    assert!(
        pushed.starts_with("edge1: accepted: generation 7, 3 objects, 5.1 MiB missing"),
        "{pushed}"
    );
    let again = desk.good(&push).await;
    assert!(again.contains("in force already"), "{again}");

    let told = desk.good("fill status --follow --nodes nodes.toml").await;
    let last = told.lines().last().unwrap();
    let done = "edge1: generation 7 [####################] 100.0 %, 5.1 MiB of 5.1 MiB, 3 of 3 objects, complete";
    assert_eq!(last, done, "{told}");
    for object in &objects {
        assert!(desk.is_hit(object).await, "{}", object.name);
    }
    let json = desk.good("fill status --json --nodes nodes.toml").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    let bytes: u64 = objects.iter().map(|object| object.bytes).sum();
    assert_eq!(json[0]["node"], "edge1");
    assert_eq!(json[0]["answer"]["bytes_held"], bytes, "{json}");

    let kept = desk.good("manifest list --nodes nodes.toml").await;
    assert!(
        kept.contains("generation 7 for edge1, full, active, 3 objects"),
        "{kept}"
    );
    desk.good("manifest withdraw 7 --nodes nodes.toml").await;
    let idle = desk.good("fill status --nodes nodes.toml").await;
    assert_eq!(idle, "edge1: no manifest\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_holds_is_written_as_planners_read_it() {
    let objects = [1, 2, 3].map(|n| Object::new(&format!("/v/{n}.m4s"), 90_007 * n));
    let desk = Desk::new(Plan::default(), &objects).await;
    let write = "fill inventory --into held --nodes nodes.toml";
    let file = desk.folder.path().join("held/edge1.ndjson");
    let told = desk.good(write).await;
    assert!(told.contains("no manifest"), "{told}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "");

    let manifest = desk.manifest("edge1", 7, &objects).await;
    let push = format!("manifest push {} --nodes nodes.toml", manifest.display());
    desk.good(&push).await;
    desk.good("fill status --follow --nodes nodes.toml").await;
    let told = desk.good(write).await;
    assert_eq!(
        told,
        "edge1: held/edge1.ndjson: generation 7, 3 objects held, 527.3 KiB\n"
    );
    let lines = objects.each_ref().map(|object| {
        let (path, bytes) = (&object.name, object.bytes);
        format!("{{\"site\":\"media\",\"path\":\"{path}\",\"bytes\":{bytes}}}\n")
    });
    assert_eq!(fs::read_to_string(&file).unwrap(), lines.concat());
    let left = fs::read_dir(desk.folder.path().join("held")).unwrap();
    assert_eq!(left.count(), 1, "nothing but whole files is left");

    let printed = desk
        .good("fill inventory --into - --node edge1 --nodes nodes.toml")
        .await;
    assert_eq!(printed, lines.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_inventory_is_missing_is_named_and_keeps_its_file_and_others_get_theirs() {
    let desk = Desk::new(Plan::default(), &[]).await;
    let (guard, port) = silent();
    let hang_up = std::thread::spawn(move || guard.accept().map(drop));
    desk.write("nodes.toml", "steering.test", &[("edge2", port, false)]);
    let held = desk.folder.path().join("held");
    fs::create_dir(&held).unwrap();
    fs::write(held.join("edge2.ndjson"), "of yesterday\n").unwrap();
    let (_, told) = desk
        .bad("fill inventory --into held --nodes nodes.toml")
        .await;
    for what in ["edge2: ", "hint: is it up", "of 2 nodes 1 did not answer"] {
        assert!(told.contains(what), "{what} in {told}");
    }
    hang_up.join().unwrap().unwrap();
    let kept = fs::read_to_string(held.join("edge2.ndjson")).unwrap();
    assert_eq!(kept, "of yesterday\n");
    assert!(held.join("edge1.ndjson").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_that_has_nowhere_to_go_is_told_as_that() {
    let desk = Desk::new(Plan::default(), &[]).await;
    let in_the_way = desk.folder.path().join("held/edge1.ndjson/a");
    fs::create_dir_all(in_the_way).unwrap();
    let (said, told) = desk
        .bad("fill inventory --into held --nodes nodes.toml --json")
        .await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said[0]["error"]["code"], "unwritten", "{said}");
    assert!(told.contains("what 1 answered could not be kept"), "{told}");

    desk.write("two.toml", "steering.test", &[("a/b", 1, false)]);
    for (nowhere, why) in [
        ("--into - --nodes two.toml", "for one node"),
        (
            "--into held --nodes two.toml",
            "\"a/b\" makes no name of a file",
        ),
    ] {
        let run = run(desk.folder.path(), &format!("fill inventory {nowhere}")).await;
        let told = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(2), "{told}");
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_refused_is_told_with_its_code_and_a_hint() {
    let objects = [Object::new("/v/1.m4s", 1000)];
    let desk = Desk::new(Plan::default(), &objects).await;
    let newer = desk.manifest("edge1", 7, &objects).await;
    let older = desk.manifest("edge1", 6, &objects).await;
    let other = desk.manifest("edge9", 8, &objects).await;
    desk.good(&format!(
        "manifest push {} --nodes nodes.toml",
        newer.display()
    ))
    .await;

    let (_, told) = desk
        .bad(&format!(
            "manifest push {} --nodes nodes.toml",
            older.display()
        ))
        .await;
    for what in [
        "edge1: refused (manifest_generation)",
        "hint: ",
        "manifest status",
        "1 refused",
    ] {
        assert!(told.contains(what), "{what} in {told}");
    }
    let (_, told) = desk
        .bad(&format!(
            "manifest push {} --nodes nodes.toml",
            other.display()
        ))
        .await;
    assert!(
        told.contains("it is for \"edge9\", which --nodes does not name"),
        "{told}"
    );
    let to = format!(
        "manifest push {} --node edge1 --nodes nodes.toml",
        other.display()
    );
    let (_, told) = desk.bad(&to).await;
    assert!(told.contains("refused (manifest_audience)"), "{told}");

    // Whoever may only look may not push, and no certificate at all is an error before any call.
    desk.write("monitor.toml", "monitor.test", &[]);
    let (_, told) = desk
        .bad(&format!(
            "manifest push {} --nodes monitor.toml",
            newer.display()
        ))
        .await;
    assert!(
        told.contains("refused (role)") && told.contains("hint: "),
        "{told}"
    );
    let run = run(desk.folder.path(), "fill status --node https://localhost:1").await;
    let told = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{told}");
    assert!(told.contains("--ca is missing"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_purged_by_url_prefix_pattern_or_site_is_asked_for_again_and_nothing_else_is() {
    let objects = ["/a/1.m4s", "/a/2.m4s", "/b/1.m4s"].map(|name| Object::new(name, 50_000));
    let desk = Desk::new(Plan::default(), &objects).await;
    for (what, soft, hits) in [
        (
            "--url https://media.test/a/1.m4s",
            false,
            [false, true, true],
        ),
        ("--path /a/2.m4s", false, [true, false, true]),
        ("--prefix /a/", false, [false, false, true]),
        ("--pattern /*/1.m4s", true, [false, true, false]),
        ("--everything", false, [false, false, false]),
    ] {
        for object in &objects {
            desk.is_hit(object).await;
        }
        let soft = if soft { "--soft" } else { "" };
        let purge = format!("purge --site media {what} {soft} --nodes nodes.toml");
        let told = desk.good(&purge).await;
        assert!(told.starts_with("edge1: "), "{told}");
        for (object, hit) in objects.iter().zip(hits) {
            assert_eq!(desk.is_hit(object).await, hit, "{what}: {}", object.name);
        }
    }
    let (_, told) = desk
        .bad("purge --site other --everything --nodes nodes.toml")
        .await;
    assert!(
        told.contains("refused (not_found)") && told.contains("hint: a site"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_a_node_has_not_answered_fails_and_names_it_and_the_others_have_purged() {
    let objects = [Object::new("/a/1.m4s", 50_000)];
    let desk = Desk::new(Plan::default(), &objects).await;
    let [object] = &objects;
    desk.is_hit(object).await;
    assert!(desk.is_hit(object).await);
    let (guard, port) = silent();
    // Connections end at once, as where a process has just gone.
    let hang_up = std::thread::spawn(move || guard.accept().map(drop));
    desk.write("nodes.toml", "steering.test", &[("shield7", port, true)]);
    let (said, told) = desk
        .bad("purge --site media --everything --nodes nodes.toml")
        .await;
    assert_eq!(said, "edge1: forgotten, for good\n");
    for what in [
        "a shield has not purged",
        "shield7: ",
        "hint: is it up",
        "of 2 nodes 1 did not answer",
    ] {
        assert!(told.contains(what), "{what} in {told}");
    }
    hang_up.join().unwrap().unwrap();
    assert!(
        !desk.is_hit(object).await,
        "the edge has purged all the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_played_most_is_told_first() {
    let objects = [
        Object::new("/v/often.m4s", 300_000),
        Object::new("/v/once.m4s", 300_000),
    ];
    let desk = Desk::new(Plan::default(), &objects).await;
    let [often, once] = &objects;
    for protocol in PROTOCOLS {
        let reply = desk.world.client.get(protocol, &often.name, &[]).await;
        reply.is_whole(often);
    }
    desk.is_hit(once).await;
    let told = eventually(20, "both objects to be counted", async || {
        let told = desk
            .good("popularity top --site media --nodes nodes.toml")
            .await;
        (told.lines().count() == 3).then_some(told)
    })
    .await;
    let lines: Vec<&str> = told.lines().collect();
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(lines[1]),
        ["edge1:", "3.0", "878.9", "KiB", "media:/v/often.m4s"]
    );
    assert_eq!(
        words(lines[2]),
        ["edge1:", "1.0", "292.9", "KiB", "media:/v/once.m4s"]
    );
}
