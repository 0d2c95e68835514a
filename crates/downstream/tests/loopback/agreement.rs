//! The HTTP/1 gate and hyper behind it read one stream: they must see the same requests.

use crate::support::{clients::raw, start};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

/// Streams of heads, good and bad, cut and mixed.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => Just(&b"GET /full/1/5 HTTP/1.1\r\nHost: media.test\r\n\r\n"[..]),
        2 => Just(&b"HEAD /full/1/5 HTTP/1.1\r\nHost: media.test\r\nA: b\r\n\r\n"[..]),
        1 => Just(&b"GET /full/1/5?x=y HTTP/1.1\r\nHost: media.test\r\nContent-Length: 0\r\n\r\n"[..]),
        1 => Just(&b"GET https://media.test/full/1/5 HTTP/1.1\r\nHost: media.test\r\n\r\n"[..]),
        1 => Just(&b"OPTIONS * HTTP/1.1\r\nHost: media.test\r\n\r\n"[..]),
        1 => Just(&b"GET /full/1/5 HTTP/1.1\r\nHost: media.test\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"[..]),
        1 => Just(&b"GET /full/1/5 HTTP/1.1\r\nHost: media.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"[..]),
        1 => Just(&b"GET /\"<>^`{|}\\ HTTP/1.1\r\nHost: media.test\r\n\r\n"[..]),
        1 => Just(&b"GET /full/1/5 HTTP/1.1\r\nHost: media.test\r\nA: \xff\xfe\r\n\r\n"[..]),
        1 => Just(&b"GET http://[::1 HTTP/1.1\r\nHost: media.test\r\n\r\n"[..]),
        1 => Just(&b"\r\n"[..]),
    ];
    let noise = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (prop::collection::vec(piece, 1..6), noise).prop_map(|(pieces, noise)| {
        let mut bytes = pieces.concat();
        for (at, byte) in noise {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend_from_slice(
            b"GET /end HTTP/1.1\r\nHost: media.test\r\nConnection: close\r\n\r\n",
        );
        bytes
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn hyper_never_sees_a_request_that_was_not_checked() {
    let running = start(|config| config.limits.head_timeout = std::time::Duration::from_secs(1));
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let bytes = streams().new_tree(&mut runner).unwrap().current();
        let (answer, _) = raw(&running, &bytes).await;
        let text = String::from_utf8_lossy(&bytes);
        // Each answer belongs to one checked head, and the connection ends with the first bad one.
        let heads = text.matches("\r\n\r\n").count().max(1);
        let answers = answer.matches("HTTP/1.1 ").count();
        assert!(answers <= heads, "{text:?} was answered {answer}");
    }
    assert!(running.metric("requests_total", "2xx") > 100.0);
    assert!(running.metric("requests_total", "4xx") > 50.0);
    assert!(
        running.metric("rejected_total", "disagreement") < 0.1,
        "the gate and hyper disagreed"
    );
    running.end().await;
}
