//! The edge's way to its shields: F07, F08, O14, O19, O20, X01.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use message::Kind;
use prometheus::Registry;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use upstream::{Limits, Shield, Shields, ShieldsConfig};

use crate::{
    shield::{Authority, Habit, NAME, OBJECT_BYTES, TestShield},
    support::{
        Ask, PATIENCE, body, content, eventually, expect, metric, metrics, quick, unhurried,
    },
};

fn named(number: usize, addresses: Vec<String>) -> Shield {
    let name = format!("shield-{number}").into();
    Shield {
        name,
        addresses,
        server_name: NAME.to_owned(),
    }
}

fn edge_with(
    tls: Arc<rustls::ClientConfig>,
    addresses: &[String],
    limits: Limits,
) -> (Shields, Registry) {
    let (metrics, registry) = metrics();
    let shields = addresses
        .iter()
        .enumerate()
        .map(|(n, address)| named(n, vec![address.clone()]))
        .collect();
    let config = ShieldsConfig {
        name: "shields".into(),
        node: "edge1".to_owned(),
        shields,
        tls,
        limits,
    };
    (Shields::new(&config, &metrics).unwrap(), registry)
}

fn edge(authority: &Authority, shields: &[&TestShield], limits: Limits) -> (Shields, Registry) {
    let addresses: Vec<_> = shields
        .iter()
        .map(|shield| shield.address.to_string())
        .collect();
    edge_with(
        authority.client(Some(authority), &["h2"]),
        &addresses,
        limits,
    )
}

/// The content that a shield has under the path of a site.
fn object(path: &str, first: u64, length: u64) -> Vec<u8> {
    content(&format!("/vod{path}"), first, length)
}

#[tokio::test]
async fn objects_come_byte_for_byte_whole_and_in_ranges() {
    let authority = Authority::new();
    let shield = TestShield::start(&authority).await;
    let (edge, registry) = edge(&authority, &[&shield], Limits::default());
    let whole = Ask::whole("/a").of(&edge).await.unwrap();
    expect(whole, 200, &object("/a", 0, OBJECT_BYTES)).await;
    let part = Ask::range("/a", 70_000, 99_999).of(&edge).await.unwrap();
    expect(part, 206, &object("/a", 70_000, 30_000)).await;
    let beyond = Ask::range("/a", 0, 4_194_303).of(&edge).await.unwrap();
    expect(beyond, 206, &object("/a", 0, OBJECT_BYTES)).await;
    assert_eq!(
        metric(&registry, "millpond_upstream_body_bytes_total", ""),
        630_000
    );
}

