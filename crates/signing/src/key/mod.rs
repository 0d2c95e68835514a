//! Keys: an algorithm and a scheme belong to a key, never to a token.

mod decryption;
mod public;
mod signer;
mod weak;

use std::{fmt, ops::RangeInclusive, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519,
        RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};

pub use decryption::DecryptionKey;
pub(crate) use decryption::{Content, Opens, RawDecryptionKey};
pub use signer::SigningKey;

use crate::{
    Error, Label, Scheme,
    key_file::{decode_bytes, encode_bytes},
};
use public::PublicKey;
pub(crate) use public::pem_body;

/// The shortest HMAC secret of our own, which is also the length of an Ed25519 seed and public key.
pub const HMAC_SECRET_BYTES_MIN: usize = 32;

/// The longest HMAC secret: a whole block of SHA-256.
pub const HMAC_SECRET_BYTES_MAX: usize = 64;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RFC 8032: nodes hold the public half, so a stolen node cannot sign. The default.
    Ed25519,
    /// RFC 2104 with SHA-256: whoever verifies can also sign. For signers that have no Ed25519.
    HmacSha256,
    /// RFC 2104 with SHA-1, for tokens of other vendors.
    HmacSha1,
    /// ECDSA on P-256 with SHA-256 (`ES256`).
    EcdsaP256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (`RS256`), 2048 to 8192 bits.
    RsaSha256,
    /// The same, and with SHA-1 where a CloudFront token does not say SHA-256.
    RsaSha1,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ed25519,
        Self::HmacSha256,
        Self::HmacSha1,
        Self::EcdsaP256,
        Self::RsaSha256,
        Self::RsaSha1,
    ];

    /// The name in key files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::HmacSha256 => "hmac-sha-256",
            Self::HmacSha1 => "hmac-sha-1",
            Self::EcdsaP256 => "ecdsa-p256-sha-256",
            Self::RsaSha256 => "rsa-sha-256",
            Self::RsaSha1 => "rsa-sha-1",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let known = Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name);
        known.ok_or_else(|| {
            let hint = "ed25519 or hmac-sha-256; for other vendors' schemes also hmac-sha-1, \
                        ecdsa-p256-sha-256, rsa-sha-256 or rsa-sha-1";
            Error::value("algorithm", name, hint)
        })
    }

    /// Whether whoever verifies can also sign.
    pub fn is_symmetric(self) -> bool {
        match self {
            Self::HmacSha256 | Self::HmacSha1 => true,
            Self::Ed25519 | Self::EcdsaP256 | Self::RsaSha256 | Self::RsaSha1 => false,
        }
    }
}

/// How a signature is made and written where an algorithm leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As JWS has it (RFC 7518 section 3.4: ECDSA as two numbers side by side), with SHA-256.
    Plain,
    /// As OpenSSL writes it (ECDSA in DER), with SHA-256.
    Der,
    /// As OpenSSL writes it, with SHA-1.
    DerSha1,
}

/// What verifies tokens: the public half of a key pair, or an HMAC secret.
#[derive(Clone)]
pub struct VerifyKey {
    /// Its id, which native tokens name.
    pub kid: Label,
    /// First second of use (signers' clocks may be ahead by the policy's skew).
    pub not_before_s: u64,
    /// First second that it is retired; `None` for never.
    pub not_after_s: Option<u64>,
    /// Whose tokens it verifies.
    pub scheme: Scheme,
    /// What another scheme's tokens call it, where that is not the kid: a `KeyName`, a
    /// `Key-Pair-Id`, a JWT's `kid`. Keys may share a name while they are rotated.
    pub name: Option<Arc<str>>,
    /// Who signs with it: the `iss` of a JWT (RFC 9246 section 2.1.1).
    pub issuer: Option<Arc<str>>,
    /// What EdgeAuth signs besides and never sends.
    pub salt: Option<Arc<str>>,
    algorithm: Algorithm,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Public(PublicKey),
    Secret { secret: Box<[u8]>, key: hmac::Key },
}

impl VerifyKey {
    /// A native key from the 32 bytes of an Ed25519 public key, or from an HMAC secret. The text
    /// of the error says what is wrong without quoting the bytes.
    pub(crate) fn new(algorithm: Algorithm, kid: Label, bytes: &[u8]) -> Result<Self, String> {
        Self::of_scheme(Scheme::Native, algorithm, kid, bytes)
    }

    /// A key of any scheme from a public key's or a secret's bytes.
    pub(crate) fn of_scheme(
        scheme: Scheme,
        algorithm: Algorithm,
        kid: Label,
        bytes: &[u8],
    ) -> Result<Self, String> {
        if !scheme.algorithms().contains(&algorithm) {
            let (scheme, algorithm) = (scheme.name(), algorithm.name());
            return Err(format!("of {algorithm}, which {scheme} does not use"));
        }
        let material = match algorithm {
            Algorithm::HmacSha256 | Algorithm::HmacSha1 => {
                check_secret(bytes, scheme.secret_bytes_min())?;
                Material::Secret {
                    secret: bytes.into(),
                    key: hmac::Key::new(hmac_of(algorithm), bytes),
                }
            }
            Algorithm::Ed25519
            | Algorithm::EcdsaP256
            | Algorithm::RsaSha256
            | Algorithm::RsaSha1 => Material::Public(PublicKey::new(algorithm, bytes)?),
        };
        Ok(Self {
            kid,
            not_before_s: 0,
            not_after_s: None,
            scheme,
            name: None,
            issuer: None,
            salt: None,
            algorithm,
            material,
        })
    }

