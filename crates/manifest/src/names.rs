//! Many names of objects in little memory, sorted.

use std::{cmp::Ordering, collections::HashMap};

use crate::{Wrong, object::check_name};

/// Sites that one manifest may name: what a node serves.
pub const SITES_MAX: usize = 4096;

/// A site: its name, and its place in a list and a table that have room for more.
const SITE_BYTES: usize = 256;

/// Names of objects, sorted by site and path byte by byte, none twice.
///
/// All paths lie in one text: a million of them cost 8 MB and their characters, where a million
/// strings would cost 40 MB more and a million allocations.
#[derive(Debug, Clone, Default)]
pub struct Names {
    sites: Vec<Box<str>>,
    paths: String,
    rows: Vec<Row>,
}

/// Where a path lies in the text, and the place of its site.
#[derive(Debug, Clone, Copy)]
struct Row {
    start: u32,
    length: u16,
    site: u16,
}

impl Names {
    /// Checks, sorts and keeps names.
    ///
    /// # Errors
    /// When one of them breaks the grammar or is there twice, or when they are too many.
    pub fn collect<'a>(names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Wrong> {
        let mut collected = Collected::default();
        for (site, path) in names {
            check_name(site, path)?;
            collected.push(site, path)?;
        }
        Ok(collected.sorted()?.0)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Site and path of one; `None` beyond the end.
    pub fn at(&self, index: usize) -> Option<(&str, &str)> {
        self.rows.get(index).map(|row| self.name(*row))
    }

    /// All of them, in order: site and path.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.rows.iter().map(|row| self.name(*row))
    }

    /// Where a name stands. O(log n).
    pub fn find(&self, site: &str, path: &str) -> Option<usize> {
        let found = self
            .rows
            .binary_search_by(|row| self.name(*row).cmp(&(site, path)));
        found.ok()
    }

    /// Where the first name stands that is not before this one; their number if all are. O(log n).
    pub fn at_or_after(&self, site: &str, path: &str) -> usize {
        let is_before = |row: &Row| self.name(*row) < (site, path);
        self.rows.partition_point(is_before)
    }

    /// Bytes of memory behind it.
    pub fn memory_bytes(&self) -> u64 {
        let rows = self.rows.capacity() * size_of::<Row>();
        (self.paths.capacity() + rows + self.sites.len() * SITE_BYTES) as u64
    }

    fn name(&self, row: Row) -> (&str, &str) {
        let start = row.start as usize;
        let path = &self.paths[start..start + usize::from(row.length)];
        (&self.sites[usize::from(row.site)], path)
    }
}

/// The same names are equal, in whatever order they came.
impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names {}

/// Names as they come: any order, perhaps twice. Not checked here.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    names: Names,
    sites: HashMap<Box<str>, u16>,
    is_sorted: bool,
}

impl Collected {
    pub(crate) fn with_capacity(names: usize) -> Self {
        let mut collected = Self::default();
        collected.names.rows.reserve(names);
        collected
    }

    /// Bytes of memory that a name takes at least.
    pub(crate) const NAME_BYTES: u64 = size_of::<Row>() as u64;

