//! What comes: exactly the client's plaintext, or a refusal with the right alert.

use std::task::{Context, Poll};

use proptest::prelude::*;
use tokio::io::ReadBuf;

use super::{
    super::{Alert, Error, open::RECORD_BYTES_MAX},
    ALERT, DATA, HANDSHAKE, Setup, setup,
};

pub(super) const UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
pub(super) const UPDATE_ASKED: [u8; 5] = [24, 0, 0, 1, 1];

/// How reading went until it was pending or over.
#[derive(Debug)]
pub(super) enum End {
    Pending,
    Eof,
    Failed(Error),
}

fn read_all(setup: &mut Setup) -> (Vec<u8>, End) {
    let mut cx = Context::from_waker(&setup.waker);
    let mut all = Vec::new();
    loop {
        let mut bytes = [0; 1_000];
        let mut buf = ReadBuf::new(&mut bytes);
        match setup.layer.poll_read(&mut cx, &mut buf) {
            Poll::Pending => return (all, End::Pending),
            Poll::Ready(Ok(())) if buf.filled().is_empty() => return (all, End::Eof),
            Poll::Ready(Ok(())) => all.extend_from_slice(buf.filled()),
            Poll::Ready(Err(error)) => {
                let cause = error.get_ref().unwrap().downcast_ref::<Error>();
                return (all, End::Failed(cause.unwrap().clone()));
            }
        }
    }
}

pub(super) fn receive(setup: &mut Setup, bytes: &[u8]) -> (Vec<u8>, End) {
    setup.socket.wire().inbound.extend(bytes);
    read_all(setup)
}

/// The record must be refused with an alert that the client can read, and nothing goes on.
fn refused(setup: &mut Setup, bytes: &[u8], expected: Alert) {
    let (_, end) = receive(setup, bytes);
    let End::Failed(Error::Refused { alert, .. }) = end else {
        panic!("{end:?} where {expected:?} was due")
    };
    assert_eq!(alert, expected);
    setup.peer.open(&setup.socket.wire());
    assert_eq!(setup.peer.alerts, [[2, expected as u8]]);
    let mut cx = Context::from_waker(&setup.waker);
    let write = setup
        .layer
        .poll_write(&mut cx, &[std::io::IoSlice::new(b"on")]);
    assert!(matches!(write, Poll::Ready(Err(_))));
    let again = read_all(setup).1;
    assert!(matches!(again, End::Failed(Error::Refused { .. })));
    assert_eq!(setup.pool.held(), 0);
}

