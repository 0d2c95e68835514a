//! What an edge is told: the shared sections, its shields and its sites.

use std::{
    net::Ipv6Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cache::SiteRules;
use daemon::{
    config::{Loaded, Report, Section},
    process::{BoxError, Daemon},
};
use node::{Clients, NodeConfig, Origin, Sections};
use semantics::{
    cors::{AllowOrigins, Cors},
    key::{KeyRules, QueryRule},
    live::DIRECTIVES,
};
use signing::{Carriers, KEY_FILE_BYTES_MAX, KeySet, Label, Policy};
use tls::Identity;

use crate::{
    App,
    fill::{Fill, Wish},
};

/// A checked config: every part of it can work, as far as a file can tell.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) file: PathBuf,
    pub(crate) sections: Sections,
    pub(crate) shields: Shields,
    pub(crate) sites: Vec<Site>,
    pub(crate) fill: Option<Fill>,
    pub(crate) effective: serde_json::Value,
}

/// `[shields]`.
#[derive(Debug, Clone)]
pub(crate) struct Shields {
    pub(crate) tls: tls::ClientConfig,
    pub(crate) members: Vec<upstream::Shield>,
    pub(crate) limits: upstream::Limits,
}

/// One `[[site]]`.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) name: Label,
    pub(crate) hosts: Vec<String>,
    pub(crate) signing: Option<Signing>,
    pub(crate) carriers: Carriers,
    pub(crate) key: KeyRules,
    pub(crate) cors: Cors,
    /// Whether `Server-Timing` is sent to those who ask.
    pub(crate) server_timing: bool,
    pub(crate) rules: Arc<SiteRules>,
    /// Where prepositioning may fetch its objects when the shields cannot give them.
    pub(crate) origin: Option<Origin>,
}

/// How a site's URLs are signed.
#[derive(Debug, Clone)]
pub(crate) struct Signing {
    pub(crate) keys: KeySet,
    pub(crate) policy: Policy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tokens {
    Required,
    Optional,
    None,
}

impl Config {
    /// Reads a config file, and the key sets that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load(file: &Path) -> Result<Self, Report> {
        let Loaded { value, effective } = daemon::config::load(file, Self::read)?;
        let (sections, shields, sites, fill) = value;
        Ok(Self {
            file: file.to_owned(),
            sections,
            shields,
            sites,
            fill,
            effective,
        })
    }

    fn read(top: &mut Section) -> Option<(Sections, Shields, Vec<Site>, Option<Fill>)> {
        let sections = Sections::read(top, Clients::Anybody);
        let shields = top.section("shields", read_shields);
        let sites = top.sections("site", 1..=10_000, read_site);
        let fill = top.optional_section("fill", Wish::read);
        refuse_shared_hosts(top, &sites);
        let sections = sections?;
        let fill = fill.and_then(|wish| wish.with(&sections));
        Some((sections, shields?, sites, fill))
    }
}

impl NodeConfig for Config {
    type Node = App;

    fn load(file: &Path) -> Result<Self, Report> {
        Self::load(file)
    }

    fn sections(&self) -> &Sections {
        &self.sections
    }

    fn effective(&self) -> serde_json::Value {
        self.effective.clone()
    }

    async fn build(mut self, daemon: Daemon) -> Result<App, BoxError> {
        if let Some(fill) = &mut self.fill {
            fill.room.rehearsal = Some(node::rehearsal());
        }
        Ok(Box::pin(App::build(self, daemon)).await?)
    }
}

fn read_shields(section: &mut Section) -> Option<Shields> {
    let default = upstream::Limits::default();
    let ca = section.file("ca").required();
    let cert = section.file("certificate").required();
    let key = section.private_file("key").required();
    let limits = node::read_upstream_limits(section, default);
    let members = section.sections("member", 1..=64, |member| {
        let name = member.text("name").required();
        let addresses = member.list("addresses", 1..=8).required();
        let server_name = name.clone();
        let server_name = member
            .text("server_name")
            .or(server_name.unwrap_or_default());
        Some(upstream::Shield {
            name: name?.into(),
            addresses: addresses?,
            server_name,
        })
    });
    let identity = Some(Identity {
        cert: cert?,
        key: key?,
    });
    let tls = tls::ClientConfig {
        ca: vec![ca?],
        identity,
        alpn: vec![b"h2".to_vec()],
    };
    Some(Shields {
        tls,
        members,
        limits,
    })
}

