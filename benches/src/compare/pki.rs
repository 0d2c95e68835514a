//! Certificates made on the spot: both servers show the same one.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::Error;

/// The shield's name in its certificate.
pub(crate) const SHIELD: &str = "shield.bench.internal";

/// Writes `ca.pem`, and `NAME.pem` with `NAME.key` for `server`, `client` and `shield`: ECDSA on
/// P-256, which is what public authorities issue by default.
pub(crate) fn write(folder: &Path) -> Result<(), Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "bench authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    save(folder, "ca.pem", &authority.pem())?;
    let (server, client) = (
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    );
    for (file, names, purpose) in [
        ("server", ["localhost", "127.0.0.1"].as_slice(), &server),
        ("shield", &[SHIELD], &server),
        ("client", &["edge.bench.internal"], &client),
    ] {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![purpose.clone()];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority)?;
        save(folder, &format!("{file}.pem"), &certificate.pem())?;
        save(folder, &format!("{file}.key"), &key.serialize_pem())?;
    }
    Ok(())
}

/// For the owner alone: a node warns of keys that others may read.
fn save(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = folder.join(name);
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(Error::io(path.display()))
}
