//! Bad manifests over the steering API of a real edge: each has its answer, and what was in force stays.
//!
//! Four bad ones within an hour are one too many for an edge, so that none of these gets more than three.

use std::str;

use futures_util::future::join_all;
use http::Method;
use manifest::{Digest, Object as Planned, Role, Signed};
use serde_json::{Value as Json, json};
use steering::client::Client;
use tests::{
    oracle::Object,
    planner::{Planner, planned},
    world::World,
};

/// An edge on which generation 1 is in force.
struct Steered {
    world: Box<World>,
    planner: Planner,
    steering: Client,
}

/// The objects of the manifest that is in force.
fn objects() -> Vec<Object> {
    let names = ["/v/0.m4s", "/v/1.m4s", "/v/2.m4s"];
    names.map(|name| Object::new(name, 1000)).to_vec()
}

impl Steered {
    async fn start() -> Self {
        Self::start_with("32MiB").await
    }

    async fn start_with(memory: &str) -> Self {
        let planner = Planner::new();
        let steered = Self::over(planner, memory).await;
        let first = steered.changed(1, |_head, _objects| {});
        assert_eq!(steered.push(first).await, (201, String::new()));
        steered
    }

    async fn over(planner: Planner, memory: &str) -> Self {
        let plan = planner.edge("00:00-00:00").edge_steered();
        let plan = plan.edge_key("fill.memory", memory);
        let plan = plan.edge_key("steering.steering", vec!["steering.test", "other.test"]);
        let objects = objects();
        let world = Box::pin(async { Box::new(plan.start(&objects).await) }).await;
        let steering = world.steering("steering.test");
        Self {
            world,
            planner,
            steering,
        }
    }

    /// The lines of a manifest of this generation.
    fn payload(&self, generation: u64) -> String {
        let objects = objects();
        let wanted: Vec<_> = objects.iter().map(planned).collect();
        let file = self.planner.signed(generation, &wanted);
        let signed = Signed::parse(&file).unwrap();
        str::from_utf8(signed.payload).unwrap().to_owned()
    }

    /// A manifest of this generation with something changed before it was signed.
    fn changed(&self, generation: u64, change: impl FnOnce(&mut Json, &mut Json)) -> Vec<u8> {
        let payload = self.payload(generation);
        let lines = payload
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let mut lines: Vec<Json> = lines.collect();
        let (head, objects) = lines.split_at_mut(1);
        change(&mut head[0], &mut objects[1]);
        let lines = lines
            .iter()
            .flat_map(|line| [line.to_string(), "\n".to_owned()]);
        let lines: String = lines.collect();
        self.planner.sign(lines.as_bytes())
    }

    /// Status and code of the answer.
    async fn push(&self, file: Vec<u8>) -> (u16, String) {
        self.push_by(&self.steering, file).await
    }

    /// The same, of who else may push.
    async fn push_by(&self, pusher: &Client, file: Vec<u8>) -> (u16, String) {
        let media = "application/octet-stream";
        let sent = pusher.raw(Method::POST, "/v1/manifests", media, file.into());
        let (status, body) = sent.await.unwrap();
        let body: Json = serde_json::from_slice(&body).unwrap();
        let code = body["code"].as_str().unwrap_or_default();
        (status.as_u16(), code.to_owned())
    }

    async fn in_force(&self) -> Option<u64> {
        let kept = self.steering.manifests().await.unwrap().manifests;
        kept.first().map(|manifest| manifest.generation)
    }

    /// This one is refused, and the first is still in force.
    async fn refuses(&self, file: Vec<u8>, status: u16, code: &str) {
        assert_eq!(self.push(file).await, (status, code.to_owned()));
        assert_eq!(self.in_force().await, Some(1));
    }
}

/// Each of these changes of an object makes a manifest that is refused so.
async fn are_refused(bad: &[Json], status: u16, code: &str) {
    for few in bad.chunks(3) {
        let edge = Steered::start().await;
        for members in few {
            let file = edge.changed(2, |_head, object| {
                for (name, value) in members.as_object().unwrap() {
                    object[name] = value.clone();
                }
            });
            edge.refuses(file, status, code).await;
        }
    }
}

/// Hardening row M01.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_nobody_trusted_has_signed_is_answered_403_and_noted() {
    let edge = Steered::start().await;
    let payload = edge.payload(2);
    let draft = Signed::draft(payload.as_bytes()).to_bytes();
    edge.refuses(draft, 403, "manifest_untrusted").await;
    let mut other = edge.changed(2, |_head, _object| {});
    *other.last_mut().unwrap() = b' ';
    edge.refuses(other, 403, "manifest_untrusted").await;
    let stranger = Planner::new().sign(payload.as_bytes());
    edge.refuses(stranger, 403, "manifest_untrusted").await;
    let audit = edge.world.edge_home.path().join("state/steering/audit.log");
    let audit = std::fs::read_to_string(audit).unwrap();
    assert_eq!(audit.matches("manifest_untrusted").count(), 3, "{audit}");
}

