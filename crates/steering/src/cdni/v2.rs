//! The second edition (draft-ietf-cdni-ci-triggers-rfc8007bis, as of its 19th and 20th revision):
//! one resource for command and status, lists of objects, time windows, priorities.
//!
//! Understood: specs `urls`, `uri-pattern-match` and `content-objectlist` (objects of type `object`)
//! for content; the policies `time-policy` and `execution-policy`. Everything else is an error of
//! the trigger (`espec`, `eextension`), unless its sender says that it need not be enforced.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{
    model::{Draft, Edition, Fault, FaultKind, State, Subject, Trigger, Window},
    plan::KEPT_S,
    subject::{self, Found},
    time::unix_s,
    v1::{self, Context, SUBJECTS_MAX, address},
};
use crate::Refused;

/// Labels of a trigger, and characters of one.
const LABELS_MAX: usize = 16;
const LABEL_CHARS_MAX: usize = 128;

/// A trigger, as it is sent and as it is shown.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Resource {
    /// `preposition`, `invalidate` or `purge`.
    #[serde(default)]
    action: String,
    /// What it is about.
    #[serde(default)]
    specs: Vec<Json>,
    /// How it is to be done.
    #[serde(default)]
    extensions: Vec<Json>,
    /// `name=value`, for the sender's own order.
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default, rename = "cdn-path")]
    cdn_path: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ctime: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtime: Option<u64>,
    /// `pending`, `active`, `complete`, `failed`, `cancelling` or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Error>,
    /// Objects and patterns that the trigger names.
    #[serde(
        default,
        rename = "total-objects-count",
        skip_serializing_if = "Option::is_none"
    )]
    total_objects_count: Option<u64>,
    /// Nodes that it is for: this one.
    #[serde(
        default,
        rename = "total-nodes-count",
        skip_serializing_if = "Option::is_none"
    )]
    total_nodes_count: Option<u64>,
}

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
struct Error {
    /// `econtent`, `eperm`, `ereject`, `ecdn`, `ecancelled`, `eunsupported`, `espec` or `eextension`.
    #[serde(rename = "error")]
    kind: String,
    #[serde(rename = "cdn-id")]
    cdn_id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    specs: Vec<Json>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    extensions: Vec<Json>,
    description: String,
}

/// Where the collections are.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Index {
    collections: Vec<Entry>,
    /// For how many seconds a trigger that has ended can be asked about.
    staleresourcetime: u64,
    #[serde(rename = "cdn-id")]
    cdn_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    /// `state` or `label`.
    #[serde(rename = "filter-type")]
    filter_type: &'static str,
    #[serde(rename = "filter-value")]
    filter_value: String,
    #[serde(rename = "collection-uri")]
    collection_uri: String,
}

