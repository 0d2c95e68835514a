//! Who works in a folder.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use crate::{Error, Job, prepare::OWN};

/// The file that is locked. It stays, and tells that the folder is a planner's.
const LOCK: &str = "lock";

/// A folder that this process works in and no other, until it is dropped.
#[derive(Debug)]
pub struct Hold {
    /// Locked as long as it is open, however the process ends.
    _lock: File,
}

impl Hold {
    /// For what prepares a plan in `work`, which it may make: what is there of another plan goes. So a folder
    /// that has such names in it and that no planner made is refused.
    pub fn to_prepare(work: &Path) -> Result<Self, Error> {
        fs::create_dir_all(work).map_err(Error::of_file(work))?;
        let is_own = [LOCK, "job.json"]
            .iter()
            .any(|name| work.join(name).exists());
        let foreign = OWN.iter().map(|name| work.join(name));
        match foreign.filter(|_| !is_own).find(|path| path.exists()) {
            Some(path) => Err(Error::Input {
                path,
                problem: "it is in the way, and not of a plan before".to_owned(),
            }),
            None => Self::take(work),
        }
    }

    /// For what goes on with what was prepared in `work`.
    pub fn of_job(work: &Path) -> Result<(Job, Self), Error> {
        // A folder without one is not a planner's, and is left as it is.
        let path = work.join("job.json");
        fs::metadata(&path).map_err(Error::of_file(&path))?;
        let hold = Self::take(work)?;
        Ok((Job::read(work)?, hold))
    }

    fn take(work: &Path) -> Result<Self, Error> {
        let path = work.join(LOCK);
        let file = File::options().create(true).append(true).open(&path);
        let lock = file.map_err(Error::of_file(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            // Some shared storage has no locks, and is worked in as well.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Self { _lock: lock })
            }
            Err(TryLockError::Error(error)) => Err(Error::of_file(&path)(error)),
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_prepares_a_plan_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        let held = Hold::to_prepare(&work).unwrap();
        let told = Hold::to_prepare(&work).unwrap_err().to_string();
        assert!(
            told.ends_with("another millpond-plan works in this folder"),
            "{told}"
        );
        drop(held);
        Hold::to_prepare(&work).unwrap();
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("reports")).unwrap();
        let told = Hold::to_prepare(folder.path()).unwrap_err().to_string();
        assert!(
            told.ends_with("reports: it is in the way, and not of a plan before"),
            "{told}"
        );
        assert!(!folder.path().join(LOCK).exists());
    }

    #[test]
    fn a_plan_that_was_broken_off_is_not_in_the_way_of_the_next() {
        let folder = tempfile::tempdir().unwrap();
        drop(Hold::to_prepare(folder.path()).unwrap());
        fs::create_dir(folder.path().join("tables")).unwrap();
        Hold::to_prepare(folder.path()).unwrap();
    }
}