proptest! {
    #[test]
    fn data_in_any_pieces_with_any_padding_is_read(
        pieces in prop::collection::vec((0_usize..16_385, 0_usize..200), 1..8),
        read_max in 0_usize..5_000,
    ) {
        let mut setup = setup(u64::MAX);
        setup.socket.wire().read_max = read_max;
        let mut sent = Vec::new();
        let mut sealed = Vec::new();
        for (at, (bytes, padding)) in pieces.into_iter().enumerate() {
            let plain: Vec<u8> = (0..bytes).map(|byte| (byte * 3 + at).to_le_bytes()[0]).collect();
            sealed.extend(setup.peer.seal(DATA, &plain, padding.min((1 << 14) - bytes)));
            sent.extend(plain);
        }
        let (got, end) = receive(&mut setup, &sealed);
        prop_assert!(got == sent);
        prop_assert!(matches!(end, End::Pending));
    }

    /// Unauthenticated bytes: an error or patience, never a panic, never data.
    #[test]
    fn arbitrary_bytes_never_become_data(
        front in prop_oneof![Just(vec![]), Just(vec![23, 3, 3]), Just(vec![23, 3, 3, 0])],
        bytes in prop::collection::vec(any::<u8>(), 0..40_000),
    ) {
        let mut setup = setup(u64::MAX);
        let (got, end) = receive(&mut setup, &[front, bytes].concat());
        prop_assert!(got.is_empty());
        prop_assert!(!matches!(end, End::Eof));
    }

    /// Authenticated nonsense: as above.
    #[test]
    fn arbitrary_records_of_a_client_are_borne(
        records in prop::collection::vec(
            (prop_oneof![20_u8..26, any::<u8>()], prop::collection::vec(any::<u8>(), 0..40)), 1..60),
        updates in any::<bool>(),
    ) {
        let mut setup = setup(u64::MAX);
        let mut sealed = Vec::new();
        let mut sent = Vec::new();
        for (kind, plain) in &records {
            let plain = if updates && *kind == HANDSHAKE { &UPDATE[..] } else { plain };
            sealed.extend(setup.peer.seal(*kind, plain, 3));
            if *kind == HANDSHAKE && plain == UPDATE {
                setup.peer.update();
            }
            if *kind == DATA {
                sent.extend_from_slice(plain);
            }
        }
        let (got, _) = receive(&mut setup, &sealed);
        prop_assert!(sent.starts_with(&got));
    }

    #[test]
    fn one_changed_bit_is_refused(at in 0_usize..300, bit in 0_u8..8) {
        let mut setup = setup(u64::MAX);
        let mut sealed = setup.peer.seal(DATA, &[5; 200], 10);
        let at = at % sealed.len();
        sealed[at] ^= 1 << bit;
        let (got, end) = receive(&mut setup, &sealed);
        prop_assert!(got.is_empty());
        // A length that grew waits for bytes that never come.
        let waits = matches!(end, End::Pending) && (at == 3 || at == 4);
        let refused = matches!(end, End::Failed(Error::Refused { .. }));
        prop_assert!(refused || waits);
    }
}

#[test]
fn records_out_of_order_twice_or_missing_are_refused() {
    let mut setup1 = setup(u64::MAX);
    let first = setup1.peer.seal(DATA, b"first", 0);
    let second = setup1.peer.seal(DATA, b"second", 0);
    refused(&mut setup1, &second, Alert::BadRecordMac);
    let mut setup2 = setup(u64::MAX);
    let twice = [&first[..], &first].concat();
    refused(&mut setup2, &twice, Alert::BadRecordMac);
}

#[test]
fn an_end_without_close_notify_is_told_from_one_with() {
    let mut open = setup(u64::MAX);
    let data = open.peer.seal(DATA, b"data", 0);
    open.socket.wire().ended = true;
    let (got, end) = receive(&mut open, &data);
    assert_eq!(got, b"data");
    assert!(matches!(end, End::Failed(Error::Truncated)));

    let mut half = setup(u64::MAX);
    half.socket.wire().ended = true;
    let (_, end) = receive(&mut half, &data[..20]);
    assert!(matches!(end, End::Failed(Error::Truncated)));

    let mut closed = setup(u64::MAX);
    closed.socket.wire().ended = true;
    let data = closed.peer.seal(DATA, b"data", 0);
    let end = closed.peer.seal(ALERT, &[1, 0], 0);
    let late = closed.peer.seal(DATA, b"late", 0);
    let (got, end) = receive(&mut closed, &[data, end, late].concat());
    assert_eq!(got, b"data");
    assert!(matches!(end, End::Eof));
    // What was asked for is still answered.
    let mut cx = Context::from_waker(&closed.waker);
    let write = closed
        .layer
        .poll_write(&mut cx, &[std::io::IoSlice::new(b"answer")]);
    assert!(matches!(write, Poll::Ready(Ok(6))));
}

