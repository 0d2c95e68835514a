//! What nodes' reports tell of a trace, by the rules of the room `popularity`, but for the memory that bounds how
//! much a node holds: its own crowds, and folders as `folders.rs` there has them.
//!
//! ```text
//! requests of an hour ──▶ by object ──enough viewers within a week──▶ told by name
//!                             └─else─▶ by variant, by asset, by title: the first that enough of them ask for
//!                                          └─else─▶ in the row of the site, which no plan can use
//! ```

use std::collections::HashMap;

use popularity::{Crowd, Hour, Sessions};

use super::{Play, Record};
use crate::{
    estimate::{Day, Folder, index},
    model::mix,
};

const HOUR_MS: u32 = 3_600_000;

/// What reports tell of what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reports {
    /// How many viewers have to ask for an object within a week for it to be named; 1 tells all.
    pub sessions_min: u32,
    /// Whether what is not named is told by folder. A variant has one, within that of its asset, within that of
    /// its title.
    pub folders: bool,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            sessions_min: 1,
            folders: true,
        }
    }
}

impl Reports {
    /// Each day of a record, as they tell it.
    pub fn days(self, record: &Record) -> Vec<Day> {
        if self.sessions_min <= 1 {
            return record.rolled_up();
        }
        let catalogue = &record.catalogue;
        let mut days = vec![Day::new(catalogue); record.all_days()];
        let crowds = |count| Crowds::new(count, self.sessions_min);
        let mut objects = crowds(index(catalogue.objects()));
        let mut variants = crowds(index(catalogue.variants()));
        let [mut assets, mut titles] = [(); 2].map(|()| crowds(catalogue.assets.len()));
        let variant_of = |play: &Play| catalogue.variant_of(play.object);
        let asset_of = |play: &Play| catalogue.asset_of(play.object);
        let title_of = |play: &Play| catalogue.first_of_title(asset_of(play));
        let hour_of = |play: &Play| play.at_ms / HOUR_MS;
        for plays in record
            .plays
            .chunk_by(|one, next| hour_of(one) == hour_of(next))
        {
            let Some(first) = plays.first() else { continue };
            let (day, hour) = (&mut days[first.day()], hour_of(first));
            let by_name = |play: &Play| index(play.object);
            let left = objects.tell(hour, plays.iter().collect(), by_name, |play, requests| {
                day.count(catalogue, play.object, requests);
            });
            if !self.folders {
                continue;
            }
            let by_variant = |play: &Play| index(variant_of(play));
            let left = variants.tell(hour, left, by_variant, |play, requests| {
                day.count_unnamed(Folder::Variant(variant_of(play)), requests);
            });
            let left = assets.tell(hour, left, asset_of, |play, requests| {
                day.count_unnamed(Folder::Asset(asset_of(play)), requests);
            });
            titles.tell(hour, left, title_of, |play, requests| {
                day.count_unnamed(Folder::Title(title_of(play)), requests);
            });
        }
        days
    }
}

/// Who asked, for each of some things.
struct Crowds {
    sessions_min: u32,
    of: Vec<Known>,
}

/// Who asked for one of them, and until which hour that is so.
#[derive(Clone, Default)]
struct Known {
    crowd: Crowd,
    hour: u32,
}

/// Who came within an hour, and how often.
struct Asked<'p> {
    first: &'p Play,
    viewers: Sessions,
    requests: u32,
}

impl Crowds {
    fn new(count: usize, sessions_min: u32) -> Self {
        let of = vec![Known::default(); count];
        Self { sessions_min, of }
    }

