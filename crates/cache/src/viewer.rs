//! Who asks, as a number: enough to tell one viewer's second request from another's first.

use std::hash::{BuildHasher, RandomState};

use message::Request;

/// A viewer, for as long as this process lives. The number is a salted hash that is kept nowhere
/// but in small tables in memory: it leads back to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Viewer(u64);

impl Viewer {
    /// The node itself. What it reads for its own sake is nobody's demand.
    pub const NODE: Self = Self(0);

    pub(crate) const fn is_node(self) -> bool {
        self.0 == Self::NODE.0
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Makes numbers of viewers, with a salt of its own in every process.
#[derive(Default)]
pub(crate) struct Viewers(RandomState);

impl Viewers {
    /// The session if the viewer showed one; otherwise the address, which a household shares.
    pub(crate) fn number(&self, request: &Request, session: Option<&str>) -> Viewer {
        Viewer(match session {
            Some(session) => self.0.hash_one(session),
            None => self.0.hash_one(request.client.address.ip()),
        })
    }
}
