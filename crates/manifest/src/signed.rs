//! The line of signatures in front of a manifest, and what is signed.
//!
//! ```text
//! {"signed":"millpond manifest 1","signatures":[{"kid":"planner-1","signature":"86 chars"}]} LF
//! payload: lines of JSON, or one zstd frame of them, to the end of the file
//!
//! what each key signs: "millpond manifest 1" 0x00 SHA-256(payload)
//! ```
//!
//! Signatures stand in front, over the bytes as they are: nothing is parsed or decompressed that
//! no planner has signed, and no second spelling of the same JSON matters.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use signing::{Algorithm, Label, SigningKey};

use crate::{
    Digest, Keys, Refused,
    keys::{PlannerKey, Role},
    wire::{BYTE_ORDER_MARK, is_zstd},
    wrong::cut,
};

/// What is signed and how, and nothing else of ours begins like this.
const FORMAT: &str = "millpond manifest 1";

/// The most signatures: as many as a node may know keys.
const SIGNATURES_MAX: usize = 16;

/// The longest line of them.
const LINE_BYTES_MAX: usize = 8 * 1024;

const SIGNATURE_BYTES: usize = 64;

/// A manifest's payload and who says to have signed it. Nothing is verified yet.
#[derive(Debug, Clone)]
pub struct Signed<'a> {
    signatures: Vec<Signature>,
    /// The bytes that are signed.
    pub payload: &'a [u8],
    /// Their digest.
    pub digest: Digest,
}

#[derive(Debug, Clone)]
struct Signature {
    kid: Label,
    bytes: [u8; SIGNATURE_BYTES],
}

/// Why a key cannot sign a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotSign {
    /// Whoever checks an HMAC can also sign.
    #[error("key {0} is not ed25519; make one with `millpond manifest key`")]
    NotEd25519(Label),
    /// Nobody needs so many.
    #[error("the manifest has {SIGNATURES_MAX} signatures already")]
    TooMany,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    signed: String,
    signatures: Vec<RawSignature>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawSignature {
    kid: Label,
    signature: String,
}

/// The first line of a manifest that nobody has signed.
#[derive(Deserialize)]
struct Draft {
    #[serde(rename = "schema")]
    _schema: IgnoredAny,
}

impl<'a> Signed<'a> {
    /// A payload that nobody has signed yet.
    pub fn draft(payload: &'a [u8]) -> Self {
        Self {
            signatures: Vec::new(),
            payload,
            digest: Digest::of(payload),
        }
    }

    /// Splits a file into signatures and payload. A payload alone is a draft.
    pub fn parse(file: &'a [u8]) -> Result<Self, Refused> {
        let malformed = |problem: String| Refused::Malformed { line: 1, problem };
        if file.starts_with(&BYTE_ORDER_MARK) {
            return Err(malformed("a byte order mark; write plain UTF-8".to_owned()));
        }
        let head = &file[..file.len().min(LINE_BYTES_MAX)];
        let end = head.iter().position(|byte| *byte == b'\n');
        let line = &head[..end.unwrap_or(head.len())];
        if is_zstd(file) || serde_json::from_slice::<Draft>(line).is_ok() {
            return Ok(Self::draft(file));
        }
        let Some(end) = end else {
            let problem = format!(
                "it does not end within {LINE_BYTES_MAX} bytes; a manifest begins with a line of signatures"
            );
            return Err(malformed(problem));
        };
        let raw: RawLine =
            serde_json::from_slice(line).map_err(|error| malformed(error.to_string()))?;
        if raw.signed != FORMAT {
            let problem = format!("`signed` is {:?}, not {FORMAT:?}", cut(&raw.signed));
            return Err(malformed(problem));
        }
        let mut signed = Self::draft(&file[end + 1..]);
        for RawSignature { kid, signature } in raw.signatures {
            let bytes = URL_SAFE_NO_PAD.decode(&signature).ok();
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            let bytes = bytes.ok_or_else(|| {
                malformed(format!(
                    "the signature of {kid} is not 86 characters of base64url"
                ))
            })?;
            if signed.signatures.iter().any(|known| known.kid == kid) {
                return Err(malformed(format!("key {kid} has signed twice")));
            }
            signed.signatures.push(Signature { kid, bytes });
        }
        if signed.signatures.len() > SIGNATURES_MAX {
            return Err(malformed(format!("more than {SIGNATURES_MAX} signatures")));
        }
        Ok(signed)
    }

    /// Ids of the keys that say to have signed.
    pub fn kids(&self) -> impl Iterator<Item = &Label> {
        self.signatures.iter().map(|signature| &signature.kid)
    }

    /// Signs with one more key; its old signature goes.
    pub fn sign(&mut self, key: &SigningKey) -> Result<(), CannotSign> {
        let kid = key.kid().clone();
        let bytes = key.signature(&self.message()).try_into();
        let (Algorithm::Ed25519, Ok(bytes)) = (key.algorithm(), bytes) else {
            return Err(CannotSign::NotEd25519(kid));
        };
        self.signatures.retain(|known| known.kid != kid);
        if self.signatures.len() == SIGNATURES_MAX {
            return Err(CannotSign::TooMany);
        }
        self.signatures.push(Signature { kid, bytes });
        Ok(())
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let signatures = self.signatures.iter().map(|signature| RawSignature {
            kid: signature.kid.clone(),
            signature: URL_SAFE_NO_PAD.encode(signature.bytes),
        });
        let line = RawLine {
            signed: FORMAT.to_owned(),
            signatures: signatures.collect(),
        };
        // Text and lists always serialise.
        let mut file = serde_json::to_vec(&line).unwrap_or_default();
        file.push(b'\n');
        file.extend_from_slice(self.payload);
        file
    }

    /// Whether enough keys with `role` have signed. Signatures of unknown keys do not count: they
    /// are how a planner changes its key. A wrong signature of a known key is refused at once.
    pub(crate) fn check(&self, keys: &Keys, role: Role, now_s: u64) -> Result<(), Refused> {
        if self.signatures.is_empty() {
            return Err(Refused::Unsigned);
        }
        let message = self.message();
        let (mut signed, mut others) = (0, Vec::new());
        for Signature { kid, bytes } in &self.signatures {
            let Some(PlannerKey { key, roles }) = keys.key(kid) else {
                others.push(kid.to_string());
                continue;
            };
            if !key.verifies(&message, bytes) {
                return Err(Refused::BadSignature(kid.clone()));
            }
            if now_s < key.not_before_s || key.not_after_s.is_some_and(|end_s| now_s >= end_s) {
                return Err(Refused::KeyNotValid(kid.clone()));
            }
            if roles.contains(&role) {
                signed += 1;
            } else {
                others.push(kid.to_string());
            }
        }
        let threshold = keys.threshold(role);
        if signed >= threshold {
            return Ok(());
        }
        Err(Refused::BelowThreshold {
            role: role.name(),
            signed,
            threshold,
            others,
        })
    }

    fn message(&self) -> Vec<u8> {
        [FORMAT.as_bytes(), &[0], self.digest.as_bytes()].concat()
    }
}
