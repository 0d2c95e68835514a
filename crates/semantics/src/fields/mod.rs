//! Which header fields of a response are stored, refreshed, and sent with a 304; and the fields
//! by which hops know each other.

mod hops;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

pub use hops::{Via, is_loop};

use crate::{date, freshness, lines};

/// Fields that end at this hop, apart from those that start with one of [`DROPPED_PREFIXES`].
const DROPPED: &[&str] = &[
    // RFC 9111 section 3.1, RFC 9110 section 7.6.1: of one connection, or of a proxy.
    "connection",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Made anew for each response, from the object's size and age and by this hop's own measure.
    "accept-ranges",
    "age",
    "cmsd-dynamic",
    "content-length",
    "content-range",
    // RFC 7838 section 3: hop-by-hop in meaning; this node has its own.
    "alt-svc",
    // What browsers may do across origins is decided at the edge.
    "cross-origin-resource-policy",
    "timing-allow-origin",
];

/// Fields of one message, which who asked gets and nobody after him: digests of what one answer
/// carried, which may be a part, and the time that it took.
const OF_ONE_MESSAGE: &[&str] = &["content-digest", "content-md5", "server-timing"];

/// Whole families: what browsers may do across origins is decided at the edge, and what object
/// stores and proxies tell of themselves concerns nobody else.
const DROPPED_PREFIXES: &[&str] = &[
    "access-control-",
    "proxy-",
    "x-accel-",
    "x-amz-",
    "x-goog-",
    "x-ms-",
];

/// Fields that a cache relies on: they survive a `Connection` that lists them (`X11`), and so does
/// every stored `Content-*`.
const RELIED_ON: &[&str] = &[
    "cache-control",
    "cache-status",
    "cdn-cache-control",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "repr-digest",
    "vary",
];

/// What becomes of `Set-Cookie` in a response that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cookies {
    /// The response is stored without it. RFC 9111 section 7.3 leaves a cookie in a response that
    /// the origin calls cacheable to the origin; one viewer's session in another's browser is too
    /// high a price for a mistake there.
    #[default]
    Drop,
    /// The response is not stored.
    Pass,
    /// It is stored like any other field.
    Store,
}

/// RFC 9110 section 15.4.5, and what tells caches behind this one how long.
const ON_NOT_MODIFIED: &[&str] = &[
    "age",
    "cache-control",
    "cache-status",
    "cdn-cache-control",
    "content-location",
    "date",
    "etag",
    "expires",
    "vary",
    "via",
];

/// The fields of an upstream response that go on to who asked: all but those that end here.
///
/// RFC 9111 section 3.1: fields that nobody here knows are kept. What is made anew for each response
/// (`Content-Length`, `Content-Range`, `Age`) is left out: read it before. `Cache-Status` and `Via`
/// are kept, for this node to add to.
pub fn passed(upstream: &HeaderMap) -> HeaderMap {
    let listed: Vec<_> = lines::all_members(upstream, &header::CONNECTION).collect();
    let keep = |name: &HeaderName| {
        let is_listed = || {
            listed
                .iter()
                .any(|l| l.eq_ignore_ascii_case(name.as_str().as_bytes()))
        };
        goes_on(name) && (is_relied_on(name) || !is_listed())
    };
    copied(upstream, keep)
}

/// The fields of an upstream response that are stored with the object: those that are passed on,
/// without what is of one message or of one viewer.
pub fn stored(upstream: &HeaderMap, cookies: Cookies) -> HeaderMap {
    let mut fields = passed(upstream);
    for name in OF_ONE_MESSAGE {
        fields.remove(*name);
    }
    // RFC 9111 sections 5.2.2.4 and 5.2.2.7: what qualified no-cache and private name.
    for name in freshness::withheld(upstream) {
        fields.remove(name);
    }
    if cookies != Cookies::Store {
        fields.remove(header::SET_COOKIE);
    }
    fields
}

