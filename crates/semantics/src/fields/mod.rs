//! Which header fields of a response are stored, refreshed, and sent with a 304; and the fields
//! by which hops know each other.

mod hops;

use http::{HeaderMap, HeaderName, HeaderValue, header};

pub use hops::{CDN_LOOP, Via, is_loop, loop_value};

use crate::lines;

/// Fields that no stored response carries, apart from those that start with one of [`DROPPED_PREFIXES`].
const DROPPED: &[&str] = &[
    // RFC 9111 section 3.1, RFC 9110 section 7.6.1: of one connection, or of a proxy.
    "connection",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Of one message: made anew for each response from the object's size and age.
    "accept-ranges",
    "age",
    "cmsd-dynamic",
    "content-digest",
    "content-length",
    "content-md5",
    "content-range",
    "server-timing",
    // RFC 7838 section 3: hop-by-hop in meaning; this node has its own.
    "alt-svc",
    // Of one user, or of the origin's host rather than ours.
    "clear-site-data",
    "cross-origin-resource-policy",
    "expect-ct",
    "nel",
    "public-key-pins",
    "report-to",
    "reporting-endpoints",
    "server",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "timing-allow-origin",
    "www-authenticate",
    "x-powered-by",
];

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

/// The fields of an upstream response that are stored with the object.
///
/// What is of one message (`Content-Length`, `Content-Range`, `Age`, digests of a part) is left
/// out: read it before, and set it anew on each response. `Cache-Status` and `Via` are kept, for
/// this node to add to.
pub fn stored(upstream: &HeaderMap) -> HeaderMap {
    let listed: Vec<_> = lines::all_members(upstream, &header::CONNECTION).collect();
    let keep = |name: &HeaderName| {
        let is_listed = || {
            listed
                .iter()
                .any(|l| l.eq_ignore_ascii_case(name.as_str().as_bytes()))
        };
        is_stored(name) && (is_relied_on(name) || !is_listed())
    };
    copied(upstream, keep)
}

/// Whether a field is stored, when no `Connection` lists it.
pub fn is_stored(name: &HeaderName) -> bool {
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
pub fn refresh(stored_fields: &mut HeaderMap, not_modified: &HeaderMap) {
    // RFC 9111 section 3.2: each field that came replaces the stored ones of its name, but for
    // those that say what the stored bytes are.
    let says_what_the_bytes_are =
        |name: &HeaderName| matches!(name.as_str(), "content-encoding" | "content-type" | "etag");
    let mut fresh = stored(not_modified);
    for name in not_modified
        .keys()
        .filter(|name| says_what_the_bytes_are(name))
    {
        fresh.remove(name);
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
    fn what_is_of_one_connection_or_one_user_is_not_stored() {
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
            assert!(stored(&fields(&[(name, "1")])).is_empty(), "{name}");
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
        ];
        assert_eq!(stored(&fields(&given)), fields(&given));
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
        assert_eq!(names(&stored(&given)), kept);
    }

    #[test]
    fn a_304_refreshes_but_does_not_say_what_the_bytes_are() {
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
        refresh(&mut head, &fresh);
        let after = fields(&[
            ("cache-control", "max-age=2"),
            ("cache-control", "public"),
            ("etag", "\"a\""),
            ("content-type", "video/mp4"),
            ("link", "</c>"),
            ("x-kept", "1"),
        ]);
        assert_eq!(head, after);
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
