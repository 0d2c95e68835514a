//! What viewers ask for, counted: from the cache to the sketch, from there to reports and `top`.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use cache::{Audience, Cache, Served};
use daemon::{
    admin::{Reply, json, text},
    process::Daemon,
};
use http::StatusCode;
use message::Timestamp;
use node::{PopularitySection, Reports, Sections};
use popularity::{Demand, Keeper, Keeping, Popularity, Shelf, Top};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use upstream::Writer;

/// Objects that `top` names, unless it is asked for more or fewer.
const TOP: usize = 100;
const TOP_MAX: usize = 10_000;
/// The wall clock may be set: the keeper looks at it this often.
const LOOK: Duration = Duration::from_mins(1);

/// Demand that is being counted.
pub(crate) struct Counting {
    counts: Arc<Popularity>,
    /// Dropped, it has the keeper save what there is and end.
    stop: DropGuard,
    keeper: JoinHandle<()>,
}

impl Counting {
    /// Loads what was counted before, and counts what the cache serves from now on.
    pub(crate) async fn start(
        section: &PopularitySection,
        sections: &Sections,
        cache: &Cache,
        daemon: &Daemon,
        now: &Timestamp,
    ) -> Result<Self, node::Error> {
        let keeping = Keeping {
            folder: section.folder.clone(),
            node: sections.common.name.clone(),
            shelf: section
                .reports
                .as_ref()
                .map(|reports| shelf(reports, now))
                .transpose()?,
            clock: Arc::new(|| message::now().wall),
            look: message::nap(LOOK),
        };
        let keeper = Keeper::open(section.sketch.clone(), keeping, &daemon.registry).await?;
        let popularity = Arc::clone(keeper.popularity());
        cache.tell(Arc::new(Counter(Arc::clone(&popularity))));
        daemon.routes.get("/popularity/top", move |call| {
            top(Arc::clone(&popularity), call.query)
        });
        let (counts, stop) = (Arc::clone(keeper.popularity()), CancellationToken::new());
        Ok(Self {
            counts,
            keeper: tokio::spawn(keeper.run(stop.clone())),
            stop: stop.drop_guard(),
        })
    }

    /// What is counted, for those who ask.
    pub(crate) fn counts(&self) -> Arc<Popularity> {
        Arc::clone(&self.counts)
    }

    /// Reports and saves a last time. To be called once nobody is served any more.
    pub(crate) async fn end(self) {
        drop(self.stop);
        if let Err(error) = self.keeper.await {
            tracing::error!(%error, "the keeper of popularity failed");
        }
    }
}

fn shelf(reports: &Reports, now: &Timestamp) -> Result<Arc<dyn Shelf>, node::Error> {
    Ok(Arc::new(ObjectStorage(reports.writer(now)?)))
}

struct ObjectStorage(Writer);

impl Shelf for ObjectStorage {
    fn put(
        &self,
        key: String,
        report: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            let put = self.0.put(&key, report).await;
            put.map_err(|error| error.to_string())
        })
    }
}

struct Counter(Arc<Popularity>);

impl Audience for Counter {
    fn served(&self, served: &Served<'_>) {
        let demand = Demand {
            object: served.object,
            site: &served.name.site,
            path: &served.name.path,
            size: served.size,
            served: served.range.clone(),
            viewer: served.viewer.number(),
        };
        self.0.count(&demand, served.at.wall);
    }
}

async fn top(popularity: Arc<Popularity>, query: Option<String>) -> Reply {
    let Some(count) = count(query.as_deref()) else {
        let usage = format!("count is a number up to {TOP_MAX}\n");
        return text(StatusCode::BAD_REQUEST, usage);
    };
    let now = message::now().wall;
    // It looks at all that is held: some milliseconds.
    let top = tokio::task::spawn_blocking(move || popularity.top(count, now));
    match top.await {
        Ok(top) => json(StatusCode::OK, &told(&top)),
        Err(error) => {
            tracing::error!(%error, "cannot tell what is popular");
            text(StatusCode::INTERNAL_SERVER_ERROR, "cannot tell\n")
        }
    }
}

/// `count=20`, or nothing.
fn count(query: Option<&str>) -> Option<usize> {
    let Some(query) = query else {
        return Some(TOP);
    };
    let count = query.strip_prefix("count=")?.parse().ok()?;
    (count <= TOP_MAX).then_some(count)
}

/// Plays in thousandths, as everywhere.
fn told(top: &Top) -> serde_json::Value {
    let objects = top.objects.iter().map(|object| {
        json!({
            "site": &*object.site,
            "path": &*object.path,
            "size": object.size,
            "plays": object.plays,
            "error": object.error,
        })
    });
    json!({
        "objects": objects.collect::<Vec<_>>(),
        "others_at_most": top.others_at_most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_number_within_bounds() {
        assert_eq!(count(None), Some(100));
        assert_eq!(count(Some("count=7")), Some(7));
        for wrong in ["", "count=", "count=10001", "count=-1", "n=7", "count=7&x"] {
            assert_eq!(count(Some(wrong)), None, "{wrong}");
        }
    }
}
