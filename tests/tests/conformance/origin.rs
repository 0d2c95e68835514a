//! An HTTP/1.1 origin that answers the requests for a URL one by one, as a row says.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

use super::row::{Ends, Says};

/// What is said and what was asked, by path.
#[derive(Default)]
struct Url {
    answers: Vec<Says>,
    asked: Vec<HeaderMap>,
}

type Urls = Arc<Mutex<HashMap<String, Url>>>;

/// The origin. It ends when it is dropped.
pub(crate) struct Origin {
    address: SocketAddr,
    urls: Urls,
    _serving: AbortOnDropHandle<()>,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, urls) = (listener.local_addr().unwrap(), Urls::default());
        let serving = tokio::spawn(serve(listener, Arc::clone(&urls)));
        Self {
            address,
            urls,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn put(&self, path: &str, answers: Vec<Says>) {
        let url = Url {
            answers,
            asked: Vec::new(),
        };
        self.urls.lock().unwrap().insert(path.to_owned(), url);
    }

    /// The fields of each request so far.
    pub(crate) fn asked(&self, path: &str) -> Vec<HeaderMap> {
        self.urls.lock().unwrap()[path].asked.clone()
    }
}

async fn serve(listener: TcpListener, urls: Urls) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let urls = Arc::clone(&urls);
        connections.spawn(async move {
            let _ended = converse(stream, &urls).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers what is asked on a connection, byte for byte as the row has it: no library's idea of what
/// an answer may be stands between.
async fn converse(stream: TcpStream, urls: &Urls) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some((path, asked)) = read_head(&mut stream).await? {
        let (says, nth) = {
            let mut urls = urls.lock().unwrap();
            let url = urls
                .get_mut(&path)
                .unwrap_or_else(|| panic!("{path} is no row's"));
            let nth = url.asked.len();
            url.asked.push(asked);
            (url.answers[nth.min(url.answers.len() - 1)].clone(), nth)
        };
        if says.hangs_up {
            return stream.shutdown().await;
        }
        stream.write_all(&written(&says, nth)).await?;
        if says.ends == Ends::Close || says.is_cut {
            return stream.shutdown().await;
        }
    }
    Ok(())
}

/// The path and the fields of the next request; `None` after the last.
async fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<Option<(String, HeaderMap)>> {
    let (mut path, mut fields) = (None, HeaderMap::new());
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let text = std::mem::take(&mut line);
        let text = text.trim_end();
        if path.is_none() {
            path = text.split(' ').nth(1).map(str::to_owned);
        } else if let Some((name, value)) = text.split_once(':') {
            let name: HeaderName = name.parse().unwrap();
            fields.append(name, HeaderValue::from_str(value.trim()).unwrap());
        } else {
            return Ok(path.map(|path| (path, fields)));
        }
    }
    Ok(None)
}

fn written(says: &Says, nth: usize) -> Vec<u8> {
    let mut lines: Vec<String> = Vec::new();
    for interim in &says.interim {
        lines.extend([format!("HTTP/1.1 {interim}"), String::new()]);
    }
    lines.push(format!("HTTP/1.1 {} Said", says.status));
    let fields = says.fields.iter();
    lines.extend(fields.map(|(name, value)| format!("{name}: {}", dated(value))));
    let body = says
        .body
        .map_or_else(|| super::row::body(nth + 1), str::to_owned);
    let length = body.len();
    let sent = &body[..if says.is_cut { length / 2 } else { length }];
    let (framing, content) = match says.ends {
        _ if matches!(says.status, 204 | 304) => (None, String::new()),
        Ends::Length => (Some(format!("content-length: {length}")), sent.to_owned()),
        Ends::Close => (None, sent.to_owned()),
        Ends::Chunks(trailers) => {
            let last = format!("\r\n0\r\n{trailers}\r\n");
            let last = if says.is_cut { "" } else { &last };
            let chunk = format!("{length:x}\r\n{sent}{last}");
            (Some("transfer-encoding: chunked".to_owned()), chunk)
        }
    };
    lines.extend(framing);
    format!("{}\r\n\r\n{content}", lines.join("\r\n")).into_bytes()
}

/// `{-60}` in a value is a date a minute ago, `{+60}` one that is to come.
fn dated(value: &str) -> String {
    let Some((seconds, end)) = value
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
    else {
        return value.to_owned();
    };
    let seconds: i64 = seconds.parse().unwrap();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    #[expect(
        clippy::disallowed_methods,
        reason = "an origin has a clock of its own"
    )]
    let now = SystemTime::now();
    let then = if seconds < 0 {
        now - distance
    } else {
        now + distance
    };
    format!("{}{end}", httpdate::fmt_http_date(then))
}
