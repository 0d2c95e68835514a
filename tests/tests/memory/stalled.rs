//! Players that stop reading in the middle of a body.

use std::time::Duration;

use tests::{client::Protocol, eventually, oracle::Object, world::Plan};
use tokio::time::sleep;

use crate::{MIB, QUIET};

/// Fewer of HTTP/2 and 3, whose clients in this process hold a window of several MiB each.
const PLAYERS: [(Protocol, usize); 3] = [
    (Protocol::Http1, 400),
    (Protocol::Http2, 50),
    (Protocol::Http3, 50),
];

#[tokio::test(flavor = "multi_thread")]
async fn stalled_players_cost_no_cpu_and_are_ended() {
    let _quiet = QUIET.lock().await;
    // More than the windows and socket buffers on the way swallow.
    let object = Object::new("/v/film.mp4", 24 * MIB);
    let world = Plan::default()
        .edge_apart()
        .edge_key("limits.stall_timeout", "15s")
        .start(std::slice::from_ref(&object))
        .await;
    let mut stalled = Vec::new();
    for (protocol, count) in PLAYERS {
        for _ in 0..count {
            let mut stream = world.client.stream(protocol, &object.name, &[]).await;
            object.check(0, &stream.read(1).await).unwrap();
            stalled.push(stream);
        }
    }
    // What the windows take is sent.
    sleep(Duration::from_secs(2)).await;
    let edge = world.edge().child();
    let before = edge.cpu();
    sleep(Duration::from_secs(5)).await;
    let used = edge.cpu().saturating_sub(before);
    println!("{} stalled players: {used:?} of CPU in 5 s", stalled.len());
    // HTTP/3's clients are pinged and acknowledged; a task that spins would use 5 s.
    assert!(
        used <= Duration::from_millis(150),
        "stalled players cost {used:?} in 5 s"
    );
    eventually(60, "stalled players to be ended", async || {
        let sample = "millpond_downstream_rejected_total{reason=\"stalled\"}";
        let ended = world.edge().metric(sample).await;
        (ended >= stalled.len() as f64).then_some(())
    })
    .await;
    drop(stalled);
}
