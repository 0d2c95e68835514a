//! Cross-origin answers: players run on other sites' pages, and scripts may read a response, even
//! an error, only if it says so.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::lines;

/// Which origins may read a site's responses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AllowOrigins {
    /// Any, without cookies: `*`.
    #[default]
    Any,
    /// Those given here (`https://player.example`), compared byte by byte; the one that asks is
    /// echoed and may send cookies.
    List(Vec<String>),
}

/// The cross-origin rules of a site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cors {
    /// Who may read.
    pub allow_origins: AllowOrigins,
}

const ALLOW_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "Range, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status, If-None-Match, If-Modified-Since",
);
const EXPOSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "Date, Age, Content-Length, Content-Range, ETag, Cache-Status, CMSD-Static, CMSD-Dynamic",
);
/// Seconds; Chromium caps at this.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const STAR: HeaderValue = HeaderValue::from_static("*");

/// The fields of the 204 that answers an `OPTIONS` request, without token or origin.
///
/// An origin that is not allowed gets a 204 too, without the fields that would let it go on.
pub fn preflight(request: &HeaderMap, cors: &Cors) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if allow(request, cors, &mut headers).is_some() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOW_METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    headers
}

/// Sets the cross-origin fields of any other response, errors included, in place of those that a
/// stored response may hold.
pub fn decorate(request: &HeaderMap, cors: &Cors, response: &mut HeaderMap) {
    response.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    if let Some(origin) = allow(request, cors, response) {
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS);
        response.insert(TIMING_ALLOW_ORIGIN, origin);
    } else {
        response.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
        response.remove(TIMING_ALLOW_ORIGIN);
    }
}

/// Says in `headers` who may read, and yields the same: `*`, the origin that asks, or nobody.
fn allow(request: &HeaderMap, cors: &Cors, headers: &mut HeaderMap) -> Option<HeaderValue> {
    headers.remove(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
    let allowed = match &cors.allow_origins {
        AllowOrigins::Any => Some(STAR),
        AllowOrigins::List(origins) => {
            // Fetch section 3.2.5: who echoes must vary, where the answer is "nobody" as well.
            vary_by_origin(headers);
            listed(request, origins)
        }
    };
    match &allowed {
        Some(origin) => {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if *origin != STAR {
                // Fetch section 3.2.5: credentials only with an origin spelled out.
                let yes = HeaderValue::from_static("true");
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            }
        }
        None => {
            headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        }
    }
    allowed
}

/// The origin that asks, if the list has it. A config that lists `*` or `null` allows nobody by
/// it: no page has the one for its origin, and any sandboxed page has the other.
fn listed(request: &HeaderMap, origins: &[String]) -> Option<HeaderValue> {
    let origin = request.get(header::ORIGIN)?;
    let known = origins
        .iter()
        .any(|known| known.as_bytes() == origin.as_bytes());
    let spelled_out = *origin != STAR && origin.as_bytes() != b"null";
    (known && spelled_out).then(|| origin.clone())
}

fn vary_by_origin(headers: &mut HeaderMap) {
    let said = lines::all_members(headers, &header::VARY)
        .any(|name| name.eq_ignore_ascii_case(b"origin") || name == b"*");
    if !said {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAYER: &str = "https://player.example";

    fn list() -> Cors {
        Cors {
            allow_origins: AllowOrigins::List(vec![PLAYER.to_owned(), "null".to_owned()]),
        }
    }

    fn from(origin: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())])
    }

    fn decorated(origin: &str, cors: &Cors) -> HeaderMap {
        let mut response = HeaderMap::new();
        decorate(&from(origin), cors, &mut response);
        response
    }

    #[test]
    fn any_page_may_read_but_without_cookies() {
        let response = decorated(PLAYER, &Cors::default());
        assert_eq!(response["access-control-allow-origin"], "*");
        assert_eq!(response["timing-allow-origin"], "*");
        assert_eq!(response["cross-origin-resource-policy"], "cross-origin");
        let exposed = response["access-control-expose-headers"].to_str().unwrap();
        for name in [
            "Age",
            "Content-Length",
            "Content-Range",
            "ETag",
            "Cache-Status",
        ] {
            assert!(exposed.split(", ").any(|known| known == name), "{name}");
        }
        assert!(!response.contains_key("access-control-allow-credentials"));
        assert!(!response.contains_key("vary"));
    }

    #[test]
    fn a_listed_page_is_echoed_and_may_send_cookies() {
        let response = decorated(PLAYER, &list());
        assert_eq!(response["access-control-allow-origin"], PLAYER);
        assert_eq!(response["access-control-allow-credentials"], "true");
        assert_eq!(response["timing-allow-origin"], PLAYER);
        assert_eq!(response["vary"], "Origin");
    }

    #[test]
    fn another_page_may_not_read_and_caches_are_told() {
        for origin in [
            "https://evil.example",
            "https://player.example.evil",
            "null",
            "*",
            "",
        ] {
            let response = decorated(origin, &list());
            assert!(
                !response.contains_key("access-control-allow-origin"),
                "{origin}"
            );
            assert!(
                !response.contains_key("access-control-allow-credentials"),
                "{origin}"
            );
            assert_eq!(response["vary"], "Origin", "{origin}");
        }
    }

    #[test]
    fn what_was_stored_for_another_page_does_not_show() {
        let mut response = decorated(PLAYER, &list());
        decorate(&from("https://evil.example"), &list(), &mut response);
        assert!(!format!("{response:?}").contains(PLAYER));
        let mut response = decorated(PLAYER, &list());
        decorate(&from(PLAYER), &Cors::default(), &mut response);
        assert_eq!(response["access-control-allow-origin"], "*");
        assert!(!response.contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn vary_is_said_once() {
        for said in ["accept-encoding, ORIGIN", "*"] {
            let mut response = HeaderMap::from_iter([(header::VARY, said.parse().unwrap())]);
            decorate(&from(PLAYER), &list(), &mut response);
            assert_eq!(response.get_all("vary").iter().collect::<Vec<_>>(), [said]);
        }
        let mut response = HeaderMap::from_iter([(header::VARY, "x-origin".parse().unwrap())]);
        decorate(&from(PLAYER), &list(), &mut response);
        assert_eq!(
            response.get_all("vary").iter().collect::<Vec<_>>(),
            ["x-origin", "Origin"]
        );
    }

    #[test]
    fn a_preflight_allows_what_players_send() {
        for cors in [Cors::default(), list()] {
            let answer = preflight(&from(PLAYER), &cors);
            assert_eq!(answer["access-control-allow-methods"], "GET, HEAD, OPTIONS");
            assert_eq!(answer["access-control-max-age"], "7200");
            let allowed = answer["access-control-allow-headers"]
                .to_str()
                .unwrap()
                .to_lowercase();
            for name in [
                "range",
                "cmcd-object",
                "cmcd-request",
                "cmcd-session",
                "cmcd-status",
            ] {
                assert!(allowed.split(", ").any(|known| known == name), "{name}");
            }
        }
    }

    #[test]
    fn a_preflight_from_elsewhere_allows_nothing() {
        let answer = preflight(&from("https://evil.example"), &list());
        assert_eq!(answer.keys().collect::<Vec<_>>(), ["vary"]);
    }
}