/// X01.
#[tokio::test]
async fn a_request_holds_nothing_but_the_fetch() {
    let authority = Authority::new();
    let shield = TestShield::start(&authority).await;
    let (edge, _) = edge(&authority, &[&shield], unhurried());
    for _ in 0..2 {
        let ask = Ask::range("/a/b.m4s", 5, 9).if_match("\"v\"");
        expect(ask.of(&edge).await.unwrap(), 206, &object("/a/b.m4s", 5, 5)).await;
    }
    let requests = shield.requests.lock().unwrap();
    for request in requests.iter() {
        assert_eq!(request.method(), "GET");
        assert_eq!(request.uri(), "https://shield.test/vod/a/b.m4s");
        let mut fields: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        fields.sort_unstable();
        let expected = [
            ("cdn-loop", "edge1"),
            ("if-match", "\"v\""),
            ("range", "bytes=5-9"),
        ];
        assert_eq!(fields, expected);
    }
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn many_reads_share_few_connections_and_respect_the_stream_limit() {
    let authority = Authority::new();
    let shield = TestShield::start(&authority).await;
    let (edge, _) = edge(&authority, &[&shield], Limits::default());
    // The shield allows 8 streams on a connection.
    let reads: FuturesUnordered<_> = (0..100)
        .map(|number| {
            let edge = &edge;
            async move {
                let path = format!("/{number}");
                let part = Ask::range(&path, 1000, 5999).of(edge).await.unwrap();
                expect(part, 206, &object(&path, 1000, 5000)).await;
            }
        })
        .collect();
    assert_eq!(reads.count().await, 100);
    assert!(
        (1..=2).contains(&shield.connections()),
        "{}",
        shield.connections()
    );
}

/// F07.
#[tokio::test]
async fn misses_go_to_the_other_shield_when_one_is_killed() {
    let authority = Authority::new();
    let (mut first, second) = (
        TestShield::start(&authority).await,
        TestShield::start(&authority).await,
    );
    let limits = Limits {
        retries_max: 2,
        ..Limits::default()
    };
    let (edge, registry) = edge(&authority, &[&first, &second], limits);
    for number in 0..40 {
        let path = format!("/{number}");
        expect(
            Ask::range(&path, 0, 99).of(&edge).await.unwrap(),
            206,
            &object(&path, 0, 100),
        )
        .await;
    }
    assert!(first.requests() > 5 && second.requests() > 5);
    first.kill().await;
    for number in 0..200 {
        let path = format!("/{number}");
        expect(
            Ask::range(&path, 0, 99).of(&edge).await.unwrap(),
            206,
            &object(&path, 0, 100),
        )
        .await;
    }
    assert_eq!(
        metric(&registry, "millpond_upstream_breaker_state", "shield-0"),
        2
    );
    assert_eq!(
        metric(&registry, "millpond_upstream_breaker_state", "shield-1"),
        0
    );
}

#[tokio::test]
async fn all_shields_down_is_told_quickly() {
    let authority = Authority::new();
    let addresses = ["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()];
    // Waiting for any of these once would take too long.
    let limits = Limits {
        retries_max: 2,
        ..unhurried()
    };
    let (edge, _) = edge_with(
        authority.client(Some(&authority), &["h2"]),
        &addresses,
        limits,
    );
    let started = tokio::time::Instant::now();
    let mut kinds = Vec::new();
    for number in 0..20 {
        kinds.push(Ask::whole(&format!("/{number}")).refused_by(&edge).await);
    }
    assert_eq!(kinds[0], Kind::ConnectionRefused);
    assert_eq!(kinds[19], Kind::DestinationUnavailable);
    assert!(started.elapsed() < PATIENCE);
}

/// F08: a listener that never accepts a handshake, and one that stops talking.
#[tokio::test]
async fn a_black_hole_is_left_within_the_connect_timeout() {
    let authority = Authority::new();
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let shield = TestShield::start(&authority).await;
    let addresses = [
        hole.local_addr().unwrap().to_string(),
        shield.address.to_string(),
    ];
    let limits = Limits {
        connect_timeout: Duration::from_secs(3),
        retries_max: 2,
        ..unhurried()
    };
    let tls = authority.client(Some(&authority), &["h2"]);
    let (edge, _) = edge_with(tls, &addresses, limits);
    let started = tokio::time::Instant::now();
    let reads: FuturesUnordered<_> = (0..20)
        .map(|number| {
            let edge = &edge;
            async move {
                let path = format!("/{number}");
                let part = Ask::range(&path, 0, 99).of(edge).await.unwrap();
                expect(part, 206, &object(&path, 0, 100)).await;
            }
        })
        .collect();
    assert_eq!(reads.count().await, 20);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

/// Passes bytes on until it is frozen: then the path is a black hole that nobody closes.
async fn freezing_path(to: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (freeze, frozen) = watch::channel(false);
    tokio::spawn(async move {
        let mut paths = tokio::task::JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let mut frozen = frozen.clone();
            paths.spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                let froze = tokio::select! {
                    _closed = tokio::io::copy_bidirectional(&mut near, &mut far) => false,
                    frozen = frozen.wait_for(|frozen| *frozen) => frozen.is_ok(),
                };
                if froze {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (address, freeze)
}

/// F08: an open connection whose path dies without a word.
#[tokio::test]
async fn a_connection_that_falls_into_a_black_hole_is_found_by_pings() {
    let authority = Authority::new();
    let (first, second) = (
        TestShield::start(&authority).await,
        TestShield::start(&authority).await,
    );
    let (path, freeze) = freezing_path(first.address).await;
    let addresses = [path.to_string(), second.address.to_string()];
    // A head may take its time: it is the pings that tell.
    let limits = Limits {
        retries_max: 2,
        ..unhurried()
    };
    let tls = authority.client(Some(&authority), &["h2"]);
    let (edge, _) = edge_with(tls, &addresses, limits);
    for number in 0..20 {
        let path = format!("/{number}");
        let part = Ask::range(&path, 0, 99).of(&edge).await.unwrap();
        expect(part, 206, &object(&path, 0, 100)).await;
    }
    assert!(first.requests() > 0 && second.requests() > 0);
    freeze.send_replace(true);
    let started = tokio::time::Instant::now();
    let reads: FuturesUnordered<_> = (0..20)
        .map(|number| {
            let edge = &edge;
            async move {
                let path = format!("/{number}");
                let part = Ask::range(&path, 100, 199).of(edge).await.unwrap();
                expect(part, 206, &object(&path, 100, 100)).await;
            }
        })
        .collect();
    assert_eq!(reads.count().await, 20);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}

/// O20.
#[tokio::test]
async fn a_silent_shield_is_given_up_after_the_head_timeout_for_another() {
    let authority = Authority::new();
    let (first, second) = (
        TestShield::start(&authority).await,
        TestShield::start(&authority).await,
    );
    first.behave(Habit::Silent);
    second.behave(Habit::Silent);
    let (edge, _) = edge(
        &authority,
        &[&first, &second],
        Limits {
            retries_max: 1,
            ..quick()
        },
    );
    assert_eq!(
        Ask::whole("/a").refused_by(&edge).await,
        Kind::HttpResponseTimeout
    );
    assert_eq!((first.requests(), second.requests()), (1, 1));
    second.behave(Habit::Good);
    expect(
        Ask::whole("/a").of(&edge).await.unwrap(),
        200,
        &object("/a", 0, OBJECT_BYTES),
    )
    .await;
}

/// O19.
#[tokio::test]
async fn a_body_that_breaks_off_never_ends_cleanly() {
    let authority = Authority::new();
    let mut shield = TestShield::start(&authority).await;
    let (edge, _) = edge(&authority, &[&shield], quick());
    for (habit, kinds) in [
        (Habit::ResetsMidBody, &[Kind::ConnectionTerminated][..]),
        (Habit::StallsMidBody, &[Kind::ConnectionReadTimeout]),
        (
            Habit::Short,
            &[Kind::HttpProtocolError, Kind::ConnectionTerminated],
        ),
    ] {
        shield.behave(habit);
        let error = body(Ask::whole("/a").of(&edge).await.unwrap())
            .await
            .unwrap_err();
        assert!(kinds.contains(&error.kind()), "{habit:?}: {error}");
    }
    shield.behave(Habit::StallsMidBody);
    let response = Ask::whole("/a").of(&edge).await.unwrap();
    shield.kill().await;
    assert!(body(response).await.is_err());
}

/// O19.
#[tokio::test]
async fn a_goaway_lets_bodies_finish_and_costs_no_error() {
    let authority = Authority::new();
    let shield = TestShield::start(&authority).await;
    let (edge, registry) = edge(&authority, &[&shield], unhurried());
    let running = Ask::whole("/a").of(&edge).await.unwrap();
    for number in 0..10 {
        shield.go_away();
        let path = format!("/{number}");
        expect(
            Ask::range(&path, 0, 9).of(&edge).await.unwrap(),
            206,
            &object(&path, 0, 10),
        )
        .await;
    }
    expect(running, 200, &object("/a", 0, OBJECT_BYTES)).await;
    assert!(shield.connections() > 1);
    assert_eq!(
        metric(&registry, "millpond_upstream_requests_total", "2xx"),
        11
    );
}

#[tokio::test]
async fn a_shield_whose_origin_is_dead_keeps_serving_other_sites() {
    let authority = Authority::new();
    let shield = TestShield::start(&authority).await;
    let (edge, registry) = edge(&authority, &[&shield], unhurried());
    shield.behave(Habit::BadGateway);
    for _ in 0..100 {
        expect(Ask::whole("/a").of(&edge).await.unwrap(), 502, b"").await;
    }
    assert_eq!(
        metric(&registry, "millpond_upstream_breaker_state", "shield-0"),
        0
    );
    shield.behave(Habit::Broken);
    for _ in 0..150 {
        let _answer_or_refusal = Ask::whole("/a").of(&edge).await;
    }
    assert_eq!(
        metric(&registry, "millpond_upstream_breaker_state", "shield-0"),
        2
    );
    assert!(shield.requests() < 250);
}

#[tokio::test]
async fn a_recovered_shield_is_found_by_probes() {
    let authority = Authority::new();
    let shield = TestShield::start(&authority).await;
    let mut limits = unhurried();
    limits.breaker.probe_interval = Duration::from_millis(20);
    let (edge, registry) = edge(&authority, &[&shield], limits);
    shield.behave(Habit::Broken);
    while metric(&registry, "millpond_upstream_breaker_state", "shield-0") < 2 {
        let _answer_or_refusal = Ask::whole("/a").of(&edge).await;
    }
    shield.behave(Habit::Good);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while metric(&registry, "millpond_upstream_breaker_state", "shield-0") > 0 {
        assert!(tokio::time::Instant::now() < deadline);
        if let Ok(answer) = Ask::range("/a", 0, 9).of(&edge).await {
            expect(answer, 206, &object("/a", 0, 10)).await;
        }
    }
}

/// O14.
#[tokio::test]
async fn certificates_are_checked_on_both_sides() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let good = TestShield::start(&ours).await;
    let stranger = TestShield::start(&theirs).await;
    let misnamed = TestShield::start_as(&ours, "other.test", "h2").await;
    for (shield, tls) in [
        (&stranger, ours.client(Some(&ours), &["h2"])),
        (&misnamed, ours.client(Some(&ours), &["h2"])),
        (&good, ours.client(None, &["h2"])),
        (&good, ours.client(Some(&theirs), &["h2"])),
    ] {
        let (edge, _) = edge_with(tls, &[shield.address.to_string()], unhurried());
        let error = Ask::whole("/a").of(&edge).await.unwrap_err();
        assert_eq!(error.kind(), Kind::TlsCertificateError, "{error}");
        assert_eq!(shield.requests(), 0);
    }
}

#[tokio::test]
async fn a_shield_that_does_not_speak_h2_is_refused() {
    let authority = Authority::new();
    let old = TestShield::start_as(&authority, NAME, "http/1.1").await;
    let tls = authority.client(Some(&authority), &["h2", "http/1.1"]);
    let (edge, _) = edge_with(tls, &[old.address.to_string()], unhurried());
    assert_eq!(
        Ask::whole("/a").refused_by(&edge).await,
        Kind::TlsProtocolError
    );
}

#[tokio::test]
async fn a_read_that_is_dropped_frees_its_place() {
    let authority = Authority::new();
    let shield = TestShield::start(&authority).await;
    let limits = Limits {
        in_flight_max: 1,
        ..unhurried()
    };
    let (edge, registry) = edge(&authority, &[&shield], limits);
    shield.behave(Habit::Silent);
    let abandoned = tokio::time::timeout(Duration::from_millis(50), Ask::whole("/a").of(&edge));
    assert!(abandoned.await.is_err());
    shield.behave(Habit::StallsMidBody);
    drop(Ask::whole("/a").of(&edge).await.unwrap());
    let in_flight = || metric(&registry, "millpond_upstream_requests_in_flight", "");
    eventually("the place is free", || in_flight() == 0).await;
    shield.behave(Habit::Good);
    expect(
        Ask::whole("/a").of(&edge).await.unwrap(),
        200,
        &object("/a", 0, OBJECT_BYTES),
    )
    .await;
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let authority = Authority::new();
    let (metrics, _) = metrics();
    let good = ShieldsConfig {
        name: "shields".into(),
        node: "edge1".to_owned(),
        shields: vec![named(0, vec!["shield:8443".to_owned()])],
        tls: authority.client(Some(&authority), &["h2"]),
        limits: Limits::default(),
    };
    assert!(Shields::new(&good, &metrics).is_ok());
    let spoil: [fn(&mut ShieldsConfig); 8] = [
        |config| config.shields.clear(),
        |config| config.shields.push(named(0, vec!["other:8443".to_owned()])),
        |config| {
            let more = (1..65).map(|n| named(n, vec!["a:1".to_owned()]));
            config.shields.extend(more);
        },
        |config| config.shields[0].addresses.clear(),
        |config| config.shields[0].addresses[0] = "shield".to_owned(),
        |config| config.shields[0].server_name = "not a name".to_owned(),
        |config| config.node = "edge 1".to_owned(),
        |config| config.limits.head_timeout = Duration::ZERO,
    ];
    for (number, spoil) in spoil.into_iter().enumerate() {
        let mut config = good.clone();
        spoil(&mut config);
        assert!(Shields::new(&config, &metrics).is_err(), "{number}");
    }
}
