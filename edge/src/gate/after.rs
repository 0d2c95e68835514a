//! What a viewer is given besides an answer: the token for its next requests.

use http::{HeaderName, HeaderValue, StatusCode, header};
use message::{Body, Response};
use signing::{Carrier, Exchange, Facts, Grant, ObjectPath, exchange};

use super::site::Site;
use crate::tokens::{Session, SessionCarrier};

/// What follows a request that was let in.
pub(super) enum After {
    Nothing,
    /// A `Set-Cookie` on its answer, if that is a good one.
    Cookie(String),
    /// A redirection in place of its answer.
    Redirect(String),
}

/// Paths whose relative URLs a player follows.
const PLAYLISTS: [&str; 2] = [".m3u8", ".mpd"];

impl Site {
    pub(super) fn after(&self, grant: &Grant, carrier: Carrier, facts: &Facts<'_>) -> After {
        if let Some(cookie) = self.renewed(grant, facts) {
            return After::Cookie(cookie);
        }
        match (&self.session, carrier) {
            (Some(session), Carrier::Query | Carrier::Field) => {
                self.begun(session, grant, facts).unwrap_or(After::Nothing)
            }
            // Relative URLs inherit a path, and a cookie comes again by itself.
            (Some(_) | None, _) => After::Nothing,
        }
    }

    /// RFC 9246 section 3.2: the next token of a chain, in a cookie.
    fn renewed(&self, grant: &Grant, facts: &Facts<'_>) -> Option<String> {
        let (renewal, key) = (grant.renewal.as_ref()?, self.renewal.as_ref()?);
        let path = renewal.cookie_path(facts.path)?;
        let token = renewal.next(key, facts.now_s)?;
        self.metrics.renewal();
        let lifetime_s = renewal.lifetime_s();
        Some(
            self.carriers
                .set_uri_signing_cookie(&token, path, lifetime_s),
        )
    }

    fn begun(&self, session: &Session, grant: &Grant, facts: &Facts<'_>) -> Option<After> {
        let is_playlist = || {
            PLAYLISTS
                .iter()
                .any(|end| facts.path.as_str().ends_with(end))
        };
        if session.carrier == SessionCarrier::Path && !is_playlist() {
            return None;
        }
        let with = Exchange {
            key: &session.key,
            lifetime_s: session.lifetime_s,
        };
        let token = exchange(&with, grant, facts)?;
        self.metrics.session();
        Some(match session.carrier {
            SessionCarrier::Cookie => {
                let root = ObjectPath::parse("/").ok()?;
                After::Cookie(self.carriers.set_cookie(&token, &root, session.lifetime_s))
            }
            SessionCarrier::Path => {
                let (mark, query) = facts.query.map_or(("", ""), |query| ("?", query));
                After::Redirect(format!("/~{token}{}{mark}{query}", facts.path))
            }
        })
    }
}

/// Gives a cookie with a good answer. It is this viewer's, so the answer is too: a cache on its way
/// may not keep it (RFC 9111 section 5.2.2.7).
pub(super) fn give_cookie(cookie: &str, response: &mut Response) {
    let good = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let Ok(value) = HeaderValue::from_str(cookie) else {
        return;
    };
    if good {
        let headers = response.headers_mut();
        headers.append(header::SET_COOKIE, value);
        headers.append(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}

/// RFC 9110 section 15.4.8: the same request, elsewhere.
pub(super) fn redirect(target: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    let headers = response.headers_mut();
    let fields: [(HeaderName, &str); 2] = [
        (header::LOCATION, target),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fields {
        // A token, a path and a query are visible ASCII: their grammars have nothing else.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}
