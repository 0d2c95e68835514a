//! Native tokens into URLs and cookies.

use super::{Carrier, Carriers};
use crate::{Error, Malformed, ObjectPath};

impl Carriers {
    /// Puts a token into a URL of the form `https://host/path?query`. The path must be an object's
    /// and have no token yet. A cookie has no place in a URL: see [`Self::set_cookie`].
    pub fn signed_url(&self, url: &str, carrier: Carrier, token: &str) -> Result<String, Error> {
        let wrong = |hint: String| Error::value("url", url, hint);
        let (origin, target) = split_url(url).ok_or_else(|| {
            let form = "http:// or https://, a host, and a path that starts with /; no fragment";
            wrong(form.to_owned())
        })?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let malformed = |malformed: Malformed| wrong(malformed.to_string());
        let found = self
            .find(path, query, None, std::iter::empty())
            .map_err(malformed)?;
        if found.token.is_some() {
            return Err(wrong("has a token already".to_owned()));
        }
        ObjectPath::parse(path).map_err(malformed)?;
        let parameter = &self.parameter;
        match (carrier, query) {
            (Carrier::Query, None) => Ok(format!("{url}?{parameter}={token}")),
            (Carrier::Query, Some(_)) => Ok(format!("{url}&{parameter}={token}")),
            (Carrier::Path, _) => Ok(format!("{origin}/~{token}{target}")),
            (Carrier::Cookie | Carrier::Field, _) => Err(wrong(
                "a cookie travels in Set-Cookie, a field beside the URL".to_owned(),
            )),
        }
    }
}

/// `https://host` and the target after it.
fn split_url(url: &str) -> Option<(&str, &str)> {
    let after_scheme = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let slash = after_scheme.find(['/', '?', '#'])?;
    let at = url.len() - after_scheme.len() + slash;
    let (origin, target) = url.split_at(at);
    (slash > 0 && target.starts_with('/') && !target.contains('#')).then_some((origin, target))
}
