//! What the gate counts.

use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};
use signing::{Revoked, Scheme};

/// Decisions by site: reasons and schemes are words from short closed lists, sites are the
/// config's.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    granted: IntCounterVec,
    refused: IntCounterVec,
    issued: IntCounterVec,
    revoked: IntGaugeVec,
}

/// One site's counters, so that a granted request looks nothing up.
#[derive(Debug)]
pub(super) struct SiteMetrics {
    name: Arc<str>,
    granted: [IntCounter; Scheme::ALL.len()],
    refused: IntCounterVec,
    sessions: IntCounter,
    renewals: IntCounter,
}

impl Metrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let granted = "millpond_tokens_granted_total";
        let refused = "millpond_tokens_refused_total";
        let issued = "millpond_tokens_issued_total";
        let revoked = Opts::new(
            "millpond_tokens_revoked",
            "Entries of the site's revocation list",
        );
        let revoked = IntGaugeVec::new(revoked, &["site"])?;
        registry.register(Box::new(revoked.clone()))?;
        Ok(Self {
            granted: counters(granted, "Requests let in by a token", &["site", "scheme"])?,
            refused: counters(
                refused,
                "Requests refused at the gate, by reason",
                &["site", "reason"],
            )?,
            issued: counters(issued, "Tokens that the edge signed", &["site", "kind"])?,
            revoked,
        })
    }

    pub(super) fn of_site(&self, name: &Arc<str>, revoked: Option<&Revoked>) -> SiteMetrics {
        let entries = revoked.map_or(0, Revoked::entries);
        let entries = i64::try_from(entries).unwrap_or(i64::MAX);
        self.revoked.with_label_values(&[name]).set(entries);
        SiteMetrics {
            name: Arc::clone(name),
            granted: Scheme::ALL
                .map(|scheme| self.granted.with_label_values(&[&**name, scheme.name()])),
            refused: self.refused.clone(),
            sessions: self.issued.with_label_values(&[&**name, "session"]),
            renewals: self.issued.with_label_values(&[&**name, "renewal"]),
        }
    }
}

impl SiteMetrics {
    pub(super) fn granted(&self, scheme: Scheme) {
        self.granted[scheme as usize].inc();
    }

    /// `reason` is a label of [`signing::Denied`] or [`signing::Malformed`].
    pub(super) fn refused(&self, reason: &'static str) {
        let labels = [&*self.name, reason];
        self.refused.with_label_values(&labels).inc();
    }

    pub(super) fn session(&self) {
        self.sessions.inc();
    }

    pub(super) fn renewal(&self) {
        self.renewals.inc();
    }
}
