//! `millpond keys`: a signing key for the packager, and the key set for the nodes.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use signing::{Algorithm, KeySet, Label, Scheme, SigningKey, VerifyKey};

use crate::{Error, output::say};

/// Only the owner may read what signs URLs.
const PRIVATE: u32 = 0o600;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Make a signing key, and add its verifying half to a key set.
    New {
        /// The key's id, which every token names: letters, digits, '.', '_' and '-'.
        #[arg(long)]
        kid: String,
        /// How it signs. With ed25519 a node can verify but not mint.
        #[arg(long, value_enum, default_value_t = Kind::Ed25519)]
        algorithm: Kind,
        /// Whose tokens it signs.
        #[arg(long, value_parser = Scheme::parse, default_value = "native")]
        scheme: Scheme,
        /// What another scheme's tokens call it, if not by its kid, such as a Key-Pair-Id.
        #[arg(long)]
        name: Option<String>,
        /// Who signs: the `iss` of a uri-signing token.
        #[arg(long)]
        issuer: Option<String>,
        /// Where the signing key is written. It is the packager's secret, and no node needs it.
        #[arg(long, value_name = "FILE")]
        signing_key: PathBuf,
        /// The key set of a site, for its nodes. Made if it is absent; else the key is added, so
        /// that old and new tokens are good side by side.
        #[arg(long, value_name = "FILE")]
        key_set: PathBuf,
    },
    /// Add another vendor's key, which signs elsewhere, to a key set.
    Add(Added),
    /// Add a key that opens the encrypted claims of uri-signing tokens to a key set.
    AddDecryption(Decrypting),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Decrypting {
    /// An id of your own, and the `kid` of encrypted claims unless there is a --name.
    #[arg(long)]
    kid: String,
    /// aes-128-gcm or aes-256-gcm for `dir`, aes-128-kw or aes-256-kw for `A128KW` and `A256KW`.
    #[arg(long)]
    algorithm: String,
    /// A file with the key in hexadecimal digits.
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// What encrypted claims call it, if not by its kid.
    #[arg(long)]
    name: Option<String>,
    /// The key set of a site, which has the signer's verifying key already.
    #[arg(long, value_name = "FILE")]
    key_set: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Added {
    /// An id of your own for logs, and the token's name for it unless there is a --name.
    #[arg(long)]
    kid: String,
    /// Whose tokens it verifies: uri-signing, media-cdn, cloudfront or edge-auth.
    #[arg(long, value_parser = Scheme::parse)]
    scheme: Scheme,
    /// How it signs: ed25519, ecdsa-p256-sha-256, rsa-sha-256, rsa-sha-1, hmac-sha-256, hmac-sha-1.
    #[arg(long, value_parser = Algorithm::parse)]
    algorithm: Algorithm,
    /// A public key in PEM, as `openssl pkey -pubout` writes it.
    #[arg(long, value_name = "FILE", required_unless_present = "secret")]
    public_key: Option<PathBuf>,
    /// A file with an HMAC secret in hexadecimal digits.
    #[arg(long, value_name = "FILE", conflicts_with = "public_key")]
    secret: Option<PathBuf>,
    /// What tokens call it, if not by its kid, such as a Key-Pair-Id.
    #[arg(long)]
    name: Option<String>,
    /// Who signs: the `iss` of a uri-signing token.
    #[arg(long)]
    issuer: Option<String>,
    /// A file with the salt of edge-auth.
    #[arg(long, value_name = "FILE")]
    salt: Option<PathBuf>,
    /// The key set of a site.
    #[arg(long, value_name = "FILE")]
    key_set: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Ed25519,
    #[value(name = "hmac-sha-256")]
    HmacSha256,
    #[value(name = "hmac-sha-1")]
    HmacSha1,
    #[value(name = "ecdsa-p256-sha-256")]
    EcdsaP256,
}

impl From<Kind> for Algorithm {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Ed25519 => Self::Ed25519,
            Kind::HmacSha256 => Self::HmacSha256,
            Kind::HmacSha1 => Self::HmacSha1,
            Kind::EcdsaP256 => Self::EcdsaP256,
        }
    }
}

