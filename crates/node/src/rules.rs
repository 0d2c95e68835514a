//! What a `[[site]]` wants of the cache: times to live, by the ending of a path too, forwarded request
//! fields, cookies, and live streams.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use cache::{Ending, LiveRules, Reloads, SiteRules, WindowRule, WindowSource};
use daemon::config::Section;
use jiff::Timestamp;
use semantics::{
    fields::Cookies,
    forward::{ForwardRule, RULES_MAX},
    freshness::TtlRules,
    key::Case,
    live::{Clock, Margins, Template},
    relative,
};

use crate::{Clients, tags::read_tags};

/// Kinds of paths with rules of their own, and kinds of segments, on one site.
const LIST_MAX: usize = 64;

/// An ending of a path: `.m3u8`.
const ENDING_BYTES_MAX: usize = 64;

/// What players are given as playlists.
const PLAYLISTS: [&str; 2] = [".m3u8", ".mpd"];

/// What packagers send while they write it. Not `.mp4`: that is a film as often as not.
const STREAMS: [&str; 7] = [".m4s", ".m4v", ".m4a", ".cmfv", ".cmfa", ".ts", ".aac"];

/// Reads the keys of a site that say how the cache treats it.
pub fn read_rules(site: &mut Section, clients: Clients) -> SiteRules {
    let tags = read_tags(site, clients);
    let ttl = ttl_over(site, &TtlRules::default(), |_force, stale| stale);
    let live = site
        .optional_section("live", |section| Some(read_live(section)))
        .map(Arc::new);
    let site_alone = SiteRules {
        tags,
        live,
        ..read_exchange(site, clients)
    };
    let rules = |ttl| SiteRules {
        ttl,
        ..site_alone.clone()
    };
    let endings = site.sections("ending", 0..=LIST_MAX, |section| {
        let ending = section.text("ending").required();
        // A playlist that lives for half a second is of no use half a minute later.
        let ttl = ttl_over(section, &ttl, |force, stale| {
            force.map_or(stale, |force| stale.min(force))
        });
        let ending = ending.filter(|ending| is_ending(section, "ending", ending))?;
        // It is compared with names, which have no other letters on such a site.
        let ending = match site_alone.case {
            Case::Exact => ending,
            Case::Fold => ending.to_ascii_lowercase(),
        };
        let rules = Arc::new(rules(ttl));
        Some(Ending { ending, rules })
    });
    SiteRules {
        endings,
        ..rules(ttl)
    }
}

/// Reads what goes between viewers and the origin. Tiers of ours are heeded where they ask for news,
/// because they ask only when a site of theirs says so; viewers are not, unless the site says so.
fn read_exchange(site: &mut Section, clients: Clients) -> SiteRules {
    const COOKIES: &[(&str, Cookies)] = &[
        ("drop", Cookies::Drop),
        ("pass", Cookies::Pass),
        ("store", Cookies::Store),
    ];
    const DIRECTIVES: &[(&str, bool)] = &[("ignore", false), ("heed", true)];
    const CASES: &[(&str, Case)] = &[("exact", Case::Exact), ("fold", Case::Fold)];
    let names = site.list("forward_request_headers", 0..=RULES_MAX);
    let names: Vec<String> = names.or(Vec::new());
    let odd = names.iter().find(|text| ForwardRule::parse(text).is_none());
    if let Some(odd) = odd {
        let what = format!("has \"{odd}\", which cannot be forwarded");
        let hint = "a field's name, or \"key:\" and a name; none that the node makes itself";
        site.problem("forward_request_headers", &what, Some(hint));
    }
    let forward = names.iter().filter_map(|text| ForwardRule::parse(text));
    let heeds = clients == Clients::WithCertificate;
    SiteRules {
        forward: forward.collect(),
        cookies: site.choice("set_cookie", COOKIES).or(Cookies::Drop),
        heeds_requests: site.choice("request_directives", DIRECTIVES).or(heeds),
        asked_by_tiers: clients == Clients::WithCertificate,
        case: site.choice("path_case", CASES).or(Case::Exact),
        tells_key: site.flag("cache_status_key").or(false),
        ..SiteRules::default()
    }
}

