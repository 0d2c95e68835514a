//! Showing triggers of the first edition.

use super::{
    super::{
        model::{Edition, Fault, State, Subject, Trigger},
        plan::KEPT_S,
    },
    Collection, Error, Status,
};

/// Shows a trigger.
pub(crate) fn status(trigger: &Trigger) -> Status {
    Status {
        trigger: trigger.draft.told.clone(),
        ctime: trigger.created_unix_s,
        mtime: trigger.changed_unix_s,
        etime: trigger.expected_unix_s(),
        state: word(trigger.state),
        errors: trigger.faults.iter().map(error).collect(),
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Active => "active",
        State::Complete => "complete",
        State::Failed => "failed",
        State::Cancelling => "canceling",
        State::Cancelled => "canceled",
    }
}

fn error(fault: &Fault) -> Error {
    let mut error = Error {
        kind: fault.kind.word(Edition::First),
        description: fault.description.clone(),
        ..Error::default()
    };
    for subject in &fault.subjects {
        match subject.clone() {
            Subject::ContentUrl(url) => error.content_urls.push(url),
            Subject::ContentPattern(pattern) | Subject::ContentRegex(pattern) => {
                error.content_patterns.push(pattern);
            }
            Subject::MetadataUrl(url) => error.metadata_urls.push(url),
            Subject::MetadataPattern(pattern) => error.metadata_patterns.push(pattern),
            // The whole command: nothing of it need be named.
            Subject::Spec(_) | Subject::Extension(_) => {}
        }
    }
    error
}

/// The filtered views, by their names in the address.
pub(crate) fn is_in(view: &str, state: State) -> Option<bool> {
    let states: &[State] = match view {
        "pending" => &[State::Pending],
        "active" => &[State::Active, State::Cancelling],
        "complete" => &[State::Complete],
        // Each trigger is in one of the views: those that were cancelled are not complete.
        "failed" => &[State::Failed, State::Cancelled],
        _ => return None,
    };
    Some(states.contains(&state))
}

/// Shows a list of triggers.
pub(crate) fn collection(
    base: &str,
    ids: impl Iterator<Item = String>,
    cdn_id: &str,
) -> Collection {
    let view = |name: &str| format!("{base}/cdni/collections/{name}");
    Collection {
        triggers: ids.map(|id| address(base, &id)).collect(),
        staleresourcetime: KEPT_S,
        all: format!("{base}/cdni/triggers"),
        pending: view("pending"),
        active: view("active"),
        complete: view("complete"),
        failed: view("failed"),
        cdn_id: cdn_id.to_owned(),
    }
}

/// Where a trigger is.
pub(crate) fn address(base: &str, id: &str) -> String {
    format!("{base}/cdni/triggers/{id}")
}