/// Hardening row M01.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_role_or_one_where_two_are_needed_is_answered_403() {
    for (role, threshold) in [(Role::Evict, 1), (Role::Plan, 2)] {
        let planner = Planner::new();
        planner.share(role, threshold);
        let edge = Steered::over(planner, "32MiB").await;
        let file = edge.changed(1, |head, _object| {
            head.as_object_mut().unwrap().remove("allow_mass_eviction");
        });
        let answer = edge.push(file).await;
        assert_eq!(answer, (403, "manifest_untrusted".to_owned()));
        assert_eq!(edge.in_force().await, None);
    }
}

/// Hardening rows M02 and M03.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_its_turn_or_its_time_is_answered_409() {
    let edge = Steered::start().await;
    let again = edge.changed(1, |head, _object| head["comment"] = "other".into());
    edge.refuses(again, 409, "manifest_generation").await;
    let skipped = edge.changed(3, |head, _object| {
        head["previous"] = Digest::of(b"the second").to_string().into();
    });
    edge.refuses(skipped, 409, "manifest_generation").await;
    let now_s = message::now().unix_s();
    let expired = edge.changed(2, |head, _object| {
        (head["issued_s"], head["expires_s"]) = ((now_s - 100).into(), (now_s - 1).into());
    });
    edge.refuses(expired, 409, "manifest_expired").await;
    let early = edge.changed(2, |head, _object| {
        (head["issued_s"], head["expires_s"]) = ((now_s + 900).into(), (now_s + 1000).into());
    });
    edge.refuses(early, 409, "manifest_expired").await;
}

/// The same with one member more in its first object.
fn with_member(text: &str, member: &str) -> Vec<u8> {
    let site = format!("{member},\"site\"");
    text.replacen("\"site\"", &site, 1).into_bytes()
}

/// Hardening row M05.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_manifest_are_answered_400() {
    let changes: [fn(String) -> Vec<u8>; 8] = [
        |text| text.as_bytes()[..text.len() - 20].to_vec(),
        |text| (text + "x").into_bytes(),
        |text| with_member(&text, r#""priority":0,"priority":0"#),
        |text| with_member(&text, &format!("\"x\":{}", "[".repeat(10_000))),
        |text| with_member(&text, r#""x":NaN"#),
        |text| with_member(&text, r#""x":1e999"#),
        |text| [b"\xff".as_slice(), text.as_bytes()].concat(),
        |text| [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat(),
    ];
    for few in changes.chunks(3) {
        let edge = Steered::start().await;
        for change in few {
            let file = edge.planner.sign(&change(edge.payload(2)));
            edge.refuses(file, 400, "malformed").await;
        }
    }
}

/// Hardening row M06.
#[tokio::test(flavor = "multi_thread")]
async fn more_objects_than_any_node_takes_or_this_one_has_memory_for_are_answered_413() {
    let edge = Steered::start_with("32MiB").await;
    // A plan may take 8 MiB here.
    for objects in [10_000_000, 100_000] {
        let file = edge.changed(2, |head, _object| head["objects"] = objects.into());
        edge.refuses(file, 413, "too_large").await;
    }
}

/// Hardening row M07.
#[tokio::test(flavor = "multi_thread")]
async fn one_bad_path_is_answered_422() {
    let long = format!("/{}", "a".repeat(1024));
    let bad = ["/../etc/passwd", "//etc", "/a\0b", &long, "a", "/%2e%2e/a"];
    let bad = bad.map(|path| json!({ "path": path }));
    are_refused(&bad, 422, "manifest_unsupported").await;
}

/// Hardening rows M09 and M15.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_would_send_the_node_elsewhere_is_answered_422() {
    let bad = [
        json!({ "include": "/manifests/other" }),
        json!({ "origin": "http://user@origin.example/" }),
        json!({ "url": "file:///etc/passwd" }),
        json!({ "source": "http://169.254.169.254/" }),
    ];
    are_refused(&bad, 422, "manifest_unsupported").await;
}

/// Hardening rows M10 and M12.
#[tokio::test(flavor = "multi_thread")]
async fn digests_and_sizes_that_cannot_be_are_answered_422() {
    let zeros = format!("sha256:{}", "0".repeat(64));
    let bad = [
        json!({ "digest": "sha256:abcd" }),
        json!({ "digest": format!("md5:{}", "1".repeat(64)) }),
        json!({ "digest": zeros }),
        json!({ "size": 0 }),
        json!({ "size": u64::MAX }),
    ];
    are_refused(&bad, 422, "manifest_unsupported").await;
}

/// Hardening row M13.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_would_empty_the_node_is_answered_409_unless_it_says_so() {
    let edge = Steered::start().await;
    let others = ["/w/0.m4s", "/w/1.m4s"].map(|path| Planned::seed("media", path, 1000, 1));
    let emptying = |is_meant: bool| {
        let file = edge.planner.signed(2, &others);
        let payload = Signed::parse(&file).unwrap().payload.to_vec();
        let payload = String::from_utf8(payload).unwrap();
        let flag = r#""allow_mass_eviction":true"#;
        assert!(payload.contains(flag), "{payload}");
        let said = format!(r#""allow_mass_eviction":{is_meant}"#);
        edge.planner.sign(payload.replace(flag, &said).as_bytes())
    };
    edge.refuses(emptying(false), 409, "manifest_eviction")
        .await;
    assert_eq!(edge.push(emptying(true)).await, (201, String::new()));
}

/// Hardening row M16.
#[tokio::test(flavor = "multi_thread")]
async fn wishes_beyond_the_nodes_own_bounds_are_clamped_to_them() {
    let edge = Steered::start().await;
    let rate = async |bytes_per_s: f64| {
        tests::eventually(60, &format!("a rate of {bytes_per_s}"), async || {
            let told = edge
                .world
                .edge()
                .metric("millpond_fill_rate_bytes_per_second")
                .await;
            ((told - bytes_per_s).abs() < 1.0).then_some(())
        })
        .await;
    };
    rate(50_000_000.0).await;
    for (generation, wish, kept) in [(2, 0, 16_384.0), (3, u64::MAX, 50_000_000.0)] {
        let file = edge.changed(generation, |head, _object| {
            head["hints"] = json!({ "bytes_per_s": wish, "deadline_s": 1 });
        });
        assert_eq!(edge.push(file).await, (201, String::new()));
        rate(kept).await;
    }
}

/// Hardening row M17.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_manifests_at_once_one_is_in_force_and_the_other_is_answered_409() {
    let edge = Steered::start().await;
    let named = |comment: &str| edge.changed(2, |head, _object| head["comment"] = comment.into());
    let (one, two) = tokio::join!(edge.push(named("one")), edge.push(named("two")));
    let mut answers = [one, two];
    answers.sort();
    let lost = (409, "manifest_generation".to_owned());
    assert_eq!(answers, [(201, String::new()), lost]);
    assert_eq!(edge.in_force().await, Some(2));
}

/// Hardening row M19.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_manifests_is_answered_429() {
    let edge = Steered::start().await;
    let again = edge.changed(1, |_head, _object| {});
    // At once: one after the other they might be few enough on a slow machine.
    let flood = (0..40).map(|_| edge.push(again.clone()));
    let answers = join_all(flood).await;
    let refused = answers.iter().filter(|(status, _)| *status == 429);
    let codes: Vec<_> = refused.map(|(_, code)| code.as_str()).collect();
    assert!(!codes.is_empty(), "{answers:?}");
    assert!(
        codes.iter().all(|code| *code == "rate_limited"),
        "{codes:?}"
    );
    assert_eq!(edge.in_force().await, Some(1));
}

