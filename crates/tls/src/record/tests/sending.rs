//! What leaves: exactly the plaintext, in time, and nothing after the end.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::pin,
    task::{Context, Poll},
};

use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

use super::{super::Stream, ALERT, DATA, HANDSHAKE, Setup, setup, setup_of};

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|at| (at * 7 + at / 251).to_le_bytes()[0])
        .collect()
}

/// Writes all of `bytes` cut at `cuts`, as vectors of up to three slices; a full socket is tried
/// again, as its task would be woken to.
fn write_all(setup: &mut Setup, bytes: &[u8], cuts: &[usize]) {
    let mut cx = Context::from_waker(&setup.waker);
    let mut cuts = cuts.iter().cycle();
    let mut left = bytes;
    while !left.is_empty() {
        let mut pieces = Vec::new();
        let mut rest = left;
        for _ in 0..3 {
            let cut = (*cuts.next().unwrap()).min(rest.len());
            let (piece, after) = rest.split_at(cut);
            pieces.push(IoSlice::new(piece));
            rest = after;
        }
        if let Poll::Ready(taken) = setup.layer.poll_write(&mut cx, &pieces) {
            let taken = taken.unwrap();
            assert!(taken > 0 || pieces.iter().all(|piece| piece.is_empty()));
            left = &left[taken..];
        }
    }
}

fn flush(setup: &mut Setup) {
    let mut cx = Context::from_waker(&setup.waker);
    while setup.layer.poll_send(&mut cx).is_pending() {}
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_split_and_any_short_write_yields_the_plaintext(
        bytes in 0_usize..900_000,
        cuts in prop::collection::vec(prop_oneof![0_usize..64, 0_usize..40_000], 1..20),
        takes in prop::collection::vec(prop_oneof![0_usize..4, 0_usize..300_000], 0..40),
        records_max in 2_u64..40,
    ) {
        prop_assume!(cuts.iter().any(|cut| *cut > 0));
        prop_assume!(cuts.iter().sum::<usize>() > 20 || bytes < 5_000);
        let mut setup = setup(records_max);
        setup.socket.wire().takes = takes.into();
        let plain = pattern(bytes);
        write_all(&mut setup, &plain, &cuts);
        flush(&mut setup);
        let wire = setup.socket.wire();
        prop_assert!(setup.peer.open(&wire) == plain);
        prop_assert!(setup.peer.has_opened_all(&wire));
        prop_assert_eq!(setup.pool.held(), 0);
        let sealed = setup.peer.records.len() as u64;
        prop_assert_eq!(setup.peer.updates as u64, sealed / records_max);
    }
}

#[test]
fn a_body_fills_records_and_buffers() {
    let mut setup = setup(u64::MAX);
    let body = pattern(1 << 20);
    write_all(&mut setup, &body, &[1 << 20]);
    flush(&mut setup);
    assert_eq!(setup.socket.wire().writes, 2);
    assert_eq!(setup.peer.open(&setup.socket.wire()), body);
    assert_eq!(setup.peer.records, vec![(DATA, 1 << 14); 64]);
}

/// RFC 6928: ten packets, of which the first byte of a body is not to need all.
#[test]
fn the_first_bytes_of_a_connection_go_in_small_records() {
    let mut setup = setup_of(|sealer| sealer);
    let plain = pattern(200 + (40 << 10));
    write_all(&mut setup, &plain, &[200, 40 << 10]);
    flush(&mut setup);
    assert!(setup.peer.open(&setup.socket.wire()) == plain);
    let (small, full) = ((DATA, 4 << 10), (DATA, 16 << 10));
    let rest = (DATA, (8 << 10) + 200);
    let records = [small, small, small, small, full, rest];
    assert_eq!(setup.peer.records, records);
}

