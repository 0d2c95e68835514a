//! The first edition, RFC 8007: how a command is read, and a trigger shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    model::{Action, Draft, Edition, Fault, FaultKind, Item, State, Subject, Trigger},
    plan::KEPT_S,
    subject::{self, Found},
};
use crate::{Engine, Reason, Refused, access::Role};

/// URLs and patterns in one command.
pub(crate) const SUBJECTS_MAX: usize = 10_000;

/// A command: RFC 8007 section 5.1.1. Either a trigger or a cancellation.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Command {
    #[serde(default)]
    trigger: Option<Specification>,
    /// Status resources to be cancelled.
    #[serde(default)]
    cancel: Option<Vec<String>>,
    /// The networks that the command has come through.
    #[serde(default, rename = "cdn-path")]
    cdn_path: Vec<String>,
}

/// What is to be done to what: section 5.2.1.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
struct Specification {
    /// `preposition`, `invalidate` or `purge`.
    #[serde(rename = "type")]
    action: String,
    #[serde(default, rename = "metadata.urls")]
    metadata_urls: Vec<String>,
    #[serde(default, rename = "content.urls")]
    content_urls: Vec<String>,
    #[serde(default, rename = "content.ccid")]
    content_ccid: Vec<String>,
    #[serde(default, rename = "metadata.patterns")]
    metadata_patterns: Vec<Json>,
    #[serde(default, rename = "content.patterns")]
    content_patterns: Vec<Json>,
}

/// Section 5.2.2.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PatternMatch {
    pub(super) pattern: String,
    #[serde(default, rename = "case-sensitive")]
    pub(super) case_sensitive: bool,
    #[serde(default, rename = "match-query-string")]
    pub(super) match_query_string: bool,
}

/// A trigger's status: section 5.1.2.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Status {
    /// The trigger as it was sent.
    trigger: Json,
    /// When it came.
    ctime: u64,
    /// When it changed.
    mtime: u64,
    /// `pending`, `active`, `complete`, `failed`, `canceling` or `canceled`.
    #[serde(rename = "status")]
    state: &'static str,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Error>,
}

/// Section 5.2.5.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Error {
    /// `emeta`, `econtent`, `eperm`, `ereject`, `ecdn`, `ecanceled` or `eunsupported`.
    #[serde(rename = "error")]
    kind: &'static str,
    #[serde(
        rename = "metadata.urls",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    metadata_urls: Vec<String>,
    #[serde(
        rename = "content.urls",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    content_urls: Vec<String>,
    #[serde(
        rename = "metadata.patterns",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    metadata_patterns: Vec<Json>,
    #[serde(
        rename = "content.patterns",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    content_patterns: Vec<Json>,
    description: String,
}

/// A list of triggers: section 5.1.3.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Collection {
    triggers: Vec<String>,
    /// For how many seconds a trigger that has ended can be asked about.
    staleresourcetime: u64,
    #[serde(rename = "coll-all")]
    all: String,
    #[serde(rename = "coll-pending")]
    pending: String,
    #[serde(rename = "coll-active")]
    active: String,
    #[serde(rename = "coll-complete")]
    complete: String,
    #[serde(rename = "coll-failed")]
    failed: String,
    /// This network's id.
    #[serde(rename = "cdn-id")]
    cdn_id: String,
}

/// What a command asks for.
pub(crate) enum Asked {
    Trigger(Box<Draft>),
    /// Ids of triggers.
    Cancel(Vec<String>),
}

/// Who sends a command, and to whom.
pub(crate) struct Context<'a> {
    pub(crate) engine: &'a dyn Engine,
    pub(crate) role: &'a Role,
    pub(crate) owner: &'a str,
    pub(crate) cdn_id: &'a str,
}

impl Context<'_> {
    /// RFC 8007 section 4.6: a command that has been here is not taken again.
    pub(super) fn check_path(&self, path: &[String]) -> Result<(), Refused> {
        if path.iter().any(|id| id == self.cdn_id) {
            let detail = format!("cdn-path holds {:?}, which is this network", self.cdn_id);
            return Err(Refused::new(Reason::Loop, detail));
        }
        Ok(())
    }
}

/// Reads a command.
pub(crate) fn read(body: &[u8], context: &Context<'_>) -> Result<Asked, Refused> {
    let bad = |error: serde_json::Error| Refused::malformed(error.to_string());
    let command: Command = serde_json::from_slice(body).map_err(bad)?;
    context.check_path(&command.cdn_path)?;
    match (command.trigger, command.cancel) {
        (Some(specification), None) => {
            let whole: Json = serde_json::from_slice(body).map_err(bad)?;
            let told = whole.get("trigger").cloned().unwrap_or_default();
            let mut draft = draft(specification, told, context)?;
            draft.cdn_path = command.cdn_path;
            draft.bytes = body.len();
            Ok(Asked::Trigger(Box::new(draft)))
        }
        (None, Some(urls)) if !urls.is_empty() && urls.len() <= SUBJECTS_MAX => {
            let ids = urls
                .iter()
                .filter_map(|url| Some(url.rsplit_once('/')?.1.to_owned()));
            Ok(Asked::Cancel(ids.collect()))
        }
        (None, Some(_)) => Err(Refused::malformed("cancel names none, or too many")),
        (Some(_), Some(_)) | (None, None) => Err(Refused::malformed(
            "a command has either \"trigger\" or \"cancel\"",
        )),
    }
}

