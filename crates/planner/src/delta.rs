//! What changes against the manifest before.

use std::path::Path;

use manifest::{Head, Kind, Limits, Manifest, Signed, changes, read_unverified};

use crate::Error;

/// The delta that makes `manifest`'s plan of the one of `file`, a whole manifest of an earlier
/// generation for the same audience, as it lies at `path`.
pub fn delta(path: &Path, file: &[u8], manifest: &Manifest) -> Result<Manifest, Error> {
    let wrong = |problem: String| Error::Previous {
        path: path.to_owned(),
        problem,
    };
    let signed = Signed::parse(file).map_err(|refused| wrong(refused.to_string()))?;
    // Its signature is not looked at: a box takes a delta only against the plan that it has.
    let read = read_unverified(file, &Limits::default());
    let (before, _unknown) = read.map_err(|refused| wrong(refused.to_string()))?;
    if before.head.kind != Kind::Full {
        return Err(wrong("a delta, not a whole plan".to_owned()));
    }
    if before.head.audience != manifest.head.audience {
        return Err(wrong(format!("it is for {}", before.head.audience)));
    }
    if before.head.generation >= manifest.head.generation {
        let problem = format!("generation {} is not earlier", before.head.generation);
        return Err(wrong(problem));
    }
    let (objects, removed) = changes(&before.objects, &manifest.objects)?;
    let head = Head {
        previous: Some(signed.digest),
        kind: Kind::Delta {
            base: before.head.generation,
        },
        ..manifest.head.clone()
    };
    Ok(Manifest::new(head, objects, removed)?)
}

#[cfg(test)]
mod tests {
    use manifest::{Digest, Encoding, Hints, Label, Names, Object, Objects, SigningKey, merge};
    use signing::Algorithm;

    use super::*;

    fn manifest(generation: u64, paths: &[(&str, u64)]) -> Manifest {
        let digest = Digest::parse(&format!("sha256:{:064x}", 7)).unwrap();
        let objects = paths.iter().map(|(path, expected)| Object {
            expected: *expected,
            ..Object::fill("vod", path, 100, digest)
        });
        let head = Head {
            audience: Label::parse("a").unwrap(),
            generation,
            previous: None,
            issued_s: 1_000,
            expires_s: 2_000,
            kind: Kind::Full,
            hints: Hints::default(),
            allow_mass_eviction: false,
        };
        let objects = Objects::collect(objects).unwrap();
        Manifest::new(head, objects, Names::default()).unwrap()
    }

    fn signed(manifest: &Manifest) -> Vec<u8> {
        let payload = manifest.to_payload(Encoding::Zstd);
        let mut signed = Signed::draft(&payload);
        let kid = Label::parse("planner-1").unwrap();
        let key = SigningKey::generate(Algorithm::Ed25519, kid).unwrap();
        signed.sign(&key).unwrap();
        signed.to_bytes()
    }

    #[test]
    fn a_delta_makes_the_new_plan_of_the_old_one() {
        let before = manifest(1, &[("/same", 5), ("/less", 5), ("/gone", 5)]);
        let wanted = manifest(2, &[("/same", 5), ("/less", 3), ("/new", 9)]);

        let delta = delta(Path::new("a.manifest"), &signed(&before), &wanted).unwrap();

        assert_eq!(delta.head.kind, Kind::Delta { base: 1 });
        assert_eq!((delta.objects.len(), delta.removed.len()), (2, 1));
        let merged = merge(&before.objects, &delta, &Limits::default()).unwrap();
        assert_eq!(merged, wanted.objects);
    }

    #[test]
    fn a_delta_against_what_is_no_earlier_plan_is_refused() {
        let file = signed(&manifest(2, &[("/same", 5)]));
        let same = delta(
            Path::new("a.manifest"),
            &file,
            &manifest(2, &[("/same", 5)]),
        );
        assert_eq!(
            same.unwrap_err().to_string(),
            "a.manifest: generation 2 is not earlier"
        );
        let torn = delta(
            Path::new("a.manifest"),
            &file[..20],
            &manifest(3, &[("/same", 5)]),
        );
        assert!(torn.is_err());
    }
}
