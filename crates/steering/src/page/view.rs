//! What stands on the page. Pure: all that is shown is an argument, and escaped by `html!`.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::style::SHEET;
use crate::report::{
    Disk, FillFailure, Heartbeat, Load, ManifestKind, ManifestState, ManifestSummary, NodeState,
    Progress, amount, duration,
};

/// A new one is asked for so often: the heartbeat's rates are over ten seconds.
const REFRESH_S: u32 = 5;

/// Certificates are renewed a month before their end, by habit; later than this somebody is to see it.
const CERTIFICATE_SOON_S: u64 = 14 * 86_400;

/// All that is shown.
pub(super) struct Shown {
    pub(super) heartbeat: Heartbeat,
    /// Newest first.
    pub(super) failures: Vec<FillFailure>,
    pub(super) manifests: Vec<ManifestSummary>,
}

/// The page as a whole.
pub(super) fn page(shown: &Shown) -> Markup {
    let heartbeat = &shown.heartbeat;
    let (state, tone) = state(heartbeat.state);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content=(REFRESH_S);
                title { (heartbeat.node) ": " (state) }
                style { (PreEscaped(SHEET)) }
            }
            body {
                h1 { (heartbeat.node) span class={ "state " (tone) } { (state) } }
                @if heartbeat.reason != state {
                    p { (heartbeat.reason) }
                }
                p { small { "At " (time(heartbeat.at_unix_s)) ", up for " (duration(heartbeat.uptime_s)) "." } }
                (load(&heartbeat.load))
                (fill(&heartbeat.fill, heartbeat.at_unix_s))
                (failures(&shown.failures))
                (disks(&heartbeat.disks))
                (manifests(&shown.manifests, heartbeat.at_unix_s))
                (versions(heartbeat))
            }
        }
    }
}

/// A word for a state, and how it is coloured.
fn state(state: NodeState) -> (&'static str, &'static str) {
    match state {
        NodeState::Provisioning => ("provisioning", "soft"),
        NodeState::Filling => ("filling", "soft"),
        NodeState::Serving => ("serving", "good"),
        NodeState::Draining => ("draining", "soft"),
        NodeState::Drained => ("drained", "soft"),
    }
}

fn load(load: &Load) -> Markup {
    let rate = |rate: Option<u64>| rate.map_or_else(|| "not configured".to_owned(), per_second);
    html! {
        h2 { "Load" }
        table {
            (row("Connections", &load.connections.to_string()))
            (row("Sends", &per_second(load.egress_bytes_per_s)))
            (row("Capacity", &rate(load.capacity_bytes_per_s)))
            (row("Headroom", &rate(load.headroom_bytes_per_s)))
        }
    }
}

fn fill(fill: &Progress, now_s: u64) -> Markup {
    let window = match fill.window {
        Some(window) if window.opens_unix_s > now_s => format!(
            "closed: {} to {}",
            time(window.opens_unix_s),
            time(window.closes_unix_s)
        ),
        Some(window) => format!("open until {}", time(window.closes_unix_s)),
        None => "none".to_owned(),
    };
    let held = format!("{} of {}", amount(fill.bytes_held), amount(fill.bytes));
    let objects = format!("{} of {}", fill.objects_held, fill.objects);
    html! {
        h2 { "Fill" }
        @if let Some(generation) = fill.generation {
            p { "Generation " (generation) ": " (fill.percent()) ", " (fill.doing(now_s)) "." }
            progress max=(fill.bytes.max(1)) value=(if fill.bytes == 0 { 1 } else { fill.bytes_held }) {}
            table {
                (row("Held", &held))
                (row("Objects held", &objects))
                @if fill.objects_failed > 0 {
                    tr.bad { th scope="row" { "Objects failed" } td { (fill.objects_failed) } }
                }
                (row("Comes in", &per_second(fill.bytes_per_s)))
                (row("Time left", &fill.eta_s.map_or_else(|| "cannot be told".to_owned(), duration)))
                (row("Window", &window))
                (row("Filled since its start", &amount(fill.bytes_filled)))
                (row("Viewers had of what is filled", &amount(fill.bytes_served)))
            }
        } @else {
            p { "No manifest is in force." }
            table { (row("Window", &window)) }
        }
    }
}

fn failures(failures: &[FillFailure]) -> Markup {
    html! {
        h2 { "Last errors" }
        @if failures.is_empty() {
            p { "None." }
        } @else {
            table {
                tr { th { "Object" } th { "Why" } th.number { "Attempts" } }
                @for failure in failures {
                    tr {
                        td { (failure.site) ":" (failure.path) }
                        td.bad { (failure.reason) }
                        td.number { (failure.attempts) }
                    }
                }
            }
        }
    }
}

fn disks(disks: &[Disk]) -> Markup {
    html! {
        h2 { "Disks" }
        @if disks.is_empty() {
            p { "None." }
        } @else {
            table {
                tr { th { "Path" } th { "State" } th.number { "Holds" } th.number { "Of" } th.number { "To be written" } }
                @for disk in disks {
                    tr {
                        td { (disk.path) }
                        td class=(if disk.state == "serving" { "good" } else { "bad" }) { (disk.state) }
                        td.number { (amount(disk.used_bytes)) }
                        td.number { (amount(disk.capacity_bytes)) }
                        td.number { (amount(disk.queued_bytes)) }
                    }
                }
            }
        }
    }
}

