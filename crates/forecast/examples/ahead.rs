//! What fetching announced objects ahead brings, and what it wastes, by who it is done for.
//!
//! A made-up week of video on demand (30-second objects, see the room `traces`), in which a part of
//! the viewers skims: each of their requests goes to another place of the same rendition. Every
//! request announces the object after it, as players do. The cache is least recently used; what is
//! fetched ahead is there by the time the viewer asks, half a minute later. Counted from the second
//! day on: requests that found their object, and bytes fetched ahead that nobody asked for before
//! they left the cache, or the week ended.
//!
//! `cargo run --release -p forecast --example ahead`

use std::{collections::HashMap, io::Write as _, time::Duration};

use forecast::model::{Access, Lru, Source, mix};
use semantics::reading::{Advice, Reading};
use traces::{BEGIN_UNIX_MS, Preset, Request, Synthetic};

const DAYS: u64 = 7;
const SCALE: f64 = 0.05;
const WARM_MS: u64 = 86_400_000;
/// About a tenth of what the week asks for.
const CACHE_BYTES: u64 = 300 << 30;
/// The last 16 bits of an object's number in a made-up trace are its place in its rendition.
const PLACES: u64 = 1 << 16;
/// Places that a skimmer goes to: an hour.
const SKIMMED: u64 = 120;

/// Whom objects are fetched ahead for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Nobody,
    ReadersOn,
    Everybody,
}

#[derive(Default)]
struct Counted {
    requests: u64,
    hits: u64,
    served: u64,
    ahead: u64,
    wasted: u64,
    upstream: u64,
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| viewers who skim | fetched ahead for | first-byte hits | of all bytes served: fetched ahead | wasted | from upstream |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for skimmers_percent in [0, 20, 50, 100] {
        for (whom, name) in [
            (For::Nobody, "nobody"),
            (For::ReadersOn, "who reads on"),
            (For::Everybody, "everybody"),
        ] {
            let counted = run(whom, skimmers_percent);
            let share = |bytes: u64| percent(bytes, counted.served);
            writeln!(
                out,
                "| {skimmers_percent} % | {name} | {:.1} % | {:.1} % | {:.2} % | {:.1} % |",
                percent(counted.hits, counted.requests),
                share(counted.ahead),
                share(counted.wasted),
                share(counted.upstream),
            )?;
        }
    }
    Ok(())
}

fn run(whom: For, skimmers_percent: u64) -> Counted {
    let mut lru = Lru::new(CACHE_BYTES);
    let mut readings: HashMap<u64, Reading> = HashMap::new();
    // What was fetched ahead and not asked for yet.
    let mut unused: HashMap<u64, u64> = HashMap::new();
    let mut counted = Counted::default();
    let settings = Preset::N.settings(SCALE, DAYS, 1);
    for (nth, request) in (0..).zip(Synthetic::new(&settings)) {
        let since = request.unix_ms - BEGIN_UNIX_MS;
        let is_counted = since >= WARM_MS;
        let object = if mix(request.client) % 100 < skimmers_percent {
            skimmed(&request, nth)
        } else {
            request.object
        };
        let asked = access(since, &request, object);
        let is_hit = lru.access(&asked).source != Source::Upstream;
        let ahead = unused.remove(&object);
        if is_counted {
            counted.requests += 1;
            counted.served += request.length;
            counted.hits += u64::from(is_hit);
            if !is_hit {
                counted.upstream += request.object_size;
                // It had left the cache before anybody asked for it.
                counted.wasted += ahead.unwrap_or(0);
            }
        }
        let next = object + 1;
        let reading = readings.entry(request.client).or_default();
        let advice = reading.note(object, Some(next));
        let fetches = match whom {
            For::Nobody => false,
            For::ReadersOn => advice == Advice::Fetch,
            For::Everybody => true,
        };
        // Its own size is not known before it is asked for; its neighbour's is near.
        let fetched = access(since, &request, next);
        if fetches && !is_held(&mut lru, &fetched) && is_counted {
            unused.insert(next, request.object_size);
            counted.ahead += request.object_size;
            counted.upstream += request.object_size;
        }
    }
    counted.wasted += unused.values().sum::<u64>();
    counted
}

/// Another place of the same rendition.
fn skimmed(request: &Request, nth: u64) -> u64 {
    let place = mix(request.client ^ nth.rotate_left(32)) % SKIMMED;
    request.object / PLACES * PLACES + place
}

fn access(since_ms: u64, request: &Request, object: u64) -> Access {
    Access {
        at: Duration::from_millis(since_ms),
        viewer: request.client,
        tag: mix(object),
        bytes: request.object_size,
        wanted: request.length,
    }
}

/// Whether it was there; it is now.
fn is_held(lru: &mut Lru, access: &Access) -> bool {
    lru.access(access).source != Source::Upstream
}

fn percent(part: u64, whole: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "bytes of a week: far below 2^52 at this scale"
    )]
    let share = part as f64 / whole.max(1) as f64;
    share * 100.0
}
