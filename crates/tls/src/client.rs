//! The side towards the next hop: who is trusted, who we are.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rustls::{RootCertStore, client::Resumption, sign::SingleCertAndKey, version};

use crate::{Error, Identity, Warning, pem, provider};

/// Sessions kept for resumption towards upstreams; there are few of them.
const SESSIONS_MAX: usize = 64;

/// What a connection towards a shield, a peer or an origin trusts and shows.
#[derive(Debug, Clone, Default)]
pub struct ClientConfig {
    /// Authorities, as PEM files. Nothing else is trusted: not the system's store either, so an
    /// empty list trusts nobody.
    pub ca: Vec<PathBuf>,
    /// The identity for mutual TLS.
    pub identity: Option<Identity>,
    /// Application protocols in order of preference, such as `b"h2"`.
    pub alpn: Vec<Vec<u8>>,
}

impl ClientConfig {
    /// Loads the files. `now` is wall time since the Unix epoch. To rotate, build again.
    pub fn build(&self, now: Duration) -> Result<(Arc<rustls::ClientConfig>, Vec<Warning>), Error> {
        let provider = provider::aes_first();
        let mut roots = RootCertStore::empty();
        for path in &self.ca {
            for certificate in pem::certificates(path)? {
                roots.add(certificate).map_err(|error| Error::Certificate {
                    path: path.clone(),
                    detail: error.to_string(),
                })?;
            }
        }
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
            .with_root_certificates(roots);
        let mut warnings = Vec::new();
        let mut made = match &self.identity {
            Some(identity) => {
                let loaded = pem::load(identity, now, &provider)?;
                warnings.extend(loaded.warning);
                let resolver = SingleCertAndKey::from(loaded.certified);
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
            None => builder.with_no_client_auth(),
        };
        made.alpn_protocols.clone_from(&self.alpn);
        made.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        Ok((Arc::new(made), warnings))
    }
}
