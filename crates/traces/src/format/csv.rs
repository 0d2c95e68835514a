//! One line a request.

use std::io::{BufRead, Read, Write};

use crate::{Error, Request};

pub(super) const HEADER: &str = "unix_ms,client,object,offset,length,object_size";
/// Six numbers of twenty digits and their commas take 126.
const LINE_BYTES_MAX: usize = 160;

pub(super) fn check_header(input: &mut impl BufRead) -> Result<(), Error> {
    let line = line(input, 1)?.unwrap_or_default();
    if line == HEADER {
        return Ok(());
    }
    Err(refused(1, format!("{line:?} is not the header {HEADER:?}")))
}

pub(super) fn read(input: &mut impl BufRead, number: u64) -> Result<Option<Request>, Error> {
    let Some(line) = line(input, number)? else {
        return Ok(None);
    };
    let mut fields = [0; 6];
    let (names, mut columns) = (HEADER.split(','), line.split(','));
    for (field, name) in fields.iter_mut().zip(names) {
        let column = columns.next().ok_or_else(|| count(number))?;
        *field = column
            .parse()
            .map_err(|error| refused(number, format!("{name} {column:?}: {error}")))?;
    }
    if columns.next().is_some() {
        return Err(count(number));
    }
    let [unix_ms, client, object, offset, length, object_size] = fields;
    Ok(Some(Request {
        unix_ms,
        client,
        object,
        offset,
        length,
        object_size,
    }))
}

pub(super) fn write(output: &mut impl Write, request: &Request) -> Result<(), Error> {
    let Request {
        unix_ms,
        client,
        object,
        offset,
        length,
        object_size,
    } = request;
    writeln!(
        output,
        "{unix_ms},{client},{object},{offset},{length},{object_size}"
    )?;
    Ok(())
}

/// The next line without its end; none at the end of the file.
fn line(input: &mut impl BufRead, number: u64) -> Result<Option<String>, Error> {
    let mut bytes = Vec::with_capacity(LINE_BYTES_MAX);
    input
        .by_ref()
        .take(LINE_BYTES_MAX as u64)
        .read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        // Either there is more of it, or the file was cut.
        return if bytes.len() + 1 >= LINE_BYTES_MAX {
            Err(refused(
                number,
                format!("longer than {LINE_BYTES_MAX} bytes"),
            ))
        } else {
            Err(Error::Cut(number))
        };
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    let line = String::from_utf8(bytes).map_err(|error| refused(number, error.to_string()))?;
    Ok(Some(line))
}

fn count(number: u64) -> Error {
    refused(number, format!("not 6 columns: {HEADER}"))
}

fn refused(number: u64, what: String) -> Error {
    Error::Record { number, what }
}
