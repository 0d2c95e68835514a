//! The manifest in force as it was signed, for whoever wants to see it again.
//!
//! `signed.GENERATION` in the room's folder, replaced as a whole. It is there before its manifest is in
//! force; a crash in between leaves a file that nobody asks for, until the next manifest.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

const PREFIX: &str = "signed.";

/// Keeps a manifest. Blocking.
pub(crate) fn keep(folder: &Path, generation: u64, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let beside = folder.join("signed-new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path(folder, generation))?;
    fs::File::open(folder)?.sync_all()
}

/// Forgets all but one. Blocking. What cannot be removed is left.
pub(crate) fn keep_only(folder: &Path, generation: u64) {
    let Ok(found) = fs::read_dir(folder) else {
        return;
    };
    let kept = path(folder, generation);
    for entry in found.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_ours && entry.path() != kept {
            let _left = fs::remove_file(entry.path());
        }
    }
}

/// The manifest of a generation; nothing if it is not kept, or longer than any may be. Blocking.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(folder: &Path, generation: u64, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let path = path(folder, generation);
    match fs::metadata(&path) {
        Ok(found) if found.len() <= bytes_max => fs::read(&path).map(Some),
        Ok(_longer) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{generation}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_is_kept_as_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("fill");
        assert_eq!(read(&folder, 1, 10).unwrap(), None);
        keep(&folder, 1, b"one").unwrap();
        keep(&folder, 2, b"two").unwrap();
        keep_only(&folder, 2);
        assert_eq!(read(&folder, 1, 10).unwrap(), None);
        assert_eq!(read(&folder, 2, 10).unwrap().unwrap(), b"two");
        assert_eq!(read(&folder, 2, 2).unwrap(), None);
    }
}
