//! An engine that plays along: what it was asked is kept, what it answers is simple.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use cache::Paths;
use message::{ObjectName, Timestamp};
use parking_lot::Mutex;
use steering::{
    Doing, Engine, Life, Prefill, Purge, Reason, Refused, Vitals,
    report::{
        Disk, FillFailure, Inventory, InventoryObject, InventorySummary, ManifestKind,
        ManifestState, ManifestSummary, ObjectState, Phase, Popular, Popularity, Progress, Pushed,
        WaitsFor, Window,
    },
};
use tokio::sync::Semaphore;

/// What a manifest is here: `generation N`.
pub(crate) fn manifest(generation: u64) -> Bytes {
    format!("generation {generation}").into()
}

pub(crate) struct Player {
    pub(crate) asked: Mutex<Vec<String>>,
    manifests: Mutex<Vec<ManifestSummary>>,
    pub(crate) vitals: Mutex<Vitals>,
    /// Prefills of a path that holds `slow` wait for a permit.
    pub(crate) slow: Semaphore,
    /// What is read of objects, by path.
    pub(crate) texts: Mutex<HashMap<String, String>>,
}

impl Player {
    pub(crate) fn new() -> Arc<Self> {
        let vitals = Vitals {
            life: Life::Serving,
            reason: "serving".to_owned(),
            connections: 3,
            sent_bytes: 1_000,
            ..Vitals::default()
        };
        Arc::new(Self {
            asked: Mutex::default(),
            manifests: Mutex::default(),
            vitals: Mutex::new(vitals),
            slow: Semaphore::new(0),
            texts: Mutex::default(),
        })
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }

    fn note(&self, what: String) {
        self.asked.lock().push(what);
    }
}

fn refused<T>(reason: Reason, detail: &str) -> Result<T, Refused> {
    Err(Refused::new(reason, detail))
}

impl Engine for Player {
    fn vitals(&self) -> Vitals {
        self.vitals.lock().clone()
    }

    fn disks(&self) -> Vec<Disk> {
        vec![Disk {
            path: "/disk".to_owned(),
            state: "serving".to_owned(),
            capacity_bytes: 10,
            used_bytes: 5,
            queued_bytes: 1,
        }]
    }

