//! What a trigger is, whichever edition it came in.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A command of an owner, and what has become of it. Kept as JSON in a file of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trigger {
    /// Its address: never used again.
    pub(crate) id: String,
    pub(crate) state: State,
    pub(crate) created_unix_s: u64,
    /// When anything of what is shown changed.
    pub(crate) changed_unix_s: u64,
    /// When work on it began, and when it will be over at the pace so far.
    #[serde(default)]
    pub(crate) begun_unix_s: Option<u64>,
    #[serde(default)]
    pub(crate) estimated_unix_s: Option<u64>,
    /// Targets that are done with, be it in vain.
    pub(crate) done: u64,
    /// What its lists were found to name.
    #[serde(default)]
    pub(crate) found: u64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) draft: Draft,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) edition: Edition,
    /// The name in the owner's certificate.
    pub(crate) owner: String,
    /// `None` for an action that this node does not know.
    pub(crate) action: Option<Action>,
    /// The command as it was sent, to be shown again.
    pub(crate) told: Json,
    /// What all this takes in memory; see [`Self::weighed`].
    #[serde(skip)]
    pub(crate) memory_bytes: u64,
    pub(crate) cdn_path: Vec<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) items: Vec<Item>,
    /// -100 to 100, highest first.
    pub(crate) priority: i8,
    /// Triggers that must be complete before.
    pub(crate) prerequisites: Vec<String>,
    pub(crate) window: Option<Window>,
    /// To be done at once, whatever the node's own window.
    #[serde(default)]
    pub(crate) is_hurried: bool,
    /// What was wrong with it from the start.
    pub(crate) faults: Vec<Fault>,
}

/// Which edition of the interface a trigger speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Edition {
    /// RFC 8007.
    First,
    /// Its second edition.
    Second,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Action {
    /// Have it here before anybody asks.
    Preposition,
    /// Confirm it before it is served again.
    Invalidate,
    /// Forget it.
    Purge,
}

/// When it may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) start_unix_s: u64,
    pub(crate) end_unix_s: u64,
}

impl Window {
    /// The end of one that has none.
    pub(crate) const NEVER: u64 = u64::MAX;
}

/// One thing that the command names, and what it means here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) subject: Subject,
    pub(crate) targets: Vec<Target>,
}

/// How the command named it: errors repeat it exactly as it was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Subject {
    ContentUrl(String),
    ContentPattern(Json),
    ContentRegex(Json),
    MetadataUrl(String),
    MetadataPattern(Json),
    /// A whole spec of the second edition that was not understood.
    Spec(Json),
    /// An extension of the second edition that was not understood.
    Extension(Json),
}

/// What is to be filled or purged on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    Object {
        site: String,
        path: String,
        size: Option<u64>,
    },
    /// What an object list names, and itself.
    #[serde(alias = "Playlist")]
    List {
        site: String,
        url: String,
        format: ListFormat,
        size: Option<u64>,
    },
    /// What a regular expression over URLs matches on a site.
    Expression {
        site: String,
        expression: String,
        hosts: Vec<String>,
        case_sensitive: bool,
        with_query: bool,
    },
    Pattern {
        site: String,
        pattern: String,
        case_sensitive: bool,
        with_query: bool,
    },
}

/// Which kind of object list it is: a playlist, or a file that lists objects and other lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ListFormat {
    Hls,
    Dash,
    /// Smooth Streaming.
    Mss,
    /// What a trigger's own list is.
    Json,
    /// A URL in each line.
    Text,
}

/// Where a trigger is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum State {
    Pending,
    Active,
    Complete,
    Failed,
    Cancelling,
    Cancelled,
}

/// Why a part of it was not done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) description: String,
}

/// The errors of RFC 8007 section 5.2.6, and those of the second edition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FaultKind {
    Metadata,
    Content,
    Permission,
    Reject,
    Internal,
    Cancelled,
    Unsupported,
    Spec,
    Subject,
    Extension,
}

impl State {
    /// Whether nothing more will happen to it.
    pub(crate) fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Active | Self::Cancelling => false,
            Self::Complete | Self::Failed | Self::Cancelled => true,
        }
    }
}

impl FaultKind {
    pub(crate) fn word(self, edition: Edition) -> &'static str {
        match (self, edition) {
            (Self::Metadata, _) => "emeta",
            (Self::Content, _) => "econtent",
            (Self::Permission, _) => "eperm",
            // The first edition has no words for the three.
            (Self::Reject, _) | (Self::Spec | Self::Subject | Self::Extension, Edition::First) => {
                "ereject"
            }
            (Self::Internal, _) => "ecdn",
            (Self::Cancelled, Edition::First) => "ecanceled",
            (Self::Cancelled, Edition::Second) => "ecancelled",
            (Self::Unsupported, _) => "eunsupported",
            (Self::Spec, Edition::Second) => "espec",
            (Self::Subject, Edition::Second) => "esubject",
            (Self::Extension, Edition::Second) => "eextension",
        }
    }
}

