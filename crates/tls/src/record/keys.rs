//! TLS 1.3's key schedule after the handshake: secret, key, nonce, next secret (RFC 8446 section 7).

use aws_lc_rs::{
    aead::{self, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf,
};
use rustls::CipherSuite;
use zeroize::Zeroizing;

use super::Error;

pub(super) const IV_BYTES: usize = 12;
const SECRET_BYTES_MAX: usize = 48;
const KEY_BYTES_MAX: usize = 32;

/// The cipher suites of TLS 1.3 that this record layer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suite {
    Aes128GcmSha256,
    Aes256GcmSha384,
    ChaCha20Poly1305Sha256,
}

impl Suite {
    /// `None` for a suite that is left to rustls.
    pub(super) fn new(suite: CipherSuite) -> Option<Self> {
        match suite {
            CipherSuite::TLS13_AES_128_GCM_SHA256 => Some(Self::Aes128GcmSha256),
            CipherSuite::TLS13_AES_256_GCM_SHA384 => Some(Self::Aes256GcmSha384),
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => Some(Self::ChaCha20Poly1305Sha256),
            _ => None,
        }
    }

    /// Records that one key may seal.
    pub(super) fn records_max(self) -> u64 {
        match self {
            // RFC 8446 section 5.5 allows 2^24.5 full records.
            Self::Aes128GcmSha256 | Self::Aes256GcmSha384 => 1 << 24,
            Self::ChaCha20Poly1305Sha256 => u64::MAX,
        }
    }

    fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128GcmSha256 => &aead::AES_128_GCM,
            Self::Aes256GcmSha384 => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305Sha256 => &aead::CHACHA20_POLY1305,
        }
    }

    fn hash(self) -> hkdf::Algorithm {
        match self {
            Self::Aes128GcmSha256 | Self::ChaCha20Poly1305Sha256 => hkdf::HKDF_SHA256,
            Self::Aes256GcmSha384 => hkdf::HKDF_SHA384,
        }
    }

    fn secret_bytes(self) -> usize {
        match self {
            Self::Aes128GcmSha256 | Self::ChaCha20Poly1305Sha256 => 32,
            Self::Aes256GcmSha384 => 48,
        }
    }
}

/// The traffic secret of one direction. Wiped when dropped.
pub(super) struct Secret {
    suite: Suite,
    bytes: Zeroizing<[u8; SECRET_BYTES_MAX]>,
}

impl Secret {
    /// `None` when it is not as long as the suite's hash.
    pub(super) fn new(suite: Suite, secret: &[u8]) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES_MAX]);
        if secret.len() != suite.secret_bytes() {
            return None;
        }
        bytes[..secret.len()].copy_from_slice(secret);
        Some(Self { suite, bytes })
    }

    /// RFC 8446 section 7.2: the secret of the next generation.
    fn next(&self) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES_MAX]);
        self.expand(b"traffic upd", &mut bytes[..self.suite.secret_bytes()])?;
        let suite = self.suite;
        Ok(Self { suite, bytes })
    }

    /// RFC 8446 section 7.3: the key and the static part of the nonce.
    pub(super) fn keys(&self) -> Result<Keys, Error> {
        let mut keys = Keys {
            key: Zeroizing::new([0; KEY_BYTES_MAX]),
            key_bytes: self.suite.aead().key_len(),
            iv: [0; IV_BYTES],
        };
        self.expand(b"key", &mut keys.key[..keys.key_bytes])?;
        self.expand(b"iv", &mut keys.iv)?;
        Ok(keys)
    }

    /// RFC 8446 section 7.1: HKDF-Expand-Label with an empty context.
    fn expand(&self, label: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let bytes = u16::try_from(out.len()).ok().ok_or(Error::Cipher)?;
        let label_bytes = u8::try_from(PREFIX.len() + label.len())
            .ok()
            .ok_or(Error::Cipher)?;
        let secret = &self.bytes[..self.suite.secret_bytes()];
        hkdf::Prk::new_less_safe(self.suite.hash(), secret)
            .expand(
                &[&bytes.to_be_bytes(), &[label_bytes], PREFIX, label, &[0]],
                Length(out.len()),
            )
            .and_then(|okm| okm.fill(out))
            .map_err(Error::from)
    }
}

const PREFIX: &[u8] = b"tls13 ";

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// What a secret gives. Wiped when dropped.
pub(super) struct Keys {
    key: Zeroizing<[u8; KEY_BYTES_MAX]>,
    key_bytes: usize,
    pub(super) iv: [u8; IV_BYTES],
}

impl Keys {
    pub(super) fn key(&self) -> &[u8] {
        &self.key[..self.key_bytes]
    }
}

/// One direction: the secret, its key, and the number of the next record.
pub(super) struct Cipher {
    secret: Secret,
    key: LessSafeKey,
    iv: [u8; IV_BYTES],
    sequence: u64,
}

impl Cipher {
    pub(super) fn new(secret: Secret, sequence: u64) -> Result<Self, Error> {
        let keys = secret.keys()?;
        let key = UnboundKey::new(secret.suite.aead(), keys.key())?;
        Ok(Self {
            key: LessSafeKey::new(key),
            iv: keys.iv,
            secret,
            sequence,
        })
    }