#[test]
fn a_fatal_alert_ends_both_directions_without_another_record() {
    let mut setup = setup(u64::MAX);
    setup.layer.defer();
    let waker = setup.waker.clone();
    let mut cx = Context::from_waker(&waker);
    let written = setup
        .layer
        .poll_write(&mut cx, &[std::io::IoSlice::new(b"x")]);
    assert!(matches!(written, Poll::Ready(Ok(1))));
    let sealed = setup.peer.seal(ALERT, &[2, 20], 0);
    let (_, end) = receive(&mut setup, &sealed);
    assert!(matches!(end, End::Failed(Error::Alert(20))));
    assert!(setup.layer.poll_send(&mut cx).is_ready());
    assert!(setup.socket.wire().outbound.is_empty());
    assert_eq!(setup.pool.held(), 0);
    let write = setup
        .layer
        .poll_write(&mut cx, &[std::io::IoSlice::new(b"x")]);
    assert!(matches!(write, Poll::Ready(Err(_))));
}

#[test]
fn a_key_update_changes_what_comes_and_is_answered_before_the_next_data() {
    let mut setup = setup(u64::MAX);
    let mut sealed = setup.peer.seal(DATA, b"old ", 0);
    for _ in 0..3 {
        sealed.extend(setup.peer.seal(HANDSHAKE, &UPDATE_ASKED, 7));
        setup.peer.update();
    }
    sealed.extend(setup.peer.seal(HANDSHAKE, &UPDATE, 0));
    setup.peer.update();
    sealed.extend(setup.peer.seal(DATA, b"new", 0));
    let (got, end) = receive(&mut setup, &sealed);
    assert_eq!(got, b"old new");
    assert!(matches!(end, End::Pending));
    // Silent until there is something to say.
    assert!(setup.socket.wire().outbound.is_empty());
    let mut cx = Context::from_waker(&setup.waker);
    let write = setup
        .layer
        .poll_write(&mut cx, &[std::io::IoSlice::new(b"answer")]);
    assert!(matches!(write, Poll::Ready(Ok(6))));
    assert!(setup.layer.poll_flush(&mut cx).is_ready());
    assert_eq!(setup.peer.open(&setup.socket.wire()), b"answer");
    assert_eq!(setup.peer.records, [(HANDSHAKE, 5), (DATA, 6)]);
    assert_eq!(setup.peer.updates, 1);
}

#[test]
fn a_key_update_in_pieces_is_one_key_update() {
    let mut setup = setup(u64::MAX);
    let mut sealed = Vec::new();
    for byte in UPDATE {
        sealed.extend(setup.peer.seal(HANDSHAKE, &[byte], 0));
    }
    setup.peer.update();
    sealed.extend(setup.peer.seal(DATA, b"new", 0));
    assert_eq!(receive(&mut setup, &sealed).0, b"new");
}

#[test]
fn messages_that_have_no_place_are_refused() {
    let cases: [(&[u8], Alert); 9] = [
        // A message after the update, in the same record.
        (&[24, 0, 0, 1, 0, 24], Alert::UnexpectedMessage),
        (&[24, 0, 0, 1, 2], Alert::IllegalParameter),
        (&[24, 0, 0, 2, 0, 0], Alert::DecodeError),
        (&[24, 0, 0, 0, 0], Alert::DecodeError),
        (&[], Alert::UnexpectedMessage),
        // ClientHello, NewSessionTicket (a server's), Certificate, Finished.
        (&[1, 0, 0, 1, 0], Alert::UnexpectedMessage),
        (&[4, 0, 0, 1, 0], Alert::UnexpectedMessage),
        (&[11], Alert::UnexpectedMessage),
        (&[20, 0, 0, 0], Alert::UnexpectedMessage),
    ];
    for (message, alert) in cases {
        let mut setup = setup(u64::MAX);
        let sealed = setup.peer.seal(HANDSHAKE, message, 0);
        refused(&mut setup, &sealed, alert);
    }
}

#[test]
fn a_record_amid_a_message_is_refused() {
    let mut setup = setup(u64::MAX);
    let mut sealed = setup.peer.seal(HANDSHAKE, &UPDATE[..2], 0);
    sealed.extend(setup.peer.seal(DATA, b"amid", 0));
    refused(&mut setup, &sealed, Alert::UnexpectedMessage);
}

