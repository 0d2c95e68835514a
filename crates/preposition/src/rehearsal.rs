//! The rehearsal: what a manifest uses for the first time here is tried in a child process first.
//!
//! A valid manifest can still be the first to reach code that nobody has run on this node: a delta, a
//! pin, a plan ten times as large. Should that code fail, it fails a child, and what is in force stays.
//! What has been used once is remembered, so that a night's usual manifest costs no rehearsal.
//!
//! The child limits its own memory and CPU time before it reads anything: what runs away in it ends it,
//! and takes nothing from the node.

use std::{
    ffi::OsString,
    fs, io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use manifest::Label;
use rlimit::Resource;
use tokio::{process::Command, time::timeout};

use crate::{
    PAGE_MAX, Unkept,
    active::Active,
    applied::{self, put_in_place},
    lanes::Lanes,
    memory,
    pins::Pins,
    schedule::Lane,
    shape::Shape,
    views,
};

/// A plan of a million objects takes some ten seconds on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// What a program takes before it has a plan: stacks, tables, what its allocator keeps.
const PROGRAM_BYTES: u64 = 32 << 20;
const FOLDER: &str = "rehearsal";
const FILE: &str = "rehearsed.json";

/// How a child is started that rehearses: the program and what comes before the folder and the audience.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// The program, which calls [`rehearse`].
    pub program: OsString,
    /// Its first arguments.
    pub arguments: Vec<OsString>,
    /// What it may take of the CPU, in seconds: however busy the machine is.
    pub cpu_s: u64,
}

/// What a child that rehearses may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Of memory, in bytes: its heap and stacks.
    pub memory_bytes: u64,
    /// Of the CPU, in seconds.
    pub cpu_s: u64,
}

/// Why a child did not get through.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It could not limit itself.
    #[error("the limits of this process cannot be set")]
    Unlimited(#[source] io::Error),
    /// What it was to try cannot be read.
    #[error(transparent)]
    Unkept(#[from] Unkept),
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
    /// What a child may take, where plans may take so much of the memory.
    pub(crate) fn bounds(&self, memory_bytes: u64) -> Bounds {
        Bounds {
            memory_bytes: memory::child_bytes(memory_bytes).saturating_add(PROGRAM_BYTES),
            cpu_s: self.cpu_s,
        }
    }

    /// How a child ends that tries what lies on the stage. Cancel safe: dropped, it kills the child.
    pub(crate) async fn run(
        &self,
        folder: &Path,
        audience: &Label,
        bounds: Bounds,
    ) -> Result<ExitStatus, Unrehearsed> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg(folder)
            .arg(audience.as_str())
            .arg(bounds.memory_bytes.to_string())
            .arg(bounds.cpu_s.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(Unrehearsed::Child)?;
        match timeout(PATIENCE, child.wait()).await {
            Ok(ended) => ended.map_err(Unrehearsed::Child),
            Err(_elapsed) => Err(Unrehearsed::Slow),
        }
    }
}

/// The child's part: limits this process for good, then does with the manifest on the stage below
/// `folder` all that a node would, but for what needs a cache. Blocking; it panics where the node would
/// have, and aborts where it wants more than it may have.
///
/// # Errors
/// When it cannot be limited, or what lies there cannot be read.
pub fn rehearse(folder: &Path, audience: &Label, bounds: Bounds) -> Result<(), Failed> {
    bounds.set().map_err(Failed::Unlimited)?;
    Ok(try_out(folder, audience)?)
}

impl Bounds {
    /// Limits this process. What systemd allows it may be less already.
    fn set(self) -> io::Result<()> {
        let limit = |resource: Resource, soft: u64, hard: u64| {
            let (_, most) = resource.get()?;
            resource.set(soft.min(most), hard.min(most))
        };
        // It ends on purpose where it ends badly: its memory on disk would help nobody.
        limit(Resource::CORE, 0, 0)?;
        limit(Resource::DATA, self.memory_bytes, self.memory_bytes)?;
        // The first is SIGXCPU, which says why it ended, and the second SIGKILL.
        limit(Resource::CPU, self.cpu_s, self.cpu_s.saturating_add(1))
    }
}

fn try_out(folder: &Path, audience: &Label) -> Result<(), Unkept> {
    let old = Active::new(applied::load(folder, audience)?, u64::MAX);
    let active = Active::new(applied::load(&stage(folder), audience)?, u64::MAX);
    active.inherit(&old);
    let mut pins = Pins::default();
    pins.schedule(&active, 0);
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
    use manifest::{Digest, Object, Objects, Pin};

    use super::*;

    fn plain() -> Object<'static> {
        Object::fill("vod", "/a", 10, Digest::of(b"a"))
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
        try_out(folder.path(), &audience).unwrap();
        applied::save(folder.path(), &in_force).unwrap();
        try_out(folder.path(), &audience).unwrap();
    }

    #[test]
    fn what_was_rehearsed_is_known_after_a_restart_and_damage_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(known(folder.path()), Shape::default());
        let (usual, delta) = (Shape::sample(1), Shape::sample(2));
        remember(folder.path(), usual);
        remember(folder.path(), delta);
        assert!(usual.with(delta).is_known(known(folder.path())));
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(known(folder.path()), Shape::default());
    }
}
