//! The journal's file. Blocking: for threads that may block.
//!
//! ```text
//! header   "MPJOURNL" 8 | version 1, zero 7 | store's id 16 | crc32c 4, zero 28       64 B
//! entry    kind 1, zero 3 | crc32c of the rest and the kind 4 | a 8 | b 8 | zero 8    32 B each
//!          1 session: a = number                a start of the store
//!          2 purge:   a = scope, b = epoch
//!          3 floor:   a = epoch                 everything older is dead
//!          4 forget:  a = disk, b = sequence    what the disk holds of up to then is dead
//! ```
//!
//! An entry is acknowledged after a sync, so one that is cut short, or zero, at the file's end was
//! never acknowledged and is dropped. Anything else that fails its check is damage.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::scopes::Scopes;
use crate::{
    Epoch,
    format::{
        checksum::{crc32c, crc32c_of_both},
        put_all, take,
    },
};

const MAGIC: [u8; 8] = *b"MPJOURNL";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 64;
const ENTRY_BYTES: usize = 32;
/// A journal is written afresh when it has this many entries more than it needs.
const SURPLUS_MAX: usize = 4096;
/// Far more than a legal journal ever has: a larger file is not read.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// One line of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Session { number: u64 },
    Purge { scope: u64, at: Epoch },
    Floor { at: Epoch },
    Forget { disk: u64, sequence: u64 },
}

/// All that a journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The store's id.
    pub(crate) store: [u8; 16],
    /// Starts of the store so far.
    pub(crate) session: u64,
    pub(crate) scopes: Scopes,
    /// By disk, what is dead up to which sequence number. It grows by one when a disk fails
    /// between a removal and its end.
    pub(crate) forgotten: HashMap<u64, u64>,
}

/// An open, locked journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    entries: usize,
    /// The last append failed: the file's end is in doubt, so the next one writes it afresh.
    broken: bool,
}

/// Whether a journal was found, and could be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Whole,
    Nothing,
    Damaged,
}

impl Memory {
    fn new(store: [u8; 16], scopes_max: usize) -> Self {
        let forgotten = HashMap::new();
        Self {
            store,
            session: 0,
            scopes: Scopes::new(scopes_max),
            forgotten,
        }
    }

    fn learn(&mut self, entry: Entry) {
        match entry {
            Entry::Session { number } => self.session = self.session.max(number),
            Entry::Purge { scope, at } => self.scopes.purge(scope, at),
            Entry::Floor { at } => self.scopes.raise_floor(at),
            Entry::Forget { disk, sequence } => {
                let known = self.forgotten.entry(disk).or_default();
                *known = sequence.max(*known);
            }
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![
            Entry::Session {
                number: self.session,
            },
            Entry::Floor {
                at: self.scopes.floor(),
            },
        ];
        entries.extend(
            self.scopes
                .iter()
                .map(|(scope, at)| Entry::Purge { scope, at }),
        );
        let forgotten = self.forgotten.iter();
        entries.extend(forgotten.map(|(disk, upto)| Entry::Forget {
            disk: *disk,
            sequence: *upto,
        }));
        entries
    }
}

impl Entry {
    fn encode(self) -> [u8; ENTRY_BYTES] {
        let (kind, a, b) = match self {
            Self::Session { number } => (1, number, 0),
            Self::Purge { scope, at } => (2, scope, at.as_u64()),
            Self::Floor { at } => (3, at.as_u64(), 0),
            Self::Forget { disk, sequence } => (4, disk, sequence),
        };
        let mut bytes = [0; ENTRY_BYTES];
        bytes[0] = kind;
        put_all(&mut bytes[8..], &[&a.to_le_bytes(), &b.to_le_bytes()]);
        let crc = crc(&bytes);
        put_all(&mut bytes[4..], &[&crc.to_le_bytes()]);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes;
        let [kind, ..] = take::<4>(&mut fields)?;
        let stored = u32::from_le_bytes(take(&mut fields)?);
        if stored != crc(bytes) {
            return None;
        }
        let a = u64::from_le_bytes(take(&mut fields)?);
        let b = u64::from_le_bytes(take(&mut fields)?);
        match kind {
            1 => Some(Self::Session { number: a }),
            2 => Some(Self::Purge {
                scope: a,
                at: Epoch::new(b),
            }),
            3 => Some(Self::Floor { at: Epoch::new(a) }),
            4 => Some(Self::Forget {
                disk: a,
                sequence: b,
            }),
            _ => None,
        }
    }
}

/// Of an entry without its own field.
fn crc(entry: &[u8]) -> u32 {
    crc32c_of_both(&entry[..4], &entry[8..])
}

fn header(store: &[u8; 16]) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    put_all(
        &mut bytes,
        &[&MAGIC, &[VERSION, 0, 0, 0, 0, 0, 0, 0], store],
    );
    let crc = crc32c(&bytes[..32]);
    put_all(&mut bytes[32..], &[&crc.to_le_bytes()]);
    bytes
}

