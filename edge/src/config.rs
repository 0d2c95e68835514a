//! What an edge is told: the shared sections, its shields and its sites.

use std::{
    net::Ipv6Addr,
    path::{Path, PathBuf},
    sync::Arc,
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
use signing::{Carriers, Grammar, Label, Regions};
use tls::Identity;

use crate::{
    App,
    countries::Countries,
    fill::{Fill, Wish},
    gate::CmcdRules,
    tokens::{self, Tokens},
};

/// A checked config: every part of it can work, as far as a file can tell.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) file: PathBuf,
    pub(crate) sections: Sections,
    pub(crate) shields: Shields,
    pub(crate) sites: Vec<Site>,
    pub(crate) countries: Countries,
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
    pub(crate) tokens: Option<Tokens>,
    pub(crate) regions: Regions,
    pub(crate) carriers: Carriers,
    /// What its paths may be.
    pub(crate) grammar: Grammar,
    pub(crate) key: KeyRules,
    pub(crate) cors: Cors,
    /// Whether `Server-Timing` is sent to those who ask.
    pub(crate) server_timing: bool,
    /// What is made of what players tell.
    pub(crate) cmcd: CmcdRules,
    pub(crate) rules: Arc<SiteRules>,
    /// Where prepositioning may fetch its objects when the shields cannot give them.
    pub(crate) origin: Option<Origin>,
}

/// What a config file makes.
type Parts = (Sections, Shields, Vec<Site>, Countries, Option<Fill>);

impl Config {
    /// Reads a config file, and the key sets that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load(file: &Path) -> Result<Self, Report> {
        let Loaded { value, effective } = daemon::config::load(file, Self::read)?;
        let (sections, shields, sites, countries, fill) = value;
        Ok(Self {
            file: file.to_owned(),
            sections,
            shields,
            sites,
            countries,
            fill,
            effective,
        })
    }

    fn read(top: &mut Section) -> Option<Parts> {
        let fill = top.optional_section("fill", Wish::read);
        let sections = Sections::read(top, Clients::Anybody, Wish::plans(fill.as_ref()));
        let shields = top.section("shields", read_shields);
        let countries = top.optional_section("regions", Countries::read);
        let countries = countries.unwrap_or_default();
        let sites = top.sections("site", 1..=10_000, |site| read_site(site, &countries));
        refuse_shared_hosts(top, &sites);
        let sections = sections?;
        let fill = fill.and_then(|wish| wish.with(&sections));
        Some((sections, shields?, sites, countries, fill))
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

    fn warnings(&self) -> Vec<String> {
        let disks = &self.sections.store.disks;
        let fill = self.fill.iter();
        let fill = fill.flat_map(|fill| fill.warnings(disks.len()));
        self.sections.warnings().into_iter().chain(fill).collect()
    }

    fn effective(&self) -> serde_json::Value {
        self.effective.clone()
    }

    async fn build(mut self, daemon: Daemon) -> Result<App, BoxError> {
        if let Some(fill) = &mut self.fill {
            fill.room.rehearsal = node::rehearsal();
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

const GRAMMARS: &[(&str, Grammar)] = &[
    ("unreserved", Grammar::Unreserved),
    ("delimited", Grammar::Delimited),
];

fn read_site(section: &mut Section, countries: &Countries) -> Option<Site> {
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
    let tokens = tokens::read(section, countries.here.as_ref());
    let carriers = tokens::read_carriers(section, tokens.as_ref().and_then(Option::as_ref));
    let regions = tokens::read_regions(section, countries.are_known());
    let grammar = section
        .choice("path_grammar", GRAMMARS)
        .or(Grammar::Unreserved);
    let mut query = section.list("query", 0..=64).or(Vec::new());
    let origins = section.list("cors", 0..=256).or(vec!["*".to_owned()]);
    let server_timing = section.flag("server_timing").or(false);
    let cmcd = section.section("cmcd", |cmcd| Some(CmcdRules::read(cmcd)));
    let rules = node::read_rules(section, Clients::Anybody);
    let origin = section.optional_section("origin", Origin::read);
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
        tokens: tokens?,
        regions,
        carriers,
        grammar,
        key: KeyRules {
            query,
            case: rules.case,
        },
        cors: Cors { allow_origins },
        server_timing,
        cmcd: cmcd?,
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
