//! Keys of every scheme, and tokens signed with them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use signing::{
    Algorithm, Claims, KeySet, Label, Scheme, Scope, SigningKey, cloudfront, edge_auth, media_cdn,
    uri_signing,
};
use tempfile::TempDir;

use crate::{keys::SITE, world::Plan};

/// A key of each scheme, in one set, for all below one folder of one origin.
pub struct Signers {
    folder: TempDir,
    origin: &'static str,
    below: &'static str,
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
    /// New keys for `/hls`, and the files that an edge reads.
    pub fn new() -> Self {
        Self::at("https://signed.test", "/hls")
    }

    /// The same for a folder of an origin, which is signed without a port.
    pub fn at(origin: &'static str, below: &'static str) -> Self {
        let key = |scheme, algorithm, kid| {
            SigningKey::generate_for(scheme, algorithm, label(kid)).unwrap()
        };
        let signers = Self {
            folder: TempDir::with_prefix("millpond-signers-").unwrap(),
            origin,
            below,
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

    /// What a signed site is told to take them all.
    pub fn keys(&self) -> [(&'static str, toml::Value); 5] {
        let path = |name: &str| self.file(name).to_str().unwrap().to_owned();
        let schemes: Vec<_> = Scheme::ALL.map(|scheme| scheme.name().to_owned()).to_vec();
        [
            ("site.1.keys", path("keys.json").into()),
            ("site.1.schemes", schemes.into()),
            ("site.1.renewal_key", path("renewal.json").into()),
            ("site.1.session_key", path("session.json").into()),
            ("site.1.revoked", path("revoked.json").into()),
        ]
    }

    /// A world whose signed site takes them all.
    pub fn plan(&self) -> Plan {
        Plan::default().edge_keys(&self.keys())
    }

    /// A native token, as `change` has it.
    pub fn native(&self, change: impl FnOnce(&mut Claims)) -> String {
        let scope = Scope::prefix(self.below).unwrap();
        let mut claims = Claims::new(label(SITE), scope, now_s() - 60, now_s() + 600);
        change(&mut claims);
        signing::sign(&self.native, &claims).unwrap()
    }

    /// A dual token of Media CDN.
    pub fn google(&self) -> String {
        let glob = format!("{}/*", self.below);
        media_cdn::sign_patterns(&self.google, &[&glob], None, now_s() + 600, None).unwrap()
    }

    /// A token of EdgeAuth.
    pub fn akamai(&self) -> String {
        let pattern = format!("{}/*", self.below);
        edge_auth::sign_patterns(&self.akamai, &[&pattern], None, now_s() + 600, None).unwrap()
    }

    /// A JWT, to be renewed or not.
    pub fn cdni(&self, renew_s: Option<u64>) -> String {
        let regex = format!("{}{}/.*", self.origin.replace('.', r"\."), self.below);
        let what = uri_signing::Signed::Regex(&regex);
        uri_signing::sign(&self.cdni, &what, now_s() - 5, now_s() + 600, renew_s).unwrap()
    }

    /// A JWT with claims of its own, besides its end and what it is for.
    pub fn cdni_with(&self, end_s: u64, more: &serde_json::Value) -> String {
        let url = format!("{}{}/.*", self.origin.replace('.', r"\."), self.below);
        let mut claims = serde_json::json!({ "exp": end_s, "cdniuc": format!("regex:{url}") });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let header = BASE64.encode(r#"{"alg":"ES256","kid":"cdni"}"#);
        let text = format!("{header}.{}", BASE64.encode(claims.to_string()));
        let signature = BASE64.encode(self.cdni.signature(text.as_bytes()));
        format!("{text}.{signature}")
    }

    /// Parameters of CloudFront.
    pub fn amazon(&self) -> String {
        let resource = format!("{}{}/*", self.origin, self.below);
        cloudfront::sign(&self.amazon, &resource, None, now_s() + 600, None).unwrap()
    }
}