#[test]
fn records_of_another_kind_are_refused() {
    for kind in [0_u8, 20, 24, 255] {
        let mut setup = setup(u64::MAX);
        let sealed = setup.peer.seal(kind, &[1], 0);
        refused(&mut setup, &sealed, Alert::UnexpectedMessage);
    }
    // Nothing but padding.
    let mut padding = setup(u64::MAX);
    let sealed = padding.peer.seal(0, &[0; 10], 0);
    refused(&mut padding, &sealed, Alert::UnexpectedMessage);
    // Not protected: change_cipher_spec, an alert, a new handshake, plain HTTP.
    let plain: [&[u8]; 4] = [
        &[20, 3, 3, 0, 1, 1],
        &[21, 3, 3, 0, 2, 1, 0],
        &[22, 3, 1, 0, 1],
        b"GET / HTTP/1.1\r\n",
    ];
    for record in plain {
        refused(&mut setup(u64::MAX), record, Alert::UnexpectedMessage);
    }
}

#[test]
fn records_of_another_size_are_refused() {
    // One byte more than ciphertext may have, told by the header alone.
    let header = [23, 3, 3, 0x41, 0x01];
    refused(&mut setup(u64::MAX), &header, Alert::RecordOverflow);
    // A plaintext that is too long in a ciphertext that is not.
    let mut long = setup(u64::MAX);
    let sealed = long.peer.seal(DATA, &vec![1; (1 << 14) + 1], 0);
    refused(&mut long, &sealed, Alert::RecordOverflow);
    // Shorter than a tag.
    for bytes in [0_u8, 1, 15, 16] {
        let record = [&[23, 3, 3, 0, bytes], &vec![0; usize::from(bytes)][..]].concat();
        refused(&mut setup(u64::MAX), &record, Alert::BadRecordMac);
    }
    // As large as it may be, of padding for the most part.
    let mut padded = setup(u64::MAX);
    let sealed = padded.peer.seal(DATA, b"x", (1 << 14) + 238);
    assert_eq!(sealed.len(), RECORD_BYTES_MAX);
    assert_eq!(receive(&mut padded, &sealed).0, b"x");
}

#[test]
fn alerts_of_another_size_are_refused() {
    for plain in [&[1_u8][..], &[], &[1, 0, 0]] {
        let mut setup = setup(u64::MAX);
        let sealed = setup.peer.seal(ALERT, plain, 0);
        refused(&mut setup, &sealed, Alert::DecodeError);
    }
}

#[test]
fn records_without_data_have_an_end() {
    for (kind, plain) in [
        (DATA, &[][..]),
        (ALERT, &[1, 90]),
        (HANDSHAKE, &UPDATE_ASKED),
    ] {
        let mut setup = setup(u64::MAX);
        for flood in [32, 33] {
            let mut sealed = Vec::new();
            for _ in 0..flood {
                sealed.extend(setup.peer.seal(kind, plain, 0));
                if kind == HANDSHAKE {
                    setup.peer.update();
                }
            }
            if flood == 32 {
                sealed.extend(setup.peer.seal(DATA, b"data", 0));
                assert_eq!(receive(&mut setup, &sealed).0, b"data");
            } else {
                refused(&mut setup, &sealed, Alert::UnexpectedMessage);
            }
        }
    }
}

#[test]
fn half_a_record_is_bounded_and_an_idle_connection_holds_nothing() {
    let mut setup = setup(u64::MAX);
    let sealed = setup.peer.seal(DATA, &vec![1; 1 << 14], 0);
    let mut held = 0;
    for piece in sealed.chunks(4_000) {
        receive(&mut setup, piece);
        held = held.max(setup.layer.input_bytes());
    }
    assert!(held <= 2 * RECORD_BYTES_MAX + 4_096, "{held}");
    assert_eq!(setup.layer.input_bytes(), 0);
    assert_eq!(setup.pool.held(), 0);
}
