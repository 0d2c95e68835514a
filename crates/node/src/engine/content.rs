//! What steering asks for by an object's name: that it is gone, that it is here, what it says.

use std::{net::SocketAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use cache::{SiteRules, Viewer};
use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use message::{Body, Client, ObjectName, Protocol, Request};
use preposition::{Errand, Undone};
use semantics::key::Case;
use steering::{Prefill, Purge, PurgeWhat, Reason, Refused};

use super::Rooms;
use crate::plan;

impl Rooms {
    pub(super) fn find(
        &self,
        site: &str,
        path: &str,
        query: Option<&str>,
    ) -> Result<(ObjectName, Arc<SiteRules>), Refused> {
        match self.sites.object(site, path, query) {
            Some(Ok(found)) => Ok(found),
            Some(Err(what)) => Err(Refused::new(Reason::Malformed, what)),
            None => Err(unknown_site(site)),
        }
    }

    fn check_site(&self, site: &str) -> Result<(), Refused> {
        let is_known = self.sites.all().iter().any(|(own, _)| **own == *site);
        is_known.then_some(()).ok_or_else(|| unknown_site(site))
    }

    pub(super) async fn purge(&self, purge: Purge) -> Result<(), Refused> {
        let Purge { site, what, reach } = purge;
        self.check_site(&site)?;
        let done = match what {
            PurgeWhat::Object(path) => {
                let (path, query) = split(&path);
                let (name, _) = self.find(&site, path, query)?;
                self.cache.purge(&name, reach).await
            }
            PurgeWhat::Matching(paths) => {
                let (_, rules) = self.find(&site, "/", None)?;
                let paths = match rules.case {
                    Case::Exact => Ok(paths),
                    Case::Fold => paths.ignoring_case(),
                };
                let paths =
                    paths.map_err(|bad| Refused::new(Reason::Malformed, bad.to_string()))?;
                self.cache.purge_matching(&site, paths, reach).await
            }
            PurgeWhat::Tagged(tag) => self.cache.purge_tag(&site, &tag, reach).await,
            PurgeWhat::Site => self.cache.purge_site(&site, reach).await,
        };
        if let Some(fill) = &self.planes.fill {
            fill.purged();
        }
        done.map_err(|error| Refused::new(Reason::Failed, error.to_string()))
    }

    /// By the fill plane where there is one; what it cannot fetch for want of a length or of disks is
    /// read as a viewer would.
    pub(super) async fn prefill(&self, wanted: Prefill) -> Result<(), Refused> {
        let (path, query) = split(&wanted.object.path);
        let (name, rules) = self.find(&wanted.object.site, path, query)?;
        let Some(fill) = self.planes.fill.as_ref().filter(|_| self.has_disks()) else {
            return self.read(name, &rules, wanted.size).await;
        };
        let errand = Errand {
            name: name.clone(),
            size: wanted.size,
            is_urgent: wanted.is_urgent,
            priority: wanted.priority,
        };
        match fill.run(errand).await {
            Err(Undone::Unsized) => self.read(name, &rules, wanted.size).await,
            done => done.map_err(plan::undone),
        }
    }

    fn has_disks(&self) -> bool {
        let memory = (self.memory_use)();
        memory.is_some_and(|memory| !memory.store.disks.is_empty())
    }

    /// Asks the cache as a viewer would, to the end of the body: what is missing is filled.
    async fn read(
        &self,
        name: ObjectName,
        rules: &Arc<SiteRules>,
        size: Option<u64>,
    ) -> Result<(), Refused> {
        let (mut body, mut bytes) = (self.body(name, rules).await?, 0);
        while let Some(part) = body.next().await {
            bytes += part.map_err(|error| content(&error))?.len() as u64;
        }
        match size {
            Some(size) if size != bytes => {
                let what = format!("it has {bytes} bytes, and {size} were named");
                Err(Refused::new(Reason::Content, what))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The same, for who wants the bytes.
    pub(super) async fn read_whole(
        &self,
        object: ObjectName,
        bytes_max: usize,
    ) -> Result<Bytes, Refused> {
        let too_large = || {
            let what = format!("it has more than {bytes_max} bytes");
            Refused::new(Reason::Content, what)
        };
        let (path, query) = split(&object.path);
        let (name, rules) = self.find(&object.site, path, query)?;
        let mut body = self.body(name, &rules).await?;
        let length = body.length().and_then(|told| usize::try_from(told).ok());
        if length.is_some_and(|length| length > bytes_max) {
            return Err(too_large());
        }
        let mut whole = BytesMut::with_capacity(length.unwrap_or_default());
        while let Some(part) = body.next().await {
            let part = part.map_err(|error| content(&error))?;
            if whole.len() + part.len() > bytes_max {
                return Err(too_large());
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    async fn body(&self, name: ObjectName, rules: &Arc<SiteRules>) -> Result<Body, Refused> {
        let request = Self::request(&name)?;
        // What steering has read is nobody's demand.
        let response = self.cache.answer_for(Viewer::NODE, &request, name, rules);
        let response = response.await;
        let response = response.map_err(|error| content(&error))?;
        if response.status() != StatusCode::OK {
            let what = format!("upstream answered {}", response.status());
            return Err(Refused::new(Reason::Content, what));
        }
        Ok(response.into_body())
    }

    fn request(name: &ObjectName) -> Result<Request, Refused> {
        let failed = |error: http::Error| Refused::new(Reason::Failed, error.to_string());
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(format!("https://{}{}", name.site, name.path));
        let (head, ()) = request.body(()).map_err(failed)?.into_parts();
        Ok(Request {
            head,
            client: Client {
                address: SocketAddr::from(([127, 0, 0, 1], 0)),
                protocol: Protocol::Http1,
                identity: None,
                server_name: None,
            },
            at: message::now(),
        })
    }
}

fn content(error: &message::Error) -> Refused {
    Refused::new(Reason::Content, error.detail().to_owned())
}

/// A path and its query, if it has one.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    }
}

fn unknown_site(site: &str) -> Refused {
    Refused::new(Reason::NotFound, format!("no site {site:?} on this node"))
}
