//! Certificates and keys from PEM files, judged before they are used.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustls::{crypto::CryptoProvider, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{Error, Warning};

/// A chain with its key is a few KiB; a file beyond this is a mistake or an attack.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Longer chains verify nowhere.
const CHAIN_MAX: usize = 10;

/// A certificate chain (leaf first) and its private key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain.
    pub cert: PathBuf,
    /// The key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// An identity that is whole: the key fits, the dates are good.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) not_after_unix_s: i64,
    pub(crate) warning: Option<Warning>,
}

/// Reads an identity. `now` is wall time since the Unix epoch.
pub(crate) fn load(
    identity: &Identity,
    now: Duration,
    provider: &CryptoProvider,
) -> Result<Loaded, Error> {
    let chain = certificates(&identity.cert)?;
    if chain.len() > CHAIN_MAX {
        let (path, count) = (identity.cert.clone(), chain.len());
        return Err(Error::ChainTooLong {
            path,
            count,
            max: CHAIN_MAX,
        });
    }
    let not_after_unix_s = check_dates(&identity.cert, &chain[0], now)?;
    let (key, warning) = private_key(&identity.key)?;
    let certified =
        CertifiedKey::from_der(chain, key, provider).map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => Error::Mismatch {
                cert: identity.cert.clone(),
                key: identity.key.clone(),
            },
            source => Error::Key {
                path: identity.key.clone(),
                source,
            },
        })?;
    Ok(Loaded {
        certified: Arc::new(certified),
        not_after_unix_s,
        warning,
    })
}

/// Reads at least one certificate.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let (pem, _) = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| not_pem(path, &error))?;
    if certificates.is_empty() {
        return Err(Error::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<(PrivateKeyDer<'static>, Option<Warning>), Error> {
    let (pem, mode) = read(path)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => Error::NoKey {
            path: path.to_owned(),
        },
        error => not_pem(path, &error),
    })?;
    let open = mode & 0o077 != 0;
    let warning = open.then(|| Warning::KeyReadableByOthers {
        path: path.to_owned(),
        mode,
    });
    Ok((key, warning))
}

fn not_pem(path: &Path, error: &rustls_pki_types::pem::Error) -> Error {
    Error::Pem {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}

/// The file's bytes and permission bits.
fn read(path: &Path) -> Result<(Vec<u8>, u32), Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            max_bytes: FILE_BYTES_MAX,
        });
    }
    Ok((bytes, mode))
}

/// The end of the certificate's time, when `now` is within it.
fn check_dates(path: &Path, leaf: &CertificateDer<'_>, now: Duration) -> Result<i64, Error> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| Error::Certificate {
        path: path.to_owned(),
        detail: error.to_string(),
    })?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let not_after_unix_s = parsed.validity().not_after.timestamp();
    if now > not_after_unix_s {
        return Err(Error::Expired {
            path: path.to_owned(),
            not_after_unix_s,
        });
    }
    let not_before_unix_s = parsed.validity().not_before.timestamp();
    if now < not_before_unix_s {
        return Err(Error::NotYetValid {
            path: path.to_owned(),
            not_before_unix_s,
        });
    }
    Ok(not_after_unix_s)
}
