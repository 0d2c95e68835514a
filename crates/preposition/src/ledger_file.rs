//! The ledger on disk: a few numbers, replaced whole.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::{applied::put_in_place, ledger::Ledger};

const FILE: &str = "ledger.json";

/// What was spent. What cannot be read counts as nothing: then a window may be spent twice, which
/// is no reason not to start.
pub(crate) fn load(folder: &Path) -> Ledger {
    let read = fs::read(folder.join(FILE));
    read.ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Keeps what was spent. Failures are told and change nothing.
pub(crate) async fn save(folder: &Path, ledger: Ledger) {
    save_owned(folder.to_owned(), ledger).await;
}

/// The same, for a task of its own.
pub(crate) async fn save_owned(folder: PathBuf, ledger: Ledger) {
    let shown = folder.display().to_string();
    let saved = tokio::task::spawn_blocking(move || write(&folder, &ledger)).await;
    if let Ok(Err(error)) = saved {
        tracing::warn!(folder = shown, %error, "what was spent could not be written down");
    }
}

fn write(folder: &Path, ledger: &Ledger) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let (new, path) = (folder.join("ledger.new"), folder.join(FILE));
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(ledger)?)?;
    file.sync_all()?;
    put_in_place(&new, &path)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_spent_is_known_after_a_restart_and_damage_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()), Ledger::default());
        let mut ledger = Ledger::default();
        ledger.spend(7, Some(Duration::from_hours(1)), Duration::from_hours(1));
        write(folder.path(), &ledger).unwrap();
        assert_eq!(load(folder.path()), ledger);
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(load(folder.path()), Ledger::default());
    }
}
