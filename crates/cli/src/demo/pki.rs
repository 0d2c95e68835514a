//! Certificates made on the spot: an authority, the edge's and the shield's server certificates,
//! and the edge's client certificate towards the shield.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use crate::{Error, keys};

/// The shield's name in its certificate.
pub(crate) const SHIELD: &str = "shield.demo.internal";
/// Who steers, in his client certificate.
pub(crate) const STEERING: &str = "steering.demo.internal";
/// The edge's name in its client certificate.
const EDGE: &str = "edge.demo.internal";

/// Writes `ca.pem`, and `NAME.pem` with `NAME.key` for `edge`, `edge-client`, `shield` and
/// `steering`.
pub(crate) fn write(folder: &Path) -> Result<(), Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "Millpond demo authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    keys::replace(&folder.join("ca.pem"), &authority.pem())?;

    let server = ExtendedKeyUsagePurpose::ServerAuth;
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    issue(
        folder,
        "edge",
        &["localhost", "127.0.0.1", "::1"],
        server.clone(),
        &authority,
    )?;
    issue(folder, "shield", &[SHIELD], server, &authority)?;
    issue(folder, "edge-client", &[EDGE], client.clone(), &authority)?;
    issue(folder, "steering", &[STEERING], client, &authority)
}

fn issue(
    folder: &Path,
    file: &str,
    names: &[&str],
    purpose: ExtendedKeyUsagePurpose,
    authority: &CertifiedIssuer<'_, KeyPair>,
) -> Result<(), Error> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names.clone())?;
    if let Some(name) = names.first() {
        params
            .distinguished_name
            .push(DnType::CommonName, name.clone());
    }
    params.extended_key_usages = vec![purpose];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    keys::replace(&folder.join(format!("{file}.pem")), &certificate.pem())?;
    keys::replace(&folder.join(format!("{file}.key")), &key.serialize_pem())
}
