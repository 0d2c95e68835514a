//! What is in force, on disk: the plan, and the state against which the next manifest is judged.
//!
//! ```text
//! applied:  "MPFILL" 1 | head | object ... | 0 | released ... | 0 | SHA-256 of all before
//!           head and objects: length (u32, little endian) and postcard; a length of 0 ends a list
//! ```
//!
//! It is written whole beside the old one, synced, renamed over it, and the folder is synced: whenever
//! the machine stops there is the old one or the new one. A file that is damaged is never taken for
//! none: a node that forgot what it had accepted would accept it again.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use manifest::{Digest, Digester, Label, Objects, ObjectsBuilder, State};
use serde::{Deserialize, Serialize};

use crate::written::{DIGEST_BYTES, Head, Written};

const MAGIC: &[u8; 7] = b"MPFILL\x01";
const FILE: &str = "applied";
const NEW: &str = "applied.new";
/// No record is longer: a path has 1 KiB, a head less.
const RECORD_BYTES_MAX: usize = 4 << 10;

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// What the next manifest is judged against, and the plan.
    pub state: State,
    /// What the manifest that made it says of itself; nothing before the first, and after a
    /// withdrawal.
    pub told: Option<Told>,
    /// What the plan has explicitly let go of and is still here: it goes once the rest has landed.
    pub released: Objects,
}

/// What a manifest says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    /// When it was accepted, in seconds since the Unix epoch.
    pub accepted_s: u64,
    /// When it was made.
    pub issued_s: u64,
    /// From when on it says nothing any more.
    #[serde(default)]
    pub expires_s: u64,
    /// Whether it told what changes, and not all.
    #[serde(default)]
    pub is_delta: bool,
    /// Wishes of the planner.
    pub bytes_per_s: Option<u64>,
    /// The same.
    pub bytes_per_window: Option<u64>,
    /// The same.
    pub concurrency: Option<u32>,
    /// The same.
    pub deadline_s: Option<u64>,
}

/// Why what is in force is not known, or not kept.
#[derive(Debug, thiserror::Error)]
pub enum Unkept {
    /// The disk failed.
    #[error("{path}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what was written.
    #[error(
        "{path} is damaged ({what}); move it away to begin anew, and old manifests are accepted again"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        what: &'static str,
    },
    /// It belongs to another node.
    #[error("{path} is of {theirs}, this node is {ours}")]
    OtherAudience {
        /// Which file.
        path: PathBuf,
        /// As written.
        theirs: String,
        /// As configured.
        ours: Label,
    },
}

/// Reads what is in force for `audience`; nothing was accepted yet where there is no file.
///
/// # Errors
/// When it cannot be read, is damaged, or is another node's.
pub fn load(folder: &Path, audience: &Label) -> Result<InForce, Unkept> {
    let path = folder.join(FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(InForce {
                state: State::new(audience.clone()),
                told: None,
                released: Objects::default(),
            });
        }
        Err(source) => return Err(Unkept::Io { path, source }),
    };
    let mut reader = Reader {
        file: BufReader::with_capacity(1 << 20, file),
        digester: Digester::new(),
        path,
    };
    reader.in_force(audience)
}

/// Keeps what is in force, in place of what was. Blocking.
///
/// # Errors
/// When it could not be written and synced; then the old one is in force, or, if the last step
/// failed, either.
pub fn save(folder: &Path, in_force: &InForce) -> Result<(), Unkept> {
    save_without(folder, in_force, &in_force.released)
}

