//! The format: what is written is read again, whatever it is, and nothing else is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use manifest::{
    Action, Diff, Digest, Encoding, Head, Hints, Kind, Limits, Manifest, Names, Object, Objects,
    Pin, Signed, Tier, merge, read_unverified,
};
use proptest::{collection, option, prelude::*};
use world::{NOW_S, World, head, manifest, object, objects};

/// What an object may be, with a name of its own.
#[derive(Debug, Clone)]
struct Owned {
    name: (String, String),
    object: Object<'static>,
}

impl Owned {
    fn view(&self) -> Object<'_> {
        let (site, path) = (&*self.name.0, &*self.name.1);
        let object = self.object;
        Object {
            site,
            path,
            ..object
        }
    }
}

fn name() -> impl Strategy<Value = (String, String)> {
    ("[a-c]", "/[a-c]{1,2}(/[a-c])?").prop_map(|(site, path)| (site, path))
}

fn any_object() -> impl Strategy<Value = Owned> {
    let pin = prop_oneof![
        Just(Pin::Unpinned),
        (1..u64::MAX).prop_map(Pin::Until),
        Just(Pin::WhilePlanned),
    ];
    let kinds = (
        prop_oneof![Just(Action::Fill), Just(Action::Seed)],
        prop_oneof![Just(Tier::Any), Just(Tier::Ram), Just(Tier::Disk)],
        pin,
        any::<(bool, u8, u64)>(),
    );
    let numbers = (
        1..1_u64 << 40,
        option::of(1..u64::MAX),
        any::<bool>(),
        any::<[u8; 4]>(),
    );
    (name(), kinds, numbers).prop_map(|(name, kinds, numbers)| {
        let (action, tier, pin, (fast_track, priority, expected)) = kinds;
        let (size, live_at_s, is_cut, seed) = numbers;
        let object = Object {
            action,
            tier,
            pin,
            fast_track,
            priority,
            live_at_s,
            first_bytes: is_cut.then_some(size / 2 + 1),
            digest: (action == Action::Fill).then(|| Digest::of(&seed)),
            ..Object::seed("", "", size, expected)
        };
        Owned { name, object }
    })
}

fn any_plan() -> impl Strategy<Value = Vec<Owned>> {
    collection::vec(any_object(), 0..20).prop_map(|objects| {
        let unique: BTreeMap<_, _> = objects.into_iter().map(|o| (o.name.clone(), o)).collect();
        unique.into_values().collect()
    })
}

fn collect(plan: &[Owned]) -> Objects {
    Objects::collect(plan.iter().map(Owned::view)).unwrap()
}

