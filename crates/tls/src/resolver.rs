//! Which certificate answers which server name.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::CertificateDer;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

/// Names to certificates: exact first, then a wildcard for the leftmost label.
#[derive(Debug)]
pub(crate) struct Table {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    /// For a client that sends no server name: the first certificate configured.
    first: Arc<CertifiedKey>,
}

impl Table {
    /// In the order of the configuration; on a clash the earlier wins. `None` without any.
    pub(crate) fn new(all: &[Arc<CertifiedKey>]) -> Option<Self> {
        let first = Arc::clone(all.first()?);
        let mut by_name = HashMap::new();
        for certified in all {
            for name in certified.cert.first().map(names).unwrap_or_default() {
                by_name.entry(name).or_insert_with(|| Arc::clone(certified));
            }
        }
        Some(Self { by_name, first })
    }

    /// The certificate for a name in lower case.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        // RFC 9525 section 6.3: a wildcard stands for exactly one leftmost label.
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        };
        self.by_name.get(name).or_else(wildcard)
    }
}

/// Resolves from whatever table is in force.
#[derive(Debug)]
pub(crate) struct Resolver(pub(crate) ArcSwap<Table>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.0.load();
        match hello.server_name() {
            // RFC 6066 section 3: a name that is not ours ends the handshake with an alert.
            Some(name) => table.find(&name.to_ascii_lowercase()).cloned(),
            None => Some(Arc::clone(&table.first)),
        }
    }
}

/// The DNS names (lower case) and addresses that a certificate is for.
fn names(leaf: &CertificateDer<'static>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
        return Vec::new();
    };
    let Ok(Some(alternative)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    alternative
        .value
        .general_names
        .iter()
        .filter_map(name)
        .collect()
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}
