//! The rehearsal: what a manifest uses for the first time here is tried in a child process first.
//!
//! A valid manifest can still be the first to reach code that nobody has run on this node: a delta, a
//! pin, a plan ten times as large. Should that code fail, it fails a child, and what is in force stays.
//! What has been used once is remembered, so that a night's usual manifest costs no rehearsal.

use std::{ffi::OsString, fs, io, path::Path, process::Stdio, time::Duration};

use manifest::{Action, Label, Manifest, Objects, Pin, Tier};
use serde::{Deserialize, Serialize};
use tokio::{process::Command, time::timeout};

use crate::{
    PAGE_MAX, Unkept,
    active::Active,
    applied::{self, put_in_place},
    lanes::Lanes,
    pins::Pins,
    schedule::Lane,
    views,
};

/// A plan of a million objects takes some ten seconds on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
const FOLDER: &str = "rehearsal";
const FILE: &str = "rehearsed.json";

/// How a child is started that rehearses: the program and what comes before the folder and the audience.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// The program, which calls [`rehearse`].
    pub program: OsString,
    /// Its first arguments.
    pub arguments: Vec<OsString>,
}

/// Why a manifest was not rehearsed, or failed in it.
#[derive(Debug, thiserror::Error)]
pub enum Unrehearsed {
    /// The child could not be started or waited for.
    #[error("a child to rehearse it could not run")]
    Child(#[source] io::Error),
    /// It was not done in time.
    #[error("its rehearsal was not over after {} s", PATIENCE.as_secs())]
    Slow,
}

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

/// What was used here before. What cannot be read is nothing: then it is rehearsed once more.
pub(crate) fn known(folder: &Path) -> Shape {
    let read = fs::read(folder.join(FILE));
    let shape = read.ok().map(|bytes| serde_json::from_slice(&bytes).ok());
    shape.flatten().unwrap_or_default()
}

/// Remembers what was used. Failures cost one more rehearsal.
pub(crate) fn remember(folder: &Path, shape: Shape) {
    let shape = shape.with(known(folder));
    let new = folder.join("rehearsed.new");
    let written = serde_json::to_vec(&shape).map_err(io::Error::from);
    let written = written.and_then(|bytes| fs::write(&new, bytes));
    let kept = written.and_then(|()| put_in_place(&new, &folder.join(FILE)));
    if let Err(error) = kept {
        tracing::warn!(%error, "what was rehearsed could not be written down");
    }
}

/// Where the child finds what is to be rehearsed.
pub(crate) fn stage(folder: &Path) -> std::path::PathBuf {
    folder.join(FOLDER)
}

impl Rehearsal {
    /// Whether a child gets through what lies on the stage. Cancel safe: dropped, it kills the child.
    pub(crate) async fn run(&self, folder: &Path, audience: &Label) -> Result<bool, Unrehearsed> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg(folder)
            .arg(audience.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(Unrehearsed::Child)?;
        match timeout(PATIENCE, child.wait()).await {
            Ok(ended) => Ok(ended.map_err(Unrehearsed::Child)?.success()),
            Err(_elapsed) => Err(Unrehearsed::Slow),
        }
    }
}

/// The child's part: does with the manifest on the stage below `folder` all that a node would, but for
/// what needs a cache. Blocking, and it panics where the node would have.
///
/// # Errors
/// When what lies there cannot be read.
pub fn rehearse(folder: &Path, audience: &Label) -> Result<(), Unkept> {
    let old = Active::new(applied::load(folder, audience)?);
    let active = Active::new(applied::load(&stage(folder), audience)?);
    active.inherit(&old);
    let mut pins = Pins::default();
    pins.take_over(&old, &active, 0);
    let _ended = pins.due(u64::MAX);
    let mut lanes = Lanes::default();
    lanes.requeue(&active);
    for lane in [Lane::Fast, Lane::Window] {
        while let Some(place) = lanes.take(lane) {
            lanes.fail(place, Duration::ZERO, u8::MAX);
        }
    }
    lanes.due(&active, Duration::MAX);
    for place in 0..u32::try_from(active.len()).unwrap_or(u32::MAX) {
        if let Some((object, _)) = active.at(place) {
            let id = cache::ObjectId::named(object.site, object.path);
            let _expected = active.expected_of(id, 0);
        }
    }
    let mut from = Some(0);
    while let Some(place) = from {
        from = views::page(&active, place, PAGE_MAX).next;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use manifest::{Digest, Head, Hints, Kind, Names, Object};

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

    #[test]
    fn a_child_gets_through_what_the_node_would_take() {
        let folder = tempfile::tempdir().unwrap();
        let audience = Label::parse("edge-1").unwrap();
        let mut in_force = applied::load(folder.path(), &audience).unwrap();
        let pinned = Object {
            pin: Pin::Until(9),
            fast_track: true,
            ..plain()
        };
        in_force.state.plan = Objects::collect([pinned]).unwrap();
        applied::save(&stage(folder.path()), &in_force).unwrap();
        rehearse(folder.path(), &audience).unwrap();
        applied::save(folder.path(), &in_force).unwrap();
        rehearse(folder.path(), &audience).unwrap();
    }

    #[test]
    fn what_was_rehearsed_is_known_after_a_restart_and_damage_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(known(folder.path()), Shape::default());
        let (usual, delta) = (
            shape(&[plain()], Kind::Full),
            shape(&[plain()], Kind::Delta { base: 2 }),
        );
        remember(folder.path(), usual);
        remember(folder.path(), delta);
        assert!(usual.with(delta).is_known(known(folder.path())));
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(known(folder.path()), Shape::default());
    }
}
