//! Keys of every scheme, and tokens signed with them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use signing::{
    Algorithm, Claims, KeySet, Label, Scheme, Scope, SigningKey, cloudfront, edge_auth, media_cdn,
    uri_signing,
};
use tempfile::TempDir;

use crate::{keys::SITE, world::Plan};

/// URLs are signed without a port.
const ORIGIN: &str = "https://signed.test";

/// A key of each scheme, in one set.
pub struct Signers {
    folder: TempDir,
    native: SigningKey,
    cdni: SigningKey,
    google: SigningKey,
    amazon: SigningKey,
    akamai: SigningKey,
    session: SigningKey,
}

fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

fn now_s() -> u64 {
    message::now().unix_s()
}

impl Default for Signers {
    fn default() -> Self {
        Self::new()
    }
}

impl Signers {
    /// New keys, and the files that an edge reads.
    pub fn new() -> Self {
        let key = |scheme, algorithm, kid| {
            SigningKey::generate_for(scheme, algorithm, label(kid)).unwrap()
        };
        let signers = Self {
            folder: TempDir::with_prefix("millpond-signers-").unwrap(),
            native: key(Scheme::Native, Algorithm::Ed25519, "native"),
            cdni: key(Scheme::UriSigning, Algorithm::EcdsaP256, "cdni"),
            google: key(Scheme::MediaCdn, Algorithm::Ed25519, "google"),
            amazon: key(Scheme::CloudFront, Algorithm::EcdsaP256, "KAMAZON"),
            akamai: key(Scheme::EdgeAuth, Algorithm::HmacSha256, "akamai"),
            session: key(Scheme::Native, Algorithm::HmacSha256, "session"),
        };
        let all = [
            &signers.native,
            &signers.cdni,
            &signers.google,
            &signers.amazon,
            &signers.akamai,
        ];
        let set = KeySet::new(all.map(SigningKey::verify_key).to_vec()).unwrap();
        signers.write("keys.json", &set.to_json());
        signers.write("renewal.json", &signers.cdni.to_json());
        signers.write("session.json", &signers.session.to_json());
        signers.write("revoked.json", r#"{"version": 1}"#);
        signers
    }

    /// Writes a file that is its owner's alone.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
        fs::set_permissions(self.file(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A world whose signed site takes them all.
    pub fn plan(&self) -> Plan {
        let path = |name: &str| self.file(name).to_str().unwrap().to_owned();
        let schemes: Vec<_> = Scheme::ALL.map(|scheme| scheme.name().to_owned()).to_vec();
        Plan::default()
            .edge_key("site.1.keys", path("keys.json"))
            .edge_key("site.1.schemes", schemes)
            .edge_key("site.1.renewal_key", path("renewal.json"))
            .edge_key("site.1.session_key", path("session.json"))
            .edge_key("site.1.revoked", path("revoked.json"))
    }

    /// A native token for `/hls`, as `change` has it.
    pub fn native(&self, change: impl FnOnce(&mut Claims)) -> String {
        let scope = Scope::prefix("/hls").unwrap();
        let mut claims = Claims::new(label(SITE), scope, now_s() - 60, now_s() + 600);
        change(&mut claims);
        signing::sign(&self.native, &claims).unwrap()
    }

    /// A dual token of Media CDN for `/hls`.
    pub fn google(&self) -> String {
        media_cdn::sign_patterns(&self.google, &["/hls/*"], None, now_s() + 600, None).unwrap()
    }

    /// A token of EdgeAuth for `/hls`.
    pub fn akamai(&self) -> String {
        edge_auth::sign_patterns(&self.akamai, &["/hls/*"], None, now_s() + 600, None).unwrap()
    }

    /// A JWT for `/hls`, to be renewed or not.
    pub fn cdni(&self, renew_s: Option<u64>) -> String {
        let what = uri_signing::Signed::Regex(r"https://signed\.test/hls/.*");
        uri_signing::sign(&self.cdni, &what, now_s() - 5, now_s() + 600, renew_s).unwrap()
    }

    /// Parameters of CloudFront for `/hls`.
    pub fn amazon(&self) -> String {
        let resource = format!("{ORIGIN}/hls/*");
        cloudfront::sign(&self.amazon, &resource, None, now_s() + 600, None).unwrap()
    }
}
