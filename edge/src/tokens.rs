//! How a site's URLs are signed: the part of its config that the gate works by.

use std::{path::Path, sync::Arc, time::Duration};

use daemon::config::{Section, read_file};
use signing::{
    Carriers, Jti, KEY_FILE_BYTES_MAX, KeySet, Label, Names, Policy, REVOKED_FILE_BYTES_MAX,
    Regions, Revoked, Scheme, Schemes, SigningKey, VerifyKey,
};

const LABEL: &str = "a name of up to 64 letters, digits, '.', '_' or '-'";

/// A signing key's file, many times over.
const SIGNING_KEY_BYTES_MAX: u64 = 16 * 1024;

/// What a site asks of its tokens.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) keys: KeySet,
    pub(crate) revoked: Revoked,
    pub(crate) policy: Policy,
    pub(crate) session: Option<Session>,
    /// Signs the next token of a chain (RFC 9246 section 3).
    pub(crate) renewal: Option<Arc<SigningKey>>,
}

/// How a short token at the playlist becomes a longer one at the segments.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) lifetime_s: u64,
    pub(crate) carrier: SessionCarrier,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionCarrier {
    /// A cookie with every answer.
    Cookie,
    /// A redirection of playlists to a path that their relative URLs inherit.
    Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Required,
    Optional,
    None,
}

/// The outer `None` is a problem that was told; the inner one a site without signing.
#[expect(
    clippy::option_option,
    reason = "the two mean different things to one caller"
)]
pub(crate) fn read(section: &mut Section, here: Option<&Label>) -> Option<Option<Tokens>> {
    const WANTED: &[(&str, Wanted)] = &[
        ("required", Wanted::Required),
        ("optional", Wanted::Optional),
        ("none", Wanted::None),
    ];
    let wanted = section.choice("signing", WANTED).or(Wanted::Required);
    let policy = read_policy(section, wanted, here);
    let key_file = section.path("keys").optional();
    let revoked = section.path("revoked").optional();
    let session = read_session(section, policy.max_lifetime_s);
    let renewal = read_signing_key(section, "renewal_key", Scheme::UriSigning);
    match (wanted, key_file) {
        (Wanted::None, None) => Some(None),
        (Wanted::None, Some(_)) => {
            let hint = "take it out, or set signing = \"required\" or \"optional\"";
            section.problem("keys", "is given, but signing is \"none\"", Some(hint));
            None
        }
        (Wanted::Required | Wanted::Optional, None) => {
            let hint = "name the site's key set (millpond keys new makes one)";
            section.problem("keys", "is missing, and signing needs it", Some(hint));
            None
        }
        (Wanted::Required | Wanted::Optional, Some(key_file)) => {
            let own = [
                session.as_ref().map(|session| &session.key),
                renewal.as_ref(),
            ];
            let own = own.into_iter().flatten().map(|key| key.verify_key());
            let keys = tell(section, "keys", read_keys(&key_file, own));
            if let (Some(renewal), Some(keys)) = (&renewal, &keys) {
                check_issuer(section, renewal, keys);
            }
            let revoked = match revoked {
                Some(file) => tell(section, "revoked", read_revoked(&file)),
                None => Some(Revoked::default()),
            };
            Some(Some(Tokens {
                keys: keys?,
                revoked: revoked?,
                policy: Policy {
                    renews: renewal.is_some(),
                    ..policy
                },
                session,
                renewal,
            }))
        }
    }
}

fn read_policy(section: &mut Section, wanted: Wanted, here: Option<&Label>) -> Policy {
    const NONCES: &[(&str, Jti)] = &[
        ("refuse", Jti::Refuse),
        ("id", Jti::Id),
        ("once", Jti::Once),
    ];
    let default = Policy::default();
    let lifetimes = Duration::from_secs(1)..=Duration::from_hours(24 * 366);
    let max_lifetime = section
        .duration("max_lifetime", lifetimes)
        .or(Duration::from_secs(default.max_lifetime_s));
    Policy {
        required: wanted == Wanted::Required,
        max_lifetime_s: max_lifetime.as_secs(),
        region: here.cloned(),
        audience: section.text("uri_signing_audience").optional(),
        jti: section.choice("uri_signing_jti", NONCES).or(default.jti),
        nonces_max: section
            .number("uri_signing_nonces", 1..=1 << 20)
            .or(default.nonces_max),
        jwt_header: read_header(section),
        ..default
    }
}

/// RFC 9246 section 2.1.1: a token with an issuer is renewed with one, which is the edge's own.
fn check_issuer(section: &mut Section, renewal: &SigningKey, keys: &KeySet) {
    let is_named = keys.keys().iter().any(|key| key.issuer.is_some());
    if is_named && renewal.issuer().is_none() {
        let hint = "make it with millpond keys new --issuer, so that renewed tokens say who signed";
        let what = "has no issuer, and a key of the key set has one";
        section.problem("renewal_key", what, Some(hint));
    }
}

/// RFC 9246 section 2.2: what tokens leave out.
fn read_header(section: &mut Section) -> Option<String> {
    let form = "the first part of a JWT: base64url, up to 512 characters";
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let header = section.parsed("uri_signing_header", form, |text| {
        let fits = (1..=512).contains(&text.len()) && text.bytes().all(legal);
        fits.then(|| text.to_owned())
    });
    header.optional()
}

