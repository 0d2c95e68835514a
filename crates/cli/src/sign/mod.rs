//! `millpond sign`: a URL that an edge lets through, in the format of the key's scheme.

mod foreign;

use std::{fs, path::PathBuf};

use clap::ValueEnum;
use signing::{Carrier, Carriers, Claims, ClientNet, Label, Scheme, Scope, SigningKey};

use crate::{Error, output::say};

/// No edge can be told to take a longer one.
const LIFETIME_MAX_S: u64 = 366 * 24 * 3600;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to sign: `https://host/path`.
    url: String,
    /// The signing key that `millpond keys new` made.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The site's name in the edge's config. Native tokens alone name it.
    #[arg(long)]
    site: Option<String>,
    /// How long the token is good, in seconds: up to 366 days, and no longer than the site's
    /// `max_lifetime`, or an edge refuses it.
    #[arg(long, value_name = "SECONDS", default_value_t = 6 * 3600,
          value_parser = clap::value_parser!(u64).range(1..=LIFETIME_MAX_S))]
    expires_in: u64,
    /// Where the token travels. In front of the path, relative URLs in a playlist inherit it.
    #[arg(long, value_enum, default_value_t = Place::Path)]
    carrier: Place,
    /// What the token is good for: all below this path. Default: the URL's folder when the token
    /// travels in the path or a cookie, the URL alone when it travels in the query.
    #[arg(long, value_name = "PATH", conflicts_with = "glob")]
    prefix: Option<String>,
    /// What the token is good for: paths that match one of these patterns.
    #[arg(long, value_name = "PATTERN")]
    glob: Vec<String>,
    /// Only for viewers in this network: 203.0.113.0/24, `2001:db8::/56`, or one address.
    #[arg(long, value_name = "NET")]
    client: Option<String>,
    /// A session id for the access log.
    #[arg(long)]
    session: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    Query,
    Path,
    Cookie,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let bytes =
        fs::read(&arguments.key).map_err(|error| Error::file(arguments.key.clone(), error))?;
    let key = SigningKey::parse(&bytes)?;
    let now_s = message::now().unix_s();
    if key.scheme() != Scheme::Native {
        return foreign::run(arguments, &key, now_s);
    }
    let claims = arguments.claims(now_s)?;
    let token = signing::sign(&key, &claims)?;
    let carriers = Carriers::default();
    match arguments.carrier {
        Place::Query => say(carriers.signed_url(&arguments.url, Carrier::Query, &token)?),
        Place::Path => say(carriers.signed_url(&arguments.url, Carrier::Path, &token)?),
        Place::Cookie => say(format!("Cookie: {}={token}", carriers.cookie)),
    }
    Ok(())
}

impl Arguments {
    fn claims(&self, now_s: u64) -> Result<Claims, Error> {
        let site = self.site.as_deref();
        let site =
            site.ok_or_else(|| Error::Argument("a native token names its --site".to_owned()))?;
        let site = Label::parse(site)?;
        let mut claims = Claims::new(
            site,
            self.scope()?,
            now_s,
            now_s.saturating_add(self.expires_in),
        );
        let net = self.client.as_deref().map(ClientNet::parse).transpose()?;
        claims.client_nets = net.into_iter().collect();
        claims.session = self.session.as_deref().map(Label::parse).transpose()?;
        Ok(claims)
    }

    fn scope(&self) -> Result<Scope, Error> {
        if !self.glob.is_empty() {
            return Ok(Scope::globs(self.glob.iter().map(String::as_str))?);
        }
        if let Some(prefix) = &self.prefix {
            return Ok(Scope::prefix(prefix)?);
        }
        let path = path_of(&self.url)?;
        if self.carrier == Place::Query {
            return Ok(Scope::path(path)?);
        }
        match path.rsplit_once('/') {
            Some((folder, _)) if !folder.is_empty() => Ok(Scope::prefix(folder)?),
            _ => Ok(Scope::path(path)?),
        }
    }
}

fn path_of(url: &str) -> Result<&str, Error> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let target = rest.and_then(|rest| rest.find('/').map(|slash| &rest[slash..]));
    let target =
        target.ok_or_else(|| Error::Argument(format!("{url:?} is not https://host/path")))?;
    Ok(target.split('?').next().unwrap_or(target))
}
