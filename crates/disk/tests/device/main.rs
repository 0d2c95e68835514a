//! What a device promises, with each engine; and which engine is taken when.
#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking as well"
)]
#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]

mod batches;
mod choice;
mod partition;
mod registered;
mod runtimes;

/// With `io_uring` where the kernel grants it; `choice` says whether it does.
#[path = "promises.rs"]
mod auto;
#[expect(
    clippy::duplicate_mod,
    reason = "the same promises with registered buffers"
)]
#[path = "promises.rs"]
mod auto_registered;
#[expect(clippy::duplicate_mod, reason = "the same promises of another engine")]
#[path = "promises.rs"]
mod blocking;
#[expect(clippy::duplicate_mod, reason = "as above, where there are none")]
#[path = "promises.rs"]
mod blocking_registered;
