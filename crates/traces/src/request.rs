//! One request.

/// What a viewer asked for, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Milliseconds since 1970 began, in UTC. Within a trace it never goes back.
    pub unix_ms: u64,
    /// Who asked: a session or a client, as a number without meaning of its own.
    pub client: u64,
    /// What was asked for, as a number without meaning of its own.
    pub object: u64,
    /// The first byte of the object that was asked for.
    pub offset: u64,
    /// How many bytes were asked for, from `offset` on; at least one.
    pub length: u64,
    /// Bytes of the whole object; at least `offset + length`.
    pub object_size: u64,
}

impl Request {
    /// Whether a request like this can be.
    pub(crate) fn is_sound(&self) -> bool {
        let end = self.offset.checked_add(self.length);
        self.length > 0 && end.is_some_and(|end| end <= self.object_size)
    }
}