    /// Bytes of memory behind what has come so far, but for what is only set aside.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let rows = self.names.rows.len() * size_of::<Row>();
        let sites = self.names.sites.len() * SITE_BYTES;
        (self.names.paths.len() + rows + sites) as u64
    }

    /// Bytes of memory for putting it in order, for as long as that takes.
    pub(crate) fn sorting_bytes(&self) -> u64 {
        let each = size_of::<Row>() + size_of::<u32>();
        let names = if self.is_sorted {
            0
        } else {
            self.names.rows.len()
        };
        (names * each) as u64
    }

    /// Keeps a name whose path has at most 64 KiB.
    pub(crate) fn push(&mut self, site: &str, path: &str) -> Result<(), Wrong> {
        let site = self.site(site)?;
        let start = u32::try_from(self.names.paths.len()).or(Err(Wrong::TooMany("characters")))?;
        let length = u16::try_from(path.len()).or(Err(Wrong::TooMany("characters")))?;
        self.names.paths.push_str(path);
        let row = Row {
            start,
            length,
            site,
        };
        let ordered =
            self.names.rows.last().is_none_or(|last| {
                self.names.name(*last).cmp(&self.names.name(row)) == Ordering::Less
            });
        self.is_sorted = ordered && (self.is_sorted || self.names.rows.is_empty());
        self.names.rows.push(row);
        Ok(())
    }

    /// The sorted names, and for each the place at which it came; `None` when they came in order.
    pub(crate) fn sorted(mut self) -> Result<(Names, Option<Vec<u32>>), Wrong> {
        self.names.rows.shrink_to_fit();
        self.names.paths.shrink_to_fit();
        if self.is_sorted {
            return Ok((self.names, None));
        }
        let count = u32::try_from(self.names.rows.len()).or(Err(Wrong::TooMany("objects")))?;
        let names = &self.names;
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_unstable_by_key(|came| names.name(names.rows[*came as usize]));
        let rows: Vec<Row> = order
            .iter()
            .map(|came| names.rows[*came as usize])
            .collect();
        if let Some(pair) = rows
            .windows(2)
            .find(|pair| names.name(pair[0]) == names.name(pair[1]))
        {
            let (site, path) = names.name(pair[0]);
            let (site, path) = (site.to_owned(), path.to_owned());
            return Err(Wrong::Twice { site, path });
        }
        self.names.rows = rows;
        Ok((self.names, Some(order)))
    }

    fn site(&mut self, site: &str) -> Result<u16, Wrong> {
        // Manifests are sorted or nearly so: the last site is mostly the next one.
        let last = self.names.rows.last().map(|row| row.site);
        if let Some(last) = last.filter(|last| *self.names.sites[usize::from(*last)] == *site) {
            return Ok(last);
        }
        if let Some(known) = self.sites.get(site) {
            return Ok(*known);
        }
        let new = self.names.sites.len();
        let place = u16::try_from(new).ok().filter(|_| new < SITES_MAX);
        let place = place.ok_or(Wrong::TooMany("sites"))?;
        self.names.sites.push(site.into());
        self.sites.insert(site.into(), place);
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_found_and_told_twice() {
        let names = [("b", "/x"), ("a", "/z"), ("a", "/a/b"), ("a", "/a")];
        let names = Names::collect(names).unwrap();
        let sorted = [("a", "/a"), ("a", "/a/b"), ("a", "/z"), ("b", "/x")];
        assert_eq!(names.iter().collect::<Vec<_>>(), sorted);
        assert_eq!(names.find("a", "/z"), Some(2));
        assert_eq!(names.find("b", "/z"), None);
        let after = |site, path| names.at_or_after(site, path);
        assert_eq!(
            (after("", ""), after("a", "/a/b"), after("a", "/a/c")),
            (0, 1, 2)
        );
        assert_eq!((after("b", "/x"), after("b", "/y")), (3, 4));
        let twice = Names::collect([("a", "/z"), ("b", "/z"), ("a", "/z")]);
        assert!(matches!(twice, Err(Wrong::Twice { .. })), "{twice:?}");
        let neighbours = Names::collect([("a", "/z"), ("a", "/z")]);
        assert!(
            matches!(neighbours, Err(Wrong::Twice { .. })),
            "{neighbours:?}"
        );
    }

    #[test]
    fn more_sites_than_a_node_serves_are_refused() {
        let sites: Vec<String> = (0..=SITES_MAX).map(|n| format!("s{n}")).collect();
        let names = |count| Names::collect(sites[..count].iter().map(|site| (&**site, "/a")));
        assert_eq!(names(SITES_MAX).unwrap().len(), SITES_MAX);
        assert_eq!(names(SITES_MAX + 1), Err(Wrong::TooMany("sites")));
    }
}
