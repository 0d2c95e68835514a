//! The purge journal: what must outlive everything else.
//!
//! A small file in the state folder, appended to and synced before a purge is acknowledged. It
//! also names the store: a disk belongs to one journal, because without the journal's purges what
//! lies on the disk cannot be trusted. A lost or damaged journal is started anew under a new name,
//! which empties the disks.
//!
//! [`file`] keeps the bytes, [`scopes`] what they mean, [`keeper`] is the task between both and
//! those who purge.

pub(crate) mod file;
pub(crate) mod keeper;
pub(crate) mod scopes;