#[test]
fn frames_and_their_heads_fill_records() {
    let mut setup = setup(u64::MAX);
    let frames = 4 * (9 + 16_384);
    let plain = pattern(frames);
    write_all(&mut setup, &plain, &[9, 247, 16_137]);
    flush(&mut setup);
    assert_eq!(setup.peer.open(&setup.socket.wire()), plain);
    let full = (DATA, 16_384);
    assert_eq!(setup.peer.records, [full, full, full, full, (DATA, 36)]);
}

#[test]
fn a_key_update_comes_behind_the_record_that_is_open() {
    let mut setup = setup(4);
    let plain = pattern(5_000);
    write_all(&mut setup, &plain[..3_000], &[500]);
    setup.layer.ask_update();
    write_all(&mut setup, &plain[3_000..], &[500]);
    flush(&mut setup);
    assert_eq!(setup.peer.open(&setup.socket.wire()), plain);
    let expected = [(DATA, 3_000), (HANDSHAKE, 5), (DATA, 2_000)];
    assert_eq!(setup.peer.records, expected);
}

#[test]
fn the_last_record_under_a_key_is_the_key_update() {
    let mut setup = setup(4);
    write_all(&mut setup, &pattern(7 << 14), &[1 << 14]);
    flush(&mut setup);
    assert_eq!(setup.peer.open(&setup.socket.wire()), pattern(7 << 14));
    let kinds: Vec<_> = setup.peer.records.iter().map(|(kind, _)| *kind).collect();
    let (data, update) = (DATA, HANDSHAKE);
    assert_eq!(
        kinds,
        [data, data, data, update, data, data, data, update, data]
    );
}

