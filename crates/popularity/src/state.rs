//! The sketch as a file, so that a restart forgets nothing but the hour that a crash cuts short.
//!
//! ```text
//! head     "millpop\n" | version u32 | sets u32 | blocks u32 | hour u64 | secret 2 x u64 | crc32c u32
//! shard    length u32 | crc32c u32 | body; 128 of them
//! body     sites: count u16, each: length u16, bytes
//!          floors: f64 x sets
//!          front: f32 x 16 x blocks
//!          objects: count u32, each: slot u32 | tag u64 | plays f64 | error f64 | size u64 | site u16
//!                   | was public u8 | length u16 | path
//! ```
//!
//! All numbers are little-endian. Who asked is not in it: sets of viewers stay in memory, and what was
//! served since the last report is reported before a node stops. A file of another shape is another
//! config's: it is refused as a damaged one is, and counting begins anew.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use crc_fast::crc32_iscsi;

use crate::{
    Config, Hour, Popularity,
    entry::Entry,
    hash::{SHARDS, Secret},
    popularity::shape,
    shard::{PATH_BYTES_MAX, Shape, Shard},
};

const MAGIC: &[u8; 8] = b"millpop\n";
const VERSION: u32 = 2;
const HEAD_BYTES: usize = 8 + 3 * 4 + 3 * 8;
/// The largest config has shards of 8 MiB.
const SHARD_BYTES_MAX: u32 = 32 << 20;
const SITE_BYTES_MAX: usize = 1024;

/// Why a file is no sketch.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It could not be read.
    #[error("reading a sketch")]
    Io(#[from] io::Error),
    /// It is something else, or of another version.
    #[error("not a sketch of version {VERSION}")]
    Foreign,
    /// It was made with another `memory`.
    #[error("a sketch of another size")]
    Shape,
    /// Its bytes are not those that were written.
    #[error("a damaged sketch: {0}")]
    Damaged(&'static str),
}

impl Popularity {
    /// Writes the sketch. Locks a shard for as long as copying it takes.
    ///
    /// # Errors
    /// When `into` refuses bytes.
    pub fn save(&self, now: Duration, mut into: impl Write) -> io::Result<()> {
        let hour = Hour::of(now);
        into.write_all(&head(shape(self.memory_bytes()), hour, self.secret))?;
        let mut body = Vec::new();
        for index in 0..SHARDS {
            body.clear();
            let mut shard = self.shard(index);
            shard.pass_to(hour);
            write_shard(&shard, &mut body);
            drop(shard);
            let length = u32::try_from(body.len()).map_err(io::Error::other)?;
            into.write_all(&length.to_le_bytes())?;
            into.write_all(&crc32_iscsi(&body).to_le_bytes())?;
            into.write_all(&body)?;
        }
        Ok(())
    }

    /// Reads a sketch. What it tells from the future (a clock was wrong) counts as told now.
    ///
    /// # Errors
    /// When the file is not one that [`Self::save`] wrote whole with this `memory_bytes`.
    pub fn load(config: Config, now: Duration, mut from: impl Read) -> Result<Self, StateError> {
        let shape = shape(config.memory_bytes);
        let (hour, secret) = read_head(&mut from, shape)?;
        let popularity = Self::with_secret(config, secret);
        let mut body = Vec::new();
        for index in 0..SHARDS {
            read_body(&mut from, &mut body)?;
            let mut shard = popularity.shard(index);
            shard.pass_to(hour.min(Hour::of(now)));
            let mut fields = Fields(&body);
            read_shard(&mut shard, &mut fields)?;
            if !fields.0.is_empty() {
                return Err(StateError::Damaged("a shard is too long"));
            }
        }
        match from.read(&mut [0])? {
            0 => Ok(popularity),
            _ => Err(StateError::Damaged("it is too long")),
        }
    }
}

fn head(shape: Shape, hour: Hour, secret: Secret) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend(VERSION.to_le_bytes());
    for count in [shape.sets, shape.blocks] {
        head.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }
    for number in [hour.0, secret.0[0], secret.0[1]] {
        head.extend(number.to_le_bytes());
    }
    let crc = crc32_iscsi(&head);
    head.extend(crc.to_le_bytes());
    head
}

fn read_head(from: &mut impl Read, shape: Shape) -> Result<(Hour, Secret), StateError> {
    let mut bytes = [0; HEAD_BYTES + 4];
    from.read_exact(&mut bytes).map_err(cut)?;
    let mut fields = Fields(&bytes);
    if fields.take(MAGIC.len())? != MAGIC || fields.u32()? != VERSION {
        return Err(StateError::Foreign);
    }
    let [sets, blocks] = [fields.u32()?, fields.u32()?];
    let numbers = [fields.u64()?, fields.u64()?, fields.u64()?];
    if fields.u32()? != crc32_iscsi(&bytes[..HEAD_BYTES]) {
        return Err(StateError::Damaged("its head"));
    }
    let is = |told: u32, count: usize| usize::try_from(told) == Ok(count);
    if !is(sets, shape.sets) || !is(blocks, shape.blocks) {
        return Err(StateError::Shape);
    }
    Ok((Hour(numbers[0]), Secret([numbers[1], numbers[2]])))
}

