//! One connection of a scripted origin: plain HTTP/1.1, written by hand so that it can be wrong.

use std::{
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

use super::{Death, Lie, Script, scripted::State};
use crate::oracle::Object;

/// A head that is longer is no request of ours.
const HEAD_BYTES_MAX: usize = 64 << 10;
const PIECE_BYTES: u64 = 64 << 10;
const TYPE: &str = "content-type: video/mp4";

struct Request {
    head: String,
    method: String,
    target: String,
    range: Option<(u64, Option<u64>)>,
    if_match: Option<String>,
    if_none_match: Option<String>,
}

/// What a response says and holds.
struct Answer {
    status: u16,
    lines: Vec<String>,
    body: Range<u64>,
}

/// Serves until either side is done. A broken pipe is the client's right.
pub(super) async fn connection(mut stream: TcpStream, state: Arc<State>) {
    let mut buffer = Vec::new();
    while let Ok(Some(request)) = request(&mut stream, &mut buffer).await {
        let sent = state.note(&request.head, &request.target, request.range);
        let Some((object, script)) = state.take(&request.target) else {
            let absent = "HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nabsent\n";
            if stream.write_all(absent.as_bytes()).await.is_err() {
                return;
            }
            continue;
        };
        if !matches!(
            respond(&mut stream, &request, &object, &script, &sent).await,
            Ok(true)
        ) {
            return;
        }
    }
}

async fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..end + 4).collect();
            return Ok(Some(parse(&String::from_utf8_lossy(&head))));
        }
        if buffer.len() > HEAD_BYTES_MAX || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn parse(head: &str) -> Request {
    let field = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let mut words = head.split(' ').map(ToOwned::to_owned);
    Request {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        range: field("range").and_then(|value| {
            let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()))
        }),
        if_match: field("if-match"),
        if_none_match: field("if-none-match"),
        head: head.to_owned(),
    }
}

