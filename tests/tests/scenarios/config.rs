//! Config files that are wrong: exit 78, everything at once, with its place and a hint.

use std::fs;

use tests::{
    foreign,
    node::{Home, Role, Settings, binary},
    pki::Pki,
    planner::Planner,
};
use tokio::process::Command;

/// `EX_CONFIG` of sysexits.h.
const EX_CONFIG: i32 = 78;

async fn told(role: Role, action: &str, config: &[u8]) -> (Option<i32>, String) {
    let home = Home::new(role);
    let file = home.path().join("node.toml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new(binary());
    command.args([role.word(), action]).arg(&file);
    let output = foreign::output(&mut command, 20).await;
    (output.status.code(), foreign::text(&output))
}

fn settings(role: Role, home: &Home, pki: &Pki) -> Settings {
    match role {
        Role::Edge => Settings::edge(home, pki, &[([127, 0, 0, 1], 9).into()]),
        Role::Shield => Settings::shield(home, pki, "http://127.0.0.1:9"),
    }
}

#[tokio::test]
async fn a_right_config_is_right() {
    let pki = Pki::new();
    for role in [Role::Edge, Role::Shield] {
        let settings = settings(role, &Home::new(role), &pki);
        let (code, text) = told(role, "check", settings.to_string().as_bytes()).await;
        assert_eq!(code, Some(0), "{text}");
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once_with_line_and_hint() {
    let pki = Pki::new();
    for role in [Role::Edge, Role::Shield] {
        let mut settings = settings(role, &Home::new(role), &pki);
        settings.set("node.nmae", "typo");
        settings.set("cache.ram", "much");
        settings.set("limits.connections", -5);
        settings.set("drain.deadline", "0s");
        settings.set("listen.address", "nowhere");
        settings.set("admin.address", "0.0.0.0:9090");
        settings.set("tls.certificates.0.key", "/absent.key");
        settings.set("unknown.key", 1);
        for action in ["check", "run"] {
            let (code, text) = told(role, action, settings.to_string().as_bytes()).await;
            assert_eq!(code, Some(EX_CONFIG), "{text}");
            let wrong = [
                "nmae",
                "much",
                "-5",
                "deadline",
                "nowhere",
                "0.0.0.0",
                "absent.key",
                "unknown",
            ];
            for what in wrong {
                assert!(text.contains(what), "{what} is not told:\n{text}");
            }
            let placed = text.lines().filter(|line| {
                let Some((_, rest)) = line.split_once("node.toml:") else {
                    return false;
                };
                let mut numbers = rest.split(':');
                numbers
                    .next()
                    .is_some_and(|line| line.parse::<u32>().is_ok())
                    && numbers
                        .next()
                        .is_some_and(|column| column.parse::<u32>().is_ok())
            });
            assert!(placed.count() >= wrong.len(), "no line and column:\n{text}");
            assert!(
                text.contains("did you mean \"name\""),
                "no hint for the typo:\n{text}"
            );
        }
    }
}

#[tokio::test]
async fn files_that_are_no_config_are_refused_without_harm() {
    let huge = vec![b'#'; 20 << 20];
    let deep = format!("a = {}{}", "[".repeat(5000), "]".repeat(5000));
    let files: [(&str, &[u8]); 6] = [
        ("empty", b""),
        ("binary", &[0xff, 0xfe, 0, 1, 2, 3]),
        ("no TOML", b"[node\nname = "),
        (
            "twice the same key",
            b"[node]\nname = \"a\"\nname = \"b\"\n",
        ),
        ("huge", &huge),
        ("deep", deep.as_bytes()),
    ];
    for role in [Role::Edge, Role::Shield] {
        for (what, file) in files {
            let (code, text) = told(role, "check", file).await;
            assert_eq!(code, Some(EX_CONFIG), "{what}: {text}");
            assert!(
                text.contains("node.toml") && !text.contains("panicked"),
                "{what}: {text}"
            );
        }
    }
}

#[tokio::test]
async fn a_config_that_is_absent_is_told() {
    let mut command = Command::new(binary());
    command.args(["edge", "run", "/absent/edge.toml"]);
    let output = foreign::output(&mut command, 20).await;
    assert_eq!(
        output.status.code(),
        Some(EX_CONFIG),
        "{}",
        foreign::text(&output)
    );
    assert!(foreign::text(&output).contains("/absent/edge.toml"));
}

#[tokio::test]
async fn a_fill_plane_that_could_not_fill_is_warned_of_and_a_wrong_window_is_told_by_its_key() {
    let (pki, planner) = (Pki::new(), Planner::new());
    let mut settings = settings(Role::Edge, &Home::new(Role::Edge), &pki);
    settings.set("fill.keys", planner.keys().display().to_string());
    let (code, text) = told(Role::Edge, "check", settings.to_string().as_bytes()).await;
    assert_eq!(code, Some(0), "{text}");
    for missing in ["[[cache.disk]]", "[[fill.window]]"] {
        assert!(text.contains(missing), "{missing} in {text}");
    }
    for (key, wrong) in [
        ("hours", "2-4"),
        ("zone", "Mars/Olympus"),
        ("days", "monday"),
    ] {
        let mut settings = settings.clone();
        settings.set("fill.window.0.hours", "02:00-14:00");
        let key_of = format!("fill.window.0.{key}");
        match key {
            "days" => settings.set(&key_of, vec![wrong]),
            _ => settings.set(&key_of, wrong),
        }
        let (code, text) = told(Role::Edge, "check", settings.to_string().as_bytes()).await;
        assert_eq!(code, Some(EX_CONFIG), "{text}");
        let place = format!("{key} in [[fill.window]]");
        assert!(text.contains(&place) && text.contains(wrong), "{text}");
    }
}

#[tokio::test]
async fn half_an_identity_towards_an_origin_is_told() {
    let pki = Pki::new();
    let identity = pki.client("shield1.test");
    for (key, file) in [("certificate", identity.cert), ("key", identity.key)] {
        let mut settings = settings(Role::Shield, &Home::new(Role::Shield), &pki);
        let key = format!("site.0.origin.{key}");
        settings.set(&key, file.display().to_string());
        let (code, text) = told(Role::Shield, "check", settings.to_string().as_bytes()).await;
        assert_eq!(code, Some(EX_CONFIG), "{text}");
        assert!(text.contains("give both to show a certificate"), "{text}");
    }
}

#[tokio::test]
async fn a_secret_in_the_open_is_refused_and_not_repeated() {
    let mut settings = settings(Role::Shield, &Home::new(Role::Shield), &Pki::new());
    settings.set("site.1.name", "s3");
    settings.set("site.1.origin.kind", "s3");
    settings.set("site.1.origin.bucket", "b");
    settings.set("site.1.origin.access_key", "canary-access-4711");
    settings.set("site.1.origin.secret_key", "canary-secret-4711");
    let (code, text) = told(Role::Shield, "check", settings.to_string().as_bytes()).await;
    assert_eq!(code, Some(EX_CONFIG), "{text}");
    assert!(text.contains("secret_key_file"), "{text}");
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_node_without_its_certificate_or_port_says_so() {
    let pki = Pki::new();
    let home = Home::new(Role::Edge);
    let (server, other) = (pki.server(), pki.client("other.test"));
    let mut mismatch = settings(Role::Edge, &home, &pki);
    mismatch.set(
        "tls.certificates.0.certificate",
        server.cert.to_str().unwrap(),
    );
    mismatch.set("tls.certificates.0.key", other.key.to_str().unwrap());
    let error = home.try_start(&mismatch).await.err().unwrap();
    assert!(
        error.contains("Mismatch") || error.contains("does not belong"),
        "{error}"
    );

    let expired = pki.expired_client("media.test");
    let mut late = settings(Role::Edge, &home, &pki);
    late.set(
        "tls.certificates.0.certificate",
        expired.cert.to_str().unwrap(),
    );
    late.set("tls.certificates.0.key", expired.key.to_str().unwrap());
    let error = home.try_start(&late).await.err().unwrap();
    assert!(error.to_lowercase().contains("expired"), "{error}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let busy = settings(Role::Edge, &home, &pki).with("listen.address", address);
    let error = home.try_start(&busy).await.err().unwrap();
    assert!(
        error.contains("AddrInUse") || error.contains("in use"),
        "{error}"
    );
}

#[test]
fn the_commented_configs_of_the_repository_name_every_key_of_the_tests() {
    // An example that does not know a key that the tests set is out of date.
    let pki = Pki::new();
    for (role, file) in [
        (Role::Edge, "config/edge.toml"),
        (Role::Shield, "config/shield.toml"),
    ] {
        let example = fs::read_to_string(foreign::root().join(file)).unwrap();
        let home = Home::new(role);
        let settings = settings(role, &home, &pki).with_disk(&home, 64).to_string();
        for line in settings.lines().filter_map(|line| line.split_once(" = ")) {
            let key = line.0;
            assert!(
                example.contains(&format!("{key} = ")),
                "{file} has no {key}"
            );
        }
    }
}
