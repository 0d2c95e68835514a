//! libCacheSim's oracleGeneral: 24 bytes a request.

use std::io::BufRead;

use super::{fill, number_at};
use crate::{Error, Request};

const RECORD_BYTES: usize = 24;

pub(super) fn read(input: &mut impl BufRead, number: u64) -> Result<Option<Request>, Error> {
    let mut record = [0; RECORD_BYTES];
    if !fill(input, &mut record, number)? {
        return Ok(None);
    }
    // The seconds lie before the object's lower half, the size before the next access's.
    let seconds = number_at::<0, RECORD_BYTES>(&record) & u64::from(u32::MAX);
    let size = number_at::<12, RECORD_BYTES>(&record) & u64::from(u32::MAX);
    Ok(Some(Request {
        unix_ms: seconds * 1000,
        client: number,
        object: number_at::<4, RECORD_BYTES>(&record),
        offset: 0,
        length: size,
        object_size: size,
    }))
}