pub(crate) fn run(action: &Action) -> Result<(), Error> {
    let (kid, algorithm, scheme, signing_key, key_set, names) = match action {
        Action::Add(added) => return added.run(),
        Action::AddDecryption(added) => return added.run(),
        Action::New {
            kid,
            algorithm,
            scheme,
            name,
            issuer,
            signing_key,
            key_set,
        } => (
            kid,
            *algorithm,
            *scheme,
            signing_key,
            key_set,
            (name, issuer),
        ),
    };
    let key = SigningKey::generate_for(scheme, algorithm.into(), Label::parse(kid)?)?;
    let key = key.named(names.0, names.1)?;
    let set = joined(key_set, key.verify_key())?;
    if signing_key.exists() {
        return Err(Error::Exists(signing_key.clone()));
    }
    replace(key_set, &set.to_json())?;
    replace(signing_key, &key.to_json())?;
    say(format!(
        "signing key  {} (keep it from the nodes)",
        signing_key.display()
    ));
    say(format!(
        "key set      {} ({} keys)",
        key_set.display(),
        set.keys().len()
    ));
    Ok(())
}

impl Added {
    fn run(&self) -> Result<(), Error> {
        let text = |file: &Option<PathBuf>| -> Result<Option<String>, Error> {
            let Some(file) = file else { return Ok(None) };
            let text =
                fs::read_to_string(file).map_err(|error| Error::file(file.clone(), error))?;
            Ok(Some(text.trim().to_owned()))
        };
        // A key set of one, so that it is read as a node reads it.
        let mut key = json!({
            "kid": self.kid, "alg": self.algorithm.name(), "scheme": self.scheme.name(),
        });
        let fields = [
            ("public", text(&self.public_key)?),
            (
                "secret",
                text(&self.secret)?.map(|digits| format!("hex:{digits}")),
            ),
            ("name", self.name.clone()),
            ("issuer", self.issuer.clone()),
            ("salt", text(&self.salt)?),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                key[field] = value.into();
            }
        }
        let one = KeySet::parse(json!({"version": 1, "keys": [key]}).to_string().as_bytes())?;
        let mut set = one.clone();
        for key in one.keys() {
            set = joined(&self.key_set, key.clone())?;
        }
        replace(&self.key_set, &set.to_json())?;
        let (file, count) = (self.key_set.display(), set.keys().len());
        say(format!("key set      {file} ({count} keys)"));
        Ok(())
    }
}

impl Decrypting {
    fn run(&self) -> Result<(), Error> {
        let wrong = |file: &Path| {
            let file = file.to_owned();
            move |error| Error::file(file, error)
        };
        let secret = fs::read_to_string(&self.secret).map_err(wrong(&self.secret))?;
        let file = fs::read(&self.key_set).map_err(wrong(&self.key_set))?;
        let mut key = json!({
            "kid": self.kid, "alg": self.algorithm, "secret": format!("hex:{}", secret.trim()),
        });
        if let Some(name) = &self.name {
            key["name"] = name.as_str().into();
        }
        let set = KeySet::parse(&file)?.and_decryption(key.to_string().as_bytes())?;
        replace(&self.key_set, &set.to_json())?;
        let (file, count) = (self.key_set.display(), set.decryption_keys().len());
        say(format!("key set      {file} ({count} decryption keys)"));
        Ok(())
    }
}

/// The key set of a file, if there is one, and one key more.
fn joined(key_set: &Path, key: VerifyKey) -> Result<KeySet, Error> {
    match fs::read(key_set) {
        Ok(bytes) => Ok(KeySet::parse(&bytes)?.and([key])?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(KeySet::new(vec![key])?),
        Err(error) => Err(Error::file(key_set, error)),
    }
}

/// Writes beside the file and renames, so that a node never reads a half of it.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let beside = path.with_extension("new");
    let write = || {
        // What lies there may be a link, or open to others: it is made anew.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| Error::file(path, error))
}