fn manifests(manifests: &[ManifestSummary], now_s: u64) -> Markup {
    let kind = |kind| match kind {
        ManifestKind::Full => "full",
        ManifestKind::Delta => "delta",
    };
    let state = |state| match state {
        ManifestState::Active => ("active", Some("good")),
        ManifestState::Superseded => ("superseded", None),
        ManifestState::Withdrawn => ("withdrawn", Some("soft")),
    };
    html! {
        h2 { "Manifests" }
        @if manifests.is_empty() {
            p { "None." }
        } @else {
            table {
                tr { th { "Generation" } th { "Kind" } th { "State" } th.number { "Objects" } th.number { "Bytes" } th { "Expires" } }
                @for manifest in manifests {
                    @let (word, tone) = state(manifest.state);
                    tr {
                        td { (manifest.generation) }
                        td { (kind(manifest.kind)) }
                        td class=[tone] { (word) }
                        td.number { (manifest.objects) }
                        td.number { (amount(manifest.bytes)) }
                        td class=[(manifest.expires_unix_s <= now_s).then_some("soft")] { (time(manifest.expires_unix_s)) }
                    }
                }
            }
        }
    }
}

fn versions(heartbeat: &Heartbeat) -> Markup {
    let expires_s = u64::try_from(heartbeat.certificate_expires_unix_s).unwrap_or_default();
    let is_soon = expires_s < heartbeat.at_unix_s.saturating_add(CERTIFICATE_SOON_S);
    html! {
        h2 { "Versions" }
        table {
            (row("Millpond", &heartbeat.versions.millpond))
            (row("Steering API", &heartbeat.versions.api))
            tr {
                th scope="row" { "Certificate until" }
                td class=[is_soon.then_some("bad")] { (time(expires_s)) }
            }
        }
    }
}

fn row(name: &str, value: &str) -> Markup {
    html! { tr { th scope="row" { (name) } td { (value) } } }
}

fn per_second(bytes: u64) -> String {
    format!("{}/s", amount(bytes))
}

/// To the minute, in UTC.
fn time(unix_s: u64) -> String {
    let at = i64::try_from(unix_s).ok();
    let at = at.and_then(|at| jiff::Timestamp::from_second(at).ok());
    at.map_or_else(
        || "never".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{InventorySummary, Phase, Versions, Window};

    fn shown(text: &str) -> Shown {
        let fill = Progress {
            generation: Some(7),
            phase: Phase::Filling,
            window: Some(Window {
                opens_unix_s: 1_000,
                closes_unix_s: 7_200,
            }),
            objects: 10,
            objects_held: 4,
            objects_failed: 1,
            bytes: 1 << 30,
            bytes_held: 1 << 29,
            bytes_per_s: 1 << 20,
            eta_s: Some(512),
            bytes_served: 7 << 30,
            ..Progress::default()
        };
        Shown {
            heartbeat: Heartbeat {
                node: text.to_owned(),
                at_unix_s: 3_600,
                uptime_s: 61,
                state: NodeState::Serving,
                reason: text.to_owned(),
                load: Load {
                    connections: 3,
                    egress_bytes_per_s: 1 << 20,
                    capacity_bytes_per_s: Some(3 << 20),
                    headroom_bytes_per_s: Some(2 << 20),
                },
                disks: vec![Disk {
                    path: text.to_owned(),
                    state: text.to_owned(),
                    capacity_bytes: 1 << 40,
                    used_bytes: 1 << 39,
                    queued_bytes: 0,
                }],
                fill,
                inventory: InventorySummary::default(),
                versions: Versions {
                    millpond: text.to_owned(),
                    api: text.to_owned(),
                },
                certificate_expires_unix_s: 86_400,
            },
            failures: vec![FillFailure {
                site: text.to_owned(),
                path: text.to_owned(),
                reason: text.to_owned(),
                attempts: 3,
            }],
            manifests: Vec::new(),
        }
    }

    #[test]
    fn what_is_called_like_markup_stays_text() {
        let hostile = r#"</style></title><script src="//evil">'"&<img src=x onerror=alert(1)>"#;
        let quiet = page(&shown("quiet")).into_string();
        let page = page(&shown(hostile)).into_string();
        assert_eq!(page.matches("&lt;script").count(), 10, "{page}");
        // Every `<`, `>` and `"` in it is one of the page's own.
        for sign in ['<', '>', '"'] {
            let count = |page: &str| page.matches(sign).count();
            assert_eq!(count(&page), count(&quiet), "{sign} {page}");
        }
    }

    #[test]
    fn it_tells_what_an_operator_looks_for() {
        let page = page(&shown("edge-1")).into_string();
        for told in [
            "<title>edge-1: serving</title>",
            "Generation 7: 50.0 %, filling, 1.0 MiB/s, 8 min left.",
            "<td>open until 1970-01-01 02:00 UTC</td>",
            "<td>2.0 MiB/s</td>",
            "<td>7.0 GiB</td>",
            "<td class=\"number\">512.0 GiB</td>",
            "<td class=\"bad\">1970-01-02 00:00 UTC</td>",
        ] {
            assert!(page.contains(told), "{told}: {page}");
        }
    }

    #[test]
    fn without_a_manifest_it_says_so() {
        let mut shown = shown("edge-1");
        shown.heartbeat.fill = Progress::default();
        let page = page(&shown).into_string();
        assert!(page.contains("No manifest is in force."), "{page}");
        assert!(!page.contains("<progress"), "{page}");
    }
}
