//! HTTP dates as wall time.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::lines::{self, Lines};

/// RFC 9110 section 5.6.7: all three date formats are read; anything else is no date.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(SystemTime::UNIX_EPOCH).ok()
}

/// RFC 9110 section 5.6.7: the preferred format.
pub(crate) fn format(wall: Duration) -> String {
    // A date that no calendar has would be refused by every recipient; this one by none.
    let latest = Duration::from_secs(253_402_300_799);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + wall.min(latest))
}

/// The date in a field value.
pub(crate) fn of(value: &HeaderValue) -> Option<Duration> {
    parse(value.to_str().ok()?)
}

/// The date in a field that must be there once.
pub(crate) fn only(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    match lines::of(headers, name) {
        Lines::One(value) => of(value),
        Lines::None | Lines::Several => None,
    }
}