    fn push(&self, _who: &Arc<str>, manifest: Bytes, at: Timestamp) -> Doing<'_, Pushed> {
        Box::pin(async move {
            let text = String::from_utf8_lossy(&manifest);
            if text == "one bad too many" {
                let refused = Refused::new(Reason::ManifestQuarantined, "too many bad ones");
                return Err(refused.not_before(at.unix_s() + 900));
            }
            let Some(number) = text.strip_prefix("generation ") else {
                return refused(Reason::ManifestUntrusted, "no signature");
            };
            let generation: u64 = number.parse().unwrap();
            let mut manifests = self.manifests.lock();
            let active = manifests.first().map_or(0, |active| active.generation);
            if generation < active {
                return refused(Reason::ManifestGeneration, "older than what is in force");
            }
            if generation > active {
                let summary = ManifestSummary {
                    generation,
                    audience: "edge1".to_owned(),
                    kind: ManifestKind::Full,
                    state: ManifestState::Active,
                    issued_unix_s: 1,
                    expires_unix_s: 2,
                    objects: 3,
                    bytes: 4,
                    digest: "00".to_owned(),
                };
                manifests.insert(0, summary);
            }
            Ok(Pushed {
                generation,
                digest: "00".to_owned(),
                objects: 3,
                missing_bytes: 4,
                fresh: generation > active,
            })
        })
    }

    fn manifests(&self) -> Vec<ManifestSummary> {
        self.manifests.lock().clone()
    }

    fn manifest(&self, generation: u64) -> Doing<'_, Bytes> {
        Box::pin(async move {
            let known = self.manifests.lock();
            if known.iter().any(|known| known.generation == generation) {
                return Ok(manifest(generation));
            }
            refused(Reason::NotFound, "no such generation")
        })
    }

    fn withdraw(&self, generation: u64) -> Doing<'_, ManifestSummary> {
        Box::pin(async move {
            let mut known = self.manifests.lock();
            let Some(active) = known.first_mut().filter(|one| one.generation == generation) else {
                return refused(Reason::NotFound, "not the active one");
            };
            active.state = ManifestState::Withdrawn;
            Ok(active.clone())
        })
    }

    fn progress(&self) -> Progress {
        Progress {
            generation: Some(7),
            phase: Phase::Waiting,
            waits_for: Some(WaitsFor::Retry),
            window: Some(Window {
                opens_unix_s: 1,
                closes_unix_s: 2,
            }),
            objects: 10,
            objects_held: 5,
            objects_failed: 1,
            bytes: 100,
            bytes_held: 50,
            bytes_per_s: 5,
            bytes_filled: 60,
            bytes_served: 400,
            eta_s: Some(10),
            failures: vec![FillFailure {
                site: "vod".to_owned(),
                path: "/a".to_owned(),
                reason: "its digest differs".to_owned(),
                attempts: 3,
            }],
        }
    }

    fn holdings(&self) -> InventorySummary {
        InventorySummary {
            generation: Some(7),
            complete_ratio: 0.5,
            summary: "ab".to_owned(),
        }
    }

    fn inventory(&self, after: Option<String>, limit: usize) -> Doing<'_, Inventory> {
        Box::pin(async move {
            let from: usize = after.map_or(0, |after| after.parse().unwrap());
            let to = (from + limit).min(250);
            let objects = (from..to).map(|at| InventoryObject {
                site: "vod".to_owned(),
                path: format!("/{at}"),
                size: 10,
                held_bytes: 10,
                state: ObjectState::Held,
                pinned: false,
            });
            Ok(Inventory {
                generation: Some(7),
                complete_ratio: 0.5,
                summary: "ab".to_owned(),
                objects: objects.collect(),
                next: (to < 250).then(|| to.to_string()),
            })
        })
    }

    fn prefill(&self, wanted: Prefill) -> Doing<'_, ()> {
        Box::pin(async move {
            let name = wanted.object.to_string();
            let urgent = if wanted.is_urgent { "!" } else { "" };
            self.note(format!("prefill {name} {}{urgent}", wanted.priority));
            if name.contains("slow") {
                let permit = self.slow.acquire().await;
                permit.map(tokio::sync::SemaphorePermit::forget).unwrap();
            }
            if name.contains("missing") {
                return refused(Reason::Content, "upstream answered 404");
            }
            Ok(())
        })
    }

    fn read(&self, object: ObjectName, bytes_max: usize) -> Doing<'_, Bytes> {
        let text = self.texts.lock().get(&*object.path).cloned();
        Box::pin(async move {
            self.note(format!("read {object}"));
            match text {
                Some(text) if text.len() <= bytes_max => Ok(text.into()),
                Some(_) => refused(Reason::Content, "too long"),
                None => refused(Reason::Content, "upstream answered 404"),
            }
        })
    }

    fn purge(&self, purge: Purge) -> Doing<'_, ()> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.note(format!(
                "{:?} {} {}",
                purge.reach,
                purge.site,
                match purge.what {
                    steering::PurgeWhat::Object(path) => path.to_string(),
                    steering::PurgeWhat::Matching(Paths::Pattern(pattern)) => format!("~{pattern}"),
                    steering::PurgeWhat::Matching(Paths::Expression(one)) => {
                        format!("/{}/", one.text())
                    }
                    steering::PurgeWhat::Tagged(tag) => format!("#{tag}"),
                    steering::PurgeWhat::Site => "everything".to_owned(),
                }
            ));
            Ok(())
        })
    }

    fn popularity(&self, top: usize, site: Option<&str>) -> Popularity {
        let objects = (0..top.min(5)).map(|at| Popular {
            site: site.unwrap_or("vod").to_owned(),
            path: format!("/{at}"),
            plays_thousandths: 1_500,
            bytes: 15_000,
        });
        Popularity {
            objects: objects.collect(),
        }
    }

    fn site_of(&self, host: &str) -> Option<Arc<str>> {
        let sites = self.sites();
        let found = sites
            .into_iter()
            .find(|(_, hosts)| hosts.iter().any(|own| own == host));
        found.map(|(site, _)| site)
    }

    fn sites(&self) -> Vec<(Arc<str>, Vec<String>)> {
        vec![
            (
                "vod".into(),
                vec!["cdn.example".to_owned(), "cdn2.example".to_owned()],
            ),
            ("news".into(), vec!["news.example".to_owned()]),
        ]
    }

    fn object(&self, site: &str, path: &str, query: Option<&str>) -> Result<ObjectName, Refused> {
        if path.contains('%') {
            return refused(Reason::Malformed, "an escape in a path");
        }
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        Ok(ObjectName {
            site: site.into(),
            path: format!("{path}{query}").into(),
        })
    }

    fn rest(&self, rest: bool) {
        self.vitals.lock().resting = rest;
    }
}
