//! Before anything is measured: bodies of every server are read over all protocols with the one
//! cipher, and compared byte for byte. It warms the caches as well.

use std::{io::ErrorKind, time::Duration};

use benches::bodies;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time;

use super::{
    Error,
    client::{Client, Connector, broken},
    select::{Protocol, Size},
    target::{Kind, Target},
};

/// How long a server may take to come up.
const START: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);
/// Of a list that another port of the same cache has shown whole.
const SAMPLE: usize = 16;

/// Waits until somebody accepts connections there, or what should has ended.
pub(crate) async fn listening(port: u16, mut ended: impl FnMut() -> bool) -> Result<(), Error> {
    let asking = async {
        loop {
            match std::net::TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    if ended() {
                        return Err(Error::Broken("it has ended".to_owned()));
                    }
                    time::sleep(PAUSE).await;
                }
                Err(error) => return Err(Error::io(format!("port {port}"))(error)),
            }
        }
    };
    let late = |_| Err(Error::Broken(format!("nobody listens on port {port}")));
    time::timeout(START, asking).await.unwrap_or_else(late)
}

/// Reads and compares all objects of `size` over one protocol, and a part of them over the others.
/// `shared` says that another target has the same cache and was read whole.
pub(crate) async fn warm_and_check(
    connector: &Connector,
    target: &Target,
    size: Size,
    shared: bool,
) -> Result<(), Error> {
    for (protocol, whole) in [(Protocol::Http1, !shared), (Protocol::Http2, false)] {
        let mut client = connector.open(target, protocol).await?;
        let count = if whole { usize::MAX } else { SAMPLE };
        for number in (0..size.objects()).take(count) {
            check(&mut client, target, number, size.bytes()).await?;
        }
    }
    if matches!(target.kind, Kind::Signed | Kind::Open) {
        let client = connector.open_http3(target).await?;
        for number in (0..size.objects()).take(SAMPLE) {
            let path = bodies::path(number, size.bytes());
            let mut body = BytesMut::new();
            let take = |piece: Bytes| body.extend_from_slice(&piece);
            let status = client.get(&target.url(&path), take).await?;
            if status != 200 || body != bodies::body(number, size.bytes()) {
                return Err(broken(
                    target,
                    &path,
                    &format!("{status}, wrong bytes over H3"),
                ));
            }
        }
    }
    Ok(())
}

/// Reads one object and compares it.
pub(crate) async fn check(
    client: &mut Client,
    target: &Target,
    number: u32,
    length: usize,
) -> Result<(), Error> {
    let path = bodies::path(number, length);
    let response = client.get(target, &path, None).await?;
    let status = response.status();
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| broken(target, &path, &error))?;
    if status != 200 || body.to_bytes() != bodies::body(number, length) {
        return Err(broken(target, &path, &format!("{status}, wrong bytes")));
    }
    Ok(())
}
