//! Authorities and certificates made on the spot, as PEM files in a folder that goes with them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version,
};
use tempfile::TempDir;

/// Names that every server certificate holds.
pub const HOSTS: [&str; 5] = [
    "localhost",
    "127.0.0.1",
    "media.test",
    "signed.test",
    "shield.test",
];

/// A certificate with its key, as files.
#[derive(Debug, Clone)]
pub struct Files {
    /// The chain.
    pub cert: PathBuf,
    /// The key, readable by its owner alone.
    pub key: PathBuf,
}

/// Two authorities, one trusted and one not, and what they signed.
pub struct Pki {
    _folder: TempDir,
    ca: Authority,
    stranger: Authority,
    server: Files,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
    file: PathBuf,
    der: CertificateDer<'static>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Good,
    Expired,
}

impl Pki {
    /// Makes two authorities.
    pub fn new() -> Self {
        let folder = TempDir::with_prefix("millpond-pki-").unwrap();
        let ca = Authority::new(folder.path(), "ca");
        let stranger = Authority::new(folder.path(), "stranger");
        let server = ca.sign("server", &HOSTS, Life::Good);
        Self {
            _folder: folder,
            ca,
            stranger,
            server,
        }
    }

    /// The trusted authority's certificate.
    pub fn ca(&self) -> &Path {
        &self.ca.file
    }

    /// A server's certificate for all of [`HOSTS`].
    pub fn server(&self) -> Files {
        self.server.clone()
    }

    /// A client's certificate that names `host`, for mutual TLS.
    pub fn client(&self, host: &str) -> Files {
        self.ca.sign(host, &[host], Life::Good)
    }

    /// A client's certificate of an authority that nobody trusts.
    pub fn strange_client(&self, host: &str) -> Files {
        let file = format!("strange-{host}");
        self.stranger.sign(&file, &[host], Life::Good)
    }

    /// A client's certificate whose time is over.
    pub fn expired_client(&self, host: &str) -> Files {
        let file = format!("expired-{host}");
        self.ca.sign(&file, &[host], Life::Expired)
    }

    /// A client's TLS settings that trust the authority, show `identity`, and offer `alpn`.
    pub fn client_config(&self, identity: Option<&Files>, alpn: &[u8]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(files) => {
                let chain = vec![CertificateDer::from_pem_file(&files.cert).unwrap()];
                let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        config
    }
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("millpond test {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        date(&mut params, Life::Good);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, cert.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            folder: folder.to_owned(),
            file,
            der: cert.der().clone(),
        }
    }

    fn sign(&self, file: &str, hosts: &[&str], life: Life) -> Files {
        let names: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, hosts[0]);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        date(&mut params, life);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let files = Files {
            cert: self.folder.join(format!("{file}.pem")),
            key: self.folder.join(format!("{file}.key")),
        };
        fs::write(&files.cert, cert.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
        files
    }
}

/// Fixed dates, so that no clock is read here.
fn date(params: &mut CertificateParams, life: Life) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = match life {
        Life::Good => date_time_ymd(2060, 1, 1),
        Life::Expired => date_time_ymd(2021, 1, 1),
    };
}