/// Times to live, where `default` has what is not said; how long what is stale lasts follows from
/// what is forced.
fn ttl_over(
    section: &mut Section,
    default: &TtlRules,
    stale_of: impl FnOnce(Option<Duration>, Duration) -> Duration,
) -> TtlRules {
    let range = Duration::ZERO..=Duration::from_hours(24 * 366);
    let short = Duration::ZERO..=Duration::from_mins(5);
    let force = section.duration("ttl_force", range.clone()).optional();
    let fixed = section.duration("ttl_default", range.clone()).optional();
    // Who names a lifetime means it, for what was last modified long ago as well.
    let heuristic = fixed.map_or(default.heuristic_max, |_fixed| Duration::ZERO);
    let negative = section.duration("ttl_negative", short.clone());
    let negative = negative.or(default.negative);
    let error = section.duration("ttl_error", short).or(default.error);
    let stale = stale_of(force, default.stale_while_revalidate);
    let mut time = |key, default| section.duration(key, range.clone()).or(default);
    TtlRules {
        default: fixed.unwrap_or(default.default),
        heuristic_max: time("ttl_heuristic_max", heuristic),
        error_max: time("ttl_error_max", default.error_max),
        stale_if_error: time("stale_if_error", default.stale_if_error),
        stale_while_revalidate: time("stale_while_revalidate", stale),
        force: force.or(default.force),
        negative,
        error,
    }
}

fn read_live(section: &mut Section) -> LiveRules {
    const RELOADS: &[(&str, Reloads)] = &[("upstream", Reloads::Upstream), ("here", Reloads::Here)];
    let playlists = endings(section, "playlists", &PLAYLISTS);
    let streams = endings(section, "streams", &STREAMS);
    let behind = section.number("behind", 0..=1_000_000).optional();
    let ahead = section.number("ahead", 0..=1_000).or(2);
    let live_edge = section.number("live_edge", 1..=1_000_000).or(6);
    let reloads = section.choice("reloads", RELOADS).or(Reloads::Upstream);
    let held_max = section.number("held", 0..=1_000_000).or(10_000);
    let mut time =
        |key, range: RangeInclusive<Duration>, default| section.duration(key, range).or(default);
    let minute = Duration::from_mins(1);
    let absent = time("absent", Duration::ZERO..=minute, Duration::from_secs(5));
    let hold = time("hold", Duration::ZERO..=minute, Duration::from_secs(3));
    let polls = Duration::from_millis(20)..=Duration::from_secs(10);
    let poll = time("poll", polls, Duration::from_millis(250));
    let windows = section.sections("window", 0..=LIST_MAX, read_window);
    LiveRules {
        playlists,
        streams,
        windows,
        margins: Margins { behind, ahead },
        live_edge,
        absent,
        reloads,
        hold,
        poll,
        held_max: usize::try_from(held_max).unwrap_or(usize::MAX),
    }
}

fn read_window(section: &mut Section) -> Option<WindowRule> {
    let shape = "a path with one {number}, such as \"/live/*/seg-{number}.m4s\"";
    let segments = section
        .parsed("segments", shape, |text| Template::parse(text).ok())
        .required();
    let playlist = section.text("playlist").optional();
    let start = section.parsed("start", "a time such as \"2027-01-15T08:00:00Z\"", |text| {
        text.parse::<Timestamp>().ok()
    });
    let start = start.optional();
    let lengths = Duration::from_millis(100)..=Duration::from_mins(10);
    let segment = section.duration("segment", lengths).optional();
    let first = section.number("first", 0..=u64::MAX >> 1).or(1);
    let depth = section.number("depth", 1..=u64::MAX >> 1).optional();
    let source = match (playlist, start, segment) {
        (Some(playlist), None, None) if relative::resolve("/a/b", &playlist).is_some() => {
            WindowSource::Playlist(playlist)
        }
        (Some(_), None, None) => {
            let hint = "a reference that is relative to the segment: \"index.m3u8\"";
            section.problem("playlist", "leads to another host, or nowhere", Some(hint));
            return None;
        }
        (None, Some(start), Some(segment)) => WindowSource::Clock(Clock {
            start: Duration::from_millis(u64::try_from(start.as_millisecond()).unwrap_or(0)),
            segment,
            first,
            depth,
        }),
        _ => {
            let hint = "set playlist; or start and segment for a time formula";
            section.problem("segments", "needs to know which there are", Some(hint));
            return None;
        }
    };
    Some(WindowRule {
        segments: segments?,
        source,
    })
}

fn endings(section: &mut Section, key: &'static str, default: &[&str]) -> Vec<String> {
    let default = default.iter().map(|&ending| ending.to_owned()).collect();
    let all = section.list(key, 0..=LIST_MAX).or(default);
    let fit = all.iter().all(|ending| is_ending(section, key, ending));
    if fit { all } else { Vec::new() }
}

/// Tells what is wrong with an ending, if something is.
fn is_ending(section: &mut Section, key: &str, ending: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let fits = (1..=ENDING_BYTES_MAX).contains(&ending.len()) && ending.bytes().all(allowed);
    if !fits {
        let hint = "the last bytes of a path, such as \".m3u8\"";
        section.problem(key, &format!("has \"{ending}\""), Some(hint));
    }
    fits
}
