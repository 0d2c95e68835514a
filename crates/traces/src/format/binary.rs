//! 48 bytes a request.

use std::io::{BufRead, Write};

use super::{fill, number_at};
use crate::{Error, Request};

pub(super) const MAGIC: [u8; 8] = *b"MPTRACE1";
const RECORD_BYTES: usize = 48;

pub(super) fn check_magic(input: &mut impl BufRead) -> Result<(), Error> {
    let mut magic = [0; 8];
    if fill(input, &mut magic, 0)? && magic == MAGIC {
        return Ok(());
    }
    Err(Error::Record {
        number: 0,
        what: "no binary trace: it does not begin with MPTRACE1".to_owned(),
    })
}

pub(super) fn read(input: &mut impl BufRead, number: u64) -> Result<Option<Request>, Error> {
    let mut record = [0; RECORD_BYTES];
    let found = fill(input, &mut record, number)?;
    Ok(found.then(|| Request {
        unix_ms: number_at::<0, RECORD_BYTES>(&record),
        client: number_at::<8, RECORD_BYTES>(&record),
        object: number_at::<16, RECORD_BYTES>(&record),
        offset: number_at::<24, RECORD_BYTES>(&record),
        length: number_at::<32, RECORD_BYTES>(&record),
        object_size: number_at::<40, RECORD_BYTES>(&record),
    }))
}

pub(super) fn write(output: &mut impl Write, request: &Request) -> Result<(), Error> {
    let fields = [
        request.unix_ms,
        request.client,
        request.object,
        request.offset,
        request.length,
        request.object_size,
    ];
    for field in fields {
        output.write_all(&field.to_le_bytes())?;
    }
    Ok(())
}
