//! The boxes that are planned for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use signing::Label;

use crate::{Error, Knobs, quantity::Quantity};

/// Boxes of a fleet, at most: 10,000.
const APPLIANCES_MAX: usize = 10_000;
/// The largest box: 10 PB, far below 2^63.
const CAPACITY_MAX: u64 = 10_000_000_000_000_000;
/// The highest weight.
const WEIGHT_MAX: u32 = 1_000_000;
/// What a night's fill may move by default: 5 % of the capacity. More evicts more than it brings.
const BUDGET: Quantity = Quantity::Share(500);

/// A fleet: boxes in clusters in regions, sorted by name. Names are unique; a cluster lies in one
/// region.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The knobs.
    pub knobs: Knobs,
    /// The boxes.
    pub appliances: Vec<Appliance>,
    /// The clusters.
    pub clusters: Vec<Cluster>,
}

/// A box.
#[derive(Debug, Clone)]
pub struct Appliance {
    /// Its name, which is its manifests' audience and the `node=` of its reports.
    pub name: Label,
    /// Its cluster, as an index.
    pub cluster: usize,
    /// Bytes that it holds.
    pub capacity: u64,
    /// Bytes that a night's fill may move.
    pub budget: u64,
    /// How much of its cluster's titles it takes, beside the other boxes' weights.
    pub weight: u32,
    /// The file that tells what it holds; without one it is taken to be empty.
    pub inventory: Option<PathBuf>,
}

/// Boxes at one place, among which titles are divided.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its region, as a number.
    pub region: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    plan: Knobs,
    appliance: Vec<RawAppliance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAppliance {
    name: String,
    region: String,
    cluster: Option<String>,
    capacity: Quantity,
    budget: Option<Quantity>,
    weight: Option<u32>,
    inventory: Option<PathBuf>,
}

impl Fleet {
    /// Reads a fleet file: TOML, or JSON when its name says so. Paths in it are relative to it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(Error::of_file(path))?;
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        let raw = if is_json {
            serde_json::from_str(&text).map_err(|error| error.to_string())
        } else {
            toml::from_str(&text).map_err(|error| error.to_string())
        };
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        raw.map_err(|problem| vec![problem])
            .and_then(|raw| Self::check(raw, folder))
            .map_err(|problems| Error::Fleet {
                path: path.to_owned(),
                problems,
            })
    }

    fn check(raw: Raw, folder: &Path) -> Result<Self, Vec<String>> {
        let mut problems = raw.plan.problems();
        if !(1..=APPLIANCES_MAX).contains(&raw.appliance.len()) {
            let count = raw.appliance.len();
            problems.push(format!("{count} boxes, not from 1 to {APPLIANCES_MAX}"));
        }
        problems.extend(mistaken(&raw.appliance));
        let clusters = clusters(&raw.appliance, &mut problems);
        let mut names = BTreeSet::new();
        let mut appliances = Vec::new();
        for raw in raw.appliance {
            if !names.insert(raw.name.clone()) {
                problems.push(format!("two boxes are named {:?}", raw.name));
            }
            match raw.check(&clusters, folder) {
                Ok(appliance) => appliances.push(appliance),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        appliances.sort_by(|one, two| one.name.as_str().cmp(two.name.as_str()));
        Ok(Self {
            knobs: raw.plan,
            appliances,
            clusters,
        })
    }

    /// The box of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&Appliance> {
        let named = |known: &Appliance| known.name.as_str().cmp(name);
        let index = self.appliances.binary_search_by(named);
        index.ok().and_then(|index| self.appliances.get(index))
    }

    /// The boxes of a cluster.
    pub(crate) fn of_cluster(&self, cluster: usize) -> impl Iterator<Item = (usize, &Appliance)> {
        let boxes = self.appliances.iter().enumerate();
        boxes.filter(move |(_, appliance)| appliance.cluster == cluster)
    }
}

impl RawAppliance {
    /// The cluster that it names, or one of its own.
    fn cluster(&self) -> &str {
        self.cluster.as_deref().unwrap_or(&self.name)
    }

