//! Other vendors' tokens, sessions, regions and revocation, through a real edge.

use std::sync::atomic::{AtomicUsize, Ordering};

use signing::{Label, Scheme};
use tests::{
    client::{PROTOCOLS, Protocol, Reply},
    eventually,
    keys::SITE,
    oracle::Object,
    signers::Signers,
    world::World,
};

const COUNTRIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/countries.mmdb");

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

fn playlist() -> Object {
    Object::new("/hls/master.m3u8", 500)
}

fn segment() -> Object {
    Object::new("/hls/v0/1.m4s", 60_000)
}

/// Requests for an object, each with a token that some vendor's customers have.
fn carried(signers: &Signers, path: &str) -> Vec<(String, Vec<(&'static str, String)>)> {
    let (google, akamai) = (signers.google(), signers.akamai());
    let (cdni, amazon) = (signers.cdni(None), signers.amazon());
    let amazon_cookies: Vec<_> = amazon
        .split('&')
        .map(|pair| format!("CloudFront-{pair}"))
        .collect();
    let (folder, file) = path.rsplit_once('/').unwrap();
    let cookie = |value: String| vec![("cookie", value)];
    vec![
        (format!("{path}?edge-cache-token={google}"), vec![]),
        (
            path.to_owned(),
            cookie(format!("a=b; Edge-Cache-Cookie={google}")),
        ),
        (format!("{path}?hdnts={akamai}"), vec![]),
        (path.to_owned(), cookie(format!("hdnts={akamai}"))),
        (path.to_owned(), vec![("hdnts", akamai)]),
        (format!("{path}?{amazon}"), vec![]),
        (path.to_owned(), cookie(amazon_cookies.join("; "))),
        (format!("{path}?URISigningPackage={cdni}"), vec![]),
        (format!("{folder};URISigningPackage={cdni}/{file}"), vec![]),
        (path.to_owned(), cookie(format!("URISigningPackage={cdni}"))),
    ]
}

async fn ask(
    world: &World,
    protocol: Protocol,
    target: &str,
    fields: &[(&'static str, String)],
) -> Reply {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    world.viewer.get(protocol, target, &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_schemes_token_opens_what_it_signs_and_is_no_part_of_the_key() {
    let signers = Signers::new();
    let world = signers
        .plan()
        .start(&[playlist(), segment(), Object::new("/x/1.m4s", 99)])
        .await;
    for protocol in PROTOCOLS {
        for object in [playlist(), segment()] {
            for (target, fields) in carried(&signers, &object.name) {
                ask(&world, protocol, &target, &fields)
                    .await
                    .is_whole(&object);
            }
        }
        for (target, fields) in carried(&signers, "/x/1.m4s") {
            let reply = ask(&world, protocol, &target, &fields).await;
            assert_eq!(reply.status, 403, "{protocol} {target}");
        }
    }
    for object in [playlist(), segment()] {
        assert_eq!(world.origin.reads_of(&object).len(), 1, "{}", object.name);
    }
    let shown = format!("{:?}", world.origin.reads());
    for secret in ["hdnts", "Signature", "URISigningPackage", "edge-cache"] {
        assert!(!shown.contains(secret), "a token went upstream: {shown}");
    }
    for scheme in Scheme::ALL.into_iter().skip(1) {
        let name = scheme.name();
        let sample = format!("millpond_tokens_granted_total{{scheme=\"{name}\",site=\"{SITE}\"}}");
        assert!(world.edge().count(&sample).await >= 12, "{sample}");
    }
    let sample =
        format!("millpond_tokens_refused_total{{reason=\"out_of_scope\",site=\"{SITE}\"}}");
    assert!(
        (world.edge().metric(&sample).await - 30.0).abs() < 0.5,
        "{sample}"
    );
}

fn cookie_of(reply: &Reply) -> String {
    let field = reply.field("set-cookie");
    assert!(
        field.ends_with("; Secure; HttpOnly; SameSite=None"),
        "{field}"
    );
    assert!(
        reply.field("cache-control").contains("private"),
        "{reply:?}"
    );
    field.split(';').next().unwrap().to_owned()
}

/// RFC 9246 section 3: each answer brings the token for the next request, and no refusal does.
#[tokio::test(flavor = "multi_thread")]
async fn a_chained_token_is_renewed_with_each_answer() {
    let signers = Signers::new();
    let world = signers.plan().start(&[playlist(), segment()]).await;
    for protocol in PROTOCOLS {
        let first = format!(
            "/hls/master.m3u8?URISigningPackage={}",
            signers.cdni(Some(60))
        );
        let reply = world.viewer.get(protocol, &first, &[]).await;
        let second = cookie_of(reply.is_whole(&playlist()));
        let reply = ask(
            &world,
            protocol,
            &segment().name,
            &[("cookie", second.clone())],
        )
        .await;
        let third = cookie_of(reply.is_whole(&segment()));
        let reply = ask(&world, protocol, &segment().name, &[("cookie", third)]).await;
        reply.is_whole(&segment());
        let refused = ask(&world, protocol, "/x/1.m4s", &[("cookie", second)]).await;
        assert!(refused.is(403).header("set-cookie").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_token_at_the_playlist_is_a_cookie_at_the_segments() {
    let signers = Signers::new();
    let plan = signers.plan().edge_key("site.1.session", "cookie");
    let world = plan.start(&[playlist(), segment()]).await;
    for protocol in PROTOCOLS {
        for token in [
            format!("mp={}", signers.native(|_| {})),
            format!("hdnts={}", signers.akamai()),
            format!("edge-cache-token={}", signers.google()),
            signers.amazon(),
        ] {
            let target = format!("{}?{token}", playlist().name);
            let reply = world.viewer.get(protocol, &target, &[]).await;
            let cookie = cookie_of(reply.is_whole(&playlist()));
            let fields = [("cookie", cookie.clone())];
            let reply = ask(&world, protocol, &segment().name, &fields).await;
            assert!(
                reply.is_whole(&segment()).header("set-cookie").is_none(),
                "a session ends"
            );
            ask(&world, protocol, "/x/1.m4s", &fields).await.is(403);
            // The playlist's own URL is over, and the session goes on with it.
            let now = message::now().unix_s();
            let over = signers.native(|claims| {
                (claims.not_before_s, claims.not_after_s) = (now - 90, now - 1);
            });
            let target = format!("{}?mp={over}", playlist().name);
            world.viewer.get(protocol, &target, &[]).await.is(403);
            ask(&world, protocol, &target, &fields)
                .await
                .is_whole(&playlist());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_is_redirected_to_a_path_that_its_segments_inherit() {
    let signers = Signers::new();
    let plan = signers.plan().edge_key("site.1.session", "path");
    let world = plan.start(&[playlist(), segment()]).await;
    for protocol in PROTOCOLS {
        let target = format!("{}?hdnts={}", playlist().name, signers.akamai());
        let reply = world.viewer.get(protocol, &target, &[]).await;
        assert_eq!(reply.is(307).field("cache-control"), "no-store");
        let elsewhere = reply.field("location");
        world
            .viewer
            .get(protocol, &elsewhere, &[])
            .await
            .is_whole(&playlist());
        let base = elsewhere.strip_suffix("master.m3u8").unwrap();
        let relative = format!("{base}v0/1.m4s");
        world
            .viewer
            .get(protocol, &relative, &[])
            .await
            .is_whole(&segment());
        let segment_alone = format!("{}?hdnts={}", segment().name, signers.akamai());
        world
            .viewer
            .get(protocol, &segment_alone, &[])
            .await
            .is_whole(&segment());
    }
}

/// RFC 7725. The test database has 127.0.0.1 in Germany.
#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_not_for_a_country_answers_451_whatever_the_token() {
    let signers = Signers::new();
    let forbidden = signers.plan().edge_key("regions.database", COUNTRIES);
    let forbidden = forbidden.edge_key("site.1.regions_denied", vec!["DE".to_owned()]);
    let world = forbidden.start(&[playlist()]).await;
    for protocol in PROTOCOLS {
        let good = format!("/~{}{}", signers.native(|_| {}), playlist().name);
        for target in [good.as_str(), &playlist().name] {
            let reply = world.viewer.get(protocol, target, &[]).await;
            assert_eq!(reply.is(451).field("cache-control"), "no-store");
        }
    }
    assert!(world.origin.reads().is_empty());

    let allowed = signers.plan().edge_key("regions.database", COUNTRIES);
    let allowed = allowed.edge_key("site.1.regions_allowed", vec!["DE".to_owned()]);
    let world = allowed.start(&[playlist()]).await;
    let with = |region: &str| {
        let token = signers.native(|claims| claims.regions = vec![label(region)]);
        format!("/~{token}{}", playlist().name)
    };
    let get = async |target: &str| world.viewer.get(Protocol::Http2, target, &[]).await;
    get(&with("DE")).await.is_whole(&playlist());
    get(&with("FR")).await.is(451);
    get(&playlist().name).await.is(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_taken_back_is_refused_from_the_next_sighup_on() {
    let signers = Signers::new();
    let world = signers.plan().edge_apart().start(&[playlist()]).await;
    let good = |session: &str| {
        let token = signers.native(|claims| claims.session = Some(label(session)));
        format!("/~{token}{}", playlist().name)
    };
    let (one, other) = (good("s-1"), good("s-2"));
    let ask = async |target: &str| world.viewer.get(Protocol::Http2, target, &[]).await;
    ask(&one).await.is_whole(&playlist());
    signers.write("revoked.json", r#"{"version": 1, "sessions": ["s-1"]}"#);
    world.edge().child().signal("HUP").await;
    eventually(60, "the revocation", async || {
        (ask(&one).await.status == 403).then_some(())
    })
    .await;
    ask(&other).await.is_whole(&playlist());

    // A list that cannot be read changes nothing.
    signers.write("revoked.json", "{");
    world.edge().child().signal("HUP").await;
    ask(&other).await.is_whole(&playlist());
    ask(&one).await.is(403);
}

fn now_s() -> u64 {
    message::now().unix_s()
}

/// RFC 9246 section 2.1.7.
#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_that_is_good_once_stays_spent_when_the_config_is_read_again() {
    let signers = Signers::new();
    let plan = signers.plan().edge_apart();
    let plan = plan.edge_key("site.1.uri_signing_jti", "once");
    let world = plan.start(&[playlist()]).await;
    let ask = async |protocol: Protocol, jti: &str, sub: &str| {
        // Later than the second in which the node began.
        let claims = serde_json::json!({ "jti": jti, "sub": sub, "iat": now_s() + 2 });
        let token = signers.cdni_with(now_s() + 600, &claims);
        let target = format!("{}?URISigningPackage={token}", playlist().name);
        world.viewer.get(protocol, &target, &[]).await
    };
    for (protocol, jti) in PROTOCOLS.into_iter().zip(["n-1", "n-2", "n-3"]) {
        ask(protocol, jti, "s-1").await.is_whole(&playlist());
        let again = ask(protocol, jti, "s-1").await;
        assert_eq!(again.is(403).field("cache-control"), "no-store");
    }
    signers.write("revoked.json", r#"{"version": 1, "sessions": ["s-2"]}"#);
    world.edge().child().signal("HUP").await;
    let asked = AtomicUsize::new(0);
    eventually(60, "the config to be read again", async || {
        let jti = format!("r-{}", asked.fetch_add(1, Ordering::Relaxed));
        let revoked = ask(Protocol::Http2, &jti, "s-2").await;
        (revoked.status == 403).then_some(())
    })
    .await;
    ask(Protocol::Http2, "n-1", "s-1").await.is(403);
    let fresh = ask(Protocol::Http2, "n-4", "s-1").await;
    fresh.is_whole(&playlist());
}

/// RFC 9246 section 3.3.1: in the place where the old one was, so that relative URLs inherit it.
#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_that_asks_for_it_is_renewed_by_a_redirection_and_not_in_a_circle() {
    let signers = Signers::new();
    let world = signers.plan().start(&[playlist()]).await;
    for protocol in PROTOCOLS {
        for place in ["/hls/master.m3u8?a=1&", "/hls;"] {
            let file = if place.contains('?') {
                ""
            } else {
                "/master.m3u8"
            };
            let target = |left_s: u64| {
                let claims = serde_json::json!({ "cdniets": 600, "cdnistt": 2 });
                let token = signers.cdni_with(now_s() + left_s, &claims);
                format!("{place}URISigningPackage={token}{file}")
            };
            let get = async |target: &str| world.viewer.get(protocol, target, &[]).await;
            get(&target(590)).await.is_whole(&playlist());
            let due = target(120);
            let reply = get(&due).await;
            let next = reply.is(307).field("location").clone();
            assert_eq!(reply.field("cache-control"), "no-store");
            assert!(next.starts_with(place) && next.ends_with(file) && next != due);
            get(&next).await.is_whole(&playlist());
        }
    }
}
