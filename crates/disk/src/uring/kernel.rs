//! What is asked of the kernel: a ring, the operations that it must know, and each of them.

use std::io;

use io_uring::{IoUring, Probe, opcode, squeue, types};

use super::order::Work;

/// The device among the registered files.
const DEVICE: types::Fixed = types::Fixed(0);

/// A ring that any thread may use. What completes is worked off by the thread that began it, when
/// it next enters the kernel, and without being interrupted; before kernel 5.19 it is interrupted.
///
/// Not limited to one thread with its completions deferred to that thread's wish: the runtime's
/// thread sleeps in its own poll and not in the ring, so that little is expected of it. Not measured.
pub(super) fn build(entries: u32) -> io::Result<IoUring> {
    let mut modern = IoUring::builder();
    modern.setup_coop_taskrun().setup_submit_all();
    modern.build(entries).or_else(|error| {
        if error.raw_os_error() == Some(libc::EINVAL) {
            IoUring::builder().build(entries)
        } else {
            Err(error)
        }
    })
}

pub(super) fn check_operations(uring: &IoUring) -> io::Result<()> {
    let mut probe = Probe::new();
    uring.submitter().register_probe(&mut probe)?;
    let needed = [
        opcode::Nop::CODE,
        opcode::Read::CODE,
        opcode::Write::CODE,
        opcode::Fsync::CODE,
        opcode::AsyncCancel::CODE,
    ];
    if needed.into_iter().all(|code| probe.is_supported(code)) {
        return Ok(());
    }
    let what = "the kernel lacks an operation";
    Err(io::Error::new(io::ErrorKind::Unsupported, what))
}

/// What the kernel is told. The work must stay where it is until the completion.
///
/// With a seat, a buffer is read into as what is registered there.
pub(super) fn entry(work: &mut Work, seat: Option<u16>) -> squeue::Entry {
    match work {
        Work::Read { offset, buffer } => {
            let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
            let start = buffer.as_mut_ptr();
            if let Some(seat) = seat {
                return opcode::ReadFixed::new(DEVICE, start, length, seat)
                    .offset(*offset)
                    .build();
            }
            opcode::Read::new(DEVICE, start, length)
                .offset(*offset)
                .build()
        }
        Work::Write {
            offset,
            buffer,
            length,
        } => {
            let length = u32::try_from(*length).unwrap_or(u32::MAX);
            opcode::Write::new(DEVICE, buffer.as_ptr(), length)
                .offset(*offset)
                .build()
        }
        Work::Sync => opcode::Fsync::new(DEVICE)
            .flags(types::FsyncFlags::DATASYNC)
            .build(),
    }
}

/// Whether the kernel has taken what was prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Submitted {
    All,
    /// The kernel is short of something: to be tried again in a [`super::ring::BREATH`].
    Later,
}

pub(super) fn transient(entered: io::Result<usize>) -> io::Result<Submitted> {
    match entered {
        Ok(_) => Ok(Submitted::All),
        Err(error) => match error.raw_os_error() {
            // Interrupted, completions that must be taken first, or out of memory.
            Some(libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ENOMEM) => Ok(Submitted::Later),
            _ => Err(error),
        },
    }
}
