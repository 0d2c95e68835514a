//! What a ring promises to those who give it their buffers.

use std::io::Write;

use super::*;
use crate::{
    BLOCK, Error, Pool,
    gate::{Gate, Turn},
    uring::order::{Done, Work},
};

/// A ring, or nothing, said aloud, where the kernel refuses it.
fn ring(file: &File, flights: usize, entries: u32) -> Option<Ring> {
    Ring::with_entries(file, flights, entries, 16)
        .inspect_err(|error| eprintln!("skipped: no io_uring here: {error}"))
        .ok()
}

fn read(offset: u64, pool: &Pool) -> (Order, oneshot::Receiver<Done>) {
    let (reply, outcome) = oneshot::channel();
    let permit = permit();
    let order = Order {
        work: Work::Read {
            offset,
            buffer: pool.take_to_read(BLOCK),
        },
        reply,
        permit,
    };
    (order, outcome)
}

fn permit() -> crate::gate::Permit {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let gate = Gate::new(1);
    let permit = { runtime }
        .build()
        .unwrap()
        .block_on(gate.enter(Turn::Read));
    permit.unwrap()
}

/// A device whose reads take as long as the test likes.
fn pipe() -> (File, io::PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (File::from(std::os::fd::OwnedFd::from(reader)), writer)
}

#[test]
fn a_buffer_stays_with_the_kernel_until_its_completion_was_seen() {
    let (file, _writer) = pipe();
    let Some(mut ring) = ring(&file, 4, 16) else {
        return;
    };
    let pool = Pool::new(1 << 20);
    let (order, outcome) = read(0, &pool);
    let slot = ring.start(order).unwrap();
    ring.submit().unwrap();
    drop(outcome);
    assert_eq!(
        pool.retained_bytes(),
        0,
        "nobody waits, but the kernel has it"
    );
    ring.cancel_abandoned(slot);
    assert_eq!(pool.retained_bytes(), 0, "the cancellation is not its end");
    while !ring.is_idle() {
        ring.wait().unwrap();
    }
    assert_eq!(pool.retained_bytes(), BLOCK);
}

#[test]
fn a_ring_that_ends_waits_for_what_is_in_flight() {
    let (file, _writer) = pipe();
    let Some(mut ring) = ring(&file, 4, 16) else {
        return;
    };
    let pool = Pool::new(1 << 20);
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let (order, outcome) = read(0, &pool);
        ring.start(order).unwrap();
        waiting.push(outcome);
    }
    ring.submit().unwrap();
    drop(ring);
    assert_eq!(pool.retained_bytes(), 4 * BLOCK);
    for mut outcome in waiting {
        assert!(outcome.try_recv().unwrap().is_err(), "it was not read");
    }
}

#[test]
fn an_order_that_is_given_up_before_the_kernel_knows_of_it_is_gone_at_once() {
    let (file, _writer) = pipe();
    let Some(mut ring) = ring(&file, 4, 16) else {
        return;
    };
    let pool = Pool::new(1 << 20);
    let [(first, kept), (second, given_up)] = [read(0, &pool), read(0, &pool)];
    ring.start(first).unwrap();
    let slot = ring.start(second).unwrap();
    drop(given_up);
    ring.cancel_abandoned(slot);
    assert_eq!(pool.retained_bytes(), BLOCK, "its buffer is free");
    assert!(ring.queue().is_empty(), "the kernel is told nothing");
    ring.submit().unwrap();
    assert_eq!(pool.retained_bytes(), BLOCK, "the other one is under way");
    drop(ring);
    assert_eq!(pool.retained_bytes(), 2 * BLOCK);
    drop(kept);
}

#[test]
fn orders_wait_for_each_other_only_while_the_disk_has_more_to_do_than_they() {
    let (file, _writer) = pipe();
    let Some(mut ring) = ring(&file, 16, 32) else {
        return;
    };
    let pool = Pool::new(1 << 20);
    let (mut batches, mut outcomes, mut batch) = (Vec::new(), Vec::new(), 0);
    for _ in 0..16 {
        let (order, outcome) = read(0, &pool);
        outcomes.push(outcome);
        ring.start(order).unwrap();
        batch += 1;
        if ring.is_due() {
            ring.submit().unwrap();
            batches.push(std::mem::take(&mut batch));
        }
    }
    assert_eq!(batches, [1, 1, 1, 1, 2, 3, 4]);
    assert_eq!(batch, 3);
}

/// A ring that reads into registered memory, the pool of that memory, and a file of nines.
fn registered() -> Option<(Ring, Pool)> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[9; 4 * BLOCK]).unwrap();
    let (mut ring, pool) = (ring(&file, 4, 16)?, Pool::new(64 << 20));
    ring.join(pool.registry(), true);
    if let Some(why) = pool.registry().refusal() {
        eprintln!("skipped: no registered buffers here: {why}");
        return None;
    }
    Some((ring, pool))
}