impl Fault {
    pub(crate) fn new(
        kind: FaultKind,
        subject: Option<Subject>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            subjects: subject.into_iter().collect(),
            description: description.into(),
        }
    }

    /// Adds to a list of faults; those of the same kind and description are told together. What fails
    /// more than once does so in one go: no more is compared, or 10,000 subjects would be with each other.
    pub(super) fn add(list: &mut Vec<Self>, kind: FaultKind, subject: Subject, description: &str) {
        let same = list
            .iter_mut()
            .find(|fault| fault.kind == kind && fault.description == description);
        match same {
            Some(fault) if fault.subjects.last() != Some(&subject) => fault.subjects.push(subject),
            Some(_) => {}
            None => list.push(Self::new(kind, Some(subject), description)),
        }
    }
}

impl Trigger {
    /// A command that was accepted; failed at once if nothing of it can be done.
    pub(crate) fn new(id: String, draft: Draft, now_unix_s: u64) -> Self {
        let mut trigger = Self {
            id,
            state: State::Pending,
            created_unix_s: now_unix_s,
            changed_unix_s: now_unix_s,
            begun_unix_s: None,
            estimated_unix_s: None,
            done: 0,
            found: 0,
            faults: draft.faults.clone(),
            draft,
        };
        let hopeless = trigger.draft.action.is_none() || trigger.total() == 0;
        if hopeless && !trigger.faults.is_empty() {
            trigger.state = State::Failed;
        }
        trigger
    }

    /// How many targets it has, and what its lists were found to name so far.
    pub(crate) fn total(&self) -> u64 {
        let items = self.draft.items.iter();
        let named: u64 = items.map(|item| item.targets.len() as u64).sum();
        named + self.found
    }

    /// Its sender wants it no more, and nothing works on it.
    pub(crate) fn cancelled(&mut self) {
        let told = Subject::Spec(self.draft.told.clone());
        self.blame(FaultKind::Cancelled, told, "cancelled");
        self.state = State::Cancelled;
    }

    /// Adds to what went wrong; what went wrong in the same way is told together.
    pub(crate) fn blame(&mut self, kind: FaultKind, subject: Subject, description: &str) {
        Fault::add(&mut self.faults, kind, subject, description);
    }

    /// One more of its targets is done with.
    pub(crate) fn advance(&mut self, now_unix_s: u64) {
        self.done += 1;
        self.estimated_unix_s = self.begun_unix_s.map(|begun| {
            let taken = u128::from(now_unix_s.saturating_sub(begun));
            let whole = taken * u128::from(self.total()) / u128::from(self.done);
            begun.saturating_add(u64::try_from(whole).unwrap_or(u64::MAX))
        });
    }

    /// When it is expected to be over, where that can be told: by the pace so far, or by the end of
    /// its own window.
    pub(crate) fn expected_unix_s(&self) -> Option<u64> {
        let window = self.draft.window.map(|window| window.end_unix_s);
        let window = window.filter(|end| *end != Window::NEVER);
        match self.state {
            State::Pending => window,
            State::Active => self.estimated_unix_s.or(window),
            State::Cancelling | State::Complete | State::Failed | State::Cancelled => None,
        }
    }

    /// What of it changes while it is worked on, in short: whoever was shown it sees nothing new for
    /// as long as this is the same.
    pub(crate) fn shape(&self) -> impl PartialEq + use<> {
        let told = self.faults.iter().map(|fault| fault.subjects.len());
        let told: usize = told.sum();
        let expected = self.expected_unix_s();
        (self.state, self.found, self.faults.len(), told, expected)
    }

    /// The state that it ends in once all was tried.
    pub(crate) fn outcome(&self) -> State {
        if self.faults.is_empty() {
            State::Complete
        } else {
            State::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_an_earlier_release_has_kept_is_the_same_list() {
        let kept = r#"{"Playlist":{"site":"vod","url":"u","format":"Dash","size":null}}"#;
        let list = Target::List {
            site: "vod".to_owned(),
            url: "u".to_owned(),
            format: ListFormat::Dash,
            size: None,
        };
        assert_eq!(serde_json::from_str::<Target>(kept).unwrap(), list);
    }
}