/// Reads a journal's bytes; `None` if they cannot be believed.
fn replay(bytes: &[u8], scopes_max: usize) -> Option<Memory> {
    let (mut head, entries) = bytes.split_at_checked(HEADER_BYTES)?;
    let expected = crc32c(&head[..32]).to_le_bytes();
    if head[32..36] != expected || take::<8>(&mut head)? != MAGIC {
        return None;
    }
    let [version, ..] = take::<8>(&mut head)?;
    if version != VERSION {
        return None;
    }
    let mut memory = Memory::new(take(&mut head)?, scopes_max);
    let mut lines = entries.chunks(ENTRY_BYTES);
    for line in &mut lines {
        if line.len() < ENTRY_BYTES || line.iter().all(|byte| *byte == 0) {
            break;
        }
        memory.learn(Entry::decode(line)?);
    }
    // What follows the first gap was never acknowledged, unless there is something after it.
    let rest_is_blank = lines.flatten().all(|byte| *byte == 0);
    rest_is_blank.then_some(memory)
}

impl Journal {
    /// Opens or creates the journal in `folder`, under the name `fresh` if a new one is needed,
    /// and notes that a session begins.
    pub(crate) fn open(
        folder: &Path,
        fresh: [u8; 16],
        scopes_max: usize,
    ) -> io::Result<(Self, Memory, Found)> {
        fs::create_dir_all(folder)?;
        let path = folder.join("purges");
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        lock(&file)?;
        let bytes = if file.metadata()?.len() > FILE_BYTES_MAX {
            vec![0]
        } else {
            fs::read(&path)?
        };
        let (mut memory, found) = match replay(&bytes, scopes_max) {
            Some(memory) => (memory, Found::Whole),
            None if bytes.is_empty() => (Memory::new(fresh, scopes_max), Found::Nothing),
            None => (Memory::new(fresh, scopes_max), Found::Damaged),
        };
        let begins = Entry::Session {
            number: memory.session + 1,
        };
        let mut journal = Self {
            path,
            file,
            entries: 0,
            broken: true,
        };
        journal.append(&[begins], &mut memory)?;
        Ok((journal, memory, found))
    }

    /// Makes `entries` durable and known to `memory`, which is what is written where the file has
    /// to be written afresh. After an error `memory` does not know them; a restart might.
    pub(crate) fn append(&mut self, entries: &[Entry], memory: &mut Memory) -> io::Result<()> {
        let needed = memory.scopes.len() + memory.forgotten.len();
        let surplus = (self.entries + entries.len()).saturating_sub(2 * needed);
        if self.broken || surplus > SURPLUS_MAX {
            self.rewrite(entries, memory)?;
        } else {
            let end = (HEADER_BYTES + self.entries * ENTRY_BYTES) as u64;
            let done = self.file.write_all_at(&encode(entries), end);
            let done = done.and_then(|()| self.file.sync_data());
            self.broken = done.is_err();
            done?;
            self.entries += entries.len();
        }
        for entry in entries {
            memory.learn(*entry);
        }
        Ok(())
    }

    /// Writes a new file and puts it in the old one's place, so that a crash leaves one or the
    /// other.
    fn rewrite(&mut self, entries: &[Entry], memory: &Memory) -> io::Result<()> {
        let all = [&memory.entries(), entries].concat();
        let beside = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)?;
        lock(&file)?;
        file.write_all(&header(&memory.store))?;
        file.write_all(&encode(&all))?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        (self.file, self.entries, self.broken) = (file, all.len(), false);
        Ok(())
    }
}

fn encode(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.encode()).collect()
}

fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "in use by another process",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: [u8; 16] = [9; 16];

    fn open(folder: &Path) -> (Journal, Memory, Found) {
        Journal::open(folder, FRESH, 1000).unwrap()
    }

    fn purge(journal: &mut Journal, memory: &mut Memory, scope: u64) {
        let entry = Entry::Purge {
            scope,
            at: memory.scopes.epoch().next(),
        };
        journal.append(&[entry], memory).unwrap();
    }

    /// A journal with a few purges, and what it says.
    fn written(folder: &Path) -> Memory {
        let (mut journal, mut memory, found) = open(folder);
        assert_eq!(found, Found::Nothing);
        for scope in [7, 8, 7] {
            purge(&mut journal, &mut memory, scope);
        }
        let forget = Entry::Forget {
            disk: 3,
            sequence: 99,
        };
        journal.append(&[forget], &mut memory).unwrap();
        memory
    }

    #[test]
    fn what_was_appended_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let memory = written(folder.path());
        let (_, again, found) = open(folder.path());
        assert_eq!(found, Found::Whole);
        assert_eq!(
            again,
            Memory {
                session: 2,
                ..memory
            }
        );
        assert_eq!(again.scopes.purged_at(7), Epoch::new(3));
        assert_eq!(again.forgotten[&3], 99);
    }

    #[test]
    fn a_torn_end_is_dropped() {
        for torn in [&[0_u8; 32][..], &[2, 0, 0], &[0; 100]] {
            let folder = tempfile::tempdir().unwrap();
            let memory = written(folder.path());
            let path = folder.path().join("purges");
            let bytes = [fs::read(&path).unwrap(), torn.to_vec()].concat();
            fs::write(&path, bytes).unwrap();
            let (_, again, found) = open(folder.path());
            assert_eq!(
                (again.scopes, found),
                (memory.scopes, Found::Whole),
                "{torn:?}"
            );
        }
    }

    #[test]
    fn a_damaged_journal_is_not_believed_and_the_store_gets_a_new_name() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path());
        let path = folder.path().join("purges");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            if (36..HEADER_BYTES).contains(&at) {
                continue; // zeros that nobody reads
            }
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&path, &bytes).unwrap();
            let (_, memory, found) = open(folder.path());
            assert_eq!((memory.store, found), (FRESH, Found::Damaged), "byte {at}");
            assert_eq!(memory.scopes.epoch(), Epoch::ZERO);
        }
    }

    #[test]
    fn a_hole_in_the_middle_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path());
        let path = folder.path().join("purges");
        let mut bytes = fs::read(&path).unwrap();
        bytes[HEADER_BYTES + ENTRY_BYTES..HEADER_BYTES + 2 * ENTRY_BYTES].fill(0);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(open(folder.path()).2, Found::Damaged);
    }

    #[test]
    fn the_file_stays_small_under_many_purges_of_few_scopes() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, mut memory, _) = open(folder.path());
        for _ in 0..30 {
            let at = memory.scopes.epoch().next();
            let entries: Vec<_> = (0..500).map(|scope| Entry::Purge { scope, at }).collect();
            journal.append(&entries, &mut memory).unwrap();
        }
        let bytes = fs::metadata(folder.path().join("purges")).unwrap().len();
        assert!(bytes < 6_000 * 32, "{bytes}");
        drop(journal);
        let again = open(folder.path()).1;
        assert_eq!(again.scopes, memory.scopes);
    }

    #[test]
    fn a_journal_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path());
        assert!(Journal::open(folder.path(), FRESH, 10).is_err());
        drop(first);
        assert!(Journal::open(folder.path(), FRESH, 10).is_ok());
    }

    #[test]
    fn a_failed_append_is_an_error_and_the_next_one_writes_the_file_afresh() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, mut memory, _) = open(folder.path());
        journal.file = File::open(folder.path().join("purges")).unwrap(); // not writable
        let first = Entry::Purge {
            scope: 1,
            at: Epoch::new(1),
        };
        assert!(journal.append(&[first], &mut memory).is_err());
        purge(&mut journal, &mut memory, 2);
        drop(journal);
        let again = open(folder.path()).1;
        assert_eq!(again.scopes.purged_at(1), Epoch::ZERO);
        assert_eq!(again.scopes.purged_at(2), Epoch::new(1));
    }
}