fn read_site(section: &mut Section) -> Option<Site> {
    let label = "a name of up to 64 letters, digits, '.', '_' or '-'";
    let name = section
        .parsed("name", label, |text| Label::parse(text).ok())
        .required();
    let hosts = section.list("hosts", 1..=64).required();
    let odd = hosts.iter().flatten().find(|host| !is_host(host)).cloned();
    if let Some(host) = odd {
        let what = format!("has \"{host}\", which no request can ask for");
        let hint = "a name or an address alone: no port, no path, no wildcard, no dot at the end";
        section.problem("hosts", &what, Some(hint));
    }
    let signing = read_signing(section);
    let mut query = section.list("query", 0..=64).or(Vec::new());
    let origins = section.list("cors", 0..=256).or(vec!["*".to_owned()]);
    let server_timing = section.flag("server_timing").or(false);
    let rules = node::read_rules(section, Clients::Anybody);
    let origin = section.optional_section("origin", Origin::read);
    let carriers = Carriers {
        parameter: section
            .parsed("token_parameter", label, |text| Label::parse(text).ok())
            .or(Carriers::default().parameter),
        cookie: section
            .parsed("token_cookie", label, |text| Label::parse(text).ok())
            .or(Carriers::default().cookie),
    };
    if rules.live.is_some() && query.iter().all(|name| name != "*") {
        query.extend(DIRECTIVES.map(str::to_owned));
    }
    let query = match query.as_slice() {
        [] => QueryRule::None,
        [all] if all == "*" => QueryRule::All,
        _ => QueryRule::Only(query),
    };
    let allow_origins = match origins.as_slice() {
        [any] if any == "*" => AllowOrigins::Any,
        _ => AllowOrigins::List(origins),
    };
    Some(Site {
        name: name?,
        hosts: hosts?
            .iter()
            .map(|host| host.to_ascii_lowercase())
            .collect(),
        signing: signing?,
        carriers,
        key: KeyRules { query },
        cors: Cors { allow_origins },
        server_timing,
        rules: Arc::new(rules),
        origin,
    })
}

/// Whether it is a host as requests name it: without a port and without a dot at the end.
fn is_host(text: &str) -> bool {
    let address = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = address {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(allowed)
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// The outer `None` is a problem that was told; the inner one a site without signing.
#[expect(
    clippy::option_option,
    reason = "the two mean different things to one caller"
)]
fn read_signing(section: &mut Section) -> Option<Option<Signing>> {
    const TOKENS: &[(&str, Tokens)] = &[
        ("required", Tokens::Required),
        ("optional", Tokens::Optional),
        ("none", Tokens::None),
    ];
    let tokens = section.choice("signing", TOKENS).or(Tokens::Required);
    let lifetimes = Duration::from_secs(1)..=Duration::from_hours(24 * 366);
    let default = Policy::default();
    let max_lifetime = section
        .duration("max_lifetime", lifetimes)
        .or(Duration::from_secs(default.max_lifetime_s));
    let key_file = section.path("keys").optional();
    let policy = Policy {
        required: tokens == Tokens::Required,
        max_lifetime_s: max_lifetime.as_secs(),
        ..default
    };
    match (tokens, key_file) {
        (Tokens::None, None) => Some(None),
        (Tokens::None, Some(_)) => {
            let hint = "take it out, or set signing = \"required\" or \"optional\"";
            section.problem("keys", "is given, but signing is \"none\"", Some(hint));
            None
        }
        (Tokens::Required | Tokens::Optional, None) => {
            let hint = "name the site's key set (millpond keys new makes one)";
            section.problem("keys", "is missing, and signing needs it", Some(hint));
            None
        }
        (Tokens::Required | Tokens::Optional, Some(key_file)) => match read_keys(&key_file) {
            Ok(keys) => Some(Some(Signing { keys, policy })),
            Err(what) => {
                section.problem("keys", &what, None);
                None
            }
        },
    }
}

/// Reads a key set within its bound.
fn read_keys(file: &Path) -> Result<KeySet, String> {
    let bytes = daemon::config::read_file(file, KEY_FILE_BYTES_MAX as u64)?;
    KeySet::parse(&bytes).map_err(|error| error.to_string())
}

fn refuse_shared_hosts(top: &mut Section, sites: &[Site]) {
    let mut hosts: Vec<&str> = sites
        .iter()
        .flat_map(|site| site.hosts.iter().map(String::as_str))
        .collect();
    hosts.sort_unstable();
    let twice = hosts.array_windows().find(|[one, other]| one == other);
    if let Some([host, _]) = twice {
        let what = format!("has the host \"{host}\" twice");
        top.problem("site", &what, Some("a host belongs to one site"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_a_request_can_name() {
        for host in [
            "cdn.example",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "a_b.xn--p1ai",
        ] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "",
            "cdn.example:443",
            "cdn.example.",
            "*.example",
            "a/b",
            "::1",
            "[cdn]",
            "a b",
            "a..b",
        ] {
            assert!(!is_host(host), "{host}");
        }
    }
}
