//! The JSON shapes of key files, and bytes in them.
//!
//! A syntax error tells its place and the fields that belong there, but not the parser's own
//! words: those quote values, and a value may be a secret in the wrong field.

use std::sync::Arc;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use crate::{
    Algorithm, Error, KEY_FILE_BYTES_MAX, Label, Scheme, SigningKey,
    error::cut,
    key::{RawDecryptionKey, pem_body},
};

/// The version of both files.
pub(crate) const VERSION: u32 = 1;

const SIGNING_KEY_FIELDS: &str = "a signing key has version, kid, alg and secret, and for another \
     vendor's scheme also scheme and perhaps name, issuer and salt, each once";

/// The longest name, issuer or salt.
const TEXT_BYTES_MAX: usize = 255;

/// A key set's file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawKeySet {
    pub(crate) version: u32,
    pub(crate) keys: Vec<RawKey>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) decryption_keys: Vec<RawDecryptionKey>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawKey {
    pub(crate) kid: String,
    pub(crate) alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scheme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) salt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    #[serde(default)]
    pub(crate) not_before_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_after_s: Option<u64>,
}

/// A signing key's file.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawSigningKey {
    version: u32,
    kid: String,
    alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    secret: String,
}

impl SigningKey {
    /// Reads a signing key's file: `{"version": 1, "kid": .., "alg": .., "secret": ..}`, where
    /// `secret` is the Ed25519 seed or the HMAC secret as base64url without padding or as `hex:` and
    /// digits, or an ECDSA key in PKCS #8 as base64url.
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        let raw: RawSigningKey = read(file, SIGNING_KEY_FIELDS)?;
        check_version(raw.version)?;
        let wrong = |problem: String| Error::Key {
            position: 1,
            kid: cut(&raw.kid),
            problem,
        };
        let kid = Label::parse(&raw.kid)?;
        let algorithm = Algorithm::parse(&raw.alg)?;
        let scheme = scheme(raw.scheme.as_deref())?;
        let secret = decode_secret(&raw.secret).map_err(wrong)?;
        let mut key = Self::new(scheme, algorithm, kid, &secret).map_err(wrong)?;
        let [name, issuer, salt] =
            texts(scheme, [&raw.name, &raw.issuer, &raw.salt]).map_err(wrong)?;
        (key.name, key.issuer, key.salt) = (name, issuer, salt);
        Ok(key)
    }

    /// The same key with what another scheme's tokens call it, and who signs with it.
    pub fn named(mut self, name: &Option<String>, issuer: &Option<String>) -> Result<Self, Error> {
        let wrong = |problem| Error::Key {
            position: 1,
            kid: self.kid().to_string(),
            problem,
        };
        let [name, issuer, _] = texts(self.scheme(), [name, issuer, &None]).map_err(wrong)?;
        (self.name, self.issuer) = (name, issuer);
        Ok(self)
    }

    /// The file for this key. It is a secret: write it with mode 0600.
    pub fn to_json(&self) -> String {
        to_json(&RawSigningKey {
            version: VERSION,
            kid: self.kid().to_string(),
            alg: self.algorithm().name().to_owned(),
            scheme: scheme_text(self.scheme()),
            name: self.name.as_deref().map(str::to_owned),
            issuer: self.issuer.as_deref().map(str::to_owned),
            salt: self.salt.as_deref().map(str::to_owned),
            secret: encode_bytes(self.secret()),
        })
    }
}

/// Reads a file of bounded size.
pub(crate) fn read<T: DeserializeOwned>(file: &[u8], fields: &'static str) -> Result<T, Error> {
    read_bounded(file, KEY_FILE_BYTES_MAX, fields)
}

/// Reads a file of at most so many bytes.
pub(crate) fn read_bounded<T: DeserializeOwned>(
    file: &[u8],
    bytes_max: usize,
    fields: &'static str,
) -> Result<T, Error> {
    if file.len() > bytes_max {
        let problem = format!("{} bytes, over the limit of {bytes_max}", file.len());
        return Err(Error::KeyFile { problem });
    }
    serde_json::from_slice(file).map_err(|error| Error::Syntax {
        line: error.line(),
        column: error.column(),
        problem: match error.classify() {
            Category::Eof => "the file ends too early",
            Category::Syntax => "not JSON",
            Category::Data => "a field is unknown, missing, twice there or of the wrong type",
            Category::Io => "not readable",
        },
        hint: fields,
    })
}

pub(crate) fn check_version(version: u32) -> Result<(), Error> {
    if version == VERSION {
        return Ok(());
    }
    let problem = format!("version {version}; this program reads version {VERSION}");
    Err(Error::KeyFile { problem })
}

/// The scheme of a key; native where none is named.
pub(crate) fn scheme(name: Option<&str>) -> Result<Scheme, Error> {
    name.map_or(Ok(Scheme::Native), Scheme::parse)
}

