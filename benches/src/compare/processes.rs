//! Servers as processes: started on their cores, found with all their children, and gone in the end
//! whatever happens.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::Error;

/// How long a program waits for another's socket.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// One program to start.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) executable: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// It is started once this exists.
    pub(crate) after: Option<PathBuf>,
}

impl Program {
    pub(crate) fn new(
        executable: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self {
            executable: executable.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            after: None,
        }
    }
}

/// Running programs of one server. Dropping it kills them and their children.
pub(crate) struct Processes {
    children: Vec<Child>,
    name: String,
}

impl Processes {
    /// Starts programs on `cores`, a list as `taskset` reads it. `taskset` becomes the program, so
    /// the child's process id is the program's. What they have to say goes to `log`.
    pub(crate) async fn start(
        name: &str,
        programs: &[Program],
        cores: &str,
        log: &Path,
    ) -> Result<Self, Error> {
        let mut new = Self {
            children: Vec::new(),
            name: name.to_owned(),
        };
        for after in programs.iter().filter_map(|program| program.after.as_ref()) {
            // Of a life before: what comes must wait for the new one.
            let _absent = fs::remove_file(after);
        }
        for program in programs {
            new.add(program, cores, log).await?;
        }
        Ok(new)
    }

    async fn add(&mut self, program: &Program, cores: &str, log: &Path) -> Result<(), Error> {
        let mut patience = PATIENCE;
        while program.after.as_ref().is_some_and(|path| !path.exists()) {
            patience = patience
                .checked_sub(PAUSE)
                .ok_or_else(|| Error::Broken(format!("{}: its parts wait in vain", self.name)))?;
            tokio::time::sleep(PAUSE).await;
        }
        let open = || fs::OpenOptions::new().create(true).append(true).open(log);
        let said = open().map_err(Error::io(log.display()))?;
        let also = said.try_clone().map_err(Error::io(log.display()))?;
        let child = Command::new("taskset")
            .args(["-c", cores])
            .arg(&program.executable)
            .args(&program.arguments)
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(also)
            .spawn()
            .map_err(Error::io(format!("starting {} by taskset", self.name)))?;
        self.children.push(child);
        Ok(())
    }

    /// All its processes, children included.
    pub(crate) fn pids(&self) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut look: Vec<u32> = self.children.iter().map(Child::id).collect();
        while let Some(pid) = look.pop() {
            if found.insert(pid) {
                look.extend(children(pid));
            }
        }
        found
    }

    /// Whether one of the programs that were started has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        let mut children = self.children.iter_mut();
        children.any(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// `kill -9` for all of them at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        let pids = self.pids();
        let pids = pids.iter().map(u32::to_string);
        let mut kill = Command::new("kill");
        // One that has just ended makes `kill` complain, and nobody needs to know.
        let _gone = kill.arg("-9").args(pids).stderr(Stdio::null()).status();
        for child in &mut self.children {
            let _gone = child.wait();
        }
        self.children.clear();
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the threads of a process have started.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let lists = threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids = lists.flat_map(|list| {
        let pids = list.split_ascii_whitespace();
        pids.filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
    });
    pids.collect()
}