fn any_head() -> impl Strategy<Value = Head> {
    let hints = (option::of(any::<u64>()), option::of(any::<u32>()));
    let numbers = (2..1_u64 << 53, 0..NOW_S, 1..NOW_S, any::<bool>());
    (numbers, option::of(any::<[u8; 4]>()), hints).prop_map(|(numbers, previous, hints)| {
        let (generation, issued_s, lifetime_s, allow_mass_eviction) = numbers;
        let previous = previous.map(|seed| Digest::of(&seed));
        Head {
            generation,
            previous,
            issued_s,
            expires_s: issued_s + lifetime_s,
            kind: previous.map_or(Kind::Full, |_| Kind::Delta {
                base: generation / 2,
            }),
            hints: Hints {
                bytes_per_s: hints.0,
                concurrency: hints.1,
                ..Hints::default()
            },
            allow_mass_eviction,
            ..head(1)
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(head in any_head(), plan in any_plan(), zstd in any::<bool>()) {
        let removed = Names::collect([("z", "/z"), ("z", "/y")]).unwrap();
        let manifest = Manifest::new(head, collect(&plan), removed).unwrap();
        let encoding = if zstd { Encoding::Zstd } else { Encoding::Plain };
        let payload = manifest.to_payload(encoding);
        let (again, unknown) = read_unverified(&payload, &Limits::default()).unwrap();
        prop_assert_eq!(&again, &manifest);
        prop_assert!(unknown.is_empty());
        prop_assert_eq!(again.to_payload(encoding), payload);
    }

    #[test]
    fn what_is_collected_comes_out_sorted_and_unchanged(mut plan in any_plan(), turn in any::<prop::sample::Index>()) {
        let sorted = collect(&plan);
        let middle = turn.index(plan.len() + 1);
        plan.rotate_left(middle);
        let turned = collect(&plan);
        prop_assert_eq!(&turned, &sorted);
        for owned in &plan {
            let view = owned.view();
            let at = sorted.find(view.site, view.path).unwrap();
            prop_assert_eq!(sorted.at(at), Some(view));
        }
        prop_assert_eq!(sorted.at(plan.len()), None);
    }

    /// The diff of two plans beside the obvious one over maps.
    #[test]
    fn a_diff_tells_every_object_once_and_the_bytes_add_up(old in any_plan(), new in any_plan()) {
        let (old, new) = (collect(&old), collect(&new));
        let diff = Diff::between(&old, &new);
        let (mut added, mut replaced, mut same) = (0, 0, 0);
        let (mut fill, mut dropped) = (0, 0);
        for object in new.iter() {
            match old.find(object.site, object.path).and_then(|at| old.at(at)) {
                None => { added += 1; fill += object.bytes_wanted(); }
                Some(was) if !was.same_content(&object) => {
                    replaced += 1;
                    fill += object.bytes_wanted();
                    dropped += was.bytes_wanted();
                }
                Some(was) => {
                    same += 1;
                    fill += object.bytes_wanted().saturating_sub(was.bytes_wanted());
                }
            }
        }
        for at in &diff.removed {
            let gone = old.at(*at as usize).unwrap();
            prop_assert_eq!(new.find(gone.site, gone.path), None);
            dropped += gone.bytes_wanted();
        }
        prop_assert_eq!(diff.added.len(), added);
        prop_assert_eq!(diff.replaced.len(), replaced);
        prop_assert_eq!(diff.changed.len() + usize::try_from(diff.unchanged).unwrap(), same);
        prop_assert_eq!(diff.removed.len() + replaced + same, old.len());
        prop_assert_eq!((diff.fill_bytes, diff.dropped_bytes), (fill, dropped));
        prop_assert!(Diff::between(&new, &new).is_empty());
    }

    /// A delta beside what a map makes of it.
    #[test]
    fn a_delta_makes_of_the_old_plan_what_its_maker_meant(old in any_plan(), new in any_plan(), gone in collection::vec(name(), 0..8)) {
        let gone: BTreeSet<_> = gone
            .into_iter()
            .filter(|name| !new.iter().any(|object| object.name == *name))
            .collect();
        let mut map: BTreeMap<_, _> = old.iter().map(|o| (o.name.clone(), o.clone())).collect();
        map.retain(|name, _| !gone.contains(name));
        map.extend(new.iter().map(|o| (o.name.clone(), o.clone())));
        let removed = Names::collect(gone.iter().map(|(site, path)| (&**site, &**path))).unwrap();
        let delta = Manifest::new(head(1), collect(&new), removed).unwrap();
        let merged = merge(&collect(&old), &delta, &Limits::default()).unwrap();
        let expected: Vec<Owned> = map.into_values().collect();
        prop_assert_eq!(merged, collect(&expected));
    }

    /// Any bytes, and bytes that look like a manifest, are answered and never a panic.
    #[test]
    fn any_bytes_are_answered(bytes in collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read_unverified(&bytes, &Limits::default()).is_err());
        let world = World::new();
        prop_assert!(world.accept(&world.sign_payload(&bytes)).is_err());
    }

    #[test]
    fn a_manifest_with_some_bytes_changed_is_answered(
        at in any::<prop::sample::Index>(),
        cut in 0_usize..20,
        put in "[\\PC{}\\[\\]\",:0-9a-z]{0,20}",
        zstd in any::<bool>(),
    ) {
        let world = World::new();
        let encoding = if zstd { Encoding::Zstd } else { Encoding::Plain };
        let mut payload = manifest(head(1), &objects(5)).to_payload(encoding);
        let at = at.index(payload.len());
        let end = (at + cut).min(payload.len());
        payload.splice(at..end, put.bytes());
        match world.accept(&world.sign_payload(&payload)) {
            Ok(accepted) => prop_assert!(accepted.plan().len() <= 6),
            Err(refused) => prop_assert!(matches!(refused.status(), 400 | 403 | 409 | 413 | 422)),
        }
    }
}

#[test]
fn one_more_signature_leaves_the_payload_and_its_digest_alone() {
    let world = World::new();
    let file = world.signed(head(1), &objects(2));
    let mut signed = Signed::parse(&file).unwrap();
    signed.sign(&world::key("second")).unwrap();
    let again = signed.to_bytes();
    let again = Signed::parse(&again).unwrap();
    assert_eq!(again.digest, signed.digest);
    assert_eq!(
        again.kids().map(ToString::to_string).collect::<Vec<_>>(),
        ["planner", "second"]
    );
    assert!(world.accept(&again.to_bytes()).is_ok());
}

#[test]
fn the_next_manifest_names_the_digest_of_this_one() {
    let mut world = World::new();
    world.apply(&world.signed(head(1), &objects(2)));
    let delta = Head {
        previous: world.state.digest,
        kind: Kind::Delta { base: 1 },
        ..head(5)
    };
    let removed = Names::collect([("films", object(0).path)]).unwrap();
    let changes = Objects::collect([object(1), object(7), object(8)]).unwrap();
    world.limits.eviction_percent_max = 50;
    let delta = Manifest::new(delta, changes, removed).unwrap();
    let accepted = world
        .accept(&world::sign(&delta, &[&world.signer]))
        .unwrap();
    let (diff, plan) = (&accepted.diff, accepted.plan());
    assert_eq!((plan.len(), diff.unchanged), (3, 1));
    assert_eq!((diff.added.len(), diff.removed.len()), (2, 1));
    assert_eq!((diff.fill_bytes, diff.dropped_bytes), (2_000, 1_000));
    let state = accepted.into_state();
    assert_eq!((state.generation, state.plan.len()), (5, 3));
}

/// What manifests accept is what viewers can ask for.
#[test]
fn every_path_of_a_manifest_is_a_path_of_a_url() {
    for path in ["/", "/a", "/a/", "/a/b.m4s", "/.well-known/x"] {
        assert!(Names::collect([("a", path)]).is_ok(), "{path}");
        assert!(signing::ObjectPath::parse(path).is_ok());
    }
}
