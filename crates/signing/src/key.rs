//! Keys: an algorithm belongs to a key, never to a token.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};

use crate::{
    Error, Label,
    key_file::{decode_bytes, encode_bytes},
};

/// The shortest HMAC secret, which is also the length of an Ed25519 seed and public key.
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
}

impl Algorithm {
    /// The name in key files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::HmacSha256 => "hmac-sha-256",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Result<Self, Error> {
        match name {
            "ed25519" => Ok(Self::Ed25519),
            "hmac-sha-256" => Ok(Self::HmacSha256),
            _ => Err(Error::value("algorithm", name, "ed25519 or hmac-sha-256")),
        }
    }

    /// Bytes of a signature, exactly.
    pub fn signature_bytes(self) -> usize {
        match self {
            Self::Ed25519 => 64,
            Self::HmacSha256 => 32,
        }
    }
}

/// What verifies tokens: the public half of an Ed25519 key, or an HMAC secret.
#[derive(Clone)]
pub struct VerifyKey {
    /// Its id, which tokens name.
    pub kid: Label,
    /// First second of use (signers' clocks may be ahead by the policy's skew).
    pub not_before_s: u64,
    /// First second that it is retired; `None` for never.
    pub not_after_s: Option<u64>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    Ed25519([u8; 32]),
    HmacSha256 { secret: Box<[u8]>, key: hmac::Key },
}

impl VerifyKey {
    /// A key from the 32 bytes of an Ed25519 public key, or from an HMAC secret. The text of the
    /// error says what is wrong without quoting the bytes.
    pub(crate) fn new(algorithm: Algorithm, kid: Label, bytes: &[u8]) -> Result<Self, String> {
        let material = match algorithm {
            Algorithm::Ed25519 => Material::Ed25519(public_key(bytes)?),
            Algorithm::HmacSha256 => {
                check_secret(bytes)?;
                let key = hmac::Key::new(hmac::HMAC_SHA256, bytes);
                Material::HmacSha256 {
                    secret: bytes.into(),
                    key,
                }
            }
        };
        Ok(Self {
            kid,
            not_before_s: 0,
            not_after_s: None,
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

    /// The public half as base64url; `None` for HMAC, which has none.
    pub fn public(&self) -> Option<String> {
        match &self.material {
            Material::Ed25519(public) => Some(encode_bytes(public)),
            Material::HmacSha256 { .. } => None,
        }
    }

    /// How it verifies.
    pub fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Ed25519(_) => Algorithm::Ed25519,
            Material::HmacSha256 { .. } => Algorithm::HmacSha256,
        }
    }

    /// Whether the holder of the private half signed `message`. HMACs are compared in constant
    /// time. The message says what it is in its first bytes, so that a signature for one purpose
    /// is none for another.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Ed25519(public) => UnparsedPublicKey::new(&ED25519, public)
                .verify(message, signature)
                .is_ok(),
            Material::HmacSha256 { key, .. } => hmac::verify(key, message, signature).is_ok(),
        }
    }

    /// The bytes as they stand in a key set's file: secret for HMAC.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.material {
            Material::Ed25519(public) => public,
            Material::HmacSha256 { secret, .. } => secret,
        }
    }
}

/// Shows what may be logged: an Ed25519 public key, never an HMAC secret.
impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = match &self.material {
            Material::Ed25519(public) => URL_SAFE_NO_PAD.encode(public),
            Material::HmacSha256 { .. } => "***".to_owned(),
        };
        f.debug_struct("VerifyKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm())
            .field("not_before_s", &self.not_before_s)
            .field("not_after_s", &self.not_after_s)
            .field("bytes", &bytes)
            .finish()
    }
}

/// What signs tokens. It never goes to a node.
pub struct SigningKey {
    kid: Label,
    secret: Box<[u8]>,
    signer: Signer,
}

enum Signer {
    Ed25519(Box<Ed25519KeyPair>),
    HmacSha256(hmac::Key),
}

impl SigningKey {
    /// A new key of 32 random bytes from the operating system. The one impure function of this
    /// room: a caller who brings the randomness can bring bad randomness.
    pub fn generate(algorithm: Algorithm, kid: Label) -> Result<Self, Error> {
        let mut secret = [0; HMAC_SECRET_BYTES_MIN];
        SystemRandom::new()
            .fill(&mut secret)
            .or(Err(Error::Entropy))?;
        Self::new(algorithm, kid, &secret).or(Err(Error::Entropy))
    }

