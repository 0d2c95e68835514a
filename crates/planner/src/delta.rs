//! What changes against the manifest before.

use std::path::Path;

use manifest::{Digest, Head, Kind, Limits, Manifest, Signed, changes, read_unverified};

use crate::Error;

/// What a box took last: a file, and where it lies.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// For errors.
    pub path: &'a Path,
    /// Its bytes. Signatures are not looked at: a box takes a delta only after the very file that the
    /// delta names.
    pub file: &'a [u8],
}

/// The delta that makes `manifest`'s plan of the one of `whole`, a whole manifest of an earlier
/// generation for the same audience. With `step` the box took that plan as a delta.
pub fn delta(
    whole: Taken<'_>,
    step: Option<Taken<'_>>,
    manifest: &Manifest,
) -> Result<Manifest, Error> {
    let (before, mut previous) = whole.read(&manifest.head)?;
    if before.head.kind != Kind::Full {
        return Err(whole.wrong("a delta, not a whole plan"));
    }
    if before.head.generation >= manifest.head.generation {
        let generation = before.head.generation;
        let problem = format!(
            "generation {generation} is not earlier than {}, which --generation can raise",
            manifest.head.generation
        );
        return Err(whole.wrong(problem));
    }
    if let Some(step) = step {
        let read = step.read(&manifest.head)?;
        if read.0.head.kind == Kind::Full {
            return Err(step.wrong("a whole plan, not a delta"));
        }
        if read.0.head.generation != before.head.generation {
            let generations = (read.0.head.generation, before.head.generation);
            let problem = format!("generation {} beside {}", generations.0, generations.1);
            return Err(step.wrong(problem));
        }
        previous = read.1;
    }
    let (objects, removed) = changes(&before.objects, &manifest.objects)?;
    let head = Head {
        previous: Some(previous),
        kind: Kind::Delta {
            base: before.head.generation,
        },
        ..manifest.head.clone()
    };
    Ok(Manifest::new(head, objects, removed)?)
}

impl Taken<'_> {
    /// What it says, and its digest.
    fn read(&self, next: &Head) -> Result<(Manifest, Digest), Error> {
        let signed = Signed::parse(self.file).map_err(|refused| self.wrong(refused.to_string()))?;
        let read = read_unverified(self.file, &Limits::default());
        let (manifest, _unknown) = read.map_err(|refused| self.wrong(refused.to_string()))?;
        if manifest.head.audience == next.audience {
            Ok((manifest, signed.digest))
        } else {
            Err(self.wrong(format!("it is for {}", manifest.head.audience)))
        }
    }

    fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::Previous {
            path: self.path.to_owned(),
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use manifest::{Encoding, Hints, Label, Names, Object, Objects, SigningKey, merge};
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

    fn taken(file: &[u8]) -> Taken<'_> {
        let path = Path::new("a.manifest");
        Taken { path, file }
    }

    #[test]
    fn a_delta_makes_the_new_plan_of_the_old_one() {
        let before = manifest(1, &[("/same", 5), ("/less", 5), ("/gone", 5)]);
        let wanted = manifest(2, &[("/same", 5), ("/less", 3), ("/new", 9)]);

        let delta = delta(taken(&signed(&before)), None, &wanted).unwrap();

        assert_eq!(delta.head.kind, Kind::Delta { base: 1 });
        assert_eq!((delta.objects.len(), delta.removed.len()), (2, 1));
        let merged = merge(&before.objects, &delta, &Limits::default()).unwrap();
        assert_eq!(merged, wanted.objects);
    }

    #[test]
    fn a_delta_against_what_is_no_earlier_plan_is_refused() {
        let file = signed(&manifest(2, &[("/same", 5)]));
        let same = delta(taken(&file), None, &manifest(2, &[("/same", 5)]));
        assert_eq!(
            same.unwrap_err().to_string(),
            "a.manifest: generation 2 is not earlier than 2, which --generation can raise"
        );
        let torn = delta(taken(&file[..20]), None, &manifest(3, &[("/same", 5)]));
        assert!(torn.is_err());
    }
}
