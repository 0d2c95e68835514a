//! What a viewer is given besides an answer: the token for its next requests.

use http::{HeaderName, HeaderValue, StatusCode, header};
use message::{Body, Request, Response};
use signing::{
    Carrier, Exchange, Facts, Found, Grant, ObjectPath, Token, exchange,
    uri_signing::{Renewal, Transport},
};

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
    pub(super) fn after(
        &self,
        grant: &Grant,
        found: &Found<'_>,
        request: &Request,
        facts: &Facts<'_>,
    ) -> After {
        let renewed = grant
            .renewal
            .as_ref()
            .and_then(|renewal| match renewal.transport() {
                Transport::Cookie => self.next_cookie(renewal, facts).map(After::Cookie),
                Transport::Url => self
                    .next_url(renewal, found, request, facts)
                    .map(After::Redirect),
            });
        if let Some(renewed) = renewed {
            return renewed;
        }
        match (&self.session, found.carrier) {
            (Some(session), Some(Carrier::Query | Carrier::Field)) => {
                self.begun(session, grant, facts).unwrap_or(After::Nothing)
            }
            // Relative URLs inherit a path, and a cookie comes again by itself.
            (Some(_) | None, _) => After::Nothing,
        }
    }

    /// RFC 9246 section 3.3.1: the next token of a chain, where this one is in the URL.
    fn next_url(
        &self,
        renewal: &Renewal,
        found: &Found<'_>,
        request: &Request,
        facts: &Facts<'_>,
    ) -> Option<String> {
        let key = self.renewal.as_ref()?;
        let (Some(Carrier::Query | Carrier::Path), Some(Token::UriSigning(text))) =
            (found.carrier, found.token)
        else {
            return None;
        };
        if !renewal.is_due(facts.now_s) {
            return None;
        }
        let next = renewal.next(key, facts.now_s)?;
        self.metrics.renewal();
        let (mark, query) = request.query().map_or(("", ""), |query| ("?", query));
        // A JWT is long enough to stand there once.
        let target = format!("{}{mark}{query}", request.path());
        Some(target.replacen(text, &next, 1))
    }

    /// RFC 9246 section 3.3: the next token of a chain, in a cookie.
    fn next_cookie(&self, renewal: &Renewal, facts: &Facts<'_>) -> Option<String> {
        let key = self.renewal.as_ref()?;
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

/// Gives a cookie with a good answer, or with a redirection (RFC 9246 section 3.3). It is this
/// viewer's, so the answer is too: a cache on its way may not keep it (RFC 9111 section 5.2.2.7).
pub(super) fn give_cookie(cookie: &str, response: &mut Response) {
    let good = response.status().is_success() || response.status().is_redirection();
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
