//! A command while it is read: from whom it is, and what it comes to so far. For both editions.

use serde_json::Value as Json;

use super::{
    model::{Action, Draft, Edition, Fault, FaultKind, Item, Subject},
    subject::Found,
};
use crate::{Engine, Reason, Refused, access::Role};

/// URLs and patterns in one command.
pub(super) const SUBJECTS_MAX: usize = 10_000;

/// Who sends a command, and to whom.
pub(super) struct Context<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) role: &'a Role,
    pub(super) owner: &'a str,
    pub(super) cdn_id: &'a str,
    /// Whether its sender has a trigger of this id.
    pub(super) has_trigger: &'a (dyn Fn(&str) -> bool + Sync),
}

/// The id of the trigger that an address names.
pub(super) fn id_of(address: &str) -> &str {
    address.rsplit('/').next().unwrap_or_default()
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

impl Action {
    pub(super) fn named(word: &str) -> Option<Self> {
        match word {
            "preposition" => Some(Self::Preposition),
            "invalidate" => Some(Self::Invalidate),
            "purge" => Some(Self::Purge),
            _ => None,
        }
    }
}

impl Draft {
    /// Nothing yet, of what `owner` has told.
    pub(super) fn new(edition: Edition, owner: &str, action: Option<Action>, told: Json) -> Self {
        Self {
            edition,
            owner: owner.to_owned(),
            action,
            told,
            memory_bytes: 0,
            cdn_path: Vec::new(),
            labels: Vec::new(),
            items: Vec::new(),
            priority: 0,
            prerequisites: Vec::new(),
            window: None,
            is_hurried: false,
            faults: Vec::new(),
        }
    }

    /// Whether what it wants here may come at any time: its sender has said when, or that it comes
    /// before others, or at once. Everything else waits for the node's own window.
    pub(super) fn is_urgent(&self) -> bool {
        self.window.is_some() || self.priority > 0 || self.is_hurried
    }

    /// Has it start as soon as there is room.
    pub(super) fn hurry(&mut self) {
        self.is_hurried = true;
        if let Some(window) = &mut self.window {
            window.start_unix_s = 0;
        }
    }

    pub(super) fn add(&mut self, subject: Subject, found: Found) {
        match found {
            Found::Targets(targets) => self.items.push(Item { subject, targets }),
            Found::Nothing(kind, why) => self.fault(kind, subject, why),
            Found::Unheld(kind, why) => self.fault(kind, subject, &why),
        }
    }

    pub(super) fn fault(&mut self, kind: FaultKind, subject: Subject, why: &str) {
        Fault::add(&mut self.faults, kind, subject, why);
    }
}
