//! What is urgent goes first (RFC 9218), whoever says so.

use std::sync::Mutex;

use http::Method;
use tokio::time::timeout;

use crate::support::{
    PATIENCE, Running,
    clients::{Begun, Client, Speaks, connect, request},
    content::bytes_of,
    start,
};

const BOTH: [Speaks; 2] = [Speaks::Http2, Speaks::Http3];

/// Much more than any window, so that the connection has to choose.
const BEFORE: u64 = 5 << 20;
/// It would be the last to end, did each have the same.
const URGENT: u64 = 6 << 20;

/// What is asked for, with which fields.
struct Asked {
    object: u64,
    length: u64,
    path: String,
    fields: &'static [(&'static str, &'static str)],
}

impl Asked {
    fn new(object: u64, length: u64, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            object,
            length,
            path: format!("/full/{object}/{length}"),
            fields,
        }
    }

    /// With a field of the response, in whose value a colon stands for a slash.
    fn told(mut self, field: &str) -> Self {
        self.path = format!("{}/{field}", self.path);
        self
    }

    async fn begin(&self, client: &mut Client) -> Begun {
        let asked = request(Method::GET, &self.path, self.fields);
        let begun = timeout(PATIENCE, client.begin(asked)).await;
        begun.expect("a head").unwrap()
    }
}

/// Asks for one after the other on one connection, reads both at one time, and tells which of them
/// ended first. Both are whole.
async fn first_to_end(running: &Running, speaks: Speaks, asked: [Asked; 2]) -> usize {
    let mut client = connect(running, speaks).await;
    let [before, after] = &asked;
    let begun = [
        before.begin(&mut client).await,
        after.begin(&mut client).await,
    ];
    let ended = Mutex::new(Vec::new());
    let read = async |number: usize, begun: Begun| {
        let Asked { object, length, .. } = asked[number];
        let got = timeout(PATIENCE, begun.finish()).await.expect("an end");
        assert_eq!(got.broken, None);
        assert!(got.body == bytes_of(object, 0..length), "{speaks:?}");
        ended.lock().unwrap().push(number);
    };
    let [before, after] = begun;
    tokio::join!(read(0, before), read(1, after));
    ended.into_inner().unwrap()[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_calls_urgent_ends_before_what_it_asked_for_earlier() {
    let running = start(|_| {});
    for speaks in BOTH {
        let before = Asked::new(0, BEFORE, &[("priority", "u=5")]);
        let urgent = Asked::new(1, URGENT, &[("priority", "u=0, i")]);
        assert_eq!(
            first_to_end(&running, speaks, [before, urgent]).await,
            1,
            "{speaks:?}"
        );
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_origin_says_comes_before_what_the_client_says() {
    let running = start(|_| {});
    for speaks in BOTH {
        let before = Asked::new(0, BEFORE, &[("priority", "u=0")]).told("priority/u=6");
        let after = Asked::new(1, URGENT, &[]);
        assert_eq!(
            first_to_end(&running, speaks, [before, after]).await,
            1,
            "{speaks:?}"
        );
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_goes_before_segments() {
    let running = start(|_| {});
    for speaks in BOTH {
        let segment = Asked::new(0, BEFORE, &[]).told("content-type/video:mp4");
        let playlist = Asked::new(1, URGENT, &[]).told("content-type/application:dash+xml");
        assert_eq!(
            first_to_end(&running, speaks, [segment, playlist]).await,
            1,
            "{speaks:?}"
        );
    }
    running.end().await;
}

/// RFC 9218 section 10: without `i` a response is of use when it is whole. Over HTTP/3 the order goes as
/// far as a stream's window does, and is tested where it is said to quinn.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_as_urgent_goes_in_order_unless_it_is_incremental() {
    let running = start(|_| {});
    let cases: [(&'static [_], _); 2] =
        [(&[("priority", "u=2")], 0), (&[("priority", "u=2, i")], 1)];
    for (fields, first) in cases {
        // Where they share, the short one ends first, even if the long one was megabytes ahead.
        let long = Asked::new(0, 20 << 20, fields);
        let short = Asked::new(1, 4 << 20, fields);
        let ended = first_to_end(&running, Speaks::Http2, [long, short]).await;
        assert_eq!(ended, first, "{fields:?}");
    }
    running.end().await;
}

/// A client that wants the urgent one no more, or never reads it, has the others.
#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_body_that_is_not_read_holds_up_nobody_for_long() {
    let running = start(|_| {});
    for speaks in BOTH {
        let mut client = connect(&running, speaks).await;
        let urgent = Asked::new(1, URGENT, &[("priority", "u=0")]);
        let other = Asked::new(0, 2 << 20, &[]);
        let _never_read = urgent.begin(&mut client).await;
        let other = other.begin(&mut client).await;
        let got = timeout(PATIENCE, other.finish()).await.expect("an end");
        assert!(got.body == bytes_of(0, 0..2 << 20), "{speaks:?}");
    }
    running.end().await;
}
