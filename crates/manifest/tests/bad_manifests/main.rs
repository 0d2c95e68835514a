//! Bad manifests: each is refused with the status that belongs to it, and changes nothing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod content;
mod replay;
mod text;
mod trust;
#[path = "../world/mod.rs"]
mod world;

use manifest::Refused;
use world::World;

/// What is refused has a status and leaves the state alone: `accept` cannot change it, and
/// whoever applies needs what only `accept` makes.
fn refused(world: &World, file: &[u8], status: u16) -> Refused {
    let before = world.state.clone();
    let refused = world.accept(file).unwrap_err();
    assert_eq!(refused.status(), status, "{refused}");
    assert_eq!(world.state, before);
    refused
}