    /// Goes on with the next generation of the secret, from record 0.
    pub(super) fn update(&mut self) -> Result<(), Error> {
        *self = Self::new(self.secret.next()?, 0)?;
        Ok(())
    }

    pub(super) fn suite(&self) -> Suite {
        self.secret.suite
    }

    /// The number of the next record under this key.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Seals `plain` and then the byte `kind` out of place: `out` is as long as `plain`, `tail`
    /// holds the sealed byte and the tag.
    pub(super) fn seal(
        &mut self,
        header: [u8; 5],
        plain: &[u8],
        kind: u8,
        out: &mut [u8],
        tail: &mut [u8],
    ) -> Result<(), Error> {
        let nonce = self.nonce()?;
        self.key
            .seal_out_of_place_scatter(nonce, Aad::from(header), plain, out, &[kind], tail)
            .map_err(Error::from)
    }

    /// As [`Cipher::seal`], where the plaintext is already in `out`.
    pub(super) fn seal_in_place(
        &mut self,
        header: [u8; 5],
        kind: u8,
        out: &mut [u8],
        tail: &mut [u8],
    ) -> Result<(), Error> {
        let nonce = self.nonce()?;
        self.key
            .seal_in_place_scatter(nonce, Aad::from(header), out, &[kind], tail)
            .map_err(Error::from)
    }

    /// Opens a record's ciphertext and tag in place. `None` when it was not sealed with this key,
    /// for this place, or was changed.
    pub(super) fn open<'a>(
        &mut self,
        header: [u8; 5],
        sealed: &'a mut [u8],
    ) -> Result<Option<&'a mut [u8]>, Error> {
        let nonce = self.nonce()?;
        let opened = self.key.open_in_place(nonce, Aad::from(header), sealed);
        Ok(opened.ok())
    }

    /// RFC 8446 section 5.3. No number is ever used twice under one key: it is spent here.
    fn nonce(&mut self) -> Result<Nonce, Error> {
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= number;
        }
        self.sequence = self.sequence.checked_add(1).ok_or(Error::Cipher)?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks(2).map(|at| pair(at).unwrap()).collect()
    }

    /// RFC 8448 section 3, "derive secret tls13 c ap traffic" and "s ap traffic".
    const CLIENT: &str = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
    const SERVER: &str = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";

    fn secret(text: &str) -> Secret {
        Secret::new(Suite::Aes128GcmSha256, &hex(text)).unwrap()
    }

    #[test]
    fn keys_and_nonces_are_those_of_rfc_8448() {
        let keys = secret(SERVER).keys().unwrap();
        assert_eq!(keys.key(), hex("9f02283b6c9c07efc26bb9f2ac92e356"));
        assert_eq!(keys.iv[..], hex("cf782b88dd83549aadf1e984"));
        let keys = secret(CLIENT).keys().unwrap();
        assert_eq!(keys.key(), hex("17422dda596ed5d9acd890e3c63f5051"));
        assert_eq!(keys.iv[..], hex("5b78923dee08579033e523d9"));
    }

    /// RFC 8448 section 3, what the client sends: the record of 50 bytes and `close_notify`.
    #[test]
    fn records_are_sealed_and_opened_as_in_rfc_8448() {
        let plain: Vec<u8> = (0..50).collect();
        let data = hex(
            "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa
             66 bc ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2
             97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4",
        );
        let alert = hex("17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3");
        let header = |record: &[u8]| <[u8; 5]>::try_from(&record[..5]).unwrap();

        let mut client = Cipher::new(secret(CLIENT), 0).unwrap();
        let (mut out, mut tail) = (vec![0; 50], [0; 17]);
        client
            .seal(header(&data), &plain, 23, &mut out, &mut tail)
            .unwrap();
        assert_eq!([&out[..], &tail].concat(), data[5..]);
        let mut out = [1, 0];
        client
            .seal_in_place(header(&alert), 21, &mut out, &mut tail)
            .unwrap();
        assert_eq!([&out[..], &tail].concat(), alert[5..]);

        let mut server = Cipher::new(secret(CLIENT), 0).unwrap();
        let mut sealed = data[5..].to_vec();
        let opened = server.open(header(&data), &mut sealed).unwrap().unwrap();
        assert_eq!(opened, [&plain[..], &[23]].concat());
        let mut sealed = alert[5..].to_vec();
        let opened = server.open(header(&alert), &mut sealed).unwrap().unwrap();
        assert_eq!(opened, [1, 0, 21]);
    }

    #[test]
    fn a_secret_of_the_wrong_length_is_none() {
        assert!(Secret::new(Suite::Aes256GcmSha384, &[0; 32]).is_none());
        assert!(Secret::new(Suite::ChaCha20Poly1305Sha256, &[0; 48]).is_none());
        assert!(Secret::new(Suite::Aes128GcmSha256, &[]).is_none());
    }

    #[test]
    fn a_number_is_never_used_twice() {
        let mut cipher = Cipher::new(secret(CLIENT), u64::MAX).unwrap();
        let sealed = cipher.seal_in_place([0; 5], 23, &mut [0; 3], &mut [0; 17]);
        assert!(sealed.is_err());
        let sealed = cipher.seal_in_place([0; 5], 23, &mut [0; 3], &mut [0; 17]);
        assert!(sealed.is_err());
    }
}
