//! Public keys: from their bytes, from SPKI or from PEM, to what ring takes.

use x509_parser::{
    prelude::FromDer as _, public_key::PublicKey as Parsed, x509::SubjectPublicKeyInfo,
};

use super::{Algorithm, weak};

/// RFC 8410 section 3: `id-Ed25519`.
const ED25519_OID: &str = "1.3.101.112";

/// RFC 5480 section 2.1.1.1: `secp256r1`.
const P256_OID: &str = "1.2.840.10045.3.1.7";

const PEM_BEGINS: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_ENDS: &str = "-----END PUBLIC KEY-----";

/// A public key that has been looked at.
#[derive(Clone)]
pub(crate) struct PublicKey {
    /// As it stands in key sets: 32 bytes for Ed25519, else a `SubjectPublicKeyInfo`.
    file: Box<[u8]>,
    /// As ring takes it: the point, or an `RSAPublicKey`.
    ring: Box<[u8]>,
    /// Of RSA; else 0.
    modulus_bytes: usize,
}

impl PublicKey {
    /// From 32 bytes (Ed25519) or the DER of a `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
    pub(super) fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, String> {
        let is_der = bytes.len() > 32 && bytes[0] == 0x30;
        if algorithm == Algorithm::Ed25519 && !is_der {
            return ed25519(bytes);
        }
        let Ok(([], info)) = SubjectPublicKeyInfo::from_der(bytes) else {
            return Err("not a SubjectPublicKeyInfo, as `openssl pkey -pubout` writes".to_owned());
        };
        let point = &info.subject_public_key.data;
        match algorithm {
            Algorithm::Ed25519 if info.algorithm.algorithm.to_id_string() == ED25519_OID => {
                ed25519(point)
            }
            Algorithm::EcdsaP256 if is_p256(&info) && point.len() == 65 && point[0] == 4 => {
                Ok(Self::of(bytes, point, 0))
            }
            Algorithm::RsaSha256 | Algorithm::RsaSha1 => rsa(bytes, &info),
            Algorithm::Ed25519
            | Algorithm::EcdsaP256
            | Algorithm::HmacSha256
            | Algorithm::HmacSha1 => Err(format!("not a key of {}", algorithm.name())),
        }
    }

    fn of(file: &[u8], ring: &[u8], modulus_bytes: usize) -> Self {
        Self {
            file: file.into(),
            ring: ring.into(),
            modulus_bytes,
        }
    }

    pub(super) fn file_bytes(&self) -> &[u8] {
        &self.file
    }

    pub(super) fn ring_bytes(&self) -> &[u8] {
        &self.ring
    }

    pub(super) fn modulus_bytes(&self) -> usize {
        self.modulus_bytes
    }
}

/// The base64 of a PEM text (RFC 7468 section 13), if it is one.
pub(crate) fn pem_body(text: &str) -> Option<String> {
    let body = text
        .trim()
        .strip_prefix(PEM_BEGINS)?
        .strip_suffix(PEM_ENDS)?;
    Some(body.split_ascii_whitespace().collect())
}

fn ed25519(bytes: &[u8]) -> Result<PublicKey, String> {
    let Ok(public) = <[u8; 32]>::try_from(bytes) else {
        return Err(format!(
            "{} bytes; an ed25519 public key has 32 (43 characters)",
            bytes.len()
        ));
    };
    if weak::has_small_order(public) {
        return Err(
            "a placeholder or a weak point, under which anybody can sign; make a key \
                    with `millpond keys new`"
                .to_owned(),
        );
    }
    Ok(PublicKey::of(&public, &public, 0))
}

fn is_p256(info: &SubjectPublicKeyInfo<'_>) -> bool {
    let curve = info.algorithm.parameters.as_ref();
    curve
        .and_then(|curve| curve.as_oid().ok())
        .is_some_and(|oid| oid.to_id_string() == P256_OID)
}

fn rsa(bytes: &[u8], info: &SubjectPublicKeyInfo<'_>) -> Result<PublicKey, String> {
    let Ok(Parsed::RSA(key)) = info.parsed() else {
        return Err("not an RSA key".to_owned());
    };
    let bits = key.key_size();
    if !(2048..=8192).contains(&bits) {
        return Err(format!("of {bits} bits; RSA keys have 2048 to 8192"));
    }
    Ok(PublicKey::of(
        bytes,
        &info.subject_public_key.data,
        bits.div_ceil(8),
    ))
}