    /// An Ed25519 key from its public half, 43 characters of base64url as key sets have it. Valid
    /// always; set its window.
    pub fn ed25519(kid: &Label, public: &str) -> Result<Self, Error> {
        let bytes = decode_bytes("public", public);
        let key = bytes.and_then(|bytes| {
            Self::new(Algorithm::Ed25519, kid.clone(), &bytes)
                .map_err(|problem| format!("`public` is {problem}"))
        });
        key.map_err(|problem| Error::Key {
            position: 1,
            kid: kid.to_string(),
            problem,
        })
    }

    /// The public half as base64url, as key sets have it; `None` for HMAC, which has none.
    pub fn public(&self) -> Option<String> {
        match &self.material {
            Material::Public(public) => Some(encode_bytes(public.file_bytes())),
            Material::Secret { .. } => None,
        }
    }

    /// How it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the holder of the private half signed `message`. HMACs are compared in constant
    /// time. The message says what it is in its first bytes, so that a signature for one purpose
    /// is none for another.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifies_as(Form::Plain, message, signature)
    }

    pub(crate) fn verifies_as(&self, form: Form, message: &[u8], signature: &[u8]) -> bool {
        let public = match &self.material {
            Material::Secret { key, .. } => return hmac::verify(key, message, signature).is_ok(),
            Material::Public(public) => public,
        };
        let algorithm: &'static dyn VerificationAlgorithm = match (self.algorithm, form) {
            (Algorithm::Ed25519, Form::Plain) => &ED25519,
            (Algorithm::EcdsaP256, Form::Plain) => &ECDSA_P256_SHA256_FIXED,
            (Algorithm::EcdsaP256, Form::Der) => &ECDSA_P256_SHA256_ASN1,
            (Algorithm::RsaSha256 | Algorithm::RsaSha1, Form::Plain | Form::Der) => {
                &RSA_PKCS1_2048_8192_SHA256
            }
            (Algorithm::RsaSha1, Form::DerSha1) => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            // A key signs as its own algorithm does, whatever the token would like.
            (
                Algorithm::Ed25519
                | Algorithm::EcdsaP256
                | Algorithm::RsaSha256
                | Algorithm::HmacSha256
                | Algorithm::HmacSha1,
                Form::Plain | Form::Der | Form::DerSha1,
            ) => return false,
        };
        let key = UnparsedPublicKey::new(algorithm, public.ring_bytes());
        key.verify(message, signature).is_ok()
    }

    /// How long its signatures are.
    pub(crate) fn signature_bytes(&self, form: Form) -> RangeInclusive<usize> {
        match (self.algorithm, &self.material) {
            (Algorithm::HmacSha256, _) => 32..=32,
            (Algorithm::HmacSha1, _) => 20..=20,
            (Algorithm::EcdsaP256, _) if form != Form::Plain => 8..=72,
            (Algorithm::Ed25519 | Algorithm::EcdsaP256, _) => 64..=64,
            (Algorithm::RsaSha256 | Algorithm::RsaSha1, Material::Public(public)) => {
                public.modulus_bytes()..=public.modulus_bytes()
            }
            (Algorithm::RsaSha256 | Algorithm::RsaSha1, Material::Secret { .. }) => 0..=0,
        }
    }

    /// Whether a token of `scheme` means this key by `name`; without a name it means any.
    pub(crate) fn is_called(&self, scheme: Scheme, name: Option<&str>) -> bool {
        let own = self.name.as_deref().unwrap_or(self.kid.as_str());
        self.scheme == scheme && name.is_none_or(|name| name == own)
    }

    /// The bytes as they stand in a key set's file: secret for HMAC.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.material {
            Material::Public(public) => public.file_bytes(),
            Material::Secret { secret, .. } => secret,
        }
    }
}

/// Shows what may be logged: a public key, never an HMAC secret nor a salt.
impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match &self.material {
            Material::Public(public) => URL_SAFE_NO_PAD.encode(public.file_bytes()),
            Material::Secret { .. } => "***".to_owned(),
        };
        f.debug_struct("VerifyKey")
            .field("kid", &self.kid)
            .field("scheme", &self.scheme)
            .field("algorithm", &self.algorithm())
            .field("name", &self.name)
            .field("issuer", &self.issuer)
            .field("salt", &self.salt.as_ref().map(|_| "***"))
            .field("not_before_s", &self.not_before_s)
            .field("not_after_s", &self.not_after_s)
            .field("bytes", &bytes)
            .finish()
    }
}

fn hmac_of(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm {
        Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::HmacSha256
        | Algorithm::Ed25519
        | Algorithm::EcdsaP256
        | Algorithm::RsaSha256
        | Algorithm::RsaSha1 => hmac::HMAC_SHA256,
    }
}

/// A secret that somebody chose: long enough, and not one byte repeated (a placeholder).
fn check_secret(secret: &[u8], least: usize) -> Result<(), String> {
    if !(least..=HMAC_SECRET_BYTES_MAX).contains(&secret.len()) {
        return Err(format!(
            "{} bytes; a secret has {least} to {HMAC_SECRET_BYTES_MAX}",
            secret.len()
        ));
    }
    if secret.iter().all(|byte| *byte == secret[0]) {
        return Err("a placeholder; make a key with `millpond keys new`".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
