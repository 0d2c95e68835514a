//! Tokens in a path.

use std::borrow::Cow;

use super::{Carriers, one};
use crate::{Malformed, Scheme, Token, media_cdn};

/// Media CDN's path component begins so.
const COMPONENT: &str = "/edge-cache-token=";

type Split<'a> = (Option<Token<'a>>, Cow<'a, str>);

impl Carriers {
    pub(super) fn split_path<'a>(&self, path: &'a str) -> Result<Split<'a>, Malformed> {
        if !path.starts_with('/') {
            return Err(Malformed::NotAbsolute);
        }
        let mut token = None;
        let mut rest = Cow::Borrowed(path);
        if self.schemes.contains(Scheme::Native)
            && let Some(prefixed) = path.strip_prefix("/~")
        {
            let slash = prefixed.find('/').ok_or(Malformed::TokenWithoutPath)?;
            let (text, after) = prefixed.split_at(slash);
            if after.starts_with("/~") {
                return Err(Malformed::TwoTokens);
            }
            one(&mut token, Token::Native(text))?;
            rest = Cow::Borrowed(after);
        }
        if self.schemes.contains(Scheme::MediaCdn)
            && let Some(at) = path.find(COMPONENT)
        {
            let fields = &path[at + COMPONENT.len()..];
            let slash = fields.find('/').ok_or(Malformed::TokenWithoutPath)?;
            let (fields, after) = fields.split_at(slash);
            let before = &path[..=at];
            let sent = media_cdn::Sent::Path { before, fields };
            one(&mut token, Token::MediaCdn(sent))?;
            rest = Cow::Owned(format!("{}{after}", &path[..at]));
        }
        if self.schemes.contains(Scheme::UriSigning)
            && let Some((before, text, after)) = self.uri_signing_part(path)
        {
            one(&mut token, Token::UriSigning(text))?;
            rest = Cow::Owned(format!("{before}{after}"));
        }
        Ok((token, rest))
    }

    /// RFC 9246 section 3: the package as a path-style parameter, `;URISigningPackage=`. It may
    /// stand after any segment; after a folder's, relative URLs inherit it.
    fn uri_signing_part<'a>(&self, path: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
        let name = format!(";{}=", self.names.uri_signing);
        let (before, rest) = path.split_once(&name)?;
        let end = rest.find('/').unwrap_or(rest.len());
        Some((before, &rest[..end], &rest[end..]))
    }
}
