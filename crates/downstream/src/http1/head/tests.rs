use message::Kind;
use proptest::prelude::*;

use super::*;

fn judge(bytes: &[u8]) -> u16 {
    match Scanner::default().scan(bytes, &Limits::default()) {
        Ok(Scan::Complete { .. }) => 200,
        Ok(Scan::Incomplete) => 0,
        Err(error) => match error.kind() {
            Kind::HttpRequestError(status) => status.as_u16(),
            other => panic!("{other:?}"),
        },
    }
}

/// A head with one line in the place of a good one.
fn with(line: &str) -> u16 {
    judge(format!("GET / HTTP/1.1\r\nHost: media.test\r\n{line}\r\n\r\n").as_bytes())
}

#[test]
fn a_good_head_is_found_whole() {
    let bytes = b"\r\nGET /a?b HTTP/1.1\r\nHost: media.test\r\nA:\tb \r\n\r\nGET /next";
    let scan = Scanner::default().scan(bytes, &Limits::default()).unwrap();
    let Scan::Complete {
        start,
        end,
        checked,
    } = scan
    else {
        panic!("{scan:?}")
    };
    assert_eq!((start, end), (2, bytes.len() - 9));
    assert_eq!(
        checked,
        Checked {
            fields: 2,
            target_bytes: 4
        }
    );
}

