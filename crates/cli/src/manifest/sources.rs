//! Objects from tables, listings and directories, as lines that a manifest is made of.

use std::{fs, io, path::Path};

use manifest::Digest;
use serde_json::{Map, Value};

use super::files;
use crate::Error;

/// Folders within folders, at most: a link that leads back ends here.
const DEPTH_MAX: usize = 64;

/// Members that are numbers; `pinned` and `fast_track` are true or false, all else is text.
const NUMBERS: [&str; 6] = [
    "size",
    "expected",
    "priority",
    "pin_until_s",
    "live_at_s",
    "first_bytes",
];
const FLAGS: [&str; 2] = ["pinned", "fast_track"];

/// A table with a head of members' names; an empty field is left out. No field has a comma or a
/// quote in it: no name of an object may.
pub(super) fn csv(path: &Path, file: &[u8]) -> Result<Vec<u8>, Error> {
    let text = text(path, file)?;
    let mut rows = (1_usize..).zip(text.lines());
    let names: Vec<&str> = rows
        .next()
        .map_or("", |(_, row)| row)
        .split(',')
        .map(str::trim)
        .collect();
    let mut lines = Vec::new();
    for (number, row) in rows.filter(|(_, row)| !row.trim().is_empty()) {
        let fields: Vec<&str> = row.split(',').map(str::trim).collect();
        if fields.len() != names.len() {
            let problem = format!("{} fields; the head has {}", fields.len(), names.len());
            return Err(wrong(path, number, &problem));
        }
        let mut object = Map::new();
        for (name, field) in names
            .iter()
            .zip(fields)
            .filter(|(_, field)| !field.is_empty())
        {
            let value = value(name, field);
            let value =
                value.ok_or_else(|| wrong(path, number, &format!("{name} is {field:?}")))?;
            object.insert((*name).to_owned(), value);
        }
        write(&mut lines, object);
    }
    Ok(lines)
}

/// `URL SIZE [DIGEST]`, where a path alone is a URL as well.
pub(super) fn listing(path: &Path, file: &[u8], site: &str) -> Result<Vec<u8>, Error> {
    let mut lines = Vec::new();
    for (number, row) in (1_usize..).zip(text(path, file)?.lines()) {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let (url, size, digest) = match *fields.as_slice() {
            [] => continue,
            [url, size] => (url, size, None),
            [url, size, digest] => (url, size, Some(digest)),
            [_] | [_, _, _, ..] => return Err(wrong(path, number, "it is URL SIZE [DIGEST]")),
        };
        let size = size.parse::<u64>().ok();
        let size = size.ok_or_else(|| wrong(path, number, "the size is not a number"))?;
        write(&mut lines, object(site, path_of(url), size, digest));
    }
    Ok(lines)
}

/// Every file below `root`.
pub(super) fn directory(root: &Path, site: &str) -> Result<Vec<u8>, Error> {
    let mut lines = Vec::new();
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let failed = |error: io::Error| Error::file(&folder, error);
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let failed = |error: io::Error| Error::file(&path, error);
            if fs::metadata(&path).map_err(failed)?.is_dir() {
                if depth == DEPTH_MAX {
                    let problem = format!("more than {DEPTH_MAX} folders deep");
                    return Err(failed(io::Error::other(problem)));
                }
                folders.push((path, depth + 1));
                continue;
            }
            let (size, digest) = files::digest(&path).map_err(failed)?;
            let below = path.strip_prefix(root).unwrap_or(&path);
            let name = format!("/{}", below.display());
            write(
                &mut lines,
                object(site, &name, size, Some(&digest.to_string())),
            );
        }
    }
    Ok(lines)
}

fn object(site: &str, path: &str, size: u64, digest: Option<&str>) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("site".to_owned(), site.into());
    object.insert("path".to_owned(), path.into());
    object.insert("size".to_owned(), size.into());
    match digest {
        // As `sha256sum` prints it, or as manifests have it.
        Some(hex) if Digest::parse(hex).is_err() => {
            object.insert("digest".to_owned(), format!("sha256:{hex}").into());
        }
        Some(digest) => {
            object.insert("digest".to_owned(), digest.into());
        }
        None => {
            object.insert("action".to_owned(), "seed".into());
        }
    }
    object
}

fn write(lines: &mut Vec<u8>, object: Map<String, Value>) {
    lines.extend_from_slice(Value::Object(object).to_string().as_bytes());
    lines.push(b'\n');
}

fn value(name: &str, field: &str) -> Option<Value> {
    if NUMBERS.contains(&name) {
        return field.parse::<u64>().ok().map(Value::from);
    }
    if FLAGS.contains(&name) {
        return field.parse::<bool>().ok().map(Value::from);
    }
    Some(field.into())
}

fn path_of(url: &str) -> &str {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.map_or(url, |rest| {
        rest.find('/').map_or("/", |slash| &rest[slash..])
    })
}

fn text<'a>(path: &Path, file: &'a [u8]) -> Result<&'a str, Error> {
    str::from_utf8(file).map_err(|error| Error::manifest(path, error))
}

fn wrong(path: &Path, line: usize, problem: &str) -> Error {
    Error::Argument(format!("{}: line {line}: {problem}", path.display()))
}