fn draft(
    specification: Specification,
    told: Json,
    context: &Context<'_>,
) -> Result<Draft, Refused> {
    let count = specification.metadata_urls.len()
        + specification.content_urls.len()
        + specification.content_ccid.len()
        + specification.metadata_patterns.len()
        + specification.content_patterns.len();
    if !(1..=SUBJECTS_MAX).contains(&count) {
        let detail = format!("a trigger names 1 to {SUBJECTS_MAX} urls and patterns");
        return Err(Refused::malformed(detail));
    }
    let mut draft = Draft {
        edition: Edition::First,
        owner: context.owner.to_owned(),
        action: action(&specification.action),
        told,
        bytes: 0,
        cdn_path: Vec::new(),
        labels: Vec::new(),
        items: Vec::new(),
        priority: 0,
        prerequisites: Vec::new(),
        window: None,
        faults: Vec::new(),
    };
    let Some(action) = draft.action else {
        let description = format!("type {:?} is not known here", specification.action);
        draft
            .faults
            .push(Fault::new(FaultKind::Unsupported, None, description));
        return Ok(draft);
    };
    let patterns = specification.metadata_patterns.len() + specification.content_patterns.len();
    if action == Action::Preposition && patterns > 0 {
        // RFC 8007 section 5.2.1: patterns say what is held, not what is to come.
        return Err(Refused::malformed("a preposition has no patterns"));
    }
    for url in specification.content_urls {
        let found = subject::url(context.engine, context.role, &url, None)?;
        draft.add(Subject::ContentUrl(url), found);
    }
    for told in specification.content_patterns {
        let found = pattern(&told, context)?;
        draft.add(Subject::ContentPattern(told), found);
    }
    draft.add_metadata(
        action,
        specification.metadata_urls,
        specification.metadata_patterns,
    );
    if !specification.content_ccid.is_empty() {
        let description = "content collections are not known here";
        draft
            .faults
            .push(Fault::new(FaultKind::Reject, None, description));
    }
    Ok(draft)
}

/// What an action is called, in both editions.
pub(super) fn action(word: &str) -> Option<Action> {
    match word {
        "preposition" => Some(Action::Preposition),
        "invalidate" => Some(Action::Invalidate),
        "purge" => Some(Action::Purge),
        _ => None,
    }
}

pub(super) fn pattern(told: &Json, context: &Context<'_>) -> Result<Found, Refused> {
    let read = PatternMatch::deserialize(told);
    let read = read.map_err(|error| Refused::malformed(error.to_string()))?;
    subject::pattern(
        context.engine,
        context.role,
        &read.pattern,
        read.case_sensitive,
        read.match_query_string,
    )
}

impl Draft {
    pub(super) fn add(&mut self, subject: Subject, found: Found) {
        match found {
            Found::Targets(targets) => self.items.push(Item { subject, targets }),
            Found::Nothing(kind, why) => self.fault(kind, subject, why),
        }
    }

    /// No metadata is held here (the node's config has it): there is nothing to invalidate or to
    /// purge, which is done at once, and nothing that could be had before it is needed.
    fn add_metadata(&mut self, action: Action, urls: Vec<String>, patterns: Vec<Json>) {
        let urls = urls.into_iter().map(Subject::MetadataUrl);
        for subject in urls.chain(patterns.into_iter().map(Subject::MetadataPattern)) {
            match action {
                Action::Preposition => {
                    self.fault(FaultKind::Metadata, subject, "this node takes no metadata");
                }
                Action::Invalidate | Action::Purge => self.items.push(Item {
                    subject,
                    targets: Vec::new(),
                }),
            }
        }
    }

    fn fault(&mut self, kind: FaultKind, subject: Subject, why: &str) {
        let same = self
            .faults
            .iter_mut()
            .find(|fault| fault.kind == kind && fault.description == why);
        match same {
            Some(fault) => fault.subjects.push(subject),
            None => self.faults.push(Fault::new(kind, Some(subject), why)),
        }
    }
}

/// Shows a trigger.
pub(crate) fn status(trigger: &Trigger) -> Status {
    Status {
        trigger: trigger.draft.told.clone(),
        ctime: trigger.created_unix_s,
        mtime: trigger.changed_unix_s,
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
            Subject::ContentPattern(pattern) => error.content_patterns.push(pattern),
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
