//! Config files of test nodes: production's keys, with loopback addresses and limits for one
//! client address.

use std::{fmt, net::SocketAddr};

use toml::{Table, Value};

use super::Home;
use crate::pki::{Files, Pki};

/// The text of a config file, key by key.
#[derive(Debug, Clone)]
pub struct Settings(Table);

impl Settings {
    /// An edge named `edge1` before these shields. Site `media` (hosts `media.test`, `localhost`)
    /// is open; a signed site is added by [`Self::with_signed_site`].
    pub fn edge(home: &Home, pki: &Pki, shields: &[SocketAddr]) -> Self {
        let identity = pki.client("edge1.test");
        let mut settings = Self::node("edge1", home, &pki.server());
        settings.set("shields.ca", path(pki.ca()));
        settings.set("shields.certificate", path(&identity.cert));
        settings.set("shields.key", path(&identity.key));
        for (n, address) in shields.iter().enumerate() {
            settings.set(
                &format!("shields.member.{n}.name"),
                format!("shield{}", n + 1),
            );
            settings.set(&format!("shields.member.{n}.server_name"), "shield.test");
            let addresses = vec![address.to_string()];
            settings.set(&format!("shields.member.{n}.addresses"), addresses);
        }
        settings.set("site.0.name", "media");
        settings.set("site.0.hosts", vec!["media.test", "localhost", "127.0.0.1"]);
        settings.set("site.0.signing", "none");
        // Objects of the oracle say nothing of their lifetime.
        settings.set("site.0.ttl_default", "1m");
        settings
    }

    /// A shield named `shield1` whose site `media` is at the HTTP origin `url`.
    pub fn shield(home: &Home, pki: &Pki, url: &str) -> Self {
        let mut settings = Self::node("shield1", home, &pki.server());
        settings.set("tls.client_ca", path(pki.ca()));
        settings.set("site.0.name", "media");
        settings.set("site.0.ttl_default", "1m");
        settings.set("site.0.origin.kind", "http");
        settings.set("site.0.origin.urls", vec![url]);
        settings
    }

    fn node(name: &str, home: &Home, server: &Files) -> Self {
        let mut settings = Self(Table::new());
        settings.set("node.name", name);
        settings.set("listen.address", "127.0.0.1:0");
        settings.set("admin.address", "127.0.0.1:0");
        settings.set("log.access", path(&home.access_log()));
        settings.set("drain.deadline", "20s");
        settings.set("tls.certificates.0.certificate", path(&server.cert));
        settings.set("tls.certificates.0.key", path(&server.key));
        settings.set("limits.connections_per_ipv4", 100_000);
        settings.set("limits.new_connections_per_s", 1_000_000);
        settings.set("limits.new_connections_burst", 1_000_000);
        settings.set("cache.ram", "64MiB");
        settings.set("cache.state", path(&home.path().join("state")));
        settings
    }

    /// Gives the cache a disk in the node's folder.
    #[must_use]
    pub fn with_disk(mut self, home: &Home, mib: u64) -> Self {
        self.set("cache.segment", "8MiB");
        self.set("cache.disk.0.path", path(&home.disk()));
        self.set("cache.disk.0.size", format!("{mib}MiB"));
        self
    }

    /// Adds the site `vault` (host `signed.test`) with a key set (an edge), at `url` (a shield).
    #[must_use]
    pub fn with_signed_site(mut self, keys: &std::path::Path) -> Self {
        self.set("site.1.name", "vault");
        self.set("site.1.hosts", vec!["signed.test"]);
        self.set("site.1.keys", path(keys));
        self.set("site.1.ttl_default", "1m");
        self
    }

    /// Adds the site `vault` to a shield.
    #[must_use]
    pub fn with_vault_at(mut self, url: &str) -> Self {
        self.set("site.1.name", "vault");
        self.set("site.1.ttl_default", "1m");
        self.set("site.1.origin.kind", "http");
        self.set("site.1.origin.urls", vec![url]);
        self
    }

    /// Adds the steering API: `steering.test` may do everything, `monitor.test` may see.
    #[must_use]
    pub fn with_steering(mut self, pki: &Pki) -> Self {
        let server = pki.server();
        self.set("steering.listen", "127.0.0.1:0");
        self.set("steering.certificate", path(&server.cert));
        self.set("steering.key", path(&server.key));
        self.set("steering.client_ca", path(pki.ca()));
        self.set("steering.steering", vec!["steering.test"]);
        self.set("steering.readers", vec!["monitor.test"]);
        self.set("steering.cdn_id", "AS64500:1");
        self
    }

    /// The same with one key changed; see [`Self::set`].
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    /// Sets a key such as `site.0.origin.kind`: a number is a place in a list of tables, and the
    /// next place adds one.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        let mut steps: Vec<&str> = key.split('.').collect();
        let last = steps.pop().unwrap();
        let mut at = &mut self.0;
        let mut steps = steps.into_iter().peekable();
        while let Some(step) = steps.next() {
            at = match steps.next_if(|next| next.parse::<usize>().is_ok()) {
                None => {
                    let table = at.entry(step).or_insert_with(|| Table::new().into());
                    table.as_table_mut().unwrap()
                }
                Some(place) => {
                    let list = at.entry(step).or_insert_with(|| Vec::<Value>::new().into());
                    let list = list.as_array_mut().unwrap();
                    let place: usize = place.parse().unwrap();
                    if place == list.len() {
                        list.push(Table::new().into());
                    }
                    list[place].as_table_mut().unwrap()
                }
            };
        }
        at.insert(last.to_owned(), value.into());
    }

    /// Takes a key of a top-level section away.
    pub fn unset(&mut self, section: &str, key: &str) {
        self.0[section].as_table_mut().unwrap().remove(key);
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn path(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}
