//! Keys that open encrypted claims: they sign nothing and verify nothing.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _},
};
use serde::{Deserialize, Serialize};

use super::check_secret;
use crate::{
    Label,
    key_file::{decode_secret, encode_bytes, name},
};

/// How a claim's text is encrypted: `enc` of a JWE (RFC 7518 section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Aes128,
    Aes256,
}

impl Content {
    /// The length of the key that encrypts it.
    pub(crate) fn key_bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }

    /// Opens `sealed`, which is the ciphertext and its tag, with a key of its own length.
    pub(crate) fn open(
        self,
        key: &[u8],
        iv: [u8; NONCE_LEN],
        aad: &[u8],
        mut sealed: Vec<u8>,
    ) -> Option<Vec<u8>> {
        let algorithm = match self {
            Self::Aes128 => &AES_128_GCM,
            Self::Aes256 => &AES_256_GCM,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        let iv = Nonce::assume_unique_for_key(iv);
        let length = key
            .open_in_place(iv, Aad::from(aad), &mut sealed)
            .ok()?
            .len();
        sealed.truncate(length);
        Some(sealed)
    }
}

/// What a decryption key does: its own word, which a token cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opens {
    /// It encrypts the claims themselves (`dir`).
    Claims(Content),
    /// It wraps the key that does (`A128KW`, `A256KW`).
    Keys(Content),
}

impl Opens {
    const ALL: [Self; 4] = [
        Self::Claims(Content::Aes128),
        Self::Claims(Content::Aes256),
        Self::Keys(Content::Aes128),
        Self::Keys(Content::Aes256),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Claims(Content::Aes128) => "aes-128-gcm",
            Self::Claims(Content::Aes256) => "aes-256-gcm",
            Self::Keys(Content::Aes128) => "aes-128-kw",
            Self::Keys(Content::Aes256) => "aes-256-kw",
        }
    }

    fn key_bytes(self) -> usize {
        match self {
            Self::Claims(content) | Self::Keys(content) => content.key_bytes(),
        }
    }
}

/// A key that opens what URI signing tokens say in encrypted form (RFC 9246 sections 2.1.2 and
/// 2.1.10): shared with the signer, and of no use for signing.
#[derive(Clone)]
pub struct DecryptionKey {
    /// Its id in the key set.
    pub kid: Label,
    /// What a JWE's header calls it, where that is not the kid.
    pub name: Option<Arc<str>>,
    /// First second of use.
    pub not_before_s: u64,
    /// First second that it is retired; `None` for never.
    pub not_after_s: Option<u64>,
    opens: Opens,
    secret: Box<[u8]>,
}

/// As it stands in a key set's file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDecryptionKey {
    pub(crate) kid: String,
    alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    secret: String,
    #[serde(default)]
    not_before_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after_s: Option<u64>,
}

impl DecryptionKey {
    /// The text of an error says what is wrong without quoting the secret.
    pub(crate) fn read(raw: &RawDecryptionKey) -> Result<Self, String> {
        let kid = Label::parse(&raw.kid).map_err(|error| error.to_string())?;
        let opens = Opens::ALL
            .into_iter()
            .find(|opens| opens.name() == raw.alg)
            .ok_or("alg is one of aes-128-gcm, aes-256-gcm, aes-128-kw, aes-256-kw")?;
        let secret = decode_secret(&raw.secret)?;
        let wanted = opens.key_bytes();
        if secret.len() != wanted {
            let found = secret.len();
            return Err(format!(
                "`secret` has {found} bytes; an {} key has {wanted}",
                opens.name()
            ));
        }
        check_secret(&secret, wanted).map_err(|problem| format!("`secret` is {problem}"))?;
        Ok(Self {
            kid,
            name: name(raw.name.as_deref())?,
            not_before_s: raw.not_before_s,
            not_after_s: raw.not_after_s,
            opens,
            secret: secret.into(),
        })
    }

    pub(crate) fn raw(&self) -> RawDecryptionKey {
        RawDecryptionKey {
            kid: self.kid.to_string(),
            alg: self.opens.name().to_owned(),
            name: self.name.as_deref().map(str::to_owned),
            secret: encode_bytes(&self.secret),
            not_before_s: self.not_before_s,
            not_after_s: self.not_after_s,
        }
    }

    /// Whether a JWE that names `name`, or nobody, may mean this key at this time.
    pub(crate) fn is_meant(&self, name: Option<&str>, now_s: u64) -> bool {
        let own = self.name.as_deref().unwrap_or(self.kid.as_str());
        let in_use = now_s >= self.not_before_s && self.not_after_s.is_none_or(|end| now_s < end);
        in_use && name.is_none_or(|name| name == own)
    }

    /// The key of the content, as far as this one is for `opens`.
    pub(crate) fn content_key(
        &self,
        opens: Opens,
        content: Content,
        wrapped: &[u8],
    ) -> Option<Vec<u8>> {
        if self.opens != opens {
            return None;
        }
        let cipher = match opens {
            Opens::Claims(_) => return wrapped.is_empty().then(|| self.secret.to_vec()),
            Opens::Keys(Content::Aes128) => &AES_128,
            Opens::Keys(Content::Aes256) => &AES_256,
        };
        // RFC 3394: eight bytes more than the key, which say that it is whole.
        let mut key = vec![0; content.key_bytes()];
        if wrapped.len() != key.len() + 8 {
            return None;
        }
        let kek = AesKek::new(cipher, &self.secret).ok()?;
        let length = kek.unwrap(wrapped, &mut key).ok()?.len();
        (length == key.len()).then_some(key)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.secret
    }
}

/// Never shows the secret.
impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptionKey")
            .field("kid", &self.kid)
            .field("name", &self.name)
            .field("opens", &self.opens)
            .field("not_before_s", &self.not_before_s)
            .field("not_after_s", &self.not_after_s)
            .finish_non_exhaustive()
    }
}