/// Hardening row M20.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_in_the_format_is_ignored_and_counted_or_answered_422() {
    let edge = Steered::start().await;
    let critical = edge.changed(2, |head, _object| head["critical"] = json!(["shiny"]));
    edge.refuses(critical, 422, "manifest_unsupported").await;
    let newer = edge.changed(2, |head, _object| head["schema"] = "2.0".into());
    edge.refuses(newer, 422, "manifest_unsupported").await;
    let unknown = edge.changed(2, |head, object| {
        (head["shiny"], object["glossy"]) = (1.into(), 2.into());
    });
    assert_eq!(edge.push(unknown).await, (201, String::new()));
    let count = edge
        .world
        .edge()
        .count("millpond_fill_unknown_members_total");
    assert_eq!(count.await, 2);
}

/// Hardening row M21.
#[tokio::test(flavor = "multi_thread")]
async fn good_and_bad_manifests_in_turns_end_in_quarantine_of_who_sends_them_with_the_last_good_one_in_force()
 {
    let edge = Steered::start().await;
    let stranger = Planner::new();
    for generation in 2..6 {
        let bad = stranger.sign(edge.payload(9).as_bytes());
        let answer = edge.push(bad).await;
        assert_eq!(answer, (403, "manifest_untrusted".to_owned()));
        if generation < 5 {
            let good = edge.changed(generation, |_head, _object| {});
            assert_eq!(edge.push(good).await, (201, String::new()));
        }
    }
    let good = edge.changed(5, |_head, _object| {});
    let answer = edge.push(good).await;
    assert_eq!(answer, (429, "manifest_quarantined".to_owned()));
    assert_eq!(edge.in_force().await, Some(4));
    let alarm = |who: &str| format!("millpond_fill_quarantined{{way=\"push\",who=\"{who}\"}}");
    let told = async |who: &str| edge.world.edge().count(&alarm(who)).await;
    assert_eq!(told("steering.test").await, 1);

    // Nobody else has to suffer for it, and what another one brings lifts nothing.
    let other = edge.world.steering("other.test");
    let good = edge.changed(5, |_head, _object| {});
    assert_eq!(edge.push_by(&other, good).await, (201, String::new()));
    assert_eq!(edge.in_force().await, Some(5));
    let good = edge.changed(6, |_head, _object| {});
    let answer = edge.push(good).await;
    assert_eq!(answer, (429, "manifest_quarantined".to_owned()));
    assert_eq!(told("other.test").await, 0);
}
