//! Why a token is refused: for the log and metrics, never for the client.

use crate::{Label, TOKEN_CHARS_MAX};

/// Why a request is denied. The client sees one 403 with one body for all of these but the three
/// of [`Denied::is_place`].
///
/// Cheap checks run before the signature is looked at, so a reason other than
/// [`Denied::BadSignature`] may come from a token that nobody signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The site wants a token and none came.
    #[error("no token")]
    Absent,
    /// Longer than any token.
    #[error("token of {chars} characters is over the limit of {TOKEN_CHARS_MAX}")]
    TooLong {
        /// Its length.
        chars: usize,
    },
    /// Not canonical base64url: padding, another alphabet, white space or stray trailing bits.
    #[error("token is not canonical base64url")]
    NotBase64Url,
    /// A version that this node does not know.
    #[error("token version {0} is unknown")]
    UnknownVersion(u8),
    /// Bytes that do not follow the layout.
    #[error("token layout: {0}")]
    Layout(&'static str),
    /// A claim that this node does not know, or one out of order. Every claim is critical.
    #[error("token claim {0} is unknown or out of order")]
    UnknownClaim(u8),
    /// No such key in the site's set.
    #[error("kid {0} is unknown")]
    UnknownKey(Label),
    /// The key's time has not come.
    #[error("kid {0} is not valid yet")]
    KeyNotYetValid(Label),
    /// The key's time is over.
    #[error("kid {0} is retired")]
    KeyRetired(Label),
    /// Bytes missing, or too many, for the algorithm of the key.
    #[error("signature of {found} bytes where {expected} belong")]
    SignatureLength {
        /// What the token has.
        found: usize,
        /// What the key's algorithm makes.
        expected: usize,
    },
    /// The key did not sign this for this site.
    #[error("bad signature under kid {0}")]
    BadSignature(Label),
    /// The same token failed before under the same keys.
    #[error("bad signature, seen before")]
    BadSignatureAgain,
    /// It ends before it begins.
    #[error("token is never valid")]
    EmptyWindow,
    /// Valid for longer than the site allows.
    #[error("token lives {s} s, longer than allowed")]
    LifetimeTooLong {
        /// Its lifetime in seconds.
        s: u64,
    },
    /// Over.
    #[error("token expired {ago_s} s ago")]
    Expired {
        /// Seconds since then; 0 in the second that it ends.
        ago_s: u64,
    },
    /// Further in the future than clocks may differ.
    #[error("token is valid in {in_s} s")]
    NotYetValid {
        /// Seconds until then.
        in_s: u64,
    },
    /// No key of the scheme has the name that the token gives.
    #[error("no key of the scheme has that name")]
    NoKey,
    /// The token says another algorithm than its key's.
    #[error("the key does not sign so")]
    WrongAlgorithm,
    /// The token's issuer is not its key's.
    #[error("issuer is not the key's")]
    WrongIssuer,
    /// The token is for somebody else.
    #[error("audience is not this site's")]
    WrongAudience,
    /// The token has a critical claim that this node does not know.
    #[error("a critical claim is unknown")]
    CriticalClaim,
    /// The token may be used once, and the site does not remember which were.
    #[error("token has a jti, and the site keeps no memory of nonces")]
    Nonce,
    /// The token may be used once, and was.
    #[error("token's jti was used before")]
    Replayed,
    /// The token may be used once, and this node does not remember long enough to know.
    #[error("token may have been used before this node's memory of nonces begins")]
    NonceUnknown,
    /// The token may be used once, and there is no room to remember it.
    #[error("memory of nonces is full")]
    NoncesFull,
    /// The token has an encrypted claim that no decryption key of the site opens.
    #[error("an encrypted claim opens with none of the site's decryption keys")]
    NotOpened,
    /// The token wants to be renewed, and the site has no key for that.
    #[error("token wants renewal, and the site has no renewal key")]
    NoRenewal,
    /// Its id or its session was revoked.
    #[error("token or session is revoked")]
    Revoked,
    /// The path is outside the token's scope.
    #[error("path is out of scope")]
    OutOfScope,
    /// The client is outside the token's network.
    #[error("client is outside the token's network")]
    WrongClient,
    /// Neither the viewer's country nor the node is in one of the token's regions.
    #[error("neither viewer nor node is in the token's regions")]
    WrongRegion,
    /// The site is not for the viewer's country.
    #[error("site is not for country {0}")]
    Country(Label),
    /// The site is for some countries, and the viewer's is unknown.
    #[error("viewer's country is unknown")]
    CountryUnknown,
}

impl Denied {
    /// Whether the place is what is wrong: 451 (RFC 7725), where all else is 403.
    pub fn is_place(&self) -> bool {
        matches!(
            self,
            Self::WrongRegion | Self::Country(_) | Self::CountryUnknown
        )
    }

    /// A word for a metric label, from a small fixed set.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::TooLong { .. } => "too_long",
            Self::NotBase64Url => "not_base64url",
            Self::UnknownVersion(_) => "unknown_version",
            Self::Layout(_) => "layout",
            Self::UnknownClaim(_) => "unknown_claim",
            Self::UnknownKey(_) => "unknown_key",
            Self::KeyNotYetValid(_) => "key_not_yet_valid",
            Self::KeyRetired(_) => "key_retired",
            Self::SignatureLength { .. } => "signature_length",
            Self::BadSignature(_) => "bad_signature",
            Self::BadSignatureAgain => "bad_signature_again",
            Self::EmptyWindow => "empty_window",
            Self::LifetimeTooLong { .. } => "lifetime_too_long",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::NoKey => "no_key",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::CriticalClaim => "critical_claim",
            Self::Nonce => "nonce",
            Self::Replayed => "replayed",
            Self::NonceUnknown => "nonce_unknown",
            Self::NoncesFull => "nonces_full",
            Self::NotOpened => "not_opened",
            Self::NoRenewal => "no_renewal",
            Self::Revoked => "revoked",
            Self::OutOfScope => "out_of_scope",
            Self::WrongClient => "wrong_client",
            Self::WrongRegion => "wrong_region",
            Self::Country(_) => "country",
            Self::CountryUnknown => "country_unknown",
        }
    }
}
