//! Prepositioning: what a signed manifest wants is fetched in its window, at its rate.

mod ledger;
mod rate;
mod source;
mod window;
mod yielding;

pub use ledger::{Allowance, Ledger, Spent};
pub use rate::{BYTES_PER_S_MIN, Bucket};
pub use source::{Escalation, Health, Reach, ranked};
pub use window::{At, BadWindow, Days, Opening, WINDOWS_MAX, Window};
pub use yielding::{Limits, Load, Share, Strain};