fn read_body(from: &mut impl Read, body: &mut Vec<u8>) -> Result<(), StateError> {
    let mut prefix = [0; 8];
    from.read_exact(&mut prefix).map_err(cut)?;
    let mut fields = Fields(&prefix);
    let (length, crc) = (fields.u32()?, fields.u32()?);
    if length > SHARD_BYTES_MAX {
        return Err(StateError::Damaged("the length of a shard"));
    }
    body.clear();
    from.take(u64::from(length)).read_to_end(body)?;
    if crc32_iscsi(body) != crc {
        return Err(StateError::Damaged("a shard"));
    }
    Ok(())
}

fn write_shard(shard: &Shard, into: &mut Vec<u8>) {
    let names: Vec<&[u8]> = shard
        .site_names()
        .map(|name| start_of(name, SITE_BYTES_MAX))
        .collect();
    into.extend(short(names.len()));
    for name in names {
        into.extend(short(name.len()));
        into.extend(name);
    }
    for floor in shard.floors() {
        into.extend(floor.to_le_bytes());
    }
    for cell in shard.front().cells() {
        into.extend(cell.to_le_bytes());
    }
    let count_at = into.len();
    into.extend([0; 4]);
    let mut count = 0_u32;
    for named in shard.named() {
        count += 1;
        into.extend(named.slot.to_le_bytes());
        into.extend(named.tag.to_le_bytes());
        into.extend(named.plays.to_le_bytes());
        into.extend(named.entry.error.to_le_bytes());
        into.extend(named.entry.size.to_le_bytes());
        into.extend(named.entry.site.to_le_bytes());
        into.push(u8::from(named.entry.was_public));
        into.extend(short(named.path.len()));
        into.extend(named.path.as_bytes());
    }
    into[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
}

fn read_shard(shard: &mut Shard, fields: &mut Fields<'_>) -> Result<(), StateError> {
    for _ in 0..fields.u16()? {
        let name = fields.text(SITE_BYTES_MAX)?;
        if !shard.know_site(&name) {
            return Err(StateError::Damaged("its sites"));
        }
    }
    for floor in shard.floors_mut() {
        *floor = fields.count()?;
    }
    for cell in shard.front_mut().cells_mut() {
        *cell = fields.cell()?;
    }
    for _ in 0..fields.u32()? {
        let slot = fields.u32()?;
        let (tag, plays) = (fields.u64()?, fields.count()?);
        let entry = Entry {
            error: fields.count()?,
            size: fields.u64()?,
            site: fields.u16()?,
            was_public: fields.take(1)? == [1],
            path: Some(fields.text(PATH_BYTES_MAX)?),
            ..Entry::default()
        };
        if !shard.put_back(slot, tag, plays, entry) {
            return Err(StateError::Damaged("an object"));
        }
    }
    Ok(())
}

/// Paths and names of sites are far below 64 KiB.
fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes()
}

fn start_of(name: &str, bytes_max: usize) -> &[u8] {
    &name.as_bytes()[..name.floor_char_boundary(bytes_max)]
}

fn cut(error: io::Error) -> StateError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => StateError::Damaged("it is cut short"),
        _ => StateError::Io(error),
    }
}

/// What is left to read.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], StateError> {
        let cut = StateError::Damaged("a shard is too short");
        let (taken, left) = self.0.split_at_checked(length).ok_or(cut)?;
        self.0 = left;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let cut = StateError::Damaged("a shard is too short");
        let (taken, left) = self.0.split_first_chunk().ok_or(cut)?;
        self.0 = left;
        Ok(*taken)
    }

    fn u16(&mut self) -> Result<u16, StateError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, StateError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, StateError> {
        self.array().map(u64::from_le_bytes)
    }

    /// Plays: finite and not negative.
    fn count(&mut self) -> Result<f64, StateError> {
        let plays = f64::from_le_bytes(self.array()?);
        let is_count = plays.is_finite() && plays >= 0.0;
        is_count
            .then_some(plays)
            .ok_or(StateError::Damaged("a count"))
    }

    fn cell(&mut self) -> Result<f32, StateError> {
        let plays = f32::from_le_bytes(self.array()?);
        let is_count = plays.is_finite() && plays >= 0.0;
        is_count
            .then_some(plays)
            .ok_or(StateError::Damaged("a cell"))
    }

    fn text(&mut self, bytes_max: usize) -> Result<Arc<str>, StateError> {
        let length = usize::from(self.u16()?);
        let damaged = StateError::Damaged("a name");
        if length > bytes_max {
            return Err(damaged);
        }
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes)
            .map(Arc::from)
            .map_err(|_not_utf8| damaged)
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