    fn check(self, clusters: &[Cluster], folder: &Path) -> Result<Appliance, String> {
        let told = |problem: &str| format!("{:?}: {problem}", self.name);
        let name = Label::parse(&self.name).map_err(|error| error.to_string())?;
        let Quantity::Bytes(capacity @ 1..=CAPACITY_MAX) = self.capacity else {
            return Err(told("its capacity is not from 1 byte to 10 PB"));
        };
        if self.region.is_empty() || self.cluster().is_empty() {
            return Err(told("its region or its cluster has no name"));
        }
        let budget = self.budget.unwrap_or(BUDGET).bytes_of(capacity);
        let weight = self.weight.unwrap_or(100);
        if !(1..=WEIGHT_MAX).contains(&weight) {
            return Err(told("its weight is not from 1 to 1,000,000"));
        }
        let named = |cluster: &Cluster| cluster.name.as_str().cmp(self.cluster());
        let cluster = clusters.binary_search_by(named);
        Ok(Appliance {
            cluster: cluster.map_err(|_missing| told("its cluster is not known"))?,
            name,
            capacity,
            budget: budget.min(capacity),
            weight,
            inventory: self.inventory.map(|file| folder.join(file)),
        })
    }
}

/// A box that names no cluster is one of its own, and not of others who call theirs by its name.
fn mistaken(raw: &[RawAppliance]) -> impl Iterator<Item = String> {
    let named: BTreeSet<&str> = raw
        .iter()
        .filter_map(|raw| raw.cluster.as_deref())
        .collect();
    let alone = raw.iter().filter(|raw| raw.cluster.is_none());
    let alone = alone.filter(move |raw| named.contains(raw.name.as_str()));
    alone.map(|raw| {
        let name = &raw.name;
        format!("{name:?} names no cluster, and others name one {name:?}")
    })
}

fn clusters(raw: &[RawAppliance], problems: &mut Vec<String>) -> Vec<Cluster> {
    let regions: BTreeSet<&str> = raw.iter().map(|raw| raw.region.as_str()).collect();
    let regions: Vec<&str> = regions.into_iter().collect();
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for raw in raw {
        let region = found.entry(raw.cluster()).or_insert(&raw.region);
        if *region != raw.region {
            problems.push(format!(
                "cluster {:?} lies in {region:?} and in {:?}",
                raw.cluster(),
                raw.region
            ));
        }
    }
    let found = found.into_iter().map(|(name, region)| Cluster {
        name: name.to_owned(),
        region: regions.partition_point(|known| *known < region),
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(text: &str) -> Result<Fleet, Vec<String>> {
        let raw = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
        Fleet::check(raw, Path::new("/etc/fleet"))
    }

    #[test]
    fn boxes_come_in_the_order_of_their_names_with_their_defaults() {
        let fleet = fleet(
            "[[appliance]]\nname = 'b'\nregion = 'eu'\ncluster = 'par'\ncapacity = '2TB'\ninventory = 'b.ndjson'\n\
             [[appliance]]\nname = 'a'\nregion = 'eu'\ncapacity = 1000\nbudget = '10%'\nweight = 7\n",
        )
        .unwrap();
        let [a, b] = &fleet.appliances[..] else {
            panic!("{fleet:?}")
        };
        assert_eq!((a.name.as_str(), a.budget, a.weight), ("a", 100, 7));
        assert_eq!((b.budget, b.weight), (100_000_000_000, 100));
        assert_eq!(
            b.inventory.as_deref(),
            Some(Path::new("/etc/fleet/b.ndjson"))
        );
        assert_eq!(
            (
                fleet.clusters[a.cluster].name.as_str(),
                fleet.clusters[b.cluster].name.as_str()
            ),
            ("a", "par")
        );
    }

    #[test]
    fn every_problem_of_a_fleet_is_told_at_once() {
        let problems = fleet(
            "[plan]\ndays = 99\n\
             [[appliance]]\nname = 'a'\nregion = 'eu'\ncluster = 'c'\ncapacity = 0\n\
             [[appliance]]\nname = 'a'\nregion = 'us'\ncluster = 'c'\ncapacity = '1TB'\nweight = 0\n",
        )
        .unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:#?}");
    }

    #[test]
    fn a_key_that_no_fleet_has_is_refused() {
        assert!(
            fleet("[[appliance]]\nname = 'a'\nregion = 'eu'\ncapacity = 1\nspeed = 3\n").is_err()
        );
    }
}