    /// A key from an Ed25519 seed (32 bytes) or an HMAC secret. The text of the error says what
    /// is wrong without quoting the bytes.
    pub(crate) fn new(algorithm: Algorithm, kid: Label, secret: &[u8]) -> Result<Self, String> {
        check_secret(secret)?;
        let signer = match algorithm {
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(secret);
                let pair = pair.or(Err("an ed25519 seed is 32 bytes (43 characters)"))?;
                Signer::Ed25519(Box::new(pair))
            }
            Algorithm::HmacSha256 => Signer::HmacSha256(hmac::Key::new(hmac::HMAC_SHA256, secret)),
        };
        Ok(Self {
            kid,
            secret: secret.into(),
            signer,
        })
    }

    /// Its id.
    pub fn kid(&self) -> &Label {
        &self.kid
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.signer {
            Signer::Ed25519(_) => Algorithm::Ed25519,
            Signer::HmacSha256(_) => Algorithm::HmacSha256,
        }
    }

    /// What goes to the nodes: the public half, or the same secret for HMAC. Valid always; set
    /// its window before it goes into a set.
    pub fn verify_key(&self) -> VerifyKey {
        let material = match &self.signer {
            Signer::Ed25519(pair) => {
                let mut public = [0; 32];
                public.copy_from_slice(pair.public_key().as_ref());
                Material::Ed25519(public)
            }
            Signer::HmacSha256(key) => Material::HmacSha256 {
                secret: self.secret.clone(),
                key: key.clone(),
            },
        };
        VerifyKey {
            kid: self.kid.clone(),
            not_before_s: 0,
            not_after_s: None,
            material,
        }
    }

    /// Signs `message`, which says in its first bytes what it is (see [`VerifyKey::verifies`]).
    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        match &self.signer {
            Signer::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Signer::HmacSha256(key) => hmac::sign(key, message).as_ref().to_vec(),
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
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

/// A secret that somebody chose: long enough, and not one byte repeated (a placeholder).
fn check_secret(secret: &[u8]) -> Result<(), String> {
    if !(HMAC_SECRET_BYTES_MIN..=HMAC_SECRET_BYTES_MAX).contains(&secret.len()) {
        return Err(format!(
            "{} bytes; a secret has {HMAC_SECRET_BYTES_MIN} to {HMAC_SECRET_BYTES_MAX}",
            secret.len()
        ));
    }
    if secret.iter().all(|byte| *byte == secret[0]) {
        return Err("a placeholder; make a key with `millpond keys new`".to_owned());
    }
    Ok(())
}

fn public_key(bytes: &[u8]) -> Result<[u8; 32], String> {
    let Ok(public) = <[u8; 32]>::try_from(bytes) else {
        return Err(format!(
            "{} bytes; an ed25519 public key has 32 (43 characters)",
            bytes.len()
        ));
    };
    if has_small_order(public) {
        return Err(
            "a placeholder or a weak point, under which anybody can sign; make a key \
                    with `millpond keys new`"
                .to_owned(),
        );
    }
    Ok(public)
}

/// The y coordinate of the points of order 8 on edwards25519; the other one is its negative.
const ORDER_8: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Whether a public key's order divides 8: y is 0, 1, -1 or that of order 8, in any encoding.
/// Under such a key a signature of zeros verifies for many messages, and RFC 8032's check does
/// not look; 32 zero bytes, a likely placeholder, are one of them.
fn has_small_order(mut public: [u8; 32]) -> bool {
    public[31] &= 0x7f;
    let [low, middle @ .., high] = public;
    let near_zero = low <= 1 && high == 0 && middle.iter().all(|byte| *byte == 0);
    // p - 1 is 0xec ff .. ff 7f; p and p + 1 are 0 and 1 again.
    let near_p = low >= 0xec && high == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    near_zero || near_p || ORDER_8.contains(&public)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kid() -> Label {
        Label::parse("k1").unwrap()
    }

    #[test]
    fn debug_never_shows_a_secret() {
        let secret = b"0123456789abcdef0123456789ABCDEF";
        for algorithm in [Algorithm::Ed25519, Algorithm::HmacSha256] {
            let key = SigningKey::new(algorithm, kid(), secret).unwrap();
            let shown = format!("{key:?} {:#?}", key.verify_key());
            let spellings = [
                "0123456789".to_owned(),
                URL_SAFE_NO_PAD.encode(secret),
                format!("{:?}", &secret[..4])
                    .trim_matches(['[', ']'])
                    .to_owned(),
            ];
            for spelling in spellings {
                assert!(!shown.contains(&spelling), "{shown}");
            }
        }
    }

    #[test]
    fn keys_under_which_anybody_can_sign_are_refused() {
        let mut weak = vec![[0; 32], ORDER_8[0], ORDER_8[1]];
        for low in 0xec..=0xff {
            let mut near_p = [0xff; 32];
            (near_p[0], near_p[31]) = (low, 0x7f);
            weak.push(near_p);
        }
        weak.push({
            let mut one = [0; 32];
            one[0] = 1;
            one
        });
        for mut bytes in weak {
            assert!(
                VerifyKey::new(Algorithm::Ed25519, kid(), &bytes).is_err(),
                "{bytes:?}"
            );
            bytes[31] |= 0x80;
            assert!(
                VerifyKey::new(Algorithm::Ed25519, kid(), &bytes).is_err(),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn short_long_and_placeholder_secrets_are_refused() {
        for bad in [
            vec![],
            vec![7; 32],
            (0..31).collect(),
            (0..65).collect::<Vec<u8>>(),
        ] {
            assert!(VerifyKey::new(Algorithm::HmacSha256, kid(), &bad).is_err());
            assert!(SigningKey::new(Algorithm::HmacSha256, kid(), &bad).is_err());
            assert!(SigningKey::new(Algorithm::Ed25519, kid(), &bad).is_err());
        }
        let long: Vec<u8> = (0..33).collect();
        assert!(SigningKey::new(Algorithm::Ed25519, kid(), &long).is_err());
        assert!(SigningKey::new(Algorithm::HmacSha256, kid(), &long).is_ok());
    }

    #[test]
    fn generated_keys_differ_and_verify_their_own_signatures() {
        for algorithm in [Algorithm::Ed25519, Algorithm::HmacSha256] {
            let one = SigningKey::generate(algorithm, kid()).unwrap();
            let other = SigningKey::generate(algorithm, kid()).unwrap();
            let signature = one.signature(b"m");
            assert_eq!(signature.len(), algorithm.signature_bytes());
            assert!(one.verify_key().verifies(b"m", &signature));
            assert!(!one.verify_key().verifies(b"n", &signature));
            assert!(!other.verify_key().verifies(b"m", &signature));
        }
    }
}
