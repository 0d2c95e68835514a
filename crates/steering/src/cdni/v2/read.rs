//! Reading triggers of the second edition, and changes to them.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    super::{
        draft::{Context, SUBJECTS_MAX},
        model::{Action, Draft, Edition, Fault, FaultKind, PlaylistFormat, Subject, Window},
        subject::{self, Found},
        v1,
    },
    Resource,
};
use crate::Refused;

/// Labels of a trigger, and characters of one.
const LABELS_MAX: usize = 16;
const LABEL_CHARS_MAX: usize = 128;

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "trigger-subject")]
    subject: String,
    // Older revisions have the second name.
    #[serde(rename = "cit-spec-type", alias = "generic-trigger-spec-type")]
    kind: String,
    #[serde(rename = "cit-spec-value", alias = "generic-trigger-spec-value")]
    value: Json,
}

#[derive(Deserialize)]
struct Urls {
    urls: Vec<String>,
}

#[derive(Deserialize)]
struct RegexMatch {
    regex: String,
    #[serde(default, rename = "case-sensitive")]
    case_sensitive: bool,
    #[serde(default, rename = "match-query-string")]
    match_query_string: bool,
}

#[derive(Deserialize)]
struct ObjectList {
    #[serde(alias = "object-list")]
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    href: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    size: Option<u64>,
}

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

#[derive(Deserialize)]
struct UnixWindow {
    start: u64,
    end: u64,
}

#[derive(Deserialize)]
struct UtcWindow {
    start: String,
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

/// Reads a new trigger.
pub(crate) fn read(body: &[u8], context: &Context<'_>) -> Result<Draft, Refused> {
    let bad = |error: serde_json::Error| Refused::malformed(error.to_string());
    let resource: Resource = serde_json::from_slice(body).map_err(bad)?;
    context.check_path(&resource.cdn_path)?;
    if let Some(label) = resource.labels.iter().find(|label| !is_label(label)) {
        return Err(Refused::malformed(format!(
            "{label:?} is no label: name=value"
        )));
    }
    if resource.specs.is_empty() || resource.labels.len() > LABELS_MAX {
        return Err(Refused::malformed(
            "a trigger has specs, and up to 16 labels",
        ));
    }
    let told = json!({
        "action": resource.action,
        "specs": resource.specs,
        "extensions": resource.extensions,
    });
    let action = Action::named(&resource.action);
    let mut draft = Draft {
        cdn_path: resource.cdn_path,
        labels: resource.labels,
        ..Draft::new(Edition::Second, context.owner, action, told)
    };
    if draft.action.is_none() {
        let description = format!("action {:?} is not known here", resource.action);
        draft
            .faults
            .push(Fault::new(FaultKind::Unsupported, None, description));
        return Ok(draft);
    }
    for told in resource.specs {
        read_spec(&mut draft, told, context)?;
    }
    for told in resource.extensions {
        read_extension(&mut draft, told);
    }
    // Faults in how it is to be done leave nothing to do.
    if draft
        .faults
        .iter()
        .any(|fault| fault.kind == FaultKind::Extension)
    {
        draft.items.clear();
    }
    Ok(draft)
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.=".contains(&byte);
    label.len() <= LABEL_CHARS_MAX && label.contains('=') && label.bytes().all(allowed)
}

fn read_spec(draft: &mut Draft, told: Json, context: &Context<'_>) -> Result<(), Refused> {
    let spec = Spec::deserialize(&told).map_err(|error| Refused::malformed(error.to_string()))?;
    if spec.subject != "content" {
        let why = "this node has no metadata to be triggered";
        draft.add(Subject::Spec(told), Found::Nothing(FaultKind::Spec, why));
        return Ok(());
    }
    let bad = |error: serde_json::Error| Refused::malformed(format!("{}: {error}", spec.kind));
    match spec.kind.as_str() {
        "urls" => {
            // As an object that may also say which URLs they are, or as the bare list.
            let urls: Vec<String> = match spec.value {
                Json::Array(_) => serde_json::from_value(spec.value).map_err(bad)?,
                other => serde_json::from_value::<Urls>(other).map_err(bad)?.urls,
            };
            check_count(urls.len())?;
            for url in urls {
                let found = subject::url(context.engine, context.role, &url, None)?;
                draft.add(Subject::ContentUrl(url), found);
            }
        }
        "uri-pattern-match" => {
            let found = v1::pattern(&spec.value, context)?;
            draft.add(Subject::ContentPattern(spec.value), found);
        }
        "uri-regex-match" => {
            let read = RegexMatch::deserialize(&spec.value).map_err(bad)?;
            let (case_sensitive, with_query) = (read.case_sensitive, read.match_query_string);
            let (engine, role) = (context.engine, context.role);
            let found = subject::expression(engine, role, &read.regex, case_sensitive, with_query)?;
            draft.add(Subject::ContentRegex(spec.value), found);
        }
        "content-objectlist" => {
            let objects = match spec.value {
                Json::Array(_) => serde_json::from_value(spec.value).map_err(bad)?,
                other => {
                    serde_json::from_value::<ObjectList>(other)
                        .map_err(bad)?
                        .objects
                }
            };
            read_objects(draft, objects, context)?;
        }
        _ => {
            let why = "this kind of spec is not known here";
            draft.add(Subject::Spec(told), Found::Nothing(FaultKind::Spec, why));
        }
    }
    Ok(())
}

fn read_objects(
    draft: &mut Draft,
    objects: Vec<Object>,
    context: &Context<'_>,
) -> Result<(), Refused> {
    check_count(objects.len())?;
    for object in objects {
        let Object { href, kind, size } = object;
        let (engine, role) = (context.engine, context.role);
        let playlist = |format| subject::playlist(engine, role, &href, format, size);
        let found = match kind.as_deref() {
            None | Some("object") => subject::url(engine, role, &href, size)?,
            Some("hls") => playlist(PlaylistFormat::Hls)?,
            Some("dash") => playlist(PlaylistFormat::Dash)?,
            Some(_) => {
                let why = "objects are of type \"object\", \"hls\" or \"dash\" here";
                Found::Nothing(FaultKind::Spec, why)
            }
        };
        draft.add(Subject::ContentUrl(href), found);
    }
    Ok(())
}

fn check_count(count: usize) -> Result<(), Refused> {
    if (1..=SUBJECTS_MAX).contains(&count) {
        return Ok(());
    }
    Err(Refused::malformed(format!(
        "a spec names 1 to {SUBJECTS_MAX} objects"
    )))
}

fn read_extension(draft: &mut Draft, told: Json) {
    let Ok(extension) = Extension::deserialize(&told) else {
        return draft
            .faults
            .push(extension_fault(told, "it has no type or no value"));
    };
    let understood = match extension.kind.as_str() {
        "time-policy" => read_window(&extension.value).map(|window| draft.window = Some(window)),
        "execution-policy" => read_execution(&extension.value).map(|policy| {
            draft.priority = policy.priority;
            let ids = policy.prerequisites.iter();
            draft.prerequisites = ids
                .map(|url| url.rsplit('/').next().unwrap_or_default().to_owned())
                .collect();
        }),
        _ => Err("this kind of extension is not known here"),
    };
    if let Err(why) = understood
        && extension.mandatory
    {
        draft.faults.push(extension_fault(told, why));
    }
}

fn extension_fault(told: Json, why: &str) -> Fault {
    Fault::new(FaultKind::Extension, Some(Subject::Extension(told)), why)
}

fn read_window(value: &Json) -> Result<Window, &'static str> {
    const WHAT: &str = "a time policy has one window, with a start before its end";
    let policy = TimePolicy::deserialize(value).map_err(|_malformed| WHAT)?;
    let window = match (policy.unix, policy.utc) {
        (Some(unix), None) => Some((unix.start, unix.end)),
        (None, Some(utc)) => unix_s(&utc.start).zip(unix_s(&utc.end)),
        (Some(_), Some(_)) | (None, None) => None,
    };
    let (start_unix_s, end_unix_s) = window.filter(|(start, end)| start < end).ok_or(WHAT)?;
    Ok(Window {
        start_unix_s,
        end_unix_s,
    })
}

