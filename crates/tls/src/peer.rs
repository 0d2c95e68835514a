//! Who a verified client certificate says it is.

use rustls_pki_types::CertificateDer;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

/// The first DNS name of the leaf's subject alternative names, else its common name.
///
/// Gives a name, not trust: call it with a chain that a handshake has verified. `None` for an
/// empty chain, a leaf that does not parse, or one without either name.
pub fn peer_identity(chain: &[CertificateDer<'_>]) -> Option<String> {
    let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
    if let Ok(Some(alternative)) = leaf.subject_alternative_name() {
        let dns = alternative
            .value
            .general_names
            .iter()
            .find_map(|name| match name {
                GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                _ => None,
            });
        if dns.is_some() {
            return dns;
        }
    }
    leaf.subject()
        .iter_common_name()
        .next()?
        .as_str()
        .ok()
        .map(ToOwned::to_owned)
}
