//! Who changed what: one line of JSON for each change, written before it is made and after.
//!
//! A change that cannot be noted down is not made. The file is `audit.log` in the state folder; at
//! 16 MiB it becomes `audit.log.1`, in place of the one before.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;
use serde::Serialize;

use crate::{Reason, Refused};

/// Some 60,000 changes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The log of changes.
#[derive(Debug, Clone)]
pub(crate) struct Audit(Arc<Mutex<Log>>);

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: Option<(File, u64)>,
}

/// One line.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) at_unix_ms: u64,
    /// Tells the two lines of one change.
    pub(crate) id: u64,
    /// The name in the client's certificate.
    pub(crate) who: Arc<str>,
    pub(crate) role: &'static str,
    pub(crate) from: std::net::IpAddr,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Bytes and SHA-256 of the body.
    pub(crate) body_bytes: usize,
    pub(crate) body_sha256: String,
    /// Absent before the change is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'static str>,
}

impl Audit {
    /// The log in `folder`.
    pub(crate) fn new(folder: &std::path::Path) -> Self {
        Self(Arc::new(Mutex::new(Log {
            path: folder.join("audit.log"),
            file: None,
        })))
    }

    /// Writes a line, durably when it returns. Cancel safe: the line is written all the same.
    pub(crate) async fn note(&self, line: &Line) -> Result<(), Refused> {
        let refused = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "the audit log cannot be written: changes are refused");
            Refused::new(Reason::AuditUnwritable, "the audit log cannot be written")
        };
        let mut text = serde_json::to_vec(line).map_err(|error| refused(&error))?;
        text.push(b'\n');
        let log = Arc::clone(&self.0);
        let written = tokio::task::spawn_blocking(move || log.lock().write(&text)).await;
        written
            .map_err(io::Error::other)
            .and_then(|written| written)
            .map_err(|error| refused(&error))
    }
}

impl Log {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let (mut file, bytes) = match self.file.take() {
            Some((file, bytes)) if bytes < FILE_BYTES_MAX => (file, bytes),
            Some(_) => {
                std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
                self.open()?
            }
            None => self.open()?,
        };
        file.write_all(line)?;
        file.sync_data()?;
        // Only a file that took the last line is written to again.
        self.file = Some((file, bytes + line.len() as u64));
        Ok(())
    }

    fn open(&self) -> io::Result<(File, u64)> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path)?;
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: u64) -> Line {
        Line {
            at_unix_ms: 1,
            id,
            who: "steering".into(),
            role: "steering",
            from: [127, 0, 0, 1].into(),
            method: "POST".to_owned(),
            path: "/v1/drain".to_owned(),
            body_bytes: 0,
            body_sha256: String::new(),
            status: None,
            code: None,
        }
    }

    #[tokio::test]
    async fn lines_are_added_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        for id in 0..3 {
            Audit::new(folder.path()).note(&line(id)).await.unwrap();
        }
        let text = std::fs::read_to_string(folder.path().join("audit.log")).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("\"id\":2"));
    }

    #[tokio::test]
    async fn what_cannot_be_noted_down_is_refused_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::new(folder.path());
        let in_the_way = folder.path().join("audit.log");
        std::fs::create_dir(&in_the_way).unwrap();
        let refused = audit.note(&line(1)).await.unwrap_err();
        assert_eq!(refused.reason, Reason::AuditUnwritable);
        std::fs::remove_dir(&in_the_way).unwrap();
        audit.note(&line(2)).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_file_becomes_the_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        std::fs::write(&path, vec![b' '; 16 << 20]).unwrap();
        let audit = Audit::new(folder.path());
        audit.note(&line(1)).await.unwrap();
        audit.note(&line(2)).await.unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < 1_000);
        assert!(path.with_extension("log.1").exists());
    }
}
