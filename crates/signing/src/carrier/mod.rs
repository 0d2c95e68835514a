//! Where a token travels: in the query, in the path, in a field or in a cookie; found and put there.

mod cookie;
mod path;
mod query;
mod redact;
mod url;

use std::{borrow::Cow, fmt};

use serde::Deserialize;

use crate::{Label, Malformed, ObjectPath, Scheme, Schemes, Token};

/// Where a token travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// `/films/1/a.m4s?mp=<token>`: this URL alone.
    Query,
    /// `/~<token>/films/1/a.m4s`: relative URLs in a playlist inherit it.
    Path,
    /// A field of its own, as EdgeAuth has it.
    Field,
    /// `Cookie: mp=<token>`.
    Cookie,
}

impl Carrier {
    /// A word for logs and metric labels.
    pub fn label(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Path => "path",
            Self::Field => "field",
            Self::Cookie => "cookie",
        }
    }
}

/// The names that carry a token on one site.
///
/// A first path segment that starts with `~` always carries a native token. A token in the query or
/// in the path goes before one in a field, and that before one in a cookie: a player cannot help
/// the cookies that it sends. Query and path together, or one of them twice, are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Carriers {
    /// The query parameter; default `mp`. Byte-exact.
    pub parameter: Label,
    /// The cookie; default `mp`. Byte-exact.
    pub cookie: Label,
    /// The schemes whose tokens are looked for; default the native one.
    #[serde(skip)]
    pub schemes: Schemes,
    /// Other vendors' names.
    #[serde(skip)]
    pub names: Names,
}

/// Names that carry other vendors' tokens, where their customers can choose them. Byte-exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Parameter (of query and of path) and cookie of URI signing; default `URISigningPackage`.
    pub uri_signing: Label,
    /// Parameter of Media CDN's dual tokens; default `edge-cache-token`.
    pub media_cdn: Label,
    /// Cookie of Media CDN; default `Edge-Cache-Cookie`.
    pub media_cdn_cookie: Label,
    /// Parameter, cookie and field of EdgeAuth; default `hdnts`.
    pub edge_auth: Label,
}

/// A request's target without its token.
#[derive(Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The token, as sent. Give it to the verifier and to nothing else.
    pub token: Option<Token<'a>>,
    /// Where it was.
    pub carrier: Option<Carrier>,
    /// A token in a cookie beside one in the URL: what a session goes on with when the URL's, which
    /// was for its beginning, has expired.
    pub beside: Option<Token<'a>>,
    /// The path without the token; [`ObjectPath::parse`] has yet to check it.
    pub path: Cow<'a, str>,
    /// The other query parameters in their order; `None` when there are none. Each is
    /// `name=value`: names of `A-Z a-z 0-9 - . _ ~`, values also of `! $ ' ( ) * , / : = @` and
    /// `%` escapes that hide no control byte.
    pub query: Option<Cow<'a, str>>,
}

impl Default for Carriers {
    fn default() -> Self {
        Self {
            parameter: Label::from_static("mp"),
            cookie: Label::from_static("mp"),
            schemes: Schemes::default(),
            names: Names::default(),
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            uri_signing: Label::from_static("URISigningPackage"),
            media_cdn: Label::from_static("edge-cache-token"),
            media_cdn_cookie: Label::from_static("Edge-Cache-Cookie"),
            edge_auth: Label::from_static("hdnts"),
        }
    }
}

impl Carriers {
    /// Splits a request target into the token and what the rest of the node may see. `field` is the
    /// value of the field that [`Names::edge_auth`] names, `cookies` are the values of all `Cookie`
    /// fields. Linear in the length of its input.
    pub fn find<'a>(
        &self,
        path: &'a str,
        query: Option<&'a str>,
        field: Option<&'a str>,
        cookies: impl Iterator<Item = &'a str>,
    ) -> Result<Found<'a>, Malformed> {
        let (in_path, path) = self.split_path(path)?;
        let (in_query, query) = match query {
            Some(query) => self.split_query(query)?,
            None => (None, None),
        };
        let in_url = match (in_query, in_path) {
            (Some(_), Some(_)) => return Err(Malformed::TwoCarriers),
            (Some(token), None) => Some((token, Carrier::Query)),
            (None, Some(token)) => Some((token, Carrier::Path)),
            (None, None) => None,
        };
        let field = field.filter(|_| self.schemes.contains(Scheme::EdgeAuth));
        let in_field = field.map(|text| (Token::EdgeAuth(text), Carrier::Field));
        let (found, beside) = match in_url {
            // Whatever is in the cookies, it cannot make a good URL a bad request.
            Some(found) => (Some(found), self.find_cookie(cookies).unwrap_or_default()),
            None if in_field.is_some() => (in_field, None),
            None => {
                let token = self.find_cookie(cookies)?;
                (token.map(|token| (token, Carrier::Cookie)), None)
            }
        };
        Ok(Found {
            token: found.map(|(token, _)| token),
            carrier: found.map(|(_, carrier)| carrier),
            beside,
            path,
            query,
        })
    }

    /// The value of a `Set-Cookie` field for a token that covers all below `path`. Cookies of
    /// media requests are cross-site, hence `SameSite=None`.
    pub fn set_cookie(&self, token: &str, path: &ObjectPath, lifetime_s: u64) -> String {
        set_cookie(&self.cookie, token, path.as_str(), lifetime_s)
    }

    /// The same for a URI signing token (RFC 9246 section 3.2).
    pub fn set_uri_signing_cookie(&self, token: &str, path: &str, lifetime_s: u64) -> String {
        set_cookie(&self.names.uri_signing, token, path, lifetime_s)
    }
}

fn set_cookie(cookie: &Label, token: &str, path: &str, lifetime_s: u64) -> String {
    format!("{cookie}={token}; Path={path}; Max-Age={lifetime_s}; Secure; HttpOnly; SameSite=None")
}

/// Never shows the token.
impl fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("token", &self.token)
            .field("carrier", &self.carrier)
            .field("beside", &self.beside)
            .field("path", &self.path)
            .field("query", &self.query)
            .finish()
    }
}

/// Puts a value where none may be yet.
fn one<T>(place: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match place.replace(value) {
        Some(_) => Err(Malformed::TwoTokens),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
