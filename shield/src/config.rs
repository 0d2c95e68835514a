//! What a shield is told: the shared sections, who may ask, and where each site's objects are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use cache::SiteRules;
use daemon::{
    config::{Loaded, Report, Section},
    process::{BoxError, Daemon},
};
use node::{Clients, NodeConfig, Origin, Plans, Sections};

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
    pub(crate) rules: Arc<SiteRules>,
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
        let sections = Sections::read(top, Clients::WithCertificate, Plans::None);
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
    let rules = node::read_rules(section, Clients::WithCertificate);
    let origin = section.section("origin", Origin::read);
    Some(Site {
        name: name?.into(),
        origin: origin?,
        rules: Arc::new(rules),
    })
}