    /// Adds who came within an hour, tells a request and their number of each thing that enough viewers have asked
    /// for, and returns the requests for others.
    fn tell<'p>(
        &mut self,
        hour: u32,
        plays: Vec<&'p Play>,
        thing: impl Fn(&Play) -> usize,
        mut told: impl FnMut(&Play, u32),
    ) -> Vec<&'p Play> {
        let mut asked: HashMap<usize, Asked<'_>> = HashMap::new();
        for play in &plays {
            let asked = asked.entry(thing(play)).or_insert_with(|| Asked {
                first: play,
                viewers: Sessions::default(),
                requests: 0,
            });
            asked.viewers.add(mix(u64::from(play.viewer)));
            asked.requests += 1;
        }
        asked.retain(|thing, asked| {
            let Known {
                crowd,
                hour: before,
            } = &mut self.of[*thing];
            crowd.pass(Hour((*before).into()), Hour(hour.into()));
            *before = hour;
            let is_enough = crowd.is_enough(asked.viewers, self.sessions_min);
            crowd.join(asked.viewers);
            is_enough
        });
        for asked in asked.values() {
            told(asked.first, asked.requests);
        }
        let is_left = |play: &&Play| !asked.contains_key(&thing(play));
        plays.into_iter().filter(is_left).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    const HOUR: u32 = HOUR_MS;

    /// A film of two variants, of ten positions each.
    fn catalogue() -> Catalogue {
        let mut catalogue = Catalogue::default();
        catalogue.list(0, 10, None, [100; 20]);
        catalogue
    }

    /// What is told of the last day of requests of viewers for objects, at some time each.
    fn told(plays: impl IntoIterator<Item = (u32, u32, u32)>, reports: Reports) -> Day {
        let plays = plays.into_iter().map(|(at_ms, viewer, object)| Play {
            at_ms,
            viewer,
            object,
        });
        let record = Record::new(catalogue(), plays.collect(), 0);
        reports.days(&record).pop().unwrap()
    }

    fn of(named: impl IntoIterator<Item = u32>, unnamed: &[Folder]) -> Day {
        let catalogue = catalogue();
        let mut day = Day::new(&catalogue);
        for object in named {
            day.count(&catalogue, object, 1);
        }
        for folder in unnamed {
            day.count_unnamed(*folder, 1);
        }
        day
    }

    const FIVE: Reports = Reports {
        sessions_min: 5,
        folders: true,
    };

    #[test]
    fn an_object_is_told_with_the_hour_in_which_enough_viewers_have_come() {
        let plays = (0..40).map(|viewer| (viewer / 2 * HOUR / 20, viewer, 3));
        assert_eq!(told(plays, FIVE), of([3; 40], &[]));
        let few = (0..4).map(|viewer| (viewer, viewer, 3));
        assert_eq!(told(few, FIVE), of([], &[]));
    }

    #[test]
    fn what_is_not_named_is_told_by_its_variant() {
        let plays = || (0..10).map(|viewer| (viewer, viewer, 10 + viewer));
        assert_eq!(told(plays(), FIVE), of([], &[Folder::Variant(1); 10]));
        let names = Reports {
            folders: false,
            ..FIVE
        };
        assert_eq!(told(plays(), names), of([], &[]));
    }

    #[test]
    fn a_variant_of_too_few_viewers_is_told_by_its_asset() {
        let plays = (0..8).map(|viewer| (viewer, viewer, viewer % 2 * 10 + viewer / 2));
        let told = told(plays, FIVE);
        assert_eq!(told, of([], &[Folder::Asset(0); 8]));
    }

    #[test]
    fn one_viewer_of_a_whole_variant_is_not_told() {
        let plays = (0..10).map(|position| (position, 7, position));
        assert_eq!(told(plays, FIVE), of([], &[]));
    }

    #[test]
    fn viewers_of_what_is_named_do_not_tell_of_the_rest() {
        let hot = (0..40).map(|viewer| (viewer, viewer, 3));
        let cold = (40..43).map(|viewer| (viewer, viewer, 4));
        assert_eq!(told(hot.chain(cold), FIVE), of([3; 40], &[]));
    }

    #[test]
    fn who_came_more_than_a_week_ago_is_forgotten() {
        let crowd = || (0..40).map(|viewer| (viewer, viewer, 3));
        let half = 84 * HOUR;
        let late = |at| crowd().chain([(at, 7, 3)]);
        assert_eq!(told(late(2 * half - 1), FIVE), of([3], &[]));
        assert_eq!(told(late(2 * half), FIVE), of([], &[]));
    }

    #[test]
    fn one_viewer_is_enough_to_tell_all() {
        let plays = (0..10).map(|position| (position, 7, position));
        assert_eq!(told(plays, Reports::default()), of(0..10, &[]));
    }
}
