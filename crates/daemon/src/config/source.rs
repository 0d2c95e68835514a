//! Reading files that may be anything: bounded, regular, readable, text.

use std::{
    fs::{File, Metadata},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Reads a regular file of 1 to `bytes_max` bytes. The error says what it is instead, lower case,
/// without the path.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    // Looked at before it is opened: opening a pipe would wait for somebody to write.
    metadata(path)?;
    let file = File::open(path).map_err(|error| cannot("opened", &error))?;
    let mut bytes = Vec::new();
    let limit = bytes_max.saturating_add(1);
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| cannot("read", &error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!(
            "is larger than {}",
            super::units::show_bytes(bytes_max)
        ));
    }
    if bytes.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(bytes)
}

/// The metadata of a regular file, links followed.
pub(super) fn metadata(path: &Path) -> Result<Metadata, String> {
    let metadata = std::fs::metadata(path).map_err(|error| cannot("read", &error))?;
    if metadata.is_dir() {
        return Err("is a directory".to_owned());
    }
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    Ok(metadata)
}

/// Like [`metadata`], of a file that nobody but its owner may read or write.
pub(super) fn private(path: &Path) -> Result<(), String> {
    let mode = metadata(path)?.permissions().mode() & 0o777;
    if mode.trailing_zeros() >= 6 {
        return Ok(());
    }
    Err(format!(
        "is open to others than its owner (mode {mode:o}): chmod 400"
    ))
}

fn cannot(verb: &str, error: &std::io::Error) -> String {
    // `ErrorKind::FilesystemLoop` is not stable.
    const ELOOP: i32 = 40;
    if error.raw_os_error() == Some(ELOOP) {
        return "is a link that leads in a circle".to_owned();
    }
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => format!("cannot be {verb}: permission denied"),
        _ => format!("cannot be {verb}: {error}"),
    }
}
