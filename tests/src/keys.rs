//! Signing keys of a test site, and URLs signed with them.

use std::{fs, path::PathBuf};

use signing::{Algorithm, Carrier, Carriers, Claims, KeySet, Label, Scope, SigningKey, VerifyKey};
use tempfile::TempDir;

/// The signed test site.
pub const SITE: &str = "vault";

/// An Ed25519 and an HMAC key in one key set file.
pub struct Keys {
    folder: TempDir,
    /// Key id `e1`.
    pub ed25519: SigningKey,
    /// Key id `h1`.
    pub hmac: SigningKey,
}

impl Keys {
    /// Makes two keys and the file that verifies them.
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("millpond-keys-").unwrap();
        let keys = Self {
            folder,
            ed25519: key(Algorithm::Ed25519, "e1"),
            hmac: key(Algorithm::HmacSha256, "h1"),
        };
        keys.write(vec![keys.ed25519.verify_key(), keys.hmac.verify_key()]);
        keys
    }

    /// The key set's file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    /// Replaces the key set.
    pub fn write(&self, keys: Vec<VerifyKey>) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(self.file(), KeySet::new(keys).unwrap().to_json()).unwrap();
        fs::set_permissions(self.file(), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self::new()
    }
}

/// A fresh key.
pub fn key(algorithm: Algorithm, kid: &str) -> SigningKey {
    SigningKey::generate(algorithm, Label::parse(kid).unwrap()).unwrap()
}

/// Claims on the site for an hour, from a minute ago.
pub fn claims(scope: Scope) -> Claims {
    let now = message::now().unix_s();
    Claims::new(Label::parse(SITE).unwrap(), scope, now - 60, now + 3600)
}

/// A token for everything below `prefix`.
pub fn token(key: &SigningKey, prefix: &str) -> String {
    signing::sign(key, &claims(Scope::prefix(prefix).unwrap())).unwrap()
}

/// `target` with a token in its query or in front of its path.
pub fn carry(target: &str, carrier: Carrier, token: &str) -> String {
    const ORIGIN: &str = "https://signed.test";
    let signed = Carriers::default().signed_url(&format!("{ORIGIN}{target}"), carrier, token);
    signed.unwrap()[ORIGIN.len()..].to_owned()
}
