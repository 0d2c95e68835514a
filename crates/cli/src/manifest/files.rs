//! Files of manifests, keys and catalogues, read and written.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use manifest::{Digester, Keys, Limits, Manifest, SigningKey, read_unverified};

use crate::{Error, output::remark};

/// Bytes that are digested at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Bytes of a file that may be a catalogue: as large as a manifest that nodes take.
fn bytes_max() -> u64 {
    Limits::default().payload_bytes_max
}

/// A file as a whole, of bounded size.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let read = || {
        let file = File::open(path)?;
        let mut bytes = Vec::new();
        file.take(bytes_max() + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > bytes_max() {
            let problem = format!("over {} bytes, which no node takes", bytes_max());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
        }
        Ok(bytes)
    };
    read().map_err(|error| Error::file(path, error))
}

/// A manifest whose signatures nobody has looked at, and its bytes. Members that are not known
/// are told on standard error.
pub(crate) fn manifest(path: &Path) -> Result<(Manifest, Vec<u8>), Error> {
    let file = read(path)?;
    let read = read_unverified(&file, &Limits::default());
    let (manifest, unknown) = read.map_err(|refused| Error::manifest(path, refused))?;
    tell_unknown(path, &unknown);
    Ok((manifest, file))
}

/// The keys that nodes trust.
pub(super) fn keys(path: &Path) -> Result<Keys, Error> {
    let bytes = read(path)?;
    Keys::parse(&bytes).map_err(|error| {
        if SigningKey::parse(&bytes).is_ok() {
            let problem = "it is a signing key; what is wanted here is the file of public keys that \
                           `millpond manifest key --keys` has written";
            return Error::manifest(path, problem);
        }
        Error::manifest(path, error)
    })
}

/// A planner's secret.
pub(super) fn signing_key(path: &Path) -> Result<SigningKey, Error> {
    SigningKey::parse(&read(path)?).map_err(|error| Error::manifest(path, error))
}

/// Size and digest of a file.
pub(super) fn digest(path: &Path) -> io::Result<(u64, manifest::Digest)> {
    let mut file = File::open(path)?;
    let (mut size, mut digester) = (0, Digester::new());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok((size, digester.finish())),
            read => {
                digester.update(&piece[..read]);
                size += read as u64;
            }
        }
    }
}

/// Writes beside the file and renames, so that nobody reads a half of it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| Error::file(path, error))
}

pub(super) fn tell_unknown(path: &Path, unknown: &[String]) {
    if !unknown.is_empty() {
        let (path, names) = (path.display(), unknown.join(", "));
        remark(&format!("{path}: not known and ignored: {names}"));
    }
}