pub(crate) fn scheme_text(scheme: Scheme) -> Option<String> {
    (scheme != Scheme::Native).then(|| scheme.name().to_owned())
}

/// A key's name, issuer and salt, as far as its scheme has them.
pub(crate) fn texts(
    scheme: Scheme,
    [name, issuer, salt]: [&Option<String>; 3],
) -> Result<[Option<Arc<str>>; 3], String> {
    let takes = [
        (
            "name",
            name,
            !matches!(scheme, Scheme::Native | Scheme::EdgeAuth),
        ),
        ("issuer", issuer, scheme == Scheme::UriSigning),
        ("salt", salt, scheme == Scheme::EdgeAuth),
    ];
    for (field, text, taken) in takes {
        let Some(text) = text else { continue };
        if !taken {
            return Err(format!(
                "`{field}` means nothing for a key of {}",
                scheme.name()
            ));
        }
        check_text(field, text)?;
    }
    Ok([name, issuer, salt].map(|text| text.as_deref().map(Arc::from)))
}

/// What tokens call a key, if that is not its kid.
pub(crate) fn name(text: Option<&str>) -> Result<Option<Arc<str>>, String> {
    let Some(text) = text else { return Ok(None) };
    check_text("name", text)?;
    Ok(Some(text.into()))
}

fn check_text(field: &str, text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(format!("`{field}` has 1 to {TEXT_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// A secret from base64url, or from `hex:` and hexadecimal digits, as other vendors show theirs.
/// The error's text does not quote them.
pub(crate) fn decode_secret(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_prefix("hex:") {
        Some(digits) => crate::hex::decode(digits.to_ascii_lowercase().as_bytes())
            .ok_or_else(|| "`secret` is not pairs of hexadecimal digits".to_owned()),
        None => decode_bytes("secret", text),
    }
}

/// A public key from base64url, or from PEM.
pub(crate) fn decode_public(text: &str) -> Result<Vec<u8>, String> {
    match pem_body(text) {
        Some(body) => {
            let decoded = STANDARD.decode(body).ok();
            decoded.ok_or_else(|| "`public` is not a PEM text".to_owned())
        }
        None => decode_bytes("public", text),
    }
}

/// Bytes of a key from canonical base64url. The error's text does not quote them.
pub(crate) fn decode_bytes(field: &str, text: &str) -> Result<Vec<u8>, String> {
    let decoded = URL_SAFE_NO_PAD.decode(text).ok();
    decoded.ok_or_else(|| format!("`{field}` is not base64url without padding (A-Z a-z 0-9 - _)"))
}

pub(crate) fn encode_bytes(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Two-space JSON with a last newline.
pub(crate) fn to_json<T: Serialize>(file: &T) -> String {
    // Text, numbers and lists of known keys always serialise; an empty file would be refused.
    let mut json = serde_json::to_string_pretty(file).unwrap_or_default();
    json.push('\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signing_key_file_round_trips() {
        for algorithm in [Algorithm::Ed25519, Algorithm::HmacSha256] {
            let key = SigningKey::generate(algorithm, Label::parse("k1").unwrap()).unwrap();
            let again = SigningKey::parse(key.to_json().as_bytes()).unwrap();
            assert_eq!(again.to_json(), key.to_json());
            assert_eq!(again.algorithm(), algorithm);
        }
    }

    #[test]
    fn errors_never_quote_a_secret() {
        let canary = "c2VjcmV0LWNhbmFyeS1zZWNyZXQtY2FuYXJ5LTEyMw";
        let files = [
            format!(r#"{{"version": 1, "kid": "k", "alg": "ed25519", "secret": "{canary}="}}"#),
            format!(r#"{{"version": 1, "kid": "k", "alg": "ed25519", "secret": "{canary}AAAA"}}"#),
            format!(r#"{{"version": "{canary}", "kid": "k", "alg": "ed25519", "secret": ""}}"#),
            format!(r#"{{"version": 1, "kid": "k", "alg": "ed25519", "{canary}": 1}}"#),
            format!(r#"{{"version": 1, "kid": "k", "alg": "ed25519", "secret": ["{canary}"]}}"#),
            format!(r#"{{"version": 2, "kid": "k", "alg": "ed25519", "secret": "{canary}"}}"#),
        ];
        for file in files {
            let error = SigningKey::parse(file.as_bytes()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("c2Vjc"), "{error}");
        }
    }

    #[test]
    fn a_syntax_error_names_its_place() {
        let error = SigningKey::parse(b"{\n  \"version\": 1,\n  \"extra\": 2\n}").unwrap_err();
        assert!(matches!(error, Error::Syntax { line: 3, .. }), "{error}");
        assert!(
            error.to_string().contains("version, kid, alg and secret"),
            "{error}"
        );
    }
}
