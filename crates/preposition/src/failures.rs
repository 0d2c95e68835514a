//! What failed of late: for people, who want to know which objects and why.

use std::collections::VecDeque;

use serde::Serialize;

use crate::{active::Active, entry::Entry};

/// So many are remembered; of more the counts by state tell.
const FAILURES_MAX: usize = 100;

/// The last failures of the plan in force, newest last. None is there twice.
#[derive(Debug, Default)]
pub(crate) struct Failures(VecDeque<(u32, u8)>);

/// An object of the plan that failed, and may be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its site.
    pub site: String,
    /// Its path.
    pub path: String,
    /// What has become of it.
    pub state: Entry,
    /// Attempts since it was begun with or looked for.
    pub attempts: u8,
}

impl Failures {
    /// Notes that the object at `place` has failed so often.
    pub(crate) fn note(&mut self, place: u32, attempts: u8) {
        self.0.retain(|(known, _)| *known != place);
        if self.0.len() == FAILURES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((place, attempts));
    }

    /// Forgets them: another plan has other places.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Those that still are failures, newest first.
    pub(crate) fn of(&self, active: &Active) -> Vec<Failure> {
        let newest = self.0.iter().rev();
        let failed = newest.filter_map(|(place, attempts)| {
            let (object, state) = active.at(*place)?;
            state.is_failure().then(|| Failure {
                site: object.site.to_owned(),
                path: object.path.to_owned(),
                state,
                attempts: *attempts,
            })
        });
        failed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_hundred_are_remembered_each_once() {
        let mut failures = Failures::default();
        (0..500).for_each(|place| failures.note(place, 1));
        failures.note(450, 2);
        assert_eq!(failures.0.len(), FAILURES_MAX);
        assert_eq!(failures.0.back(), Some(&(450, 2)));
        assert_eq!(failures.0.front(), Some(&(400, 1)));
        let again = failures.0.iter().filter(|(place, _)| *place == 450);
        assert_eq!(again.count(), 1);
    }
}
