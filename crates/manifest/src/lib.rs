//! Signed manifests of what an appliance should hold.
//!
//! Pure: no I/O and no clock; `now_s` is an argument and files are bytes that a caller has read.
//! The README beside this file states the format.
//!
//! [`accept`] is the one way from bytes to a [`Verified`] manifest, which alone can be applied.
//! It decides against a [`State`], which the caller keeps durably, and answers with
//! [`Accepted`], or with [`Refused`] and the status of an answer. Whoever applies an accepted
//! manifest compares the state's generation once more at that moment, so that of two that were
//! accepted at a time one wins.

mod accept;
mod diff;
mod digest;
mod held;
mod hints;
mod keys;
mod limits;
mod manifest;
mod names;
mod object;
mod objects;
mod order;
mod refused;
mod signed;
mod state;
mod wire;
mod wrong;

pub use accept::{accept, merge, read_unverified};
pub use diff::{Diff, changes};
pub use digest::{Digest, Digester};
pub use held::Held;
pub use hints::{Bounds, Clamped, Hints};
pub use keys::{KEYS_FILE_BYTES_MAX, Keys, KeysError, PlannerKey, Role};
pub use limits::Limits;
pub use manifest::{GENERATION_MAX, Head, Kind, Manifest, Verified};
pub use names::{Names, SITES_MAX};
pub use object::{Action, OBJECT_PATH_BYTES_MAX, Object, Pin, Tier};
pub use objects::{Builder as ObjectsBuilder, Objects};
pub use order::Order;
pub use refused::Refused;
pub use signed::{CannotSign, Signed};
pub use signing::{Label, SigningKey};
pub use state::{Accepted, State};
pub use wire::{Encoding, read_objects};
pub use wrong::Wrong;
