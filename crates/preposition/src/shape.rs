//! What of a manifest runs code that few do: what is new of it here is tried before it counts.

use manifest::{Action, Manifest, Objects, Pin, Tier};
use serde::{Deserialize, Serialize};

/// What of a manifest runs code that few do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    /// Of [`Feature`].
    features: u16,
    /// Digits, in base 2, of the number of objects.
    magnitude: u32,
}

/// What a manifest may use.
#[derive(Debug, Clone, Copy)]
#[repr(u16)]
enum Feature {
    Delta = 1,
    Removal = 1 << 1,
    Seed = 1 << 2,
    FirstBytes = 1 << 3,
    Pin = 1 << 4,
    PinEnd = 1 << 5,
    LiveAt = 1 << 6,
    Tier = 1 << 7,
    FastTrack = 1 << 8,
    Priority = 1 << 9,
    NoDigest = 1 << 10,
    Hints = 1 << 11,
    MassEviction = 1 << 12,
}

impl Shape {
    /// Of a manifest and the plan that it makes.
    pub(crate) fn of(manifest: &Manifest, plan: &Objects) -> Self {
        let head = &manifest.head;
        let hints = &head.hints;
        let wishes = [hints.bytes_per_s, hints.bytes_per_window, hints.deadline_s];
        let has_hints = wishes.iter().any(Option::is_some) || hints.concurrency.is_some();
        let mut shape = Self {
            features: 0,
            magnitude: usize::BITS - plan.len().leading_zeros(),
        };
        shape.note(Feature::Delta, head.kind != manifest::Kind::Full);
        shape.note(Feature::Removal, !manifest.removed.is_empty());
        shape.note(Feature::Hints, has_hints);
        shape.note(Feature::MassEviction, head.allow_mass_eviction);
        for object in manifest.objects.iter() {
            shape.note(Feature::Seed, object.action == Action::Seed);
            shape.note(Feature::FirstBytes, object.first_bytes.is_some());
            shape.note(Feature::Pin, object.pin == Pin::WhilePlanned);
            shape.note(Feature::PinEnd, matches!(object.pin, Pin::Until(_)));
            shape.note(Feature::LiveAt, object.live_at_s.is_some());
            shape.note(Feature::Tier, object.tier != Tier::Any);
            shape.note(Feature::FastTrack, object.fast_track);
            shape.note(Feature::Priority, object.priority > 0);
            shape.note(Feature::NoDigest, object.digest.is_none());
        }
        shape
    }

    fn note(&mut self, feature: Feature, is_used: bool) {
        if is_used {
            self.features |= feature as u16;
        }
    }

    /// Whether all of it was used here before.
    pub(crate) fn is_known(self, known: Self) -> bool {
        self.features & !known.features == 0 && self.magnitude <= known.magnitude
    }

    /// Both.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            features: self.features | other.features,
            magnitude: self.magnitude.max(other.magnitude),
        }
    }
}

#[cfg(test)]
impl Shape {
    /// Of a manifest that uses these features.
    pub(crate) fn sample(features: u16) -> Self {
        Self {
            features,
            magnitude: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use manifest::{Digest, Head, Hints, Kind, Label, Names, Object};

    use super::*;

    fn shape(objects: &[Object<'_>], kind: Kind) -> Shape {
        let head = Head {
            audience: Label::parse("edge-1").unwrap(),
            generation: 3,
            previous: Some(Digest::of(b"before")),
            issued_s: 1,
            expires_s: 2,
            kind,
            hints: Hints::default(),
            allow_mass_eviction: false,
        };
        let objects = Objects::collect(objects.iter().copied()).unwrap();
        let manifest = Manifest::new(head, objects, Names::default()).unwrap();
        Shape::of(&manifest, &manifest.objects)
    }

    fn plain() -> Object<'static> {
        Object::fill("vod", "/a", 10, Digest::of(b"a"))
    }

    /// Hardening row M22.
    #[test]
    fn what_was_never_used_here_is_rehearsed_and_what_was_is_not() {
        let usual = shape(&[plain()], Kind::Full);
        assert!(!usual.is_known(Shape::default()), "the first of all");
        assert!(usual.is_known(usual));
        let pinned = Object {
            pin: Pin::Until(9),
            ..plain()
        };
        let pinned = shape(&[pinned], Kind::Full);
        assert!(!pinned.is_known(usual));
        assert!(usual.is_known(pinned) && pinned.is_known(usual.with(pinned)));
        assert!(!shape(&[plain()], Kind::Delta { base: 2 }).is_known(usual));
        let other = Object {
            path: "/b",
            ..plain()
        };
        let larger = shape(&[plain(), other], Kind::Full);
        assert!(!larger.is_known(usual), "twice as many");
    }
}
