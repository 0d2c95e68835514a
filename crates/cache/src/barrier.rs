//! What is older than a purge does not come in again from further up.
//!
//! A node that was purged asks the next tier, which may not have been purged, or not yet. So each answer
//! is held against the purges that reach it, by the tags that it has as well: one that may have been made
//! before the last of them is not taken, and is asked for again from the origin itself (RFC 9111 section
//! 5.2.1.4), which every tier of ours heeds. That needs no word between nodes about a purge, and holds
//! while a tier is away and when it is back.
//!
//! ```text
//! edge ──▶ shield: 200, Age: 40   purged 10 s ago ▶ not taken
//! edge ──no-cache──▶ shield ──If-None-Match──▶ origin: 304, or what is there now
//! ```
//!
//! It goes by how long ago the purge was on this node's clock: who sets that forward by an hour while an
//! answer is on its way takes answers for an hour younger than they are.

use std::time::Duration;

use http::{HeaderMap, header};
use message::{Demand, Error, Fetch, Response, Upstream};
use store::Epoch;

use crate::{Inner, SiteRules, id::ObjectId, tags::Tags};

impl Inner {
    /// Fetches what is no older than the purges that reach it.
    ///
    /// # Errors
    /// Upstream's.
    pub(crate) async fn fetch_after_purges(
        &self,
        source: &dyn Upstream,
        fetch: Fetch,
        id: ObjectId,
        rules: &SiteRules,
    ) -> Result<Response, Error> {
        let response = source.fetch(fetch.clone()).await?;
        let is_taken = match fetch.demand {
            // The origin was asked; there is nobody else to ask.
            Demand::EndToEnd => true,
            Demand::Any | Demand::Unstored => {
                let tags = Tags::told(&fetch.object.site, &rules.tags, response.headers());
                let purged = self.purged(id, &fetch.object, &tags).last();
                !may_predate(purged, response.headers(), fetch.at.wall)
            }
        };
        if is_taken {
            return Ok(response);
        }
        drop(response);
        self.metrics.predating.inc();
        let demand = Demand::EndToEnd;
        source.fetch(Fetch { demand, ..fetch }).await
    }
}

/// Whether what was answered to a question of time `asked` may have been made before `purged`.
fn may_predate(purged: Epoch, headers: &HeaderMap, asked: Duration) -> bool {
    // RFC 9111 section 5.1: without an age the origin has answered this very question.
    let Some(age) = headers.get(header::AGE) else {
        return false;
    };
    let age = age.to_str().ok().and_then(|age| age.trim().parse().ok());
    // What makes no sense says nothing of its youth. Ages are rounded down.
    let most = age.map_or(Duration::MAX, |age: u64| {
        Duration::from_secs(age.saturating_add(1))
    });
    purged != Epoch::ZERO && asked.saturating_sub(most) < purged.time()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn predates(purged_s: u64, age: Option<&'static str>, asked_s: u64) -> bool {
        let purged = Epoch::of_time(Duration::from_secs(purged_s));
        let mut headers = HeaderMap::new();
        if let Some(age) = age {
            headers.insert(header::AGE, HeaderValue::from_static(age));
        }
        may_predate(purged, &headers, Duration::from_secs(asked_s))
    }

    #[test]
    fn an_answer_is_older_than_a_purge_if_its_age_says_so_or_leaves_it_open() {
        assert!(predates(1_000, Some("40"), 1_010));
        assert!(predates(1_000, Some("10"), 1_010), "up to 11 seconds");
        assert!(!predates(1_000, Some("9"), 1_010));
        assert!(predates(1_000, Some("soon"), 1_010));
        assert!(!predates(1_000, None, 1_010), "the origin has spoken");
        assert!(!predates(0, Some("40"), 10), "nothing was ever purged");
    }
}
