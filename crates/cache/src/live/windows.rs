//! Which segments there are: learnt from playlists that the cache reads for itself.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::StatusCode;
use message::{Body, Carried, Client, ObjectName, Protocol, Request, Timestamp};
use parking_lot::Mutex;
use semantics::{
    live::{Playlist, Position, Window},
    range::Wanted,
    relative,
    wish::Wish,
};
use tokio::time::Instant;

use super::{LiveRules, WindowRule, WindowSource};
use crate::{
    SiteRules, Viewer,
    answer::Visit,
    head::{Entry, Head},
    id::ObjectId,
    lookup::Found,
    site::plain,
};

/// Streams whose windows are remembered: some hundred channels in all their renditions.
const STREAMS_MAX: usize = 16_384;

/// A media playlist of a day of two-second segments has some 2 MB.
const PLAYLIST_BYTES_MAX: usize = 4 << 20;

/// Windows by the playlist that they were read from.
#[derive(Default)]
pub(super) struct Windows(Mutex<HashMap<ObjectId, Learnt>>);

#[derive(Clone, Copy)]
struct Learnt {
    /// `None` where the playlist says nothing of such segments.
    window: Option<Window>,
    at: Instant,
}

impl Windows {
    fn of(&self, playlist: ObjectId, now: Instant, believed: Duration) -> Option<Learnt> {
        let learnt = self.0.lock().get(&playlist).copied()?;
        let is_fresh = now.saturating_duration_since(learnt.at) < believed;
        is_fresh.then_some(learnt)
    }

    fn keep(&self, playlist: ObjectId, window: Option<Window>, at: Instant) {
        let mut all = self.0.lock();
        if all.len() >= STREAMS_MAX && !all.contains_key(&playlist) {
            // Rarely: they are learnt again as they are asked for.
            all.clear();
        }
        all.insert(playlist, Learnt { window, at });
    }
}

impl Visit<'_> {
    /// The window of the stream that this segment belongs to, as far as anything says.
    pub(super) async fn window(&self, rules: &LiveRules, rule: &WindowRule) -> Option<Window> {
        let now = self.request.at;
        let reference = match &rule.source {
            WindowSource::Clock(clock) => return Some(clock.window(now.wall)),
            WindowSource::Playlist(reference) => reference,
        };
        let path = relative::resolve(plain(&self.name.path), reference)?;
        let visit = self.of(&path);
        let windows = &self.inner.live.windows;
        if let Some(learnt) = windows.of(visit.id, now.mono, rules.poll) {
            return learnt.window;
        }
        let text = visit.read().await;
        let window = text.as_deref().and_then(|text| {
            let text = std::str::from_utf8(text).ok()?;
            Playlist::read(text)?.window(&path, &rule.segments)
        });
        windows.keep(visit.id, window, now.mono);
        window
    }

    /// How far this playlist goes as it is held now, if it is fresh.
    pub(super) async fn held_position(&self) -> Option<Position> {
        let entry = self.inner.find(self.id, &self.name, self.rules).await;
        match Found::judge(entry, &self.request.at, Duration::ZERO) {
            Found::Fresh(head) => self.position_of(&head).await,
            Found::StaleUsable { .. }
            | Found::Stale(_)
            | Found::Kept(_)
            | Found::KeptStale(_)
            | Found::Pass
            | Found::Nothing => None,
        }
    }

    /// How far a playlist goes.
    pub(super) async fn position_of(&self, head: &Arc<Head>) -> Option<Position> {
        let text = self.inner.read_whole(head, self.request.at).await?;
        let text = std::str::from_utf8(&text).ok()?;
        Some(Playlist::read(text)?.position)
    }

    /// The same request for another object of the site.
    pub(super) fn of(&self, path: &str) -> Visit<'_> {
        let name = ObjectName {
            site: Arc::clone(&self.name.site),
            path: path.into(),
        };
        let id = ObjectId::of(&name);
        Visit {
            inner: self.inner,
            viewer: self.viewer,
            request: self.request,
            id,
            base: self.site.base(id, &self.carried),
            carried: self.carried.clone(),
            wish: self.wish.clone(),
            site: self.site,
            rules: self.site.of(path),
            name,
            wanted: self.wanted,
        }
    }

    /// The bytes of this object, read through the cache by the node itself; `None` if there are
    /// none, or too many.
    async fn read(&self) -> Option<Bytes> {
        let request = own_request(self.request)?;
        let visit = Visit {
            viewer: Viewer::NODE,
            request: &request,
            name: self.name.clone(),
            wanted: Wanted::Whole,
            base: self.id,
            carried: Carried::default(),
            wish: Wish::default(),
            ..*self
        };
        let response = visit.answer().await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        collect(response.into_body()).await
    }
}

impl crate::Inner {
    /// The bytes of a version that is held.
    pub(super) async fn read_whole(
        self: &Arc<Self>,
        head: &Arc<Head>,
        at: Timestamp,
    ) -> Option<Bytes> {
        let id = ObjectId::of(&head.name);
        let wanted = 0..head.geometry.total_bytes();
        let delivery = crate::deliver::Delivery::new(
            Arc::clone(self),
            (Viewer::NODE, id),
            Arc::clone(head),
            at,
            wanted,
        );
        let (body, _) = delivery.start().await.ok()?;
        collect(body).await
    }

    /// The version that memory holds of an object.
    pub(super) fn held_version(&self, id: ObjectId, name: &ObjectName) -> Option<Arc<Head>> {
        match self.remembered(id.into(), name)? {
            Entry::Object(head) => Some(head),
            Entry::Kept(_) | Entry::Varies(_) | Entry::Pass { .. } => None,
        }
    }
}

/// A request of the node's own: no field of the viewer's is in it.
pub(super) fn own_request(of: &Request) -> Option<Request> {
    let (head, ()) = http::Request::get("/").body(()).ok()?.into_parts();
    Some(Request {
        head,
        client: Client {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            protocol: Protocol::Http2,
            identity: None,
            server_name: None,
        },
        at: of.at,
    })
}

async fn collect(mut body: Body) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(item) = body.next().await {
        let bytes = item.ok()?;
        if whole.len() + bytes.len() > PLAYLIST_BYTES_MAX {
            return None;
        }
        whole.extend_from_slice(&bytes);
    }
    Some(whole.freeze())
}

/// The rules by which an absence is not remembered: who polls asks upstream each time.
pub(super) fn polling(rules: &Arc<SiteRules>) -> Arc<SiteRules> {
    let mut polling = SiteRules::clone(rules);
    polling.ttl.negative = Duration::ZERO;
    Arc::new(polling)
}
