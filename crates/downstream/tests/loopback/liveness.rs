//! What is written leaves, whatever the connection's task waits for next.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use tokio::time::timeout;

use crate::support::{
    HOST, PATIENCE,
    clients::{Client, Speaks, connect, request},
    content::bytes_of,
    start,
};

const BOTH: [Speaks; 2] = [Speaks::Http1, Speaks::Http2];

/// The body, frame by frame.
async fn incoming(client: &mut Client, path: &str) -> hyper::body::Incoming {
    let uri = format!("https://{HOST}{path}");
    match client {
        Client::Http1(send) => {
            let request = Request::get(path).header("host", HOST);
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            send.send_request(request).await.unwrap().into_body()
        }
        Client::Http2(send) => {
            let request = Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
            send.send_request(request).await.unwrap().into_body()
        }
        Client::Http3 { .. } => panic!("not over TCP"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_drop_of_a_slow_body_arrives_before_the_next_is_let_go() {
    let running = start(|_| {});
    for speaks in BOTH {
        for piece in [1_u64, 700, 16_384, 70_000] {
            let mut client = connect(&running, speaks).await;
            let length = piece * 8;
            // The head alone comes first.
            let path = format!("/drip/5/{length}/{piece}");
            let body = timeout(PATIENCE, incoming(&mut client, &path)).await;
            let mut body = body.expect("a head");
            let mut got = Vec::new();
            for drop in 1..=8 {
                running.content.release.0.add_permits(1);
                while (got.len() as u64) < drop * piece {
                    let frame = timeout(PATIENCE, body.frame()).await;
                    let frame = frame.expect("a drop").unwrap().unwrap();
                    got.extend_from_slice(&frame.into_data().unwrap());
                }
            }
            assert!(got == bytes_of(5, 0..length), "{speaks:?} {piece}");
            let rest = timeout(PATIENCE, body.collect()).await.unwrap().unwrap();
            assert!(rest.to_bytes().is_empty());
        }
    }
    running.end().await;
}

/// A client that waits for each response before it asks again never waits.
async fn one_after_the_other(client: &mut Client, rounds: usize) {
    let kinds = [
        (Method::GET, "/full/3/100", 100),
        (Method::HEAD, "/full/3/4096", 0),
        (Method::GET, "/not-modified", 0),
        (Method::GET, "/full/3/0", 0),
        (Method::GET, "/unsized/3/5000/1000", 5_000),
        (Method::GET, "/stream/3/300000/65536", 300_000),
        (Method::GET, "/full/3/16384", 16_384),
    ];
    for round in 0..rounds {
        let (method, path, length) = kinds[round % kinds.len()].clone();
        let got = timeout(PATIENCE, client.send(request(method, path, &[]))).await;
        let got = got.expect("a response").unwrap();
        assert_eq!(got.broken, None, "{path}");
        assert!(got.body == bytes_of(3, 0..length), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_for_each_response_never_waits() {
    let running = start(|_| {});
    for speaks in BOTH {
        let mut client = connect(&running, speaks).await;
        one_after_the_other(&mut client, 140).await;
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_wait_beside_each_other_never_wait() {
    let running = start(|_| {});
    let Client::Http2(send) = connect(&running, Speaks::Http2).await else {
        panic!("not HTTP/2")
    };
    let streams: Vec<_> = (0..20)
        .map(|_| {
            let mut client = Client::Http2(send.clone());
            tokio::spawn(async move { one_after_the_other(&mut client, 21).await })
        })
        .collect();
    for stream in streams {
        stream.await.unwrap();
    }
    running.end().await;
}
