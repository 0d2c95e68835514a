//! Showing triggers of the second edition.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{
    super::{
        model::{Edition, Fault, State, Subject, Trigger},
        plan::KEPT_S,
        v1::address,
    },
    Collection, Entry, Error, Index, Resource,
};

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
        etime: trigger.expected_unix_s(),
        state: Some(word(trigger.state).to_owned()),
        state_reason: trigger.faults.first().map(|one| one.description.clone()),
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
            Subject::ContentRegex(told) => specs.push(spec("uri-regex-match", told)),
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

/// Shows where the collections are: one of all, one for each state, and one for each label in use.
pub(crate) fn index(base: &str, triggers: &[Arc<Trigger>], cdn_id: &str) -> Index {
    let all = Entry {
        filter_type: None,
        filter_value: None,
        collection_uri: format!("{base}/cdni/v2/triggers"),
    };
    let entry = |filter_type, value: &str| Entry {
        filter_type: Some(filter_type),
        filter_value: Some(value.to_owned()),
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
        collections: std::iter::once(all).chain(states).chain(labels).collect(),
        staleresourcetime: KEPT_S,
        cdn_id: cdn_id.to_owned(),
    }
}

/// Shows these triggers: all, or those of one state or label.
pub(crate) fn collection(
    base: &str,
    triggers: &[Arc<Trigger>],
    filter: Option<(&'static str, &str)>,
) -> Collection {
    Collection {
        trigger_urls: triggers
            .iter()
            .map(|trigger| address(base, &trigger.id))
            .collect(),
        filter_type: filter.map(|(kind, _)| kind),
        filter_value: filter.map(|(_, value)| value.to_owned()),
    }
}
