//! A token of any scheme, as it came: believed in nothing.

use std::{borrow::Cow, fmt};

use ring::digest::{Context, SHA256};

use crate::{
    Claims, Denied, Facts, Label, Policy, Scheme, TOKEN_CHARS_MAX, TokenDigest, cloudfront,
    edge_auth, key::Form, key_set::Wanted, media_cdn, nonces::Nonce, token, uri_signing,
};

/// A token as it came, with whatever of the request is a part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    /// Ours, as [`crate::token`] draws it.
    Native(&'a str),
    /// A JWT (RFC 9246).
    UriSigning(&'a str),
    /// A signed request or a dual token of Google Media CDN.
    MediaCdn(media_cdn::Sent<'a>),
    /// CloudFront's parameters or cookies.
    CloudFront(cloudfront::Sent<'a>),
    /// Akamai's fields.
    EdgeAuth(&'a str),
}

/// What a scheme yields before anything is believed.
pub(crate) struct Decoded {
    pub(crate) wanted: Wanted,
    /// Who signed, by the token's own word.
    pub(crate) issuer: Option<String>,
    pub(crate) claims: Claims,
    /// What may have been signed: one text, or few where a signer has a choice.
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) signature: Vec<u8>,
    pub(crate) form: Form,
    /// A scope that is worth reading only once it has been verified.
    pub(crate) regex: Option<String>,
    pub(crate) renewal: Option<uri_signing::Renewal>,
    /// Of a token that is good for one request.
    pub(crate) nonce: Option<Nonce>,
    /// Claims to be opened once the token has been verified.
    pub(crate) sealed: Option<uri_signing::Sealed>,
}

impl Decoded {
    /// One message, signed as its algorithm signs.
    pub(crate) fn new(
        wanted: Wanted,
        claims: Claims,
        message: Vec<u8>,
        signature: Vec<u8>,
    ) -> Self {
        Self {
            wanted,
            issuer: None,
            claims,
            messages: vec![message],
            signature,
            form: Form::Plain,
            regex: None,
            renewal: None,
            nonce: None,
            sealed: None,
        }
    }
}

impl<'a> Token<'a> {
    /// Whose format it has.
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Native(_) => Scheme::Native,
            Self::UriSigning(_) => Scheme::UriSigning,
            Self::MediaCdn(_) => Scheme::MediaCdn,
            Self::CloudFront(_) => Scheme::CloudFront,
            Self::EdgeAuth(_) => Scheme::EdgeAuth,
        }
    }

    /// The characters of all of its parts.
    pub(crate) fn chars(&self) -> usize {
        self.texts().iter().flatten().map(|text| text.len()).sum()
    }

    /// Names the token, together with all of the request that its signature covers and that is not
    /// in the token itself: so one that was verified is not good for another request.
    pub(crate) fn digest(&self, facts: &Facts<'_>) -> TokenDigest {
        if let Self::Native(text) = self {
            return TokenDigest::of(text);
        }
        let mut context = Context::new(&SHA256);
        context.update(self.scheme().name().as_bytes());
        let bound = match self {
            Self::Native(_) | Self::UriSigning(_) => Cow::Borrowed(""),
            Self::MediaCdn(sent) => sent.bound(facts),
            Self::CloudFront(sent) => sent.bound(facts),
            Self::EdgeAuth(text) => edge_auth::bound(text, facts),
        };
        let texts = self.texts();
        let parts = texts.iter().copied().chain([Some(&*bound)]);
        for part in parts {
            // A length before each part: what is cut elsewhere is another token.
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            context.update(&length.to_be_bytes());
            context.update(part.unwrap_or_default().as_bytes());
        }
        TokenDigest::from_digest(&context.finish())
    }

    pub(crate) fn decode(
        &self,
        site: &Label,
        facts: &Facts<'_>,
        policy: &Policy,
    ) -> Result<Decoded, Denied> {
        let chars = self.chars();
        if chars > TOKEN_CHARS_MAX {
            return Err(Denied::TooLong { chars });
        }
        match self {
            Self::Native(text) => token::decode(text, site),
            Self::UriSigning(text) => uri_signing::decode(text, site, policy),
            Self::MediaCdn(sent) => sent.decode(site, facts),
            Self::CloudFront(sent) => sent.decode(site, facts),
            Self::EdgeAuth(text) => edge_auth::decode(text, site, facts),
        }
    }

    fn texts(&self) -> [Option<&'a str>; 5] {
        match self {
            Self::Native(text) | Self::UriSigning(text) | Self::EdgeAuth(text) => {
                [Some(text), None, None, None, None]
            }
            Self::MediaCdn(sent) => sent.texts(),
            Self::CloudFront(sent) => sent.texts(),
        }
    }
}

impl<'a> From<&'a str> for Token<'a> {
    fn from(text: &'a str) -> Self {
        Self::Native(text)
    }
}

impl<'a> From<&'a String> for Token<'a> {
    fn from(text: &'a String) -> Self {
        Self::Native(text)
    }
}

/// Never shows the token.
impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(***)", self.scheme())
    }
}
