//! The one way from bytes to a manifest that a node may act upon.

use std::cmp::Ordering;

use crate::{
    Accepted, Diff, Head, Keys, Kind, Limits, Manifest, Objects, Refused, Signed, State, Verified,
    Wrong, keys::Role, objects::Builder, wire::Reader,
};

/// Decides about a manifest that somebody sends, against what the node knows. Cheap checks come
/// first: nothing is parsed or decompressed before its signatures are verified, and no object is
/// before head and counts are. O(n log n) in the objects; memory for the new plan and, while it
/// is read, the file.
///
/// # Errors
/// Why it is refused; then `current` stays as it is.
pub fn accept(
    current: &State,
    file: &[u8],
    now_s: u64,
    keys: &Keys,
    limits: &Limits,
) -> Result<Accepted, Refused> {
    let signed = open(file, limits)?;
    signed.check(keys, Role::Plan, now_s)?;
    let reader = Reader::open(signed.payload, limits, 1)?;
    let head = &reader.head;
    if head.allow_mass_eviction {
        signed.check(keys, Role::Evict, now_s)?;
    }
    check_turn(head, current)?;
    check_time(head, now_s, limits)?;
    let (manifest, ignored) = reader.finish()?;
    let merged = match manifest.head.kind {
        Kind::Full => None,
        Kind::Delta { .. } => Some(merge(&current.plan, &manifest, limits)?),
    };
    let plan = merged.as_ref().unwrap_or(&manifest.objects);
    let diff = Diff::between(&current.plan, plan);
    check_eviction(&manifest.head, &diff, current, limits)?;
    Ok(Accepted {
        manifest: Verified::new(manifest),
        digest: signed.digest,
        merged,
        diff,
        ignored,
    })
}

/// Reads a manifest without any proof of it: to show, to compare, to sign. It is not
/// [`Verified`]. Also returns members that are not known.
///
/// # Errors
/// What is wrong with its form or content.
pub fn read_unverified(file: &[u8], limits: &Limits) -> Result<(Manifest, Vec<String>), Refused> {
    let signed = open(file, limits)?;
    let is_draft = signed.kids().next().is_none();
    Reader::open(signed.payload, limits, u64::from(!is_draft))?.finish()
}

/// The plan that a delta makes of the present one.
///
/// # Errors
/// When it would be larger than a plan may be, or take more memory than there is for it.
pub fn merge(plan: &Objects, delta: &Manifest, limits: &Limits) -> Result<Objects, Refused> {
    let stays = |object: &crate::Object<'_>| {
        delta.removed.find(object.site, object.path).is_none()
            && delta.objects.find(object.site, object.path).is_none()
    };
    let mut old = plan.iter().filter(stays).peekable();
    let mut new = delta.objects.iter().peekable();
    let both = std::iter::from_fn(|| {
        let order = match (old.peek(), new.peek()) {
            (Some(old), Some(new)) => (old.site, old.path).cmp(&(new.site, new.path)),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        if order.is_lt() {
            old.next()
        } else {
            new.next()
        }
    });
    let taken = delta.objects.memory_bytes() + delta.removed.memory_bytes();
    let wrong = |wrong: Wrong| Refused::Wrong { line: 1, wrong };
    let mut merged = Builder::with_capacity(plan.len() + delta.objects.len());
    for object in both {
        merged.push(&object).map_err(wrong)?;
        limits.check_memory(taken + merged.memory_bytes())?;
    }
    let merged = merged.finish().map_err(wrong)?;
    let found = merged.len() as u64;
    if found > limits.names_max {
        let (what, max) = ("objects after the delta", limits.names_max);
        return Err(Refused::TooLarge { what, found, max });
    }
    Ok(merged)
}

fn open<'a>(file: &'a [u8], limits: &Limits) -> Result<Signed<'a>, Refused> {
    let (found, max) = (file.len() as u64, limits.file_bytes_max);
    if found > max {
        let what = "bytes of the file";
        return Err(Refused::TooLarge { what, found, max });
    }
    Signed::parse(file)
}

/// Whether it is for this node and its turn.
fn check_turn(head: &Head, current: &State) -> Result<(), Refused> {
    if head.audience != current.audience {
        return Err(Refused::OtherAudience {
            audience: head.audience.clone(),
            ours: current.audience.clone(),
        });
    }
    if head.generation <= current.generation {
        return Err(Refused::Replayed {
            generation: head.generation,
            current: current.generation,
        });
    }
    if let Kind::Delta { base } = head.kind
        && base != current.generation
    {
        let current = current.generation;
        return Err(Refused::OtherBase { base, current });
    }
    // A node without a plan (new, or its manifest was withdrawn) has nothing that a full manifest
    // could follow, and takes it for what it lists.
    let compares = matches!(head.kind, Kind::Delta { .. }) || current.digest.is_some();
    match head.previous {
        Some(previous) if compares && current.digest != Some(previous) => {
            let current = current.digest;
            Err(Refused::OtherPrevious { previous, current })
        }
        Some(_) | None => Ok(()),
    }
}

fn check_time(head: &Head, now_s: u64, limits: &Limits) -> Result<(), Refused> {
    let (issued_s, expires_s) = (head.issued_s, head.expires_s);
    if issued_s > now_s.saturating_add(limits.skew_s) {
        return Err(Refused::FromTheFuture { issued_s, now_s });
    }
    if now_s >= expires_s {
        return Err(Refused::Expired { expires_s, now_s });
    }
    let (lifetime_s, max_s) = (expires_s - issued_s, limits.lifetime_s_max);
    if lifetime_s > max_s {
        return Err(Refused::LivesTooLong { lifetime_s, max_s });
    }
    Ok(())
}

/// The guard against a plan that would empty the node, by mistake or by a stolen key. A fill that
/// becomes a seed is not dropped: a planner's budget makes seeds of fills every night, most of which were
/// never here, and what is here of one stays as long as viewers ask for it.
fn check_eviction(
    head: &Head,
    diff: &Diff,
    current: &State,
    limits: &Limits,
) -> Result<(), Refused> {
    let planned_bytes = current.plan.bytes_wanted();
    let percent_max = limits.eviction_percent_max;
    let dropped = u128::from(diff.dropped_bytes) * 100;
    if head.allow_mass_eviction || dropped <= u128::from(planned_bytes) * u128::from(percent_max) {
        return Ok(());
    }
    Err(Refused::MassEviction {
        dropped_bytes: diff.dropped_bytes,
        planned_bytes,
        percent_max,
    })
}
