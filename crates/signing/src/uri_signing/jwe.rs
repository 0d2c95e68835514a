//! Claims that are encrypted: JWE in its compact form (RFC 7516 section 7.1).
//!
//! ```text
//! header . wrapped key (none with `dir`) . initialisation vector . ciphertext . tag
//! ```
//!
//! A header can only rule keys out: what a key is for stands in the key set. Opened is what `dir`,
//! `A128KW` and `A256KW` say with `A128GCM` and `A256GCM`; any other algorithm, compression (`zip`)
//! and `crit` are refused.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use crate::key::{Content, DecryptionKey, Opens};

/// A signer's old, present and next key.
const KEYS_TRIED_MAX: usize = 3;

/// Section 4.1; fields that change nothing here are ignored (section 4).
#[derive(Deserialize)]
struct Header {
    alg: String,
    enc: String,
    kid: Option<String>,
    zip: Option<Value>,
    crit: Option<Value>,
}

/// Whether a claim's text has the five parts of a JWE.
pub(super) fn is_one(text: &str) -> bool {
    text.split('.').count() == 5
}

/// The text that one of `keys` opens, or nothing, whatever the reason: who sends it is told none.
pub(super) fn open(text: &str, keys: &[DecryptionKey], now_s: u64) -> Option<String> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, wrapped, iv, sealed, tag] = parts.as_slice() else {
        return None;
    };
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let parsed: Header = serde_json::from_slice(&bytes(header)?).ok()?;
    if parsed.zip.is_some() || parsed.crit.is_some() {
        return None;
    }
    let (opens, content) = algorithms(&parsed)?;
    let wrapped = bytes(wrapped)?;
    let iv = <[u8; 12]>::try_from(bytes(iv)?).ok()?;
    let (mut sealed, tag) = (bytes(sealed)?, <[u8; 16]>::try_from(bytes(tag)?).ok()?);
    sealed.extend(tag);
    let meant = |key: &&DecryptionKey| key.is_meant(parsed.kid.as_deref(), now_s);
    let tried = keys.iter().filter(meant).take(KEYS_TRIED_MAX);
    let opened = tried
        .filter_map(|key| key.content_key(opens, content, &wrapped))
        // Section 5.1, step 14: the header is the additional authenticated data.
        .find_map(|key| content.open(&key, iv, header.as_bytes(), sealed.clone()))?;
    String::from_utf8(opened).ok()
}

fn algorithms(header: &Header) -> Option<(Opens, Content)> {
    let content = match header.enc.as_str() {
        "A128GCM" => Content::Aes128,
        "A256GCM" => Content::Aes256,
        _ => return None,
    };
    let opens = match header.alg.as_str() {
        "dir" => Opens::Claims(content),
        "A128KW" => Opens::Keys(Content::Aes128),
        "A256KW" => Opens::Keys(Content::Aes256),
        _ => return None,
    };
    Some((opens, content))
}
