//! The grammar of a request head (RFC 9112), in full strictness. Pure.

use http::{Method, StatusCode};
use message::Error;

use crate::{admission, config::Limits};

/// Empty lines that may come before a request line. RFC 9112 section 2.2 asks for at least one.
const EMPTY_LINES_MAX: usize = 2;

/// What a checked head must look like to hyper as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) fields: usize,
    pub(crate) target_bytes: usize,
}

/// Reads one head from a growing buffer, each byte once.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// Bytes that were looked at.
    at: usize,
    /// Where the request line begins, behind empty lines.
    start: usize,
    /// Where the line that `at` is in begins.
    line: usize,
    /// Of the request line, once it was complete and good.
    request_line: Option<RequestLine>,
    /// What the fields so far say.
    fields: usize,
    framing: Framing,
}

/// What a buffer holds so far.
#[derive(Debug)]
pub(crate) enum Scan {
    /// A part of a head.
    Incomplete,
    /// A whole head in `start..end`.
    Complete {
        start: usize,
        end: usize,
        checked: Checked,
    },
}

fn bad(detail: String) -> Error {
    Error::request(StatusCode::BAD_REQUEST, detail)
}

impl Scanner {
    /// Looks at what `buffer` has beyond the last call's. An error is final.
    pub(crate) fn scan(&mut self, buffer: &[u8], limits: &Limits) -> Result<Scan, Error> {
        while let Some(&byte) = buffer.get(self.at) {
            match byte {
                b'\n' => {
                    if !buffer[self.line..self.at].ends_with(b"\r") {
                        // RFC 9112 section 2.2 lets a recipient take a bare LF for a line's end;
                        // two recipients that choose differently see two requests.
                        return Err(bad("line ends with a bare lf".to_owned()));
                    }
                    let line = &buffer[self.line..self.at - 1];
                    self.at += 1;
                    if let Some(found) = self.end_line(buffer, line, limits)? {
                        return Ok(found);
                    }
                    self.line = self.at;
                    continue;
                }
                _ if buffer[self.line..self.at].ends_with(b"\r") => {
                    return Err(bad("bare cr".to_owned()));
                }
                b'\r' | b'\t' | b' '..=b'~' | 0x80.. => {}
                control => return Err(bad(format!("byte {control:#04x} in a head"))),
            }
            self.at += 1;
        }
        self.check_room(limits)?;
        Ok(Scan::Incomplete)
    }

    fn end_line(
        &mut self,
        buffer: &[u8],
        line: &[u8],
        limits: &Limits,
    ) -> Result<Option<Scan>, Error> {
        let Some(request_line) = self.request_line else {
            if line.is_empty() {
                self.start = self.at;
                if self.start > EMPTY_LINES_MAX * 2 {
                    return Err(bad("too many empty lines before a request".to_owned()));
                }
                return Ok(None);
            }
            self.request_line = Some(RequestLine::parse(line, limits)?);
            return Ok(None);
        };
        self.check_room(limits)?;
        if !line.is_empty() {
            self.field(line, limits)?;
            return Ok(None);
        }
        let (start, end) = (self.start, self.at);
        let method = &buffer[start..start + request_line.method_bytes];
        self.framing.judge(method)?;
        Ok(Some(Scan::Complete {
            start,
            end,
            checked: Checked {
                fields: self.fields,
                target_bytes: request_line.target_bytes,
            },
        }))
    }

    fn field(&mut self, line: &[u8], limits: &Limits) -> Result<(), Error> {
        self.fields += 1;
        if self.fields > limits.fields {
            return Err(too_large(format!("more than {} fields", limits.fields)));
        }
        let (name, value) = split_field(line)?;
        self.framing.note(name, value)
    }

    fn check_room(&self, limits: &Limits) -> Result<(), Error> {
        let bytes = self.at - self.start;
        if self.request_line.is_none() && bytes > limits.target_bytes + REQUEST_LINE_REST {
            return Err(too_long(bytes));
        }
        if bytes > limits.head_bytes {
            return Err(too_large(format!(
                "head of more than {} bytes",
                limits.head_bytes
            )));
        }
        Ok(())
    }
}

/// The longest method that we know, two spaces, the version and the line's end, with room for a
/// method that we do not know.
const REQUEST_LINE_REST: usize = 64;

fn too_long(bytes: usize) -> Error {
    Error::request(
        StatusCode::URI_TOO_LONG,
        format!("target in a line of {bytes} bytes"),
    )
}

fn too_large(detail: String) -> Error {
    Error::request(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
}

/// Lengths of the words of a good request line.
#[derive(Debug, Clone, Copy)]
struct RequestLine {
    method_bytes: usize,
    target_bytes: usize,
}

impl RequestLine {
    /// RFC 9112 section 3: `method SP request-target SP HTTP-version`, with single spaces.
    fn parse(line: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("request line is not three words".to_owned()));
        };
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return Err(bad("method is not a token".to_owned()));
        }
        if target.len() > limits.target_bytes {
            return Err(too_long(line.len()));
        }
        // A fragment is never sent, and hyper would drop it without a word.
        if target.is_empty()
            || !target
                .iter()
                .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
        {
            return Err(bad(
                "target is not of visible ascii without a fragment".to_owned()
            ));
        }
        check_version(version)?;
        Ok(Self {
            method_bytes: method.len(),
            target_bytes: target.len(),
        })
    }
}

fn check_version(version: &[u8]) -> Result<(), Error> {
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => Ok(()),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            let version = String::from_utf8_lossy(version);
            let status = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
            Err(Error::request(status, format!("version {version}")))
        }
        _ => Err(bad("version is not one".to_owned())),
    }
}

/// RFC 9112 section 5: `field-name ":" OWS field-value OWS`.
fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        // RFC 9112 section 5.2.
        return Err(bad("folded line, or space before a field".to_owned()));
    }
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Err(bad("field without a colon".to_owned()));
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        // RFC 9112 section 5.1 names the space before a colon, which is no token character.
        return Err(bad("field name is not a token".to_owned()));
    }
    Ok((name, value.trim_ascii()))
}

/// What a head says about a body.
#[derive(Debug, Default)]
struct Framing {
    has_length: bool,
    announces_body: bool,
}

impl Framing {
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("content-length") {
            // RFC 9112 section 6.3: anything but one decimal number is unrecoverable.
            let number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            if self.has_length || !number || (value.len() > 1 && value.starts_with(b"0")) {
                return Err(bad("content-length is not one number".to_owned()));
            }
            self.has_length = true;
            self.announces_body |= value != b"0";
        } else if is("transfer-encoding") {
            // RFC 9112 section 6.1 allows a request with a body to be refused unread. Whatever
            // the coding is said to be, the connection ends here, so nobody can disagree on it.
            self.announces_body = true;
        } else if is("transfer_encoding") || is("content_length") {
            return Err(bad("framing field in disguise".to_owned()));
        }
        Ok(())
    }

    fn judge(&self, method: &[u8]) -> Result<(), Error> {
        // hyper would leave HTTP behind for a tunnel.
        let is_tunnel = method == b"CONNECT";
        if !self.announces_body && !is_tunnel {
            return Ok(());
        }
        // A method that takes a body is told that it is not taken here; then the body.
        let method = Method::from_bytes(method).map_err(|error| bad(error.to_string()))?;
        admission::check_method(&method)?;
        Err(bad("request with a body".to_owned()))
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
