//! What changes from one plan to another.

use std::cmp::Ordering;

use crate::{Names, Object, Objects, Wrong};

/// What changes from one plan to another, as places in the two. O(n + m) to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Places in the new plan of what the old one does not have.
    pub added: Vec<u32>,
    /// Places in the old and the new plan of what has other content: what is held is worthless.
    pub replaced: Vec<(u32, u32)>,
    /// Places in the old and the new plan of what has the same content and other wishes (action,
    /// expected, pin, first bytes, ...).
    pub changed: Vec<(u32, u32)>,
    /// Places in the old plan of what the new one does not have.
    pub removed: Vec<u32>,
    /// How many are the same in both.
    pub unchanged: u64,
    /// Bytes that the new plan holds and the old one does not: what is to be filled, if the old
    /// plan was done.
    pub fill_bytes: u64,
    /// Bytes that the old plan holds of what the new one does not list or has with other content. What is
    /// only to be held in part, or let in at its first miss, is not among them: no byte of it goes by that.
    pub dropped_bytes: u64,
}

impl Diff {
    /// What changes from `old` to `new`.
    pub fn between(old: &Objects, new: &Objects) -> Self {
        let mut diff = Self::default();
        let mut olds = (0_u32..).zip(old.iter()).peekable();
        let mut news = (0_u32..).zip(new.iter()).peekable();
        loop {
            let order = match (olds.peek(), news.peek()) {
                (None, None) => return diff,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((_, old)), Some((_, new))) => (old.site, old.path).cmp(&(new.site, new.path)),
            };
            let old = if order.is_le() { olds.next() } else { None };
            let new = if order.is_ge() { news.next() } else { None };
            diff.note(old, new);
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.replaced.is_empty()
            && self.changed.is_empty()
            && self.removed.is_empty()
    }

    fn note(&mut self, old: Option<(u32, Object<'_>)>, new: Option<(u32, Object<'_>)>) {
        match (old, new) {
            (None, None) => {}
            (Some((at, old)), None) => {
                self.removed.push(at);
                self.count(old.bytes_wanted(), 0);
            }
            (None, Some((at, new))) => {
                self.added.push(at);
                self.count(0, new.bytes_wanted());
            }
            (Some((was, old)), Some((is, new))) => {
                let (had, wanted) = (old.bytes_wanted(), new.bytes_wanted());
                if !old.same_content(&new) {
                    self.replaced.push((was, is));
                    return self.count(had, wanted);
                }
                if old == new {
                    self.unchanged += 1;
                } else {
                    self.changed.push((was, is));
                }
                self.count(0, wanted.saturating_sub(had));
            }
        }
    }

    fn count(&mut self, dropped: u64, wanted: u64) {
        // The sizes of one plan add up to less than 2^64.
        self.dropped_bytes += dropped;
        self.fill_bytes += wanted;
    }
}

/// What a delta says so that `wanted` is the plan after `held`: what is new or has changed, and the
/// names of what is gone.
///
/// # Errors
/// None for objects and names of two plans, which are legal.
pub fn changes(held: &Objects, wanted: &Objects) -> Result<(Objects, Names), Wrong> {
    let diff = Diff::between(held, wanted);
    let others = diff.replaced.iter().chain(&diff.changed);
    let new = diff.added.iter().chain(others.map(|(_, new)| new));
    let objects = Objects::collect(new.filter_map(|at| wanted.at(*at as usize)))?;
    let gone = diff.removed.iter();
    let gone = gone.filter_map(|at| held.names().at(*at as usize));
    Ok((objects, Names::collect(gone)?))
}