/// `Ok(true)` when the connection can take another request.
async fn respond(
    stream: &mut TcpStream,
    request: &Request,
    object: &Object,
    script: &Script,
    sent: &AtomicU64,
) -> io::Result<bool> {
    if let Some(gate) = &script.before {
        gate.pass().await;
    }
    if let Some(wait) = script.first_byte {
        sleep(wait).await;
    }
    if script.lie == Some(Lie::Garbage) {
        stream
            .write_all(b"\x16\x03\x01 this is no HTTP\n\n\n")
            .await?;
        return Ok(false);
    }
    let answer = decide(request, object, script);
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    for line in answer.lines.iter().chain(&script.headers) {
        if script.untyped && line == TYPE {
            continue;
        }
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    if request.method == "HEAD" {
        return Ok(true);
    }
    if let Some(status) = script.status {
        stream
            .write_all(format!("{status:04}\n").as_bytes())
            .await?;
        return Ok(true);
    }
    body(stream, object, script, answer.body, sent).await
}

/// What an honest origin would say, and then the script's lie about it.
fn decide(request: &Request, object: &Object, script: &Script) -> Answer {
    let lie = script.lie;
    let whole = 0..object.bytes;
    let says = |status, lines: &[String]| Answer {
        status,
        lines: lines.to_vec(),
        body: 0..0,
    };
    if let Some(status) = script.status {
        return says(status, &["content-length: 5".to_owned()]);
    }
    let tag = format!("etag: {}", object.etag());
    let conditions = lie != Some(Lie::IgnoreConditions);
    if conditions
        && request
            .if_match
            .as_ref()
            .is_some_and(|tag| *tag != object.etag())
    {
        return says(412, &["content-length: 0".to_owned()]);
    }
    let unchanged = request
        .if_none_match
        .as_ref()
        .is_some_and(|tag| *tag == object.etag());
    if (conditions && unchanged) || lie == Some(Lie::NotModified) {
        return says(304, &[tag]);
    }
    let asked = match (request.range, lie) {
        (None, Some(Lie::UnaskedRange)) => Some((0, Some(9))),
        (_, Some(Lie::IgnoreRange)) => None,
        (range, _) => range,
    };
    let Some((first, last)) = asked else {
        return Answer {
            status: 200,
            lines: lines(&tag, lie, object.bytes),
            body: whole,
        };
    };
    if first >= object.bytes || lie == Some(Lie::Unsatisfiable) {
        let range = format!("content-range: bytes */{}", object.bytes);
        return says(416, &[range, "content-length: 0".to_owned()]);
    }
    let end = last.map_or(object.bytes, |last| object.bytes.min(last + 1));
    let (first_told, total_told) = match lie {
        Some(Lie::ShiftedRange) => (first + 1, object.bytes + 1),
        Some(Lie::WrongTotal) => (first, object.bytes + 7),
        _ => (first, object.bytes),
    };
    let last_told = first_told + (end - first) - 1;
    let mut lines = lines(&tag, lie, end - first);
    lines.push(format!(
        "content-range: bytes {first_told}-{last_told}/{total_told}"
    ));
    Answer {
        status: 206,
        lines,
        body: first..end,
    }
}

/// The header lines that validate and delimit.
fn lines(tag: &str, lie: Option<Lie>, bytes: u64) -> Vec<String> {
    let length = format!("content-length: {bytes}");
    let chunked = "transfer-encoding: chunked".to_owned();
    let mut lines = vec![TYPE.to_owned(), "accept-ranges: bytes".to_owned()];
    match lie {
        Some(Lie::NoValidator) => {}
        Some(Lie::WeakTag) => lines.push(tag.replace("etag: ", "etag: W/")),
        _ => lines.push(tag.to_owned()),
    }
    match lie {
        Some(Lie::Chunked | Lie::ChunkedCut) => lines.push(chunked),
        Some(Lie::UntilClose) => lines.push("connection: close".to_owned()),
        Some(Lie::TwoLengths) => lines.extend([length, format!("content-length: {}", bytes + 1)]),
        Some(Lie::LengthAndChunks) => lines.extend([length, chunked]),
        Some(Lie::BareLineFeed) => lines.extend([length, "x-a: b\nx-c: d".to_owned()]),
        Some(Lie::HugeHeaders) => {
            lines.push(length);
            lines.extend((0..1200).map(|n| format!("x-{n}: {}", "a".repeat(1000))));
        }
        _ => lines.push(length),
    }
    lines
}

async fn body(
    stream: &mut TcpStream,
    object: &Object,
    script: &Script,
    range: Range<u64>,
    sent: &AtomicU64,
) -> io::Result<bool> {
    let chunked = matches!(
        script.lie,
        Some(Lie::Chunked | Lie::ChunkedCut | Lie::LengthAndChunks)
    );
    let end = match script.lie {
        Some(Lie::Short(missing)) => range.end.saturating_sub(missing).max(range.start),
        Some(Lie::ChunkedCut) => range.end.saturating_sub(1000).max(range.start),
        _ => range.end,
    };
    let mut at = range.start;
    while at < end {
        if let Some((offset, death, 1..)) = script.die
            && at >= offset
        {
            if death == Death::Rst {
                stream.set_zero_linger()?;
            }
            return Ok(false);
        }
        if let Some((offset, gate)) = &script.hold
            && at == *offset
        {
            gate.pass().await;
        }
        let piece = at..next_stop(script, at, end);
        // Counted first: whoever has the bytes must find them counted.
        sent.fetch_add(piece.end - piece.start, Ordering::Relaxed);
        write_piece(stream, &object.slice(piece.clone()), chunked).await?;
        if let Some(rate) = script.bytes_per_second {
            sleep(Duration::from_secs_f64(
                (piece.end - piece.start) as f64 / rate as f64,
            ))
            .await;
        }
        at = piece.end;
    }
    match script.lie {
        Some(Lie::Long(surplus)) => {
            stream
                .write_all(&vec![b'!'; usize::try_from(surplus).unwrap()])
                .await?;
        }
        Some(Lie::Chunked | Lie::LengthAndChunks) => stream.write_all(b"0\r\n\r\n").await?,
        _ => {}
    }
    let ends = [
        Lie::ChunkedCut,
        Lie::UntilClose,
        Lie::TwoLengths,
        Lie::LengthAndChunks,
    ];
    let broken = matches!(script.lie, Some(Lie::Short(_) | Lie::Long(_)));
    Ok(!broken && !script.lie.is_some_and(|lie| ends.contains(&lie)))
}

/// Pieces are small, and end exactly where the script has something to do.
fn next_stop(script: &Script, at: u64, end: u64) -> u64 {
    let piece = script
        .bytes_per_second
        .map_or(PIECE_BYTES, |rate| (rate / 50).clamp(1, PIECE_BYTES));
    let stops = [
        script.die.as_ref().map(|die| die.0),
        script.hold.as_ref().map(|hold| hold.0),
    ];
    let next = end.min(at + piece);
    stops
        .into_iter()
        .flatten()
        .filter(|&stop| stop > at)
        .fold(next, u64::min)
}

async fn write_piece(stream: &mut TcpStream, piece: &[u8], chunked: bool) -> io::Result<()> {
    if !chunked {
        return stream.write_all(piece).await;
    }
    stream
        .write_all(format!("{:x}\r\n", piece.len()).as_bytes())
        .await?;
    stream.write_all(piece).await?;
    stream.write_all(b"\r\n").await
}
