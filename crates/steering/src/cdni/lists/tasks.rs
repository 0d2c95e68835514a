//! What of a trigger's lists is still to be done, in which order, and what may not be. Pure.

use std::sync::Arc;

use super::super::model::ListFormat;
use crate::{Reason, Refused};

/// Lists in files of their own that lie in each other: a catalogue, its seasons, their films, and one
/// for whoever has another order.
const FILES_DEEP_MAX: usize = 4;

/// What a list that waits takes besides the characters of its name.
const STEP_BYTES: u64 = 128;

/// Where something was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Trigger,
    Playlist,
    /// A list in a file of its own.
    List,
}

/// A list on the way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) url: Box<str>,
    /// The site of what names it.
    pub(super) site: Arc<str>,
    pub(super) by: By,
    pub(super) format: ListFormat,
    pub(super) size: Option<u64>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Task {
    Read(Step),
    /// All that it names is done.
    Finish(Step),
}

/// The lists that are to be read, and those that wait for what they name. The next is the last.
pub(super) struct Tasks(Vec<Task>);

impl Tasks {
    pub(super) fn of(first: Step) -> Self {
        Self(vec![Task::Read(first)])
    }

    pub(super) fn next(&mut self) -> Option<Task> {
        self.0.pop()
    }

    /// Adds a list that was read, and before it those that it names, in their order.
    pub(super) fn add(&mut self, read: Step, inner: Vec<Step>) {
        self.0.push(Task::Finish(read));
        self.0.extend(inner.into_iter().rev().map(Task::Read));
    }

    /// Refuses a list in a file of its own that lies in itself, or too deep.
    pub(super) fn check_way_to(&self, step: &Step) -> Result<(), Refused> {
        let is_file = |format| matches!(format, ListFormat::Json | ListFormat::Text);
        if !is_file(step.format) {
            return Ok(());
        }
        // Those that wait are those that it lies in.
        let around = self.0.iter().filter_map(|task| match task {
            Task::Finish(around) if is_file(around.format) => Some(around),
            Task::Finish(_) | Task::Read(_) => None,
        });
        let mut depth = 0;
        for around in around {
            if around.url == step.url {
                let what = "a list that is in itself";
                return Err(Refused::new(Reason::Content, what));
            }
            depth += 1;
        }
        if depth >= FILES_DEEP_MAX {
            let what = format!("lists lie in each other up to {FILES_DEEP_MAX} deep");
            return Err(Refused::new(Reason::TooLarge, what));
        }
        Ok(())
    }

    /// What is left of the room in which lists wait.
    pub(super) fn room(&self, bytes_max: u64) -> Room {
        let waiting = self.0.iter().map(|task| match task {
            Task::Read(step) | Task::Finish(step) => step_bytes(&step.url),
        });
        Room(bytes_max.saturating_sub(waiting.sum()))
    }
}

/// Room for lists that are to wait.
pub(super) struct Room(u64);

impl Room {
    /// Takes what one more needs, before it is copied; refuses more than may wait.
    pub(super) fn take(&mut self, url: &str) -> Result<(), Refused> {
        let left = self.0.checked_sub(step_bytes(url));
        self.0 = left.ok_or_else(|| {
            let what = "it names more lists than may wait to be read";
            Refused::new(Reason::TooLarge, what)
        })?;
        Ok(())
    }
}

fn step_bytes(url: &str) -> u64 {
    url.len() as u64 + STEP_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(url: &str, format: ListFormat) -> Step {
        Step {
            url: url.into(),
            site: "vod".into(),
            by: By::List,
            format,
            size: None,
        }
    }

    fn file(url: &str) -> Step {
        step(url, ListFormat::Json)
    }

    fn reads(tasks: &mut Tasks) -> Step {
        match tasks.next() {
            Some(Task::Read(step)) => step,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_is_finished_after_all_that_lies_in_it_in_order() {
        let mut tasks = Tasks::of(file("all"));
        let mut order = Vec::new();
        while let Some(task) = tasks.next() {
            match task {
                Task::Read(step) => {
                    let inner = match &*step.url {
                        "all" => vec![file("a"), file("b")],
                        "a" => vec![file("c")],
                        _ => Vec::new(),
                    };
                    tasks.add(step, inner);
                }
                Task::Finish(step) => order.push(step.url),
            }
        }
        assert_eq!(order, ["c", "a", "b", "all"].map(Into::into));
    }

    #[test]
    fn a_list_in_itself_is_refused_and_the_same_list_twice_is_not() {
        let mut tasks = Tasks::of(file("a"));
        let a = reads(&mut tasks);
        tasks.add(a, vec![file("b"), file("b"), file("a")]);
        let b = reads(&mut tasks);
        assert!(tasks.check_way_to(&b).is_ok());
        tasks.add(b, vec![file("a")]);
        let again = reads(&mut tasks);
        let refused = tasks.check_way_to(&again).unwrap_err();
        assert_eq!(refused.reason, Reason::Content);
        assert!(matches!(tasks.next(), Some(Task::Finish(_))));
        let again = reads(&mut tasks);
        assert!(tasks.check_way_to(&again).is_ok(), "the first is over");
    }

    #[test]
    fn files_lie_in_each_other_so_deep_and_playlists_do_not_count() {
        let mut tasks = Tasks::of(file("0"));
        for depth in 1..FILES_DEEP_MAX {
            let around = reads(&mut tasks);
            assert!(tasks.check_way_to(&around).is_ok());
            tasks.add(around, vec![file(&depth.to_string())]);
        }
        let last = reads(&mut tasks);
        assert!(tasks.check_way_to(&last).is_ok());
        tasks.add(last, vec![step("p", ListFormat::Hls), file("more")]);
        let playlist = reads(&mut tasks);
        assert!(tasks.check_way_to(&playlist).is_ok());
        let more = reads(&mut tasks);
        let refused = tasks.check_way_to(&more).unwrap_err();
        assert_eq!(refused.reason, Reason::TooLarge);
    }

    #[test]
    fn no_more_lists_wait_than_there_is_room_for() {
        let mut tasks = Tasks::of(file("a"));
        let a = reads(&mut tasks);
        let bytes = 9 * (STEP_BYTES + 1);
        let mut room = tasks.room(bytes);
        assert!((0..9).all(|_| room.take("b").is_ok()));
        assert!(room.take("").is_err());
        tasks.add(a, vec![file("b")]);
        let mut room = tasks.room(bytes);
        assert!((0..7).all(|_| room.take("b").is_ok()));
        assert!(room.take("b").is_err());
    }
}