/// Whether a field goes on, when no `Connection` lists it.
fn goes_on(name: &HeaderName) -> bool {
    let name = name.as_str();
    let in_family = || {
        DROPPED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    !DROPPED.contains(&name) && !in_family()
}

fn is_relied_on(name: &HeaderName) -> bool {
    // RFC 9110 section 7.6.1: a sender must not list what is meant for all recipients; who lists
    // a validator or a lifetime would have us serve bytes without it.
    RELIED_ON.contains(&name.as_str()) || name.as_str().starts_with("content-")
}

/// Updates the stored fields by those of a 304.
///
/// The caller has checked that the 304 is about the stored version. What it allows from now on is
/// for [`crate::freshness::assess_refreshed`] to say, which looks at the 304 as well.
pub fn refresh(stored_fields: &mut HeaderMap, not_modified: &HeaderMap, cookies: Cookies) {
    // RFC 9111 section 3.2: each field that came replaces the stored ones of its name, Content-Type
    // among them: what is stored are the origin's own bytes, not something made of them.
    let mut fresh = stored(not_modified, cookies);
    // Section 3.2 lets a cache omit what tells how the body is to be read. The body stays as it is,
    // and a server that names a coding in each of its answers would spoil it here.
    fresh.remove(header::CONTENT_ENCODING);
    // "Header fields that the cache's stored response depends upon": a strong entity tag names the
    // version whose slices are put together, and the weak form of it in a 304 is no other name.
    if crate::validator::strong(stored_fields).is_some() {
        fresh.remove(header::ETAG);
    }
    // RFC 9110 section 6.6.1: a message without Date was made when it came, not when the stored
    // one was.
    stored_fields.remove(header::DATE);
    for name in fresh.keys() {
        stored_fields.remove(name);
    }
    for (name, value) in &fresh {
        stored_fields.append(name, value.clone());
    }
}

/// Gives a response a `Date` if it came without a valid one.
pub fn add_date(fields: &mut HeaderMap, received: Duration) {
    // RFC 9110 section 6.6.1: a recipient with a clock notes when it received such a message, and
    // says so if it is cached or forwarded. What is no date, or several, may be replaced.
    if date::only(fields, &header::DATE).is_none()
        && let Ok(value) = date::format(received).parse()
    {
        fields.insert(header::DATE, value);
    }
}

/// Whether a response of this status has content at all.
pub fn may_have_body(status: StatusCode) -> bool {
    // RFC 9110 sections 15.2, 15.3.5, 15.3.6 and 15.4.5.
    !status.is_informational() && !matches!(status.as_u16(), 204 | 205 | 304)
}

/// The fields of a full response that belong on a 304 in its place.
pub fn not_modified(full: &HeaderMap) -> HeaderMap {
    // RFC 9110 section 15.4.5: what guides a cache and no more; Last-Modified only where there
    // is no entity tag.
    let has_etag = full.contains_key(header::ETAG);
    let keep = |name: &HeaderName| {
        ON_NOT_MODIFIED.contains(&name.as_str()) || (name == header::LAST_MODIFIED && !has_etag)
    };
    copied(full, keep)
}

/// The fields of a full response that belong on a 304 to a cache of ours: all that guide its update.
pub fn not_modified_for_caches(full: &HeaderMap) -> HeaderMap {
    // RFC 9110 section 15.4.5: more than the above is for guiding cache updates, which RFC 9111
    // section 3.2 makes of every field; those of one message are not among them.
    copied(full, |name| {
        *name != header::CONTENT_LENGTH && *name != header::CONTENT_RANGE
    })
}

fn copied(from: &HeaderMap, keep: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let kept = from.iter().filter(|(name, _)| keep(name));
    let mut to = HeaderMap::with_capacity(from.keys_len());
    for (name, value) in kept {
        to.append(name, HeaderValue::clone(value));
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_ends_here_is_not_stored() {
        // RFC 9111 section 3.1, RFC 9110 section 7.6.1.
        for name in DROPPED.iter().chain(&[
            "access-control-allow-origin",
            "access-control-expose-headers",
            "proxy-authenticate",
            "proxy-status",
            "x-amz-request-id",
            "x-amz-meta-owner",
            "x-goog-hash",
            "x-ms-blob-type",
        ]) {
            let given = fields(&[(name, "1")]);
            assert!(stored(&given, Cookies::Store).is_empty(), "{name}");
        }
    }

    #[test]
    fn all_else_is_stored() {
        let given = [
            ("cache-control", "max-age=1"),
            ("cache-status", "shield1; hit"),
            ("cmsd-static", "ot=v"),
            ("content-encoding", "gzip"),
            ("content-type", "video/mp4"),
            ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
            ("etag", "\"a\""),
            ("link", "</a>; rel=preload"),
            ("link", "</b>; rel=preload"),
            ("via", "1.1 shield1"),
            ("x-own", "1"),
            // The owner's words to browsers, and to those who study answers: end to end.
            ("server", "origin/1"),
            ("strict-transport-security", "max-age=1"),
            ("www-authenticate", "Basic"),
            ("content-security-policy", "x"),
        ];
        assert_eq!(stored(&fields(&given), Cookies::Drop), fields(&given));
    }

    #[test]
    fn a_connection_field_cannot_take_away_what_a_cache_relies_on() {
        // X11: `Connection: etag, cache-control` from upstream; integrity headers survive.
        let given = fields(&[
            ("connection", "ETag, cache-control, X-Own, close"),
            ("connection", "content-type,,last-modified"),
            ("etag", "\"a\""),
            ("cache-control", "max-age=1"),
            ("content-type", "video/mp4"),
            ("last-modified", "Fri, 15 Jan 2027 08:00:00 GMT"),
            ("x-own", "1"),
            ("x-other", "1"),
        ]);
        let kept = [
            "cache-control",
            "content-type",
            "etag",
            "last-modified",
            "x-other",
        ];
        assert_eq!(names(&stored(&given, Cookies::Drop)), kept);
    }

    #[test]
    fn what_is_of_one_viewer_goes_to_him_alone() {
        // RFC 9111 sections 5.2.2.4, 5.2.2.7 and 7.3.
        let given = fields(&[
            (
                "cache-control",
                "max-age=9, private=\"x-mine\", no-cache=\"x-fresh\"",
            ),
            ("x-mine", "1"),
            ("x-fresh", "1"),
            ("content-md5", "1"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=1"),
            ("x-all", "1"),
        ]);
        assert_eq!(passed(&given), given);
        assert_eq!(
            names(&stored(&given, Cookies::Drop)),
            ["cache-control", "x-all"]
        );
        let kept = ["cache-control", "set-cookie", "x-all"];
        assert_eq!(names(&stored(&given, Cookies::Store)), kept);
    }

    #[test]
    fn a_304_refreshes_all_but_the_name_the_length_and_the_coding() {
        // RFC 9111 section 3.2.
        let mut head = fields(&[
            ("cache-control", "max-age=1"),
            ("etag", "\"a\""),
            ("content-type", "video/mp4"),
            ("link", "</a>"),
            ("link", "</b>"),
            ("x-kept", "1"),
            ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
        ]);
        let fresh = fields(&[
            ("cache-control", "max-age=2"),
            ("cache-control", "public"),
            ("etag", "W/\"a\""),
            ("content-type", "text/html"),
            ("content-length", "0"),
            ("content-range", "bytes 0-0/1"),
            ("content-encoding", "gzip"),
            ("link", "</c>"),
            ("set-cookie", "id=1"),
        ]);
        refresh(&mut head, &fresh, Cookies::Drop);
        let after = fields(&[
            ("cache-control", "max-age=2"),
            ("cache-control", "public"),
            ("etag", "\"a\""),
            ("content-type", "text/html"),
            ("link", "</c>"),
            ("x-kept", "1"),
        ]);
        assert_eq!(head, after);
        // Where the stored name was weak or none, that of the 304 is as good.
        let mut weak = fields(&[("etag", "W/\"a\"")]);
        refresh(&mut weak, &fields(&[("etag", "\"a\"")]), Cookies::Drop);
        assert_eq!(weak["etag"], "\"a\"");
    }

    #[test]
    fn a_304_carries_what_guides_caches() {
        // R19. RFC 9110 section 15.4.5.
        let full = [
            ("age", "1"),
            ("cache-control", "max-age=1"),
            ("content-length", "5"),
            ("content-location", "/a"),
            ("content-range", "bytes 0-4/9"),
            ("content-type", "video/mp4"),
            ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
            ("etag", "\"a\""),
            ("expires", "0"),
            ("last-modified", "Fri, 15 Jan 2027 08:00:00 GMT"),
            ("vary", "accept-encoding"),
        ];
        let carried = [
            "age",
            "cache-control",
            "content-location",
            "date",
            "etag",
            "expires",
            "vary",
        ];
        assert_eq!(names(&not_modified(&fields(&full))), carried);
        let without_etag: Vec<_> = full
            .into_iter()
            .filter(|(name, _)| *name != "etag")
            .collect();
        assert!(not_modified(&fields(&without_etag)).contains_key("last-modified"));
    }
}
