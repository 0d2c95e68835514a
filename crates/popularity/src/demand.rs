//! What the node tells of an answer.

use std::{ops::Range, sync::Arc};

/// The bytes of one object that one answer served, once it has ended.
#[derive(Debug, Clone)]
pub struct Demand<'a> {
    /// The object's identity: 128 bits that no other object has.
    pub object: &'a [u8; 16],
    /// The site's name.
    pub site: &'a Arc<str>,
    /// The path, with the query parameters that name the object.
    pub path: &'a Arc<str>,
    /// The whole object's bytes.
    pub size: u64,
    /// Which of them were served.
    pub served: Range<u64>,
    /// Who asked: a number that stands for the same viewer while this process lives, made with a salt
    /// that never leaves it. No address, no session.
    pub viewer: u64,
}

impl Demand<'_> {
    /// Bytes served / size.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio that 53 bits are enough for"
    )]
    pub(crate) fn plays(&self) -> f64 {
        (self.served.end - self.served.start) as f64 / self.size as f64
    }

    /// Whether there is anything to count: an empty answer is no demand.
    pub(crate) fn is_some(&self) -> bool {
        self.served.start < self.served.end && self.served.end <= self.size
    }
}
