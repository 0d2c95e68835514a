//! curl as a player: a playlist with a token of each scheme, then its segments by relative URLs.

use tests::{
    foreign::{need, run},
    oracle::Object,
    signers::Signers,
    world::World,
};
use tokio::process::Command;

const SEGMENTS: [&str; 3] = ["v0/init.mp4", "v0/1.m4s", "v1/1.m4s"];

fn object(name: &str) -> Object {
    Object::new(&format!("/hls/{name}"), 40_000 + name.len() as u64)
}

/// Follows redirections and keeps cookies, as a player in a browser does.
async fn get(world: &World, version: &str, url: &str, more: &[&str], into: &str) -> Option<String> {
    let mut curl = Command::new(need("curl")?);
    let folder = world.edge_home.path();
    let port = world.viewer.address().port();
    curl.args([
        "--silent",
        "--show-error",
        "--fail",
        "--location",
        "--globoff",
        "--max-time",
        "60",
    ])
    .args([version, "--write-out", "%{url_effective}"])
    .arg("--cacert")
    .arg(world.pki.ca())
    .args(["--resolve", &format!("signed.test:{port}:127.0.0.1")])
    .arg("--cookie-jar")
    .arg(folder.join("jar"))
    .args(more)
    .arg("--output")
    .arg(folder.join(into));
    if !more.contains(&"--header") {
        curl.arg("--cookie").arg(folder.join("jar"));
    }
    Some(run(curl.arg(world.viewer.url(url)), 90).await)
}

/// Plays what a signed playlist names; `false` if there is no curl.
async fn plays(world: &World, version: &str, playlist: &str, more: &[&str]) -> bool {
    let _ = std::fs::remove_file(world.edge_home.path().join("jar"));
    let Some(url) = get(world, version, playlist, more, "playlist").await else {
        return false;
    };
    let check = |file: &str, object: &Object| {
        let got = std::fs::read(world.edge_home.path().join(file)).unwrap();
        object.check(0, &got).unwrap();
        assert_eq!(got.len() as u64, object.bytes, "{}", object.name);
    };
    check("playlist", &object("master.m3u8"));
    // RFC 3986 section 5.2.3: all after the last slash of the path goes, and the query.
    let base = url.split('?').next().unwrap().rsplit_once('/').unwrap().0;
    let base = base.strip_prefix(&world.viewer.url("")).unwrap();
    for name in SEGMENTS {
        let target = format!("{base}/{name}");
        get(world, version, &target, more, "segment").await.unwrap();
        check("segment", &object(name));
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_plays_relative_segments_with_each_schemes_token() {
    let signers = Signers::new();
    let objects: Vec<_> = SEGMENTS
        .iter()
        .chain(&["master.m3u8"])
        .map(|name| object(name))
        .collect();
    for session in ["cookie", "path"] {
        let plan = signers.plan().edge_key("site.1.session", session);
        let world = plan.start(&objects).await;
        let tokens = [
            format!("mp={}", signers.native(|_| {})),
            format!("hdnts={}", signers.akamai()),
            format!("edge-cache-token={}", signers.google()),
            signers.amazon(),
            format!("URISigningPackage={}", signers.cdni(Some(60))),
        ];
        for version in ["--http1.1", "--http2"] {
            for token in &tokens {
                let target = format!("/hls/master.m3u8?{token}");
                if !plays(&world, version, &target, &[]).await {
                    return;
                }
            }
            let inherited = format!("/hls;URISigningPackage={}/master.m3u8", signers.cdni(None));
            plays(&world, version, &inherited, &[]).await;
            let pairs = signers.amazon().replace('&', "; CloudFront-");
            let cookies = format!("Cookie: CloudFront-{pairs}");
            plays(&world, version, "/hls/master.m3u8", &["--header", &cookies]).await;
        }
    }
}