/// H10-H13, H26, H28, H29.
#[test]
fn request_lines_are_taken_to_the_letter() {
    for (line, status) in [
        ("GET / HTTP/1.1", 200),
        ("GET / HTTP/1.0", 200),
        ("OPTIONS * HTTP/1.1", 200),
        ("GET / HTTP/1.2", 505),
        ("GET / HTTP/2.0", 505),
        ("PRI * HTTP/2.0", 505),
        ("GET / HTTP/0.9", 505),
        ("GET /", 400),
        ("GET", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1.01", 400),
        ("GET / HTTP/1", 400),
        ("GET / HTTP/1.1 ", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET /a\tb HTTP/1.1", 400),
        ("GET /a#b HTTP/1.1", 400),
        ("GET /\u{e4} HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("GET /\0 HTTP/1.1", 400),
        ("GET /\r HTTP/1.1", 400),
    ] {
        let head = format!("{line}\r\nHost: media.test\r\n\r\n");
        assert_eq!(judge(head.as_bytes()), status, "{line:?}");
    }
    assert_eq!(judge(b"GET / HTTP/1.1\nHost: a\n\n"), 400);
    assert_eq!(judge(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_eq!(judge(&b"\r\n".repeat(100)), 400);
    assert_eq!(judge(b"\x16\x03\x01\x02\x00\x01"), 400);
}

/// H03, H12-H15.
#[test]
fn fields_are_taken_to_the_letter() {
    for (line, status) in [
        ("A: b", 200),
        ("A:", 200),
        ("A: \u{e4}", 200),
        ("A : b", 400),
        ("A\t: b", 400),
        ("A", 400),
        (": b", 400),
        ("\u{c4}: b", 400),
        (" A: b", 400),
        ("A: b\r\n c", 400),
        ("A: b\r\n\tc", 400),
        ("A: b\nC: d", 400),
        ("A: b\rC: d", 400),
        ("A: \0", 400),
        ("A: \x0b", 400),
        ("A: \x7f", 400),
        ("A\x01: b", 400),
    ] {
        assert_eq!(with(line), status, "{line:?}");
    }
    assert_eq!(judge(b"GET / HTTP/1.1\r\n A: b\r\n\r\n"), 400);
}

/// H01-H09.
#[test]
fn bodies_are_refused_and_lengths_are_numbers() {
    for (line, status) in [
        ("Content-Length: 0", 200),
        ("Content-Length: 5", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: -1", 400),
        ("Content-Length: 0x5", 400),
        ("Content-Length: 5 5", 400),
        ("Content-Length: 05", 400),
        ("Content-Length: 00", 400),
        ("Content-Length: 5.0", 400),
        ("Content-Length: ", 400),
        ("Content-Length: 1e1", 400),
        ("Content-Length: 0, 0", 400),
        ("Content-Length: 9223372036854775808", 400),
        ("Content-Length: 18446744073709551616", 400),
        (
            "Content-Length: 1000000000000000000000000000000000000000",
            400,
        ),
        ("Content-Length: 0\r\nContent-Length: 0", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        ("Transfer-Encoding: chunked", 400),
        ("Transfer-Encoding: identity", 400),
        ("Transfer-Encoding: xchunked", 400),
        ("Transfer-Encoding: chunked;q=1", 400),
        ("Transfer-Encoding:\x0bchunked", 400),
        ("Transfer-Encoding : chunked", 400),
        ("Transfer_Encoding: chunked", 400),
        ("Content_Length: 0", 400),
    ] {
        assert_eq!(with(line), status, "{line:?}");
    }
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    assert_eq!(judge(post), 405);
    let http10 = b"GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(judge(http10), 400);
}

/// What is wrong already is not read to its end.
#[test]
fn a_bad_line_is_refused_when_it_ends() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    let refused = |rest: &str| judge(format!("{start}{rest}").as_bytes());
    assert_eq!(refused("A: b\r\n"), 0);
    assert_eq!(refused("A : b\r\n"), 400);
    assert_eq!(refused("Content-Length: +5\r\n"), 400);
    assert_eq!(refused(&"A: b\r\n".repeat(63)), 0);
    assert_eq!(refused(&"A: b\r\n".repeat(64)), 431);
}

/// H25: refused as soon as it is too much, not when it ends.
#[test]
fn sizes_are_bounded_before_the_end() {
    assert_eq!(
        judge(format!("GET /{}", "a".repeat(9 << 10)).as_bytes()),
        414
    );
    let target = format!("GET /{} HTTP/1.1\r\n", "a".repeat(8 << 10));
    assert_eq!(judge(target.as_bytes()), 414);
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    assert_eq!(
        judge(format!("{start}A: {}", "b".repeat(17 << 10)).as_bytes()),
        431
    );
    assert_eq!(
        judge(format!("{start}{}", "b".repeat(64 << 10)).as_bytes()),
        431
    );
    assert_eq!(
        judge(format!("{start}{}\r\n", "A: b\r\n".repeat(64)).as_bytes()),
        431
    );
    assert_eq!(
        judge(format!("{start}{}\r\n", "A: b\r\n".repeat(63)).as_bytes()),
        200
    );
}

/// What hyper's parser makes of a head.
fn httparse_like(bytes: &[u8]) -> Vec<u8> {
    bytes
        .iter()
        .copied()
        .filter(|byte| *byte != b'\r')
        .collect()
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET / HTTP/1.1\r\n".to_vec()),
        Just(b"Host: media.test\r\n".to_vec()),
        Just(b"Content-Length: 0\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b" ".to_vec()),
        Just(b":".to_vec()),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// However the bytes are cut on their way, the outcome is the same, and never a panic.
    #[test]
    fn the_outcome_does_not_depend_on_how_bytes_arrive(bytes in pieces(), step in 1_usize..9) {
        let limits = Limits::default();
        let whole = format!("{:?}", Scanner::default().scan(&bytes, &limits));
        let mut scanner = Scanner::default();
        let mut dripped = format!("{:?}", scanner.scan(&[], &limits));
        for end in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
            let scan = scanner.scan(&bytes[..end], &limits);
            dripped = format!("{scan:?}");
            if !matches!(scan, Ok(Scan::Incomplete)) {
                break;
            }
        }
        prop_assert_eq!(dripped, whole);
    }

    /// A head that passes has exactly one end, and that is its last byte, even for a reader that
    /// takes a bare LF for a line's end.
    #[test]
    fn a_checked_head_is_one_request_to_every_reader(bytes in pieces()) {
        if let Ok(Scan::Complete { start, end, .. }) =
            Scanner::default().scan(&bytes, &Limits::default())
        {
            let head = httparse_like(&bytes[start..end]);
            let ends = head.windows(2).filter(|pair| pair == b"\n\n").count();
            prop_assert_eq!(ends, 1);
            prop_assert!(head.ends_with(b"\n\n"));
        }
    }
}
