//! `millpond keys`: a signing key for the packager, and the key set for the nodes.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use clap::{Subcommand, ValueEnum};
use signing::{Algorithm, KeySet, Label, SigningKey};

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
        /// Where the signing key is written. It is the packager's secret, and no node needs it.
        #[arg(long, value_name = "FILE")]
        signing_key: PathBuf,
        /// The key set of a site, for its nodes. Made if it is absent; else the key is added, so
        /// that old and new tokens are good side by side.
        #[arg(long, value_name = "FILE")]
        key_set: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Ed25519,
    #[value(name = "hmac-sha-256")]
    HmacSha256,
}

impl From<Kind> for Algorithm {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Ed25519 => Self::Ed25519,
            Kind::HmacSha256 => Self::HmacSha256,
        }
    }
}

pub(crate) fn run(action: &Action) -> Result<(), Error> {
    let Action::New {
        kid,
        algorithm,
        signing_key,
        key_set,
    } = action;
    let key = SigningKey::generate((*algorithm).into(), Label::parse(kid)?)?;
    let mut keys = held(key_set)?;
    keys.push(key.verify_key());
    let set = KeySet::new(keys)?;
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

fn held(key_set: &Path) -> Result<Vec<signing::VerifyKey>, Error> {
    match fs::read(key_set) {
        Ok(bytes) => Ok(KeySet::parse(&bytes)?.keys().to_vec()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
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