/// The same with less that is still to go.
pub(crate) fn save_without(
    folder: &Path,
    in_force: &InForce,
    released: &Objects,
) -> Result<(), Unkept> {
    let (new, path) = (folder.join(NEW), folder.join(FILE));
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| Unkept::Io { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    write(&new, in_force, released).map_err(failed(&new))?;
    put_in_place(&new, &path).map_err(failed(&path))
}

/// Renames a synced file over another, and syncs the folder: only then is the rename on disk.
pub(crate) fn put_in_place(new: &Path, path: &Path) -> io::Result<()> {
    fs::rename(new, path)?;
    let folder = path.parent().unwrap_or(path);
    File::open(folder)?.sync_all()
}

fn write(path: &Path, in_force: &InForce, released: &Objects) -> io::Result<()> {
    let mut writer = Writer {
        file: BufWriter::with_capacity(1 << 20, File::create(path)?),
        digester: Digester::new(),
    };
    writer.put(MAGIC)?;
    writer.record(&Head {
        audience: in_force.state.audience.as_str().to_owned(),
        generation: in_force.state.generation,
        digest: in_force.state.digest.map(|digest| *digest.as_bytes()),
        told: in_force.told,
    })?;
    for objects in [&in_force.state.plan, released] {
        for object in objects.iter() {
            writer.record(&Written::of(&object))?;
        }
        writer.put(&0_u32.to_le_bytes())?;
    }
    let Writer { mut file, digester } = writer;
    file.write_all(digester.finish().as_bytes())?;
    file.into_inner()?.sync_all()
}

struct Writer {
    file: BufWriter<File>,
    digester: Digester,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digester.update(bytes);
        self.file.write_all(bytes)
    }

    fn record(&mut self, record: &impl Serialize) -> io::Result<()> {
        let bytes = postcard::to_allocvec(record).map_err(io::Error::other)?;
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.put(&length.to_le_bytes())?;
        self.put(&bytes)
    }
}

struct Reader {
    file: BufReader<File>,
    digester: Digester,
    path: PathBuf,
}

impl Reader {
    fn in_force(&mut self, audience: &Label) -> Result<InForce, Unkept> {
        let mut buffer = vec![0; MAGIC.len()];
        self.take(&mut buffer)?;
        if buffer != MAGIC {
            return Err(self.damaged("its first bytes"));
        }
        if !self.record(&mut buffer)? {
            return Err(self.damaged("no head"));
        }
        let head: Head =
            postcard::from_bytes(&buffer).map_err(|_error| self.damaged("its head"))?;
        let plan = self.objects()?;
        let released = self.objects()?;
        let digest = self.digester.clone().finish();
        let mut written = [0; DIGEST_BYTES];
        let read = self.file.read_exact(&mut written);
        read.map_err(|_error| self.damaged("its end"))?;
        if &written != digest.as_bytes() {
            return Err(self.damaged("its checksum"));
        }
        if head.audience != audience.as_str() {
            return Err(Unkept::OtherAudience {
                path: self.path.clone(),
                theirs: head.audience,
                ours: audience.clone(),
            });
        }
        Ok(InForce {
            state: State {
                audience: audience.clone(),
                generation: head.generation,
                digest: head.digest.and_then(Digest::from_bytes),
                plan,
            },
            told: head.told,
            released,
        })
    }

    /// A list, up to its end.
    fn objects(&mut self) -> Result<Objects, Unkept> {
        let mut objects = ObjectsBuilder::default();
        let mut record = Vec::new();
        while self.record(&mut record)? {
            let written = postcard::from_bytes::<Written<'_>>(&record);
            let written = written.map_err(|_error| self.damaged("an object"))?;
            let kept = objects.push(&written.object());
            kept.map_err(|_wrong| self.damaged("an object that cannot be"))?;
        }
        let objects = objects.finish();
        objects.map_err(|_wrong| self.damaged("objects that cannot be together"))
    }

    /// Reads a record; false at the end of a list.
    fn record(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Unkept> {
        let mut length = [0; 4];
        self.take(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > RECORD_BYTES_MAX {
            return Err(self.damaged("a length"));
        }
        buffer.resize(length, 0);
        self.take(buffer)?;
        Ok(length > 0)
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<(), Unkept> {
        match self.file.read_exact(buffer) {
            Ok(()) => {
                self.digester.update(buffer);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged("it is cut"))
            }
            Err(source) => Err(Unkept::Io {
                path: self.path.clone(),
                source,
            }),
        }
    }

    fn damaged(&self, what: &'static str) -> Unkept {
        Unkept::Damaged {
            path: self.path.clone(),
            what,
        }
    }
}

#[cfg(test)]
impl InForce {
    /// A plan of these objects, made by no manifest.
    pub(crate) fn sample<'a>(objects: impl IntoIterator<Item = manifest::Object<'a>>) -> Self {
        let (audience, plan) = (
            Label::parse("edge-1").unwrap(),
            Objects::collect(objects).unwrap(),
        );
        Self {
            state: State {
                plan,
                ..State::new(audience)
            },
            told: None,
            released: Objects::default(),
        }
    }
}

#[cfg(test)]
#[path = "applied_tests.rs"]
mod tests;
