//! A connection that the kernel seals, without the kernel: what is opened, what passes through,
//! and how it ends. The sealing itself is tested where a kernel has it, by `tests/records`.

use std::{
    io::IoSlice,
    task::{Context, Poll, Waker},
};

use tokio::io::ReadBuf;

use super::{
    super::{
        Error,
        kernel::{Kernel, cut},
        keys::Suite,
        open::Opener,
    },
    CLIENT, DATA, HANDSHAKE, Setup, Socket, cipher, setup,
};

/// What `setup` has, with a sealing kernel in the layer's place.
fn kernel() -> (Kernel<Socket>, Setup) {
    let setup = setup(u64::MAX);
    let opener = Opener::new(cipher(&CLIENT));
    let kernel = Kernel::new(setup.socket.clone(), opener, Suite::Aes128GcmSha256);
    (kernel, setup)
}

fn read(kernel: &mut Kernel<Socket>) -> Result<Vec<u8>, Error> {
    let mut bytes = [0; 1_000];
    let mut buf = ReadBuf::new(&mut bytes);
    match kernel.poll_read(&mut Context::from_waker(Waker::noop()), &mut buf) {
        Poll::Ready(Ok(())) => Ok(buf.filled().to_vec()),
        Poll::Ready(Err(error)) => Err(error
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<Error>())
            .cloned()
            .unwrap()),
        Poll::Pending => panic!("nothing to read"),
    }
}

fn write(kernel: &mut Kernel<Socket>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
    let mut cx = Context::from_waker(Waker::noop());
    kernel.poll_write(&mut cx, &[IoSlice::new(bytes)])
}

#[test]
fn what_comes_is_opened_and_what_leaves_is_left_to_the_kernel() {
    let (mut kernel, mut setup) = kernel();
    let record = setup.peer.seal(DATA, b"from the client", 0);
    setup.socket.wire().inbound.extend(record);
    assert_eq!(read(&mut kernel).unwrap(), b"from the client");
    assert!(matches!(write(&mut kernel, b"plain"), Poll::Ready(Ok(5))));
    assert_eq!(setup.socket.wire().outbound, b"plain");
}

#[test]
fn new_keys_of_the_clients_own_are_followed() {
    let (mut kernel, mut setup) = kernel();
    let record = setup.peer.seal(HANDSHAKE, &[24, 0, 0, 1, 0], 0);
    setup.socket.wire().inbound.extend(record);
    setup.peer.update();
    let record = setup.peer.seal(DATA, b"under new keys", 0);
    setup.socket.wire().inbound.extend(record);
    assert_eq!(read(&mut kernel).unwrap(), b"under new keys");
}

#[test]
fn a_client_that_asks_for_our_new_keys_ends_the_connection_with_an_error() {
    let (mut kernel, mut setup) = kernel();
    let record = setup.peer.seal(HANDSHAKE, &[24, 0, 0, 1, 1], 0);
    setup.socket.wire().inbound.extend(record);
    assert!(matches!(read(&mut kernel), Err(Error::Rekey)));
    assert!(matches!(read(&mut kernel), Err(Error::Rekey)));
    assert!(matches!(write(&mut kernel, b"more"), Poll::Ready(Err(_))));
    assert!(setup.socket.wire().outbound.is_empty());
}

#[test]
fn a_key_that_is_used_up_ends_the_connection_with_an_error() {
    let (mut kernel, setup) = kernel();
    kernel.leave_records(1);
    assert!(matches!(write(&mut kernel, b"last"), Poll::Ready(Ok(4))));
    assert!(matches!(write(&mut kernel, b"more"), Poll::Ready(Err(_))));
    assert_eq!(setup.socket.wire().outbound, b"last");
}

#[test]
fn an_end_without_close_notify_is_an_error() {
    let (mut kernel, setup) = kernel();
    setup.socket.wire().ended = true;
    assert!(matches!(read(&mut kernel), Err(Error::Truncated)));
}

#[test]
fn a_nonce_is_cut_where_the_kernel_cuts_it() {
    let nonce: Vec<u8> = (0..12).collect();
    let (_, salt, iv) = cut::<16, 4, 8>(&[1; 16], &nonce).unwrap();
    assert_eq!((salt, iv), ([0, 1, 2, 3], [4, 5, 6, 7, 8, 9, 10, 11]));
    assert!(cut::<32, 0, 12>(&[1; 32], &nonce).is_some());
    assert!(cut::<16, 4, 8>(&[1; 32], &nonce).is_none());
    assert!(cut::<16, 4, 8>(&[1; 16], &nonce[1..]).is_none());
}