/// The triggers of one state or label.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Collection {
    #[serde(rename = "trigger-urls")]
    trigger_urls: Vec<String>,
    #[serde(rename = "filter-type")]
    filter_type: &'static str,
    #[serde(rename = "filter-value")]
    filter_value: String,
}

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
    let mut draft = Draft {
        edition: Edition::Second,
        owner: context.owner.to_owned(),
        action: v1::action(&resource.action),
        told: json!({
            "action": resource.action,
            "specs": resource.specs,
            "extensions": resource.extensions,
        }),
        bytes: body.len(),
        cdn_path: resource.cdn_path,
        labels: resource.labels,
        items: Vec::new(),
        priority: 0,
        prerequisites: Vec::new(),
        window: None,
        faults: Vec::new(),
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
        let subject = Subject::ContentUrl(object.href.clone());
        match object.kind.as_deref() {
            None | Some("object") => {
                let found = subject::url(context.engine, context.role, &object.href, object.size)?;
                draft.add(subject, found);
            }
            // A playlist's segments are not looked for: whoever has the list names them.
            Some(_) => {
                let why = "only objects of type \"object\" are known here";
                draft.add(subject, Found::Nothing(FaultKind::Spec, why));
            }
        }
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

/// Shows a trigger.
pub(crate) fn resource(trigger: &Trigger, cdn_id: &str) -> Resource {
    let draft = &trigger.draft;
    let list = |name: &str| {
        let list = draft.told.get(name).and_then(Json::as_array);
        list.cloned().unwrap_or_default()
    };
    let action = draft.told.get("action").and_then(Json::as_str);
    Resource {
        action: action.unwrap_or_default().to_owned(),
        specs: list("specs"),
        extensions: list("extensions"),
        labels: draft.labels.clone(),
        cdn_path: draft.cdn_path.clone(),
        ctime: Some(trigger.created_unix_s),
        mtime: Some(trigger.changed_unix_s),
        state: Some(word(trigger.state).to_owned()),
        errors: trigger
            .faults
            .iter()
            .map(|fault| error(fault, cdn_id))
            .collect(),
        total_objects_count: Some(trigger.total()),
        total_nodes_count: Some(1),
    }
}

fn error(fault: &Fault, cdn_id: &str) -> Error {
    let (mut urls, mut specs, mut extensions) = (Vec::new(), Vec::new(), Vec::new());
    let spec = |kind: &str, value: Json| json!({ "trigger-subject": "content", "cit-spec-type": kind, "cit-spec-value": value });
    for subject in &fault.subjects {
        match subject.clone() {
            Subject::ContentUrl(url) | Subject::MetadataUrl(url) => urls.push(url),
            Subject::ContentPattern(pattern) | Subject::MetadataPattern(pattern) => {
                specs.push(spec("uri-pattern-match", pattern));
            }
            Subject::Spec(told) => specs.push(told),
            Subject::Extension(told) => extensions.push(told),
        }
    }
    if !urls.is_empty() {
        specs.push(spec("urls", json!({ "urls": urls })));
    }
    Error {
        kind: fault.kind.word(Edition::Second).to_owned(),
        cdn_id: cdn_id.to_owned(),
        specs,
        extensions,
        description: fault.description.clone(),
    }
}

const STATES: [State; 6] = [
    State::Pending,
    State::Active,
    State::Complete,
    State::Failed,
    State::Cancelling,
    State::Cancelled,
];

fn word(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Active => "active",
        State::Complete => "complete",
        State::Failed => "failed",
        State::Cancelling => "cancelling",
        State::Cancelled => "cancelled",
    }
}

/// The state that a collection's address names.
pub(crate) fn state(name: &str) -> Option<State> {
    STATES.into_iter().find(|state| word(*state) == name)
}

/// Shows where the collections are: one for each state, and one for each label in use.
pub(crate) fn index(base: &str, triggers: &[Arc<Trigger>], cdn_id: &str) -> Index {
    let entry = |filter_type, value: &str| Entry {
        filter_type,
        filter_value: value.to_owned(),
        collection_uri: format!("{base}/cdni/v2/{filter_type}s/{value}"),
    };
    let states = STATES.into_iter().map(|state| entry("state", word(state)));
    let mut labels: Vec<&str> = triggers
        .iter()
        .flat_map(|trigger| trigger.draft.labels.iter().map(String::as_str))
        .collect();
    labels.sort_unstable();
    labels.dedup();
    let labels = labels.into_iter().map(|label| entry("label", label));
    Index {
        collections: states.chain(labels).collect(),
        staleresourcetime: KEPT_S,
        cdn_id: cdn_id.to_owned(),
    }
}

/// Shows the triggers of one state or label.
pub(crate) fn collection(
    base: &str,
    triggers: &[Arc<Trigger>],
    filter_type: &'static str,
    value: &str,
) -> Collection {
    Collection {
        trigger_urls: triggers
            .iter()
            .map(|trigger| address(base, &trigger.id))
            .collect(),
        filter_type,
        filter_value: value.to_owned(),
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
}
