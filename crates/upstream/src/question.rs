//! What is asked of a next hop that speaks HTTP: built from a fetch and from nothing else.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CACHE_CONTROL, HOST, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE},
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::Full;
use message::{ByteRange, Carried, Condition, Demand, Error, Fetch};

/// What an answer must be held against.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) range: Option<ByteRange>,
    pub(crate) condition: Option<Condition>,
    pub(crate) carried: Carried,
    pub(crate) demand: Demand,
}

impl From<&Fetch> for Asked {
    fn from(fetch: &Fetch) -> Self {
        Self {
            range: fetch.range,
            condition: fetch.condition.clone(),
            carried: fetch.carried.clone(),
            demand: fetch.demand,
        }
    }
}

/// The body of a request. Of a read it is empty; what is written is whole before it is sent.
pub(crate) type Sent = Full<Bytes>;

/// How a connection frames requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// HTTP/1.1: the path as target, the authority in `Host`.
    Origin,
    /// HTTP/2: scheme and authority in the target.
    Absolute,
}

/// Where a hop's objects are.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// RFC 8586: who we are, in every request.
    pub(crate) cdn_loop: HeaderValue,
}

impl Target {
    /// The request for `path` (with its query, if any).
    ///
    /// # Errors
    /// 400 when the path or a validator cannot stand in a request: it came from a client.
    pub(crate) fn request(
        &self,
        path: &str,
        asked: &Asked,
        form: Form,
    ) -> Result<Request<Sent>, Error> {
        let wrong = |what: &str, value: &str| {
            Error::request(
                StatusCode::BAD_REQUEST,
                format!("{what} {value:?} cannot be sent"),
            )
        };
        let path = PathAndQuery::try_from(path).map_err(|_invalid| wrong("path", path))?;
        let mut request = Request::new(Sent::default());
        *request.method_mut() = Method::GET;
        let headers = request.headers_mut();
        if form == Form::Origin {
            let host = HeaderValue::from_str(self.authority.as_str());
            headers.insert(
                HOST,
                host.map_err(|_invalid| wrong("host", self.authority.as_str()))?,
            );
        }
        headers.insert(HeaderName::from_static("cdn-loop"), self.cdn_loop.clone());
        asked
            .write(headers)
            .map_err(|value| wrong("validator", value))?;
        *request.uri_mut() = self.uri(path, form)?;
        Ok(request)
    }

    fn uri(&self, path: PathAndQuery, form: Form) -> Result<Uri, Error> {
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = Some(path);
        if form == Form::Absolute {
            parts.scheme = Some(self.scheme.clone());
            parts.authority = Some(self.authority.clone());
        }
        Uri::from_parts(parts)
            .map_err(|error| Error::request(StatusCode::BAD_REQUEST, error.to_string()))
    }
}

impl Asked {
    fn write<'a>(&'a self, headers: &mut HeaderMap) -> Result<(), &'a str> {
        for (name, value) in self.carried.iter() {
            headers.insert(name, value.clone());
        }
        let directive = match self.demand {
            Demand::Any => None,
            Demand::EndToEnd => Some("no-cache"),
            Demand::Unstored => Some("no-store"),
        };
        if let Some(directive) = directive {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(directive));
        }
        if let Some(range) = self.range {
            let range = format!("bytes={}-{}", range.first, range.last);
            let range = HeaderValue::from_str(&range).map_err(|_invalid| "range")?;
            headers.insert(RANGE, range);
        }
        let (name, value) = match &self.condition {
            None => return Ok(()),
            Some(Condition::IfMatch(etag)) => (IF_MATCH, etag),
            Some(Condition::IfNoneMatch(etag)) => (IF_NONE_MATCH, etag),
            Some(Condition::IfModifiedSince(date)) => (IF_MODIFIED_SINCE, date),
        };
        headers.insert(
            name,
            HeaderValue::from_str(value).map_err(|_invalid| value.as_ref())?,
        );
        Ok(())
    }
}

/// The value of `CDN-Loop` for a node's name.
pub(crate) fn cdn_loop(node: &str) -> Result<HeaderValue, crate::Error> {
    let is_token = !node.is_empty()
        && node
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    let wrong = || crate::Error::Node(node.to_owned());
    if !is_token {
        return Err(wrong());
    }
    HeaderValue::from_str(node).map_err(|_invalid| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            scheme: Scheme::HTTPS,
            authority: "shield.test".parse().unwrap(),
            cdn_loop: cdn_loop("edge1").unwrap(),
        }
    }

    fn plain() -> Asked {
        Asked {
            range: None,
            condition: None,
            carried: Carried::default(),
            demand: Demand::Any,
        }
    }

    #[test]
    fn what_a_site_has_forwarded_is_sent_and_cannot_replace_our_own() {
        let field = |name: &'static str, value: &'static str| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let asked = Asked {
            carried: Carried::new(vec![field("accept", "a"), field("range", "bytes=0-1")]),
            range: Some(ByteRange { first: 5, last: 9 }),
            demand: Demand::EndToEnd,
            ..plain()
        };
        let request = target().request("/a", &asked, Form::Absolute).unwrap();
        assert_eq!(request.headers()["accept"], "a");
        assert_eq!(request.headers()["range"], "bytes=5-9");
        assert_eq!(request.headers()["cache-control"], "no-cache");
    }

    #[test]
    fn a_request_has_the_fields_of_a_fetch_and_no_others() {
        let range = Some(ByteRange { first: 5, last: 9 });
        let asked = Asked {
            range,
            condition: Some(Condition::IfMatch("\"v1\"".into())),
            ..plain()
        };
        let request = target()
            .request("/vod/a?v=1", &asked, Form::Absolute)
            .unwrap();
        assert_eq!(request.uri(), "https://shield.test/vod/a?v=1");
        let fields: Vec<_> = request
            .headers()
            .iter()
            .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
            .collect();
        assert_eq!(
            fields,
            [
                ("cdn-loop", "edge1"),
                ("range", "bytes=5-9"),
                ("if-match", "\"v1\"")
            ]
        );
    }

    #[test]
    fn what_cannot_stand_in_a_request_is_refused() {
        let asked = plain();
        assert!(target().request("/a b", &asked, Form::Origin).is_err());
        assert!(
            target()
                .request("/a\r\nx: y", &asked, Form::Origin)
                .is_err()
        );
        let condition = Some(Condition::IfMatch("\"a\"\r\nx: y".into()));
        assert!(
            target()
                .request(
                    "/a",
                    &Asked {
                        condition,
                        ..plain()
                    },
                    Form::Origin
                )
                .is_err()
        );
    }

    #[test]
    fn a_node_name_is_a_token() {
        assert!(cdn_loop("edge 1").is_err());
        assert!(cdn_loop("").is_err());
        assert_eq!(cdn_loop("edge-1.example").unwrap(), "edge-1.example");
    }
}