/// RFC 3339, to the second.
fn unix_s(text: &str) -> Option<u64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(at.as_second()).ok()
}

fn read_execution(value: &Json) -> Result<ExecutionPolicy, &'static str> {
    const WHAT: &str =
        "an execution policy has a priority of -100 to 100 and up to 16 prerequisites";
    let policy = ExecutionPolicy::deserialize(value).map_err(|_malformed| WHAT)?;
    let is_legal = (-100..=100).contains(&policy.priority) && policy.prerequisites.len() <= 16;
    is_legal.then_some(policy).ok_or(WHAT)
}

/// What a modification asks for.
pub(crate) enum Change {
    Start,
    Cancel,
}

/// Reads a modification: a state alone.
pub(crate) fn read_change(body: &[u8]) -> Result<Change, Refused> {
    let resource: Resource =
        serde_json::from_slice(body).map_err(|error| Refused::malformed(error.to_string()))?;
    match resource.state.as_deref() {
        Some("active") => Ok(Change::Start),
        Some("cancelled" | "canceled") => Ok(Change::Cancel),
        Some(_) | None => Err(Refused::new(
            crate::Reason::Unsupported,
            "of a trigger only the state can be changed, to \"active\" or \"cancelled\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_a_start_before_its_end() {
        let window = |value: Json| read_window(&value);
        let good = window(json!({ "unix-time-window": { "start": 5, "end": 6 } })).unwrap();
        assert_eq!((good.start_unix_s, good.end_unix_s), (5, 6));
        for bad in [
            json!({}),
            json!({ "unix-time-window": { "start": 6, "end": 6 } }),
            json!({ "unix-time-window": { "start": 5, "end": 6 },
                    "utc-window": { "start": "2026-11-21T02:00:00Z", "end": "2026-11-21T03:00:00Z" } }),
            json!({ "utc-window": { "start": "tonight", "end": "tomorrow" } }),
        ] {
            assert!(window(bad.clone()).is_err(), "{bad}");
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
