//! Real players in headless Chromium play our clip to its end, over HTTP/2 and HTTP/3.

use std::{fs, path::PathBuf};

use serde_json::Value;
use signing::Carrier;
use tests::{
    client::Client,
    foreign::{need, output, root, run, skip, text},
    keys::{Keys, carry, token},
    node::{Home, Node, Role, Settings, free_address},
    pki::Pki,
    signers::Signers,
};
use tokio::{process::Command, sync::Mutex};

/// Of `play.mjs`, when something that it needs is missing.
pub(super) const SKIPPED: i32 = 77;

struct Stage {
    pki: Pki,
    keys: Keys,
    edge: Node,
    _shield: Node,
    _homes: [Home; 2],
}

/// The clip behind an edge and a shield that has its directory.
async fn stage(clip: &std::path::Path, more: &[(&'static str, toml::Value)]) -> Stage {
    let (pki, keys) = (Pki::new(), Keys::new());
    let shield_home = Home::new(Role::Shield);
    let mut settings = Settings::shield(&shield_home, &pki, "http://127.0.0.1:9");
    settings.set("site.1.name", "vault");
    settings.set("site.1.origin.kind", "directory");
    settings.set(
        "site.1.origin.path",
        clip.parent().unwrap().to_str().unwrap(),
    );
    let shield = shield_home.start(&settings).await;
    let edge_home = Home::new(Role::Edge);
    let mut settings = Settings::edge(&edge_home, &pki, &[shield.address])
        .with_signed_site(&keys.file())
        .with("site.0.hosts", vec!["media.test"])
        .with("site.1.hosts", vec!["signed.test", "localhost"]);
    for (key, value) in more {
        settings.set(key, value.clone());
    }
    let edge = edge_home.start(&settings).await;
    Stage {
        pki,
        keys,
        edge,
        _shield: shield,
        _homes: [shield_home, edge_home],
    }
}

impl Stage {
    /// Plays to the end without an error; `None` where something is missing for it.
    async fn run(&self, player: &str, url: &str, more: &[String]) -> Option<Value> {
        let mut play = Command::new(need("node")?);
        play.current_dir(folder())
            .args(["play.mjs", "--timeout", "90", "--player", player])
            .args(["--url", url, "--spki", &spki(&self.pki).await?])
            .args(more);
        let output = output(&mut play, 150).await;
        let told = text(&output);
        if output.status.code() == Some(SKIPPED) {
            skip(told.trim());
            return None;
        }
        assert!(output.status.success(), "{player} {url}: {told}");
        let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(seen["ended"], true, "{told}");
        assert_eq!(seen["errors"], Value::Array(Vec::new()), "{told}");
        Some(seen)
    }

    /// A signed URL that relative ones inherit.
    fn url(&self, file: &str) -> String {
        let token = token(&self.keys.ed25519, "/clip");
        let target = carry(&format!("/clip/{file}"), Carrier::Path, &token);
        format!("https://localhost:{}{target}", self.edge.address.port())
    }
}

/// The hash of the server's public key, as Chromium takes it.
pub(super) async fn spki(pki: &Pki) -> Option<String> {
    need("openssl")?;
    let mut hash = Command::new("sh");
    let script = "openssl x509 -in \"$1\" -pubkey -noout | openssl pkey -pubin -outform der \
                  | openssl dgst -sha256 -binary | base64";
    hash.args(["-c", script, "sh"]).arg(pki.server().cert);
    Some(run(&mut hash, 20).await.trim().to_owned())
}

/// Where `play.mjs` is.
pub(super) fn folder() -> PathBuf {
    root().join("tests/browser")
}

fn clip() -> Option<PathBuf> {
    let found = root().join("crates/cli/assets/clip");
    if found.is_dir() {
        return Some(found);
    }
    skip("no clip in crates/cli/assets");
    None
}

/// One browser at a time: two on a machine of two cores starve each other, and a player that gets
/// too little of them gives up segments that it had asked for.
pub(super) static TURN: Mutex<()> = Mutex::const_new(());

async fn play(player: &str, file: &str, quic: bool) {
    let Some(clip) = clip() else { return };
    let _turn = TURN.lock().await;
    let stage = stage(&clip, &[]).await;
    let mut more = Vec::new();
    if player != "page" {
        more.extend(["--rate".to_owned(), "4".to_owned()]);
    }
    if quic {
        let port = stage.edge.address.port();
        more.extend(["--force-quic".to_owned(), format!("localhost:{port}")]);
    }
    let Some(seen) = stage.run(player, &stage.url(file), &more).await else {
        return;
    };
    let told = seen.to_string();
    let protocol = if quic { "h3" } else { "h2" };
    let protocols = seen["protocols"].as_object().unwrap();
    assert!(
        protocols.contains_key(protocol) && protocols.len() == 1,
        "{told}"
    );
    assert!(seen["bytes"].as_u64().unwrap() > 100_000, "{told}");
}

macro_rules! plays {
    ($($name:ident: $player:literal, $file:literal, $quic:literal;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            play($player, $file, $quic).await;
        }
    )*};
}

plays! {
    hls_js_plays_to_the_end_over_http2: "hls", "master.m3u8", false;
    hls_js_plays_to_the_end_over_http3: "hls", "master.m3u8", true;
    dash_js_plays_to_the_end_over_http2: "dash", "manifest.mpd", false;
    dash_js_plays_to_the_end_over_http3: "dash", "manifest.mpd", true;
    shaka_plays_to_the_end_over_http3: "shaka", "manifest.mpd", true;
    our_page_plays_to_the_end_over_http2: "page", "master.m3u8", false;
    our_page_plays_to_the_end_over_http3: "page", "master.m3u8", true;
}

/// A player on a page of another origin of the same site, with a token as one vendor's customers carry
/// it: in the playlist's target, or in cookies that the owner has set before. With `credentials` the edge
/// has to name the page's origin (Fetch section 3.2.5); without, no cookie comes along.
async fn play_signed(
    session: Option<&str>,
    credentials: bool,
    target: impl Fn(&Signers) -> (String, Vec<String>),
) {
    let Some(clip) = clip() else { return };
    let _turn = TURN.lock().await;
    let signers = Signers::at("https://signed.test", "/clip");
    let page = format!("https://player.signed.test:{}", free_address().port());
    let mut keys = signers.keys().to_vec();
    if credentials {
        keys.push(("site.1.cors", vec![page.clone()].into()));
    }
    if let Some(session) = session {
        keys.push(("site.1.session", session.into()));
    }
    let stage = stage(&clip, &keys).await;
    let (target, cookies) = target(&signers);
    let port = stage.edge.address.port();
    let served = stage.pki.server();
    let (cert, key) = (served.cert.display(), served.key.display());
    let mut more = vec![
        "--rate=4".to_owned(),
        "--host-map=MAP signed.test 127.0.0.1".to_owned(),
        "--host-map=MAP player.signed.test 127.0.0.1".to_owned(),
        format!("--pages-url={page}"),
        format!("--pages-cert={cert}"),
        format!("--pages-key={key}"),
    ];
    more.extend(cookies.iter().map(|pair| format!("--cookie={pair}")));
    more.extend(credentials.then(|| "--credentials".to_owned()));
    let url = format!("https://signed.test:{port}{target}");
    if let Some(seen) = stage.run("hls", &url, &more).await {
        assert!(seen["bytes"].as_u64().unwrap() > 100_000, "{seen}");
    }
}

const MASTER: &str = "/clip/master.m3u8";

#[tokio::test(flavor = "multi_thread")]
async fn hls_js_plays_with_cloudfronts_cookies() {
    play_signed(None, true, |signers| {
        let amazon = signers.amazon();
        let cookies = amazon.split('&').map(|pair| format!("CloudFront-{pair}"));
        (MASTER.to_owned(), cookies.collect())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hls_js_plays_with_an_edge_auth_cookie() {
    play_signed(None, true, |signers| {
        (
            MASTER.to_owned(),
            vec![format!("hdnts={}", signers.akamai())],
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hls_js_plays_with_an_edge_auth_token_that_becomes_a_path_or_a_cookie() {
    for (session, credentials) in [("path", false), ("cookie", true)] {
        play_signed(Some(session), credentials, |signers| {
            (format!("{MASTER}?hdnts={}", signers.akamai()), Vec::new())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hls_js_plays_with_media_cdns_cookie() {
    play_signed(None, true, |signers| {
        let cookie = format!("Edge-Cache-Cookie={}", signers.google());
        (MASTER.to_owned(), vec![cookie])
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hls_js_plays_with_a_cdni_token_in_a_folder_of_the_path() {
    play_signed(None, false, |signers| {
        let token = signers.cdni(None);
        let target = format!("/clip;URISigningPackage={token}/master.m3u8");
        (target, Vec::new())
    })
    .await;
}

/// RFC 9246 section 3.3: the first token is in the URL, each next one in a cookie.
#[tokio::test(flavor = "multi_thread")]
async fn hls_js_plays_with_a_cdni_token_that_is_renewed_in_a_cookie() {
    play_signed(None, true, |signers| {
        let token = signers.cdni(Some(60));
        (format!("{MASTER}?URISigningPackage={token}"), Vec::new())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_the_clip_comes_as_it_lies_there() {
    let Some(clip) = clip() else { return };
    let stage = stage(&clip, &[]).await;
    let viewer = Client::new(&stage.pki, stage.edge.address, "signed.test");
    let token = token(&stage.keys.hmac, "/clip");
    let mut count = 0;
    let mut folders = vec![clip.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path
                .strip_prefix(&clip)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let target = carry(&format!("/clip/{name}"), Carrier::Query, &token);
            let protocol = tests::client::PROTOCOLS[count % 3];
            let reply = viewer.get(protocol, &target, &[]).await;
            assert_eq!(reply.is(200).body, fs::read(&path).unwrap(), "{name}");
            count += 1;
        }
    }
    assert!(count > 10, "{count} files in {}", clip.display());
}
