//! Tokens in cookies.

use super::{Carriers, one};
use crate::{Malformed, Scheme, Token, cloudfront, media_cdn};

/// CloudFront's cookies have their parameters' names after this.
const CLOUDFRONT: &str = "CloudFront-";

impl Carriers {
    /// Other people's cookies are not ours to judge: only tokens are looked at. Of several schemes
    /// the native one is first, which a session has got from us.
    pub(super) fn find_cookie<'a>(
        &self,
        cookies: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Token<'a>>, Malformed> {
        let (mut native, mut uri_signing, mut media_cdn, mut edge_auth) = (None, None, None, None);
        let mut cloudfront = cloudfront::Sent::default();
        for pair in cookies.flat_map(|field| field.split(';')) {
            // RFC 6265 section 4.2.1: pairs are separated by a semicolon and one space.
            let Some((name, value)) = pair.trim_start_matches(' ').split_once('=') else {
                continue;
            };
            let takes = |scheme| self.schemes.contains(scheme);
            let names = &self.names;
            if name == self.cookie.as_str() && takes(Scheme::Native) {
                one(&mut native, Token::Native(value))?;
            } else if name == names.uri_signing.as_str() && takes(Scheme::UriSigning) {
                one(&mut uri_signing, Token::UriSigning(value))?;
            } else if name == names.media_cdn_cookie.as_str() && takes(Scheme::MediaCdn) {
                let sent = if value.contains('~') {
                    media_cdn::Sent::Dual(value)
                } else {
                    media_cdn::Sent::Cookie(value)
                };
                one(&mut media_cdn, Token::MediaCdn(sent))?;
            } else if name == names.edge_auth.as_str() && takes(Scheme::EdgeAuth) {
                one(&mut edge_auth, Token::EdgeAuth(value))?;
            } else if let Some(name) = name.strip_prefix(CLOUDFRONT)
                && takes(Scheme::CloudFront)
            {
                put(&mut cloudfront, name, value)?;
            }
        }
        let cloudfront = (!cloudfront.is_empty()).then_some(Token::CloudFront(cloudfront));
        let found = native.or(uri_signing).or(media_cdn).or(cloudfront);
        Ok(found.or(edge_auth))
    }
}

fn put<'a>(sent: &mut cloudfront::Sent<'a>, name: &str, value: &'a str) -> Result<(), Malformed> {
    let place = match name {
        "Expires" => &mut sent.expires,
        "Policy" => &mut sent.policy,
        "Signature" => &mut sent.signature,
        "Key-Pair-Id" => &mut sent.key_pair_id,
        "Hash-Algorithm" => &mut sent.hash_algorithm,
        _ => return Ok(()),
    };
    one(place, value)
}
