//! What was found under a key, and what to do when nothing was.

use serde_json::Value as Json;

use super::section::Section;

/// What is under a key.
#[derive(Debug)]
pub(super) enum State<T> {
    Absent,
    /// Something that is not what it should be; told already.
    Wrong,
    Given(T),
}

/// A value on its way out of a [`Section`]: say what its absence means.
///
/// Whatever is handed out while something is wrong, a default included, never leaves
/// [`load`](super::load).
#[must_use = "say what the absence of this key means"]
pub struct Found<'s, T> {
    section: &'s mut Section,
    key: &'static str,
    state: State<T>,
    show: Box<dyn Fn(&T) -> Json + 's>,
}

impl<'s, T> Found<'s, T> {
    pub(super) fn new(
        section: &'s mut Section,
        key: &'static str,
        state: State<T>,
        show: impl Fn(&T) -> Json + 's,
    ) -> Self {
        Self {
            section,
            key,
            state,
            show: Box::new(show),
        }
    }

    /// The value, or this default.
    pub fn or(self, default: T) -> T {
        let value = match self.state {
            State::Given(value) => value,
            State::Absent | State::Wrong => default,
        };
        self.section.record(self.key, (self.show)(&value));
        value
    }

    /// The value; its absence is a problem. `None` has always been told.
    pub fn required(self) -> Option<T> {
        if let State::Absent = self.state {
            self.section.is_missing(self.key);
        }
        self.optional()
    }

    /// The value, if there is one.
    pub fn optional(self) -> Option<T> {
        let value = match self.state {
            State::Given(value) => Some(value),
            State::Absent | State::Wrong => None,
        };
        let shown = value.as_ref().map_or(Json::Null, &self.show);
        self.section.record(self.key, shown);
        value
    }

    /// Refuses a value for which `judge` has an objection, told after the key: "is empty".
    pub fn judge(mut self, judge: impl FnOnce(&T) -> Result<(), String>) -> Self {
        if let State::Given(value) = &self.state
            && let Err(what) = judge(value)
        {
            let shown = match (self.show)(value) {
                Json::String(text) if text != super::secret::MASK => format!(" (\"{text}\")"),
                _ => String::new(),
            };
            self.section
                .problem(self.key, &format!("{what}{shown}"), None);
            self.state = State::Wrong;
        }
        self
    }
}
