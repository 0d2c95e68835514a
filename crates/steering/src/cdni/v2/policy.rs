//! Reading how a trigger of the second edition is to be done: its extensions.

use serde::Deserialize;
use serde_json::Value as Json;

use super::super::{
    draft::{Context, id_of},
    model::{Draft, Fault, FaultKind, Subject, Window},
};

#[derive(Deserialize)]
struct Extension {
    #[serde(
        rename = "cit-extension-type",
        alias = "generic-trigger-extension-type"
    )]
    kind: String,
    #[serde(
        rename = "cit-extension-value",
        alias = "generic-trigger-extension-value"
    )]
    value: Json,
    #[serde(default = "yes", rename = "mandatory-to-enforce")]
    mandatory: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct TimePolicy {
    #[serde(default, rename = "unix-time-window")]
    unix: Option<UnixWindow>,
    #[serde(default, rename = "utc-window")]
    utc: Option<UtcWindow>,
}

/// RFC 8006 section 4.2.3.2: both are there.
#[derive(Deserialize)]
struct UnixWindow {
    start: u64,
    end: u64,
}

/// One of them may be absent or empty: then the window has no beginning, or no end.
#[derive(Deserialize)]
struct UtcWindow {
    #[serde(default)]
    start: String,
    #[serde(default)]
    end: String,
}

#[derive(Deserialize)]
struct ExecutionPolicy {
    #[serde(default)]
    priority: i8,
    // Older revisions have the second name.
    #[serde(default, alias = "depends")]
    prerequisites: Vec<String>,
}

/// Reads all extensions. What must be enforced and is not understood is a fault of the trigger.
pub(super) fn read(draft: &mut Draft, all: &[Json], context: &Context<'_>) {
    let mut known = Vec::new();
    for told in all {
        let Ok(extension) = Extension::deserialize(told) else {
            let why = "it has no type or no value";
            draft.faults.push(fault(told, why));
            continue;
        };
        let kind = extension.kind.to_ascii_lowercase();
        let understood = if known.contains(&kind) {
            Err("there are two of its kind")
        } else {
            enforce(draft, &kind, &extension.value, context)
        };
        match understood {
            Err(why) if extension.mandatory => draft.faults.push(fault(told, why)),
            Ok(()) | Err(_) => known.push(kind),
        }
    }
}

fn enforce(
    draft: &mut Draft,
    kind: &str,
    value: &Json,
    context: &Context<'_>,
) -> Result<(), &'static str> {
    match kind {
        "time-policy" => draft.window = Some(window(value)?),
        "execution-policy" => {
            let policy = execution(value)?;
            let ids = policy.prerequisites.iter().map(|address| id_of(address));
            let ids: Vec<String> = ids.map(str::to_owned).collect();
            if !ids.iter().all(|id| (context.has_trigger)(id)) {
                return Err("one of its prerequisites is no trigger here");
            }
            (draft.priority, draft.prerequisites) = (policy.priority, ids);
        }
        _ => return Err("this kind of extension is not known here"),
    }
    Ok(())
}

fn fault(told: &Json, why: &str) -> Fault {
    let told = Subject::Extension(told.clone());
    Fault::new(FaultKind::Extension, Some(told), why)
}

fn window(value: &Json) -> Result<Window, &'static str> {
    const WHAT: &str = "a time policy has one window, with a start before its end";
    let policy = TimePolicy::deserialize(value).map_err(|_malformed| WHAT)?;
    let window = match (policy.unix, policy.utc) {
        (Some(unix), None) => Some((unix.start, unix.end)),
        (None, Some(utc)) => utc.bounds(),
        (Some(_), Some(_)) | (None, None) => None,
    };
    let (start_unix_s, end_unix_s) = window.filter(|(start, end)| start < end).ok_or(WHAT)?;
    Ok(Window {
        start_unix_s,
        end_unix_s,
    })
}

impl UtcWindow {
    fn bounds(&self) -> Option<(u64, u64)> {
        match (self.start.as_str(), self.end.as_str()) {
            ("", "") => None,
            (start, "") => Some((unix_s(start)?, Window::NEVER)),
            ("", end) => Some((0, unix_s(end)?)),
            (start, end) => unix_s(start).zip(unix_s(end)),
        }
    }
}

/// RFC 3339, to the second.
fn unix_s(text: &str) -> Option<u64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_second()).ok()
}

fn execution(value: &Json) -> Result<ExecutionPolicy, &'static str> {
    const WHAT: &str =
        "an execution policy has a priority of -100 to 100 and up to 16 prerequisites";
    let policy = ExecutionPolicy::deserialize(value).map_err(|_malformed| WHAT)?;
    let is_legal = (-100..=100).contains(&policy.priority) && policy.prerequisites.len() <= 16;
    is_legal.then_some(policy).ok_or(WHAT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_window_has_a_start_before_its_end() {
        for (good, bounds) in [
            (
                json!({ "unix-time-window": { "start": 5, "end": 6 } }),
                (5, 6),
            ),
            (
                json!({ "utc-window": { "end": "1970-01-01T00:00:09Z" } }),
                (0, 9),
            ),
            (
                json!({ "utc-window": { "start": "1970-01-01T00:00:09Z", "end": "" } }),
                (9, Window::NEVER),
            ),
        ] {
            let read = window(&good).unwrap();
            assert_eq!((read.start_unix_s, read.end_unix_s), bounds, "{good}");
        }
        for bad in [
            json!({}),
            json!({ "unix-time-window": { "start": 6, "end": 6 } }),
            json!({ "unix-time-window": { "start": 6 } }),
            json!({ "utc-window": {} }),
            json!({ "unix-time-window": { "start": 5, "end": 6 },
                    "utc-window": { "start": "2026-11-21T02:00:00Z", "end": "2026-11-21T03:00:00Z" } }),
            json!({ "utc-window": { "start": "tonight", "end": "tomorrow" } }),
        ] {
            assert!(window(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_is_read_as_rfc_3339_writes_it() {
        for (text, unix) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-03-01T00:00:00Z", Some(951_868_800)),
            ("2024-02-29T23:59:59Z", Some(1_709_251_199)),
            ("2026-11-21T02:00:00+01:00", Some(1_795_222_800)),
            ("2026-11-21T02:00:00.25-05:30", Some(1_795_246_200)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-11-21", None),
            ("2026-13-21T02:00:00Z", None),
            ("2026-02-30T02:00:00Z", None),
            ("2026-11-21T02:00:00", None),
            ("2026-11-21T+2:00:00Z", None),
            ("2026-11-21T02:00:00+9223372036854775807:00", None),
        ] {
            assert_eq!(unix_s(text), unix, "{text}");
        }
    }
}
