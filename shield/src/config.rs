//! What a shield is told: the shared sections, who may ask, and where each site's objects are.

use std::{path::Path, path::PathBuf, sync::Arc};

use cache::SiteRules;
use daemon::{
    config::{Loaded, Report, Section},
    process::{BoxError, Daemon},
};
use node::{Bucket, Clients, NodeConfig, Sections};
use upstream::Limits;

use crate::App;

/// A checked config: every part of it can work, as far as a file can tell.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) file: PathBuf,
    pub(crate) sections: Sections,
    pub(crate) edges: Vec<String>,
    pub(crate) sites: Vec<Site>,
    pub(crate) effective: serde_json::Value,
}

/// One `[[site]]`.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) name: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) limits: Limits,
    pub(crate) rules: Arc<SiteRules>,
}

/// Where a site's objects are.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    Directory {
        root: PathBuf,
    },
    S3(Bucket),
    Http {
        urls: Vec<String>,
        host: Option<String>,
        ca: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    S3,
    Http,
}

impl Config {
    /// Reads a config file, and the secrets that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn load(file: &Path) -> Result<Self, Report> {
        let Loaded { value, effective } = daemon::config::load(file, Self::read)?;
        let (sections, edges, sites) = value;
        Ok(Self {
            file: file.to_owned(),
            sections,
            edges,
            sites,
            effective,
        })
    }

    fn read(top: &mut Section) -> Option<(Sections, Vec<String>, Vec<Site>)> {
        let sections = Sections::read(top, Clients::WithCertificate);
        let edges = top.section("edges", |edges| {
            Some(edges.list("names", 0..=10_000).or(Vec::new()))
        });
        let sites = top.sections("site", 1..=10_000, read_site);
        Some((sections?, edges?, sites))
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

    async fn build(self, daemon: Daemon) -> Result<App, BoxError> {
        Ok(App::build(self, daemon).await?)
    }
}

fn read_site(section: &mut Section) -> Option<Site> {
    let expected = "a name of up to 64 letters, digits, '.', '_' or '-'";
    let name = section.parsed("name", expected, |text| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| text.to_owned())
    });
    let name = name.required();
    let ttl = node::read_ttl(section);
    let origin = section.section("origin", read_origin);
    let (origin, limits) = origin?;
    Some(Site {
        name: name?.into(),
        origin,
        limits,
        rules: Arc::new(SiteRules { ttl }),
    })
}

fn read_origin(section: &mut Section) -> Option<(Origin, Limits)> {
    const KINDS: &[(&str, Kind)] = &[
        ("directory", Kind::Directory),
        ("s3", Kind::S3),
        ("http", Kind::Http),
    ];
    let limits = node::read_upstream_limits(section, Limits::default());
    let Some(kind) = section.choice("kind", KINDS).required() else {
        section.ignore_rest();
        return None;
    };
    let origin = match kind {
        Kind::Directory => {
            let root = section.path("path").required();
            Origin::Directory { root: root? }
        }
        Kind::S3 => Origin::S3(Bucket::read(section)?),
        Kind::Http => {
            let urls = section.list("urls", 1..=16).required();
            let host = section.text("host").optional();
            let ca = section.file("ca").optional();
            Origin::Http {
                urls: urls?,
                host,
                ca,
            }
        }
    };
    Some((origin, limits))
}