/// Both are read into memory that is registered no longer when the kernel looks.
#[test]
fn a_read_into_what_is_registered_no_longer_is_done_as_any_other() {
    let Some((mut ring, pool)) = registered() else {
        return;
    };
    let [(first, mut plain), (second, mut refused)] = [read(0, &pool), read(0, &pool)];
    ring.start(first).unwrap();
    let slot = ring.start(second).unwrap();
    let landing = ring.slots[slot].as_ref().unwrap().landing.as_ref();
    pool.registry().unseat(landing.unwrap().seat());
    // Not done again when nobody wants it: so it is seen what the kernel said.
    ring.slots[slot].as_mut().unwrap().cancelled = true;
    while !ring.is_idle() {
        ring.wait().unwrap();
    }
    assert_eq!(plain.try_recv().unwrap().unwrap().unwrap()[..], [9; BLOCK]);
    let Error::Io { source, .. } = refused.try_recv().unwrap().unwrap_err() else {
        panic!("an error of the kernel's")
    };
    assert_eq!(source.raw_os_error(), Some(libc::EFAULT));
}

#[test]
fn what_is_registered_is_registered_with_rings_that_come_later() {
    let Some((_first, pool)) = registered() else {
        return;
    };
    let (order, _) = read(0, &pool);
    let bytes = pool.registry().bytes();
    assert!(bytes > 0);
    drop(order);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[7; BLOCK]).unwrap();
    let mut later = ring(&file, 4, 16).unwrap();
    later.join(pool.registry(), true);
    let (order, mut outcome) = read(0, &pool);
    let slot = later.start(order).unwrap();
    let flight = later.slots[slot].as_mut().unwrap();
    assert!(flight.landing.is_some());
    // Were it not registered, it would not be done again as any other.
    flight.starts = STARTS_MAX;
    while !later.is_idle() {
        later.wait().unwrap();
    }
    assert_eq!(
        outcome.try_recv().unwrap().unwrap().unwrap()[..],
        [7; BLOCK]
    );
    assert_eq!(pool.registry().bytes(), bytes);
}

#[test]
fn fewer_bytes_than_asked_for_are_an_error() {
    let (file, mut writer) = pipe();
    let Some(mut ring) = ring(&file, 4, 16) else {
        return;
    };
    let (order, mut outcome) = read(0, &Pool::new(0));
    ring.start(order).unwrap();
    writer.write_all(&[7; 100]).unwrap();
    while !ring.is_idle() {
        ring.wait().unwrap();
    }
    let error = outcome.try_recv().unwrap().unwrap_err();
    let Error::Short { wanted, done, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((wanted, done), (BLOCK, 100));
}

/// Many more operations than the queues have entries: the kernel keeps what does not fit.
#[test]
fn completions_beyond_the_queue_are_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    std::fs::write(&path, vec![9; 64 * BLOCK]).unwrap();
    let file = File::open(&path).unwrap();
    let Some(mut ring) = ring(&file, 64, 2) else {
        return;
    };
    assert!(ring.uring.params().cq_entries() < 64);
    let pool = Pool::new(1 << 20);
    for _ in 0..10 {
        let mut waiting = Vec::new();
        for block in 0..64_u64 {
            let (order, outcome) = read(block * BLOCK as u64, &pool);
            ring.start(order).unwrap();
            waiting.push(outcome);
        }
        while !ring.is_idle() {
            ring.wait().unwrap();
        }
        for mut outcome in waiting {
            let buffer = outcome.try_recv().unwrap().unwrap().unwrap();
            assert_eq!(buffer[..], [9; BLOCK]);
        }
    }
}

/// A slot is used again at once: who gave up late must not cancel what is there now.
#[test]
fn a_slot_that_has_a_new_owner_is_not_cancelled_by_the_old_one() {
    let (file, mut writer) = pipe();
    let Some(mut ring) = ring(&file, 1, 4) else {
        return;
    };
    let pool = Pool::new(0);
    let (order, outcome) = read(0, &pool);
    let slot = ring.start(order).unwrap();
    writer.write_all(&[1; BLOCK]).unwrap();
    while !ring.is_idle() {
        ring.wait().unwrap();
    }
    let (order, mut later) = read(0, &pool);
    assert_eq!(ring.start(order), Some(slot));
    ring.submit().unwrap();
    drop(outcome);
    ring.cancel_abandoned(slot);
    writer.write_all(&[2; BLOCK]).unwrap();
    while !ring.is_idle() {
        ring.wait().unwrap();
    }
    let buffer = later.try_recv().unwrap().unwrap().unwrap();
    assert_eq!(buffer[..], [2; BLOCK]);
}
