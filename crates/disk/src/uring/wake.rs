//! How the thread is woken while it waits in its ring: an event counter that it reads through the ring itself, so that
//! one wait is for completions and for new work alike.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

/// An event counter.
pub(super) struct Wake(File);

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        #[expect(
            unsafe_code,
            reason = "the standard library has no call that makes an event counter"
        )]
        let descriptor = {
            // SAFETY: the call takes no pointers.
            unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) }
        };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        #[expect(unsafe_code, reason = "as above")]
        let owned = {
            // SAFETY: the descriptor was just made, and nobody else has it.
            unsafe { OwnedFd::from_raw_fd(descriptor) }
        };
        Ok(Self(owned.into()))
    }

    /// Wakes the thread. Never blocks: the counter is read each time before it is written again.
    pub(super) fn wake(&self) {
        // It cannot fail but for a counter at its limit, and then the thread is awake.
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
