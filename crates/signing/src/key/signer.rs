//! What signs. None of it goes to a node, but for the keys of sessions and renewals.

use std::{fmt, sync::Arc};

use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};

use super::{Algorithm, HMAC_SECRET_BYTES_MIN, VerifyKey, check_secret, hmac_of};
use crate::{Error, Label, Scheme};

/// RFC 5480: the `SubjectPublicKeyInfo` of a P-256 key before its point.
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What signs tokens.
pub struct SigningKey {
    kid: Label,
    scheme: Scheme,
    /// What tokens call it, who signs and what is signed besides, as in [`VerifyKey`].
    pub(crate) name: Option<Arc<str>>,
    pub(crate) issuer: Option<Arc<str>>,
    pub(crate) salt: Option<Arc<str>>,
    algorithm: Algorithm,
    secret: Box<[u8]>,
    signer: Signer,
}

enum Signer {
    Ed25519(Box<Ed25519KeyPair>),
    Ecdsa(Box<EcdsaKeyPair>),
    Hmac(hmac::Key),
}

impl SigningKey {
    /// A new native key; see [`Self::generate_for`].
    pub fn generate(algorithm: Algorithm, kid: Label) -> Result<Self, Error> {
        Self::generate_for(Scheme::Native, algorithm, kid)
    }

    /// A new key from random bytes of the operating system. The one impure function of this
    /// room: a caller who brings the randomness can bring bad randomness.
    pub fn generate_for(scheme: Scheme, algorithm: Algorithm, kid: Label) -> Result<Self, Error> {
        let random = SystemRandom::new();
        let unspecified = |_| Error::Entropy;
        let secret = if algorithm == Algorithm::EcdsaP256 {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
            pkcs8.map_err(unspecified)?.as_ref().to_vec()
        } else {
            let mut secret = [0; HMAC_SECRET_BYTES_MIN];
            random.fill(&mut secret).map_err(unspecified)?;
            secret.to_vec()
        };
        let position = 1;
        let shown = kid.to_string();
        Self::new(scheme, algorithm, kid, &secret).map_err(|problem| Error::Key {
            position,
            kid: shown,
            problem,
        })
    }

    /// A key from an Ed25519 seed (32 bytes), an HMAC secret, or the PKCS #8 form of an ECDSA key
    /// (RFC 5208). The text of the error says what is wrong without quoting the bytes.
    pub(crate) fn new(
        scheme: Scheme,
        algorithm: Algorithm,
        kid: Label,
        secret: &[u8],
    ) -> Result<Self, String> {
        if !scheme.algorithms().contains(&algorithm) {
            let (scheme, algorithm) = (scheme.name(), algorithm.name());
            return Err(format!("of {algorithm}, which {scheme} does not use"));
        }
        let signer = match algorithm {
            Algorithm::Ed25519 => {
                check_secret(secret, HMAC_SECRET_BYTES_MIN)?;
                let pair = Ed25519KeyPair::from_seed_unchecked(secret);
                let pair = pair.or(Err("an ed25519 seed is 32 bytes (43 characters)"))?;
                Signer::Ed25519(Box::new(pair))
            }
            Algorithm::HmacSha256 | Algorithm::HmacSha1 => {
                check_secret(secret, scheme.secret_bytes_min())?;
                Signer::Hmac(hmac::Key::new(hmac_of(algorithm), secret))
            }
            Algorithm::EcdsaP256 => {
                let random = SystemRandom::new();
                let pair =
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, secret, &random);
                Signer::Ecdsa(Box::new(pair.or(Err("not a P-256 key in PKCS #8"))?))
            }
            Algorithm::RsaSha256 | Algorithm::RsaSha1 => {
                return Err("RSA verifies here and does not sign".to_owned());
            }
        };
        Ok(Self {
            kid,
            scheme,
            name: None,
            issuer: None,
            salt: None,
            algorithm,
            secret: secret.into(),
            signer,
        })
    }

    /// Its id.
    pub fn kid(&self) -> &Label {
        &self.kid
    }

    /// Whose tokens it signs.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// What tokens call it: the name, or else the kid.
    pub fn token_name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.kid.as_str())
    }

    /// Who signs with it: the `iss` of a JWT.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What goes to the nodes: the public half, or the same secret for HMAC. Valid always; set
    /// its window before it goes into a set.
    pub fn verify_key(&self) -> VerifyKey {
        let bytes = match &self.signer {
            Signer::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
            Signer::Ecdsa(pair) => [&P256_SPKI, pair.public_key().as_ref()].concat(),
            Signer::Hmac(_) => self.secret.to_vec(),
        };
        let key = VerifyKey::of_scheme(self.scheme, self.algorithm, self.kid.clone(), &bytes);
        #[expect(
            clippy::expect_used,
            reason = "its own half passed the same checks above"
        )]
        let mut key = key.expect("a signing key's own half is legal");
        key.name.clone_from(&self.name);
        key.issuer.clone_from(&self.issuer);
        key.salt.clone_from(&self.salt);
        key
    }

    /// Signs `message`, which says in its first bytes what it is (see [`VerifyKey::verifies`]).
    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        match &self.signer {
            Signer::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            // Without randomness it signs nothing, and nothing verifies nothing.
            Signer::Ecdsa(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .unwrap_or_default(),
            Signer::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
        }
    }

    /// The bytes as they stand in a signing key's file.
    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("scheme", &self.scheme)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}