#[test]
fn flushing_waits_for_the_end_of_the_poll_and_not_longer() {
    let setup = setup(u64::MAX);
    let (socket, mut peer) = (setup.socket, setup.peer);
    let mut stream = Stream::own(setup.layer);
    let deferred = stream.defer();
    let seen = socket.clone();
    // An engine that flushes after every frame, then sleeps for ever.
    let mut engine = pin!(async move {
        for _ in 0..10 {
            stream.write_all(b"frame").await.unwrap();
            stream.flush().await.unwrap();
            assert_eq!(seen.wire().writes, 0);
        }
        std::future::pending::<()>().await;
    });
    let mut cx = Context::from_waker(&setup.waker);
    assert!(deferred.poll(engine.as_mut(), &mut cx).is_pending());
    assert_eq!(socket.wire().writes, 1);
    assert_eq!(peer.open(&socket.wire()), b"frame".repeat(10));
    assert_eq!(setup.pool.held(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// After every poll: nothing is unsent, or the socket will wake the task. Then the task is
    /// woken as often as the socket says, and never else, until everything is there.
    #[test]
    fn nothing_is_unsent_while_the_task_sleeps(
        bursts in prop::collection::vec(1_usize..400_000, 1..6),
        takes in prop::collection::vec(prop_oneof![Just(0_usize), 1_usize..200_000], 0..40),
    ) {
        let setup = setup(u64::MAX);
        let (socket, mut peer) = (setup.socket, setup.peer);
        socket.wire().takes = takes.into();
        let mut stream = Stream::own(setup.layer);
        let deferred = stream.defer();
        let total: usize = bursts.iter().sum();
        let plain = pattern(total);
        let sent = plain.clone();
        let mut engine = pin!(async move {
            let mut from = 0;
            for burst in bursts {
                stream.write_all(&sent[from..from + burst]).await.unwrap();
                stream.flush().await.unwrap();
                from += burst;
                // Like hyper: yields between its rounds.
                let mut yielded = false;
                poll_fn(|cx| {
                    if std::mem::replace(&mut yielded, true) {
                        return Poll::Ready(());
                    }
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }).await;
            }
            std::future::pending::<()>().await;
        });
        let mut cx = Context::from_waker(&setup.waker);
        let mut got = Vec::new();
        let mut polls = 0;
        loop {
            let before = setup.wakes.count();
            prop_assert!(deferred.poll(engine.as_mut(), &mut cx).is_pending());
            got.extend(peer.open(&socket.wire()));
            prop_assert!(setup.pool.held() <= 1);
            let blocked = socket.wire().writer.take();
            if let Some(waker) = blocked {
                waker.wake();
            } else {
                prop_assert_eq!(setup.pool.held(), 0);
                prop_assert!(peer.has_opened_all(&socket.wire()));
            }
            polls += 1;
            prop_assert!(polls < 1_000);
            if setup.wakes.count() == before {
                break;
            }
        }
        prop_assert!(got == plain);
    }
}

#[test]
fn a_stalled_client_holds_one_buffer_and_then_takes_no_more() {
    let mut setup = setup(u64::MAX);
    setup.socket.wire().stalled = true;
    let mut cx = Context::from_waker(&setup.waker);
    let body = vec![0; 1 << 20];
    let mut taken = 0;
    while let Poll::Ready(bytes) = setup.layer.poll_write(&mut cx, &[IoSlice::new(&body)]) {
        taken += bytes.unwrap();
    }
    assert_eq!(taken, 512 << 10);
    assert_eq!(setup.pool.held(), 1);
    assert!(setup.socket.wire().writer.is_some());
}

#[test]
fn close_notify_is_the_last_record_behind_everything_written() {
    let mut setup = setup(u64::MAX);
    let waker = setup.waker.clone();
    let mut cx = Context::from_waker(&waker);
    setup.socket.wire().takes = [1_000, 0, 50_000, 0].into();
    write_all(&mut setup, &pattern(100_000), &[70_000]);
    while setup.layer.poll_shutdown(&mut cx).is_pending() {
        assert!(!setup.socket.wire().shut);
    }
    assert!(setup.socket.wire().shut);
    let wire = setup.socket.wire();
    assert_eq!(setup.peer.open(&wire), pattern(100_000));
    assert_eq!(setup.peer.records.last(), Some(&(ALERT, 2)));
    assert_eq!(setup.peer.alerts, [[1, 0]]);
    drop(wire);
    let Poll::Ready(Err(error)) = setup.layer.poll_write(&mut cx, &[IoSlice::new(b"late")]) else {
        panic!("a write after the end")
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert!(setup.layer.poll_shutdown(&mut cx).is_ready());
    assert!(setup.peer.has_opened_all(&setup.socket.wire()));
}

#[test]
fn close_notify_finds_room_in_a_full_buffer() {
    let mut setup = setup(u64::MAX);
    setup.socket.wire().stalled = true;
    let mut cx = Context::from_waker(&setup.waker);
    let body = vec![1; 1 << 20];
    while setup
        .layer
        .poll_write(&mut cx, &[IoSlice::new(&body)])
        .is_ready()
    {}
    assert!(setup.layer.poll_shutdown(&mut cx).is_pending());
    setup.socket.wire().stalled = false;
    assert!(setup.layer.poll_shutdown(&mut cx).is_ready());
    assert_eq!(setup.peer.open(&setup.socket.wire()).len(), 512 << 10);
    assert_eq!(setup.peer.alerts, [[1, 0]]);
}

#[test]
fn a_socket_that_breaks_ends_the_connection() {
    struct Broken;
    impl super::super::Socket for Broken {}
    impl tokio::io::AsyncRead for Broken {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }
    impl tokio::io::AsyncWrite for Broken {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }
        fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let setup = setup(u64::MAX);
    let opener = super::Opener::new(super::cipher(&super::CLIENT));
    let sealer = super::Sealer::new(super::cipher(&super::SERVER), setup.pool);
    let mut stream = Stream::own(super::Layer::new(Broken, opener, sealer));
    let deferred = stream.defer();
    // An engine that waits for something else never sees the socket fail: its owner does.
    let mut engine = pin!(async move {
        stream.write_all(b"frame").await.unwrap();
        stream.flush().await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut cx = Context::from_waker(&setup.waker);
    let Poll::Ready(Err(error)) = deferred.poll(engine.as_mut(), &mut cx) else {
        panic!("a broken socket was not noticed")
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}