/// The names and schemes of a site's tokens.
pub(crate) fn read_carriers(section: &mut Section, tokens: Option<&Tokens>) -> Carriers {
    let default = Carriers::default();
    let names = Names::default();
    let mut label = |key, default| {
        let found = section.parsed(key, LABEL, |text| Label::parse(text).ok());
        found.or(default)
    };
    let parameter = label("token_parameter", default.parameter);
    let cookie = label("token_cookie", default.cookie);
    let names = Names {
        uri_signing: label("uri_signing_name", names.uri_signing),
        media_cdn: label("media_cdn_parameter", names.media_cdn),
        media_cdn_cookie: label("media_cdn_cookie", names.media_cdn_cookie),
        edge_auth: label("edge_auth_name", names.edge_auth),
    };
    let schemes = read_schemes(section);
    let session = tokens.is_some_and(|tokens| tokens.session.is_some());
    if session && !schemes.contains(Scheme::Native) {
        let hint = "add \"native\": a session goes on with a token of ours";
        section.problem("schemes", "leaves session tokens out", Some(hint));
    }
    Carriers {
        parameter,
        cookie,
        schemes,
        names,
    }
}

fn read_schemes(section: &mut Section) -> Schemes {
    let found = section.list("schemes", 1..=Scheme::ALL.len());
    let texts = found.or(vec![Scheme::Native.name().to_owned()]);
    let mut schemes = Vec::new();
    for text in &texts {
        match Scheme::parse(text) {
            Ok(scheme) => schemes.push(scheme),
            Err(error) => section.problem("schemes", &format!("has {error}"), None),
        }
    }
    Schemes::from_iter(schemes)
}

/// Which countries a site is for.
pub(crate) fn read_regions(section: &mut Section, database: bool) -> Regions {
    const UNKNOWN: &[(&str, bool)] = &[("deny", false), ("allow", true)];
    let regions = Regions {
        allowed: read_countries(section, "regions_allowed"),
        denied: read_countries(section, "regions_denied"),
        unknown_allowed: section.choice("regions_unknown", UNKNOWN).or(false),
    };
    if !regions.is_open() && !database {
        let hint = "set [regions] database: without one no country is known";
        section.problem(
            "regions_allowed",
            "or regions_denied cannot work",
            Some(hint),
        );
    }
    regions
}

fn read_countries(section: &mut Section, key: &'static str) -> Vec<Label> {
    let texts = section.list(key, 0..=256).or(Vec::new());
    let mut countries = Vec::new();
    for text in &texts {
        let code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        match Label::parse(text) {
            Ok(country) if code => countries.push(country),
            Ok(_) | Err(_) => {
                let what = format!("has \"{text}\", which is no country");
                section.problem(key, &what, Some("ISO 3166-1 codes: two capital letters"));
            }
        }
    }
    countries
}

fn read_session(section: &mut Section, max_lifetime_s: u64) -> Option<Session> {
    const CARRIERS: &[(&str, Option<SessionCarrier>)] = &[
        ("none", None),
        ("cookie", Some(SessionCarrier::Cookie)),
        ("path", Some(SessionCarrier::Path)),
    ];
    let carrier = section.choice("session", CARRIERS).or(None);
    let lifetimes = Duration::from_secs(1)..=Duration::from_secs(max_lifetime_s.max(1));
    let default = Duration::from_hours(4).min(*lifetimes.end());
    let lifetime = section.duration("session_lifetime", lifetimes).or(default);
    let key = read_signing_key(section, "session_key", Scheme::Native);
    let (carrier, key) = match (carrier, key) {
        (Some(carrier), Some(key)) => (carrier, key),
        (Some(_), None) => {
            let hint = "millpond keys new makes one, for edges and nobody else";
            section.problem(
                "session_key",
                "is missing, and session needs it",
                Some(hint),
            );
            return None;
        }
        (None, Some(_) | None) => return None,
    };
    Some(Session {
        key,
        lifetime_s: lifetime.as_secs(),
        carrier,
    })
}

/// A key that signs on the edge itself, from a file that is its owner's alone.
fn read_signing_key(
    section: &mut Section,
    key: &'static str,
    scheme: Scheme,
) -> Option<Arc<SigningKey>> {
    let file = section.private_file(key).optional()?;
    let read = || {
        let bytes = read_file(&file, SIGNING_KEY_BYTES_MAX)?;
        let signer = SigningKey::parse(&bytes).map_err(|error| error.to_string())?;
        if signer.scheme() == scheme {
            Ok(Arc::new(signer))
        } else {
            Err(format!(
                "is of {}, not of {}",
                signer.scheme().name(),
                scheme.name()
            ))
        }
    };
    let signer = read();
    tell(section, key, signer)
}

/// Reads a key set within its bound, with the halves of the edge's own keys.
fn read_keys(file: &Path, own: impl Iterator<Item = VerifyKey>) -> Result<KeySet, String> {
    let bytes = read_file(file, KEY_FILE_BYTES_MAX as u64)?;
    let set = KeySet::parse(&bytes).map_err(|error| error.to_string())?;
    let own: Vec<_> = own
        .filter(|key| set.keys().iter().all(|held| held.kid != key.kid))
        .collect();
    set.and(own).map_err(|error| error.to_string())
}

fn read_revoked(file: &Path) -> Result<Revoked, String> {
    let bytes = read_file(file, REVOKED_FILE_BYTES_MAX as u64)?;
    Revoked::parse(&bytes).map_err(|error| error.to_string())
}

fn tell<T>(section: &mut Section, key: &'static str, read: Result<T, String>) -> Option<T> {
    match read {
        Ok(value) => Some(value),
        Err(what) => {
            section.problem(key, &what, None);
            None
        }
    }
}
