//! Whose format a token has.

use crate::{Algorithm, Error};

/// Whose format a token has. The key says it, so a secret that is shared with one vendor's signer
/// signs nothing in another's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Ours: [`crate::token`].
    Native,
    /// CDNI URI Signing (RFC 9246): a JWT.
    UriSigning,
    /// Google Media CDN: signed requests and dual tokens.
    MediaCdn,
    /// Amazon CloudFront: canned and custom policies.
    CloudFront,
    /// Akamai EdgeAuth 2.0.
    EdgeAuth,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Native,
        Self::UriSigning,
        Self::MediaCdn,
        Self::CloudFront,
        Self::EdgeAuth,
    ];

    /// The name in configs, key files, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::UriSigning => "uri-signing",
            Self::MediaCdn => "media-cdn",
            Self::CloudFront => "cloudfront",
            Self::EdgeAuth => "edge-auth",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|scheme| scheme.name() == name);
        known.ok_or_else(|| {
            let hint = "native, uri-signing, media-cdn, cloudfront or edge-auth";
            Error::value("scheme", name, hint)
        })
    }

    /// How its keys may sign.
    pub fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Native => &[Algorithm::Ed25519, Algorithm::HmacSha256],
            // RFC 9246 section 5.2 wants ES256 of every implementation.
            Self::UriSigning => &[
                Algorithm::EcdsaP256,
                Algorithm::Ed25519,
                Algorithm::RsaSha256,
                Algorithm::HmacSha256,
            ],
            Self::MediaCdn => &[
                Algorithm::Ed25519,
                Algorithm::HmacSha256,
                Algorithm::HmacSha1,
            ],
            Self::CloudFront => &[
                Algorithm::RsaSha256,
                Algorithm::RsaSha1,
                Algorithm::EcdsaP256,
            ],
            Self::EdgeAuth => &[Algorithm::HmacSha256, Algorithm::HmacSha1],
        }
    }

    /// The shortest HMAC secret. The other vendors hand out 16 bytes, which no search finds either.
    pub(crate) fn secret_bytes_min(self) -> usize {
        match self {
            Self::Native | Self::UriSigning => crate::HMAC_SECRET_BYTES_MIN,
            Self::MediaCdn | Self::CloudFront | Self::EdgeAuth => 16,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The schemes that a site takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schemes(u8);

impl Schemes {
    /// Whether `scheme` is one of them.
    pub fn contains(self, scheme: Scheme) -> bool {
        self.0 & scheme.bit() != 0
    }
}

impl Default for Schemes {
    /// The native one.
    fn default() -> Self {
        Self::from_iter([Scheme::Native])
    }
}

impl FromIterator<Scheme> for Schemes {
    fn from_iter<I: IntoIterator<Item = Scheme>>(schemes: I) -> Self {
        Self(
            schemes
                .into_iter()
                .fold(0, |set, scheme| set | scheme.bit()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set = Schemes::from_iter([Scheme::MediaCdn, Scheme::EdgeAuth]);
        for scheme in Scheme::ALL {
            let wanted = matches!(scheme, Scheme::MediaCdn | Scheme::EdgeAuth);
            assert_eq!(set.contains(scheme), wanted, "{scheme:?}");
            assert_eq!(Scheme::parse(scheme.name()), Ok(scheme));
        }
        assert!(Scheme::parse("akamai").is_err());
    }
}
