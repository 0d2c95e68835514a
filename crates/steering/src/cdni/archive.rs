//! Triggers on disk: a file for each, replaced as a whole.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::model::{State, Trigger};

/// A file larger than this is not ours.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The folder of all triggers. Blocking: for threads that may block.
#[derive(Debug, Clone)]
pub(crate) struct Archive(PathBuf);

impl Archive {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// All that are kept. What was under way begins anew: filling or purging again changes nothing.
    /// A file that cannot be understood is told and left where it is.
    pub(crate) fn load(&self) -> io::Result<Vec<Trigger>> {
        fs::create_dir_all(&self.0)?;
        let mut triggers = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                Ok(trigger) => triggers.push(trigger),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a trigger cannot be read");
                }
            }
        }
        Ok(triggers)
    }

    /// Keeps a trigger, durably when it returns.
    pub(crate) fn save(&self, trigger: &Trigger) -> io::Result<()> {
        let path = self.path(&trigger.id);
        let beside = path.with_extension("new");
        let mut file = fs::File::create(&beside)?;
        file.write_all(&serde_json::to_vec(trigger)?)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        fs::File::open(&self.0)?.sync_all()
    }

    /// Forgets a trigger; nothing if there is none.
    pub(crate) fn remove(&self, id: &str) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }
}

fn read(path: &Path) -> io::Result<Trigger> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too large"));
    }
    let mut trigger: Trigger = serde_json::from_slice(&fs::read(path)?)?;
    if path.file_stem().and_then(|stem| stem.to_str()) != Some(&trigger.id) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "another trigger's name",
        ));
    }
    trigger.draft = trigger.draft.weighed();
    match trigger.state {
        State::Active => {
            trigger.state = State::Pending;
            (trigger.done, trigger.found) = (0, 0);
            (trigger.begun_unix_s, trigger.estimated_unix_s) = (None, None);
            trigger.faults.clone_from(&trigger.draft.faults);
        }
        State::Cancelling => trigger.cancelled(),
        State::Pending | State::Complete | State::Failed | State::Cancelled => {}
    }
    Ok(trigger)
}
