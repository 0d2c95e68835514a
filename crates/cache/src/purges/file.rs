//! The list of patterns on disk.
//!
//! ```text
//! state/patterns   "MPPATTR2" 8 | sha-256 of the rest 32 | postcard of the patterns
//!                  "MPPATTRN" where it is from before there were regular expressions
//! ```

use std::{collections::HashMap, fs, io, path::Path, sync::Arc};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::{BySite, Paths, Reach, Rule};
use crate::{Expression, Pattern, id::paths_scope};

const MAGIC: &[u8; 8] = b"MPPATTR2";
/// Of a list of [`KeptPattern`].
const MAGIC_BEFORE: &[u8; 8] = b"MPPATTRN";
const DIGEST_BYTES: usize = 32;

/// A legal list is smaller: 1,024 patterns of 8 KiB with their sites.
const FILE_BYTES_MAX: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    told: KeptPattern,
    /// What a regular expression's URLs begin with; none for a pattern.
    starts: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptPattern {
    site: String,
    pattern: String,
    case_sensitive: bool,
    with_query: bool,
    reach: Reach,
}

/// `None` if there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<Kept>>> {
    let damaged = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let size = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if size > FILE_BYTES_MAX {
        return Err(damaged("too large"));
    }
    let bytes = fs::read(path)?;
    let no_list = || damaged("no list of patterns");
    let (magic, rest) = bytes.split_at_checked(MAGIC.len()).ok_or_else(no_list)?;
    let (sum, list) = rest
        .split_at_checked(DIGEST_BYTES)
        .ok_or_else(|| damaged("cut short"))?;
    if digest(&SHA256, list).as_ref() != sum {
        return Err(damaged("its digest differs"));
    }
    let kept = if magic == MAGIC {
        postcard::from_bytes(list).ok()
    } else if magic == MAGIC_BEFORE {
        let patterns: Option<Vec<KeptPattern>> = postcard::from_bytes(list).ok();
        patterns.map(|patterns| {
            let kept = patterns.into_iter().map(|told| Kept {
                told,
                starts: Vec::new(),
            });
            kept.collect()
        })
    } else {
        None
    };
    kept.ok_or_else(no_list).map(Some)
}

/// `None` if one of them is no pattern.
pub(super) fn by_site(kept: Vec<Kept>) -> Option<BySite> {
    let mut lists: HashMap<Arc<str>, Vec<Arc<Rule>>> = HashMap::new();
    for Kept { told, starts } in kept {
        let (text, case_sensitive, with_query) =
            (&told.pattern, told.case_sensitive, told.with_query);
        let paths = if starts.is_empty() {
            Paths::Pattern(Pattern::parse(text, case_sensitive, with_query).ok()?)
        } else {
            let read = Expression::of(text, starts, case_sensitive, with_query);
            Paths::Expression(read.ok()?)
        };
        let scope = paths_scope(&told.site, &paths, told.reach);
        let rule = Rule {
            paths,
            reach: told.reach,
            scope,
        };
        lists
            .entry(told.site.into())
            .or_default()
            .push(Arc::new(rule));
    }
    Some(
        lists
            .into_iter()
            .map(|(site, rules)| (site, rules.into()))
            .collect(),
    )
}

pub(super) fn encode(by_site: &BySite) -> Vec<u8> {
    let kept = by_site.iter().flat_map(|(site, rules)| {
        rules.iter().map(move |rule| {
            let (pattern, case_sensitive, with_query, starts) = match &rule.paths {
                Paths::Pattern(one) => {
                    let flags = (one.is_case_sensitive(), one.has_query());
                    (one.to_string(), flags.0, flags.1, Vec::new())
                }
                Paths::Expression(one) => {
                    let flags = (one.is_case_sensitive(), one.has_query());
                    (
                        one.text().to_owned(),
                        flags.0,
                        flags.1,
                        one.starts().to_vec(),
                    )
                }
            };
            let told = KeptPattern {
                site: site.to_string(),
                pattern,
                case_sensitive,
                with_query,
                reach: rule.reach,
            };
            Kept { told, starts }
        })
    });
    let kept: Vec<Kept> = kept.collect();
    // Encoding into a growing buffer cannot fail; an empty list would be found damaged.
    let list = postcard::to_allocvec(&kept).unwrap_or_default();
    [MAGIC, digest(&SHA256, &list).as_ref(), &list].concat()
}

/// A crash leaves the old file or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write as _;
    let beside = path.with_extension("new");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &Path) -> Vec<(String, bool, u64)> {
        let by_site = by_site(read(path).unwrap().unwrap()).unwrap();
        let rules = by_site["tv"].iter();
        let told = rules.map(|rule| match &rule.paths {
            Paths::Pattern(one) => (one.to_string(), false, rule.scope),
            Paths::Expression(one) => (one.text().to_owned(), true, rule.scope),
        });
        told.collect()
    }

    #[test]
    fn patterns_and_expressions_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patterns");
        let hosts = ["tv.example".to_owned()];
        let one = Expression::parse("/a/[0-9]+$", &hosts, true, false).unwrap();
        let all = [
            Paths::from(Pattern::parse("/a/*", true, false).unwrap()),
            Paths::from(one.unwrap()),
        ];
        let rule = |paths: Paths| {
            let (reach, scope) = (Reach::Forget, paths_scope("tv", &paths, Reach::Forget));
            Arc::new(Rule {
                paths,
                reach,
                scope,
            })
        };
        let list: Arc<[Arc<Rule>]> = all.map(rule).into();
        let scopes: Vec<u64> = list.iter().map(|rule| rule.scope).collect();
        let by_site = BySite::from([("tv".into(), list)]);
        replace(&path, &encode(&by_site)).unwrap();
        let expected = [
            ("/a/*".to_owned(), false, scopes[0]),
            ("/a/[0-9]+$".to_owned(), true, scopes[1]),
        ];
        assert_eq!(rules(&path), expected);
    }

    #[test]
    fn a_list_from_before_there_were_expressions_is_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patterns");
        let kept = KeptPattern {
            site: "tv".to_owned(),
            pattern: "/a/*".to_owned(),
            case_sensitive: true,
            with_query: false,
            reach: Reach::Forget,
        };
        let list = postcard::to_allocvec(&vec![kept]).unwrap();
        let sum = digest(&SHA256, &list);
        fs::write(&path, [MAGIC_BEFORE, sum.as_ref(), &list].concat()).unwrap();
        assert_eq!(rules(&path)[0].0, "/a/*");
    }
}
