//! An HTTP/1.1 origin that answers the requests for a URL one by one, as a row says.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::row::Says;

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
            let service = service_fn(move |request| {
                let answer = answer(&urls, &request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut serving = http1::Builder::new();
            serving.auto_date_header(false);
            let _ended = serving
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

fn answer(urls: &Urls, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut urls = urls.lock().unwrap();
    let path = request.uri().path();
    let url = urls
        .get_mut(path)
        .unwrap_or_else(|| panic!("{path} is no row's"));
    let nth = url.asked.len();
    url.asked.push(request.headers().clone());
    let says = &url.answers[nth.min(url.answers.len() - 1)];
    let mut response = Response::builder().status(says.status);
    for (name, value) in &says.fields {
        response = response.header(*name, dated(value));
    }
    let body = match &says.body {
        _ if matches!(says.status, 204 | 304) => String::new(),
        Some(body) => (*body).to_owned(),
        None => super::row::body(nth + 1),
    };
    response.body(Full::from(body)).unwrap()
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
