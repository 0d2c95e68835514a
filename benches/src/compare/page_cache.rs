//! The kernel's page cache, which is the RAM tier of servers that keep bodies in files.

use tokio::process::Command;

use super::Error;

/// Empties it of all that is written back: a whole machine's, so that no server reads from it what
/// it should read from its disk. Only root may.
pub(crate) async fn drop_it() -> Result<(), Error> {
    let mut sync = Command::new("sync");
    sync.status().await.map_err(Error::io("sync"))?;
    let path = "/proc/sys/vm/drop_caches";
    tokio::fs::write(path, "1").await.map_err(Error::io(path))
}

/// Whether this process may.
pub(crate) async fn may_drop() -> bool {
    drop_it().await.is_ok()
}
