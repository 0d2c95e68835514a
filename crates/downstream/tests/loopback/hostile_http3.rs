//! Frames and streams that no well-meaning HTTP/3 client sends: none may make the server keep much,
//! and the right code ends the connection.

use quinn::{ConnectionError, SendStream, VarInt};
use tokio::time::timeout;

use crate::support::{
    HOST, PATIENCE, Running,
    clients::{self, tls_config},
    start,
};

const H3_EXCESSIVE_LOAD: VarInt = VarInt::from_u32(0x107);

/// More than the server's budgets, less than what would be slow.
const FLOOD_BYTES: usize = 1 << 20;

struct Raw {
    quic: quinn::Connection,
    control: SendStream,
    endpoint: quinn::Endpoint,
}

/// A connection whose control stream carries these bytes so far.
async fn raw(running: &Running, control_bytes: &[u8]) -> Raw {
    let config = tls_config(running, &[b"h3"]);
    let (endpoint, quic) = clients::quic(running.address, config, HOST).await.unwrap();
    let mut control = quic.open_uni().await.unwrap();
    control.write_all(control_bytes).await.unwrap();
    Raw {
        quic,
        control,
        endpoint,
    }
}

/// The control stream's type, and settings with nothing in them.
const SETTINGS: &[u8] = &[0, 4, 0];

/// How many bytes of a flood were taken before the connection closed, and with which code.
async fn flood(quic: &quinn::Connection, stream: &mut SendStream) -> (usize, VarInt) {
    let mut taken = 0;
    let pour = async {
        while taken < FLOOD_BYTES && stream.write_all(&[0; 1024]).await.is_ok() {
            taken += 1024;
        }
    };
    timeout(PATIENCE, pour).await.unwrap();
    (taken, closed_with(quic).await)
}

async fn closed_with(quic: &quinn::Connection) -> VarInt {
    match timeout(PATIENCE, quic.closed()).await.unwrap() {
        ConnectionError::ApplicationClosed(close) => close.error_code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_frame_of_a_gigabyte_is_excessive_load_on_every_stream() {
    let running = start(|_| {});
    // Type 0x21, reserved to be ignored, and a length of 2^30.
    let frame = [0x21, 0xc0, 0, 0, 0, 0x40, 0, 0, 0];
    let client = raw(&running, SETTINGS).await;
    let (mut request, _receive) = client.quic.open_bi().await.unwrap();
    request.write_all(&frame).await.unwrap();
    let (taken, code) = flood(&client.quic, &mut request).await;
    assert_eq!(code, H3_EXCESSIVE_LOAD);
    assert!(taken < FLOOD_BYTES, "{taken}");

    let mut client = raw(&running, &[SETTINGS, &frame].concat()).await;
    let (taken, code) = flood(&client.quic, &mut client.control).await;
    assert_eq!(code, H3_EXCESSIVE_LOAD);
    assert!(taken < FLOOD_BYTES, "{taken}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_settings_are_excessive_load() {
    let running = start(|_| {});
    let mut client = raw(&running, &[0, 4, 0xc0, 0, 0, 0, 0x40, 0, 0, 0]).await;
    let (taken, code) = flood(&client.quic, &mut client.control).await;
    assert_eq!(code, H3_EXCESSIVE_LOAD);
    assert!(taken < FLOOD_BYTES, "{taken}");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_priority_updates_is_excessive_load() {
    let running = start(|_| {});
    let mut client = raw(&running, SETTINGS).await;
    let update = priority_update();
    let pour = async { while client.control.write_all(&update).await.is_ok() {} };
    timeout(PATIENCE, pour).await.unwrap();
    assert_eq!(closed_with(&client.quic).await, H3_EXCESSIVE_LOAD);
    running.end().await;
}

/// RFC 9218 section 7.2: type 0xf0700, stream 0, "u=3".
fn priority_update() -> Vec<u8> {
    [&[0x80, 0x0f, 0x07, 0x00, 4, 0][..], b"u=3"].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_pay_for_their_priority_updates() {
    let running = start(|_| {});
    let mut client = raw(&running, SETTINGS).await;
    // 48 KB in all, where 32 KiB is what a client without requests may send.
    let updates = priority_update().repeat(12);
    // An empty request: what it asks for does not matter here.
    for _ in 0..450 {
        client.control.write_all(&updates).await.unwrap();
        let (mut request, mut answer) = client.quic.open_bi().await.unwrap();
        request.finish().unwrap();
        let _reset = timeout(PATIENCE, answer.read_to_end(1024)).await.unwrap();
    }
    assert!(client.quic.close_reason().is_none());
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_one_way_streams_are_excessive_load_though_empty() {
    let running = start(|_| {});
    let client = raw(&running, SETTINGS).await;
    let open = async {
        for _ in 0..1000 {
            let Ok(mut stream) = client.quic.open_uni().await else {
                return;
            };
            // Type 0x21, reserved to be ignored.
            let _stopped = stream.write_all(&[0x21]).await;
            drop(stream.finish());
        }
    };
    timeout(PATIENCE, open).await.unwrap();
    assert_eq!(closed_with(&client.quic).await, H3_EXCESSIVE_LOAD);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_on_a_qpack_encoder_stream_is_kept_to_one_window() {
    let running = start(|_| {});
    let client = raw(&running, SETTINGS).await;
    let mut encoder = client.quic.open_uni().await.unwrap();
    encoder.write_all(&[2]).await.unwrap();
    let mut taken = 0;
    // Whoever asks for requests beside it is served.
    let pour = async {
        while encoder.write_all(&[0x20; 1024]).await.is_ok() {
            taken += 1024;
        }
    };
    let request = async {
        let (mut send, mut receive) = client.quic.open_bi().await.unwrap();
        send.write_all(&[1, 2, 0, 0]).await.unwrap();
        send.finish().unwrap();
        receive.read_to_end(1024).await
    };
    let answered = tokio::select! {
        () = pour => panic!("the server closed the stream or the connection"),
        answered = timeout(PATIENCE, request) => answered.unwrap(),
    };
    assert!(answered.is_err(), "no fields, no answer");
    assert!(client.quic.close_reason().is_none());
    assert!(taken <= 64 << 10, "{taken}");
    running.end().await;
}

/// RFC 9000 section 9: what a phone does when it leaves the house, and a router when it forgets.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_address_changes_keeps_its_connection() {
    let running = start(|_| {});
    let client = raw(&running, SETTINGS).await;
    let path = b"/full/1/1000";
    let host = HOST.as_bytes();
    let length = |text: &[u8]| u8::try_from(text.len()).unwrap();
    // The static table has GET and https at 17 and 23; then authority and path as literals.
    let authority = [&[0x50, length(host)][..], host].concat();
    let path = [&[0x51, length(path)][..], path].concat();
    let section = [&[0, 0, 0xc0 | 0x11, 0xc0 | 0x17][..], &authority, &path].concat();
    let request = [&[1, length(&section)][..], &section].concat();
    for change in [false, true] {
        if change {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            client.endpoint.rebind(socket).unwrap();
        }
        let (mut send, mut receive) = client.quic.open_bi().await.unwrap();
        send.write_all(&request).await.unwrap();
        send.finish().unwrap();
        let answer = timeout(PATIENCE, receive.read_to_end(4096)).await;
        assert!(answer.unwrap().unwrap().len() > 1000);
    }
    running.end().await;
}
