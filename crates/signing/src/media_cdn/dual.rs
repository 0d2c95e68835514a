//! Media CDN's dual tokens.
//!
//! ```text
//! FullPath | PathGlobs=G | URLPrefix=P, then of Starts=, Expires=, SessionID=, Data=, Headers=N,
//! IPRanges=R, and Signature=S (Ed25519, base64url) or hmac=H (hexadecimal), joined by ~
//! ```
//!
//! Signed are the fields before the signature, with two differences: `FullPath` is signed as
//! `FullPath=` and the path, and each name in `Headers` as `name=` and the request's value. Globs
//! are joined by commas or by exclamation marks; `*` runs over slashes.

use std::borrow::Cow;

use base64::Engine as _;

use super::{BASE64, nets, text64};
use crate::{
    Algorithm, Claims, Denied, Error, Facts, Label, Scheme, Scope, SigningKey, edge_auth::seconds,
    hex, key_set::Wanted, presented::Decoded, url_scope::UrlScope,
};

/// The most header fields that one token signs.
const HEADERS_MAX: usize = 5;

/// What is signed of the request: nothing for most tokens.
pub(super) fn bound(text: &str, facts: &Facts<'_>) -> Cow<'static, str> {
    let mut bound = Cow::Borrowed("");
    for field in text.split('~') {
        if field == "FullPath" {
            bound.to_mut().push_str(facts.path.as_str());
        } else if let Some(names) = field.strip_prefix("Headers=") {
            bound
                .to_mut()
                .push_str(&headers(names, facts).unwrap_or_default());
        }
    }
    bound
}

#[derive(Default)]
struct Read<'a> {
    scope: Option<Scope>,
    starts: Option<u64>,
    expires: Option<u64>,
    session: Option<&'a str>,
    nets: Option<&'a str>,
    headers: Option<&'a str>,
    data: Option<&'a str>,
}

pub(super) fn decode(text: &str, site: &Label, facts: &Facts<'_>) -> Result<Decoded, Denied> {
    let cut = text
        .rsplit_once('~')
        .ok_or(Denied::Layout("signature is missing"))?;
    let (fields, last) = cut;
    let (signature, algorithms) = signature(last)?;
    let read = read(fields, facts)?;
    let scope = read.scope.ok_or(Denied::Layout(
        "FullPath, PathGlobs and URLPrefix are missing",
    ))?;
    let not_after_s = read.expires.ok_or(Denied::Layout("Expires is missing"))?;
    let mut claims = Claims::new(site.clone(), scope, read.starts.unwrap_or(0), not_after_s);
    claims.session = read.session.map(Label::naming);
    if let Some(ranges) = read.nets {
        claims.client_nets = nets(ranges).ok_or(Denied::Layout("IPRanges"))?;
    }
    let wanted = Wanted::Named {
        scheme: Scheme::MediaCdn,
        name: None,
        algorithms,
    };
    let message = signed(fields, facts)?.into_bytes();
    Ok(Decoded::new(wanted, claims, message, signature))
}

fn signature(field: &str) -> Result<(Vec<u8>, &'static [Algorithm]), Denied> {
    if let Some(signature) = field.strip_prefix("Signature=") {
        let signature = BASE64.decode(signature);
        let signature = signature.or(Err(Denied::Layout("Signature is not base64url")))?;
        return Ok((signature, &[Algorithm::Ed25519]));
    }
    let hmac = field
        .strip_prefix("hmac=")
        .ok_or(Denied::Layout("signature is not the last"))?;
    let hmac = hex::decode(hmac.as_bytes()).ok_or(Denied::Layout("hmac is not hexadecimal"))?;
    let algorithms: &'static [Algorithm] = match hmac.len() {
        20 => &[Algorithm::HmacSha1],
        _ => &[Algorithm::HmacSha256],
    };
    Ok((hmac, algorithms))
}

fn read<'a>(fields: &'a str, facts: &Facts<'_>) -> Result<Read<'a>, Denied> {
    let mut read = Read::default();
    let twice = Err(Denied::Layout("field is given twice"));
    for field in fields.split('~') {
        if field == "FullPath" {
            if read
                .scope
                .replace(Scope::Path(facts.path.clone()))
                .is_some()
            {
                return twice;
            }
            continue;
        }
        let (name, value) = field
            .split_once('=')
            .ok_or(Denied::Layout("field without ="))?;
        let number = || seconds(value).ok_or(Denied::Layout("time is not a number"));
        let again = match name {
            "PathGlobs" => read.scope.replace(globs(value)?).is_some(),
            "URLPrefix" => read.scope.replace(prefix(value)?).is_some(),
            "Starts" => read.starts.replace(number()?).is_some(),
            "Expires" => read.expires.replace(number()?).is_some(),
            "SessionID" => read.session.replace(value).is_some(),
            "Data" => read.data.replace(value).is_some(),
            "Headers" => read.headers.replace(value).is_some(),
            "IPRanges" => read.nets.replace(value).is_some(),
            _ => return Err(Denied::Layout("field is unknown")),
        };
        if again {
            return twice;
        }
    }
    Ok(read)
}

fn globs(value: &str) -> Result<Scope, Denied> {
    let separator = if value.contains('!') { '!' } else { ',' };
    let scope = UrlScope::path_patterns(value.split(separator));
    scope
        .map(Scope::Url)
        .ok_or(Denied::Layout("PathGlobs is not 1 to 16 patterns"))
}

fn prefix(value: &str) -> Result<Scope, Denied> {
    let scope = text64(value).and_then(|prefix| UrlScope::prefix(&prefix));
    let scope = scope.map(Scope::Url);
    scope.ok_or(Denied::Layout(
        "URLPrefix is not a scheme, a host and a path",
    ))
}

fn signed(fields: &str, facts: &Facts<'_>) -> Result<String, Denied> {
    let mut signed = String::with_capacity(fields.len() + facts.path.as_str().len());
    for (index, field) in fields.split('~').enumerate() {
        if index > 0 {
            signed.push('~');
        }
        if field == "FullPath" {
            signed.push_str("FullPath=");
            signed.push_str(facts.path.as_str());
        } else if let Some(names) = field.strip_prefix("Headers=") {
            let headers = headers(names, facts).ok_or(Denied::Layout("Headers"))?;
            signed.push_str("Headers=");
            signed.push_str(&headers);
        } else {
            signed.push_str(field);
        }
    }
    Ok(signed)
}

/// `name=value` for each name; a field that is absent has no value.
fn headers(names: &str, facts: &Facts<'_>) -> Option<String> {
    if names.split(',').count() > HEADERS_MAX {
        return None;
    }
    let pairs = names.split(',').map(|name| {
        let value = facts.fields.joined(name).unwrap_or_default();
        format!("{name}={value}")
    });
    Some(pairs.collect::<Vec<_>>().join(","))
}

/// A dual token for paths that one of the globs means.
pub fn sign_patterns(
    key: &SigningKey,
    globs: &[&str],
    not_before_s: Option<u64>,
    not_after_s: u64,
    session: Option<&Label>,
) -> Result<String, Error> {
    if key.scheme() != Scheme::MediaCdn {
        return Err(Error::Claims("the key is not of media-cdn"));
    }
    let odd = |glob: &&str| glob.contains(['~', '!', ',', ';', '&', '=']);
    if UrlScope::path_patterns(globs.iter().copied()).is_none() || globs.iter().any(odd) {
        return Err(Error::Claims(
            "a glob starts with / or * and has none of ~ ! , ; & =",
        ));
    }
    let mut fields = vec![format!("PathGlobs={}", globs.join(","))];
    fields.extend(not_before_s.map(|s| format!("Starts={s}")));
    fields.push(format!("Expires={not_after_s}"));
    fields.extend(session.map(|session| format!("SessionID={session}")));
    let text = fields.join("~");
    let signature = key.signature(text.as_bytes());
    Ok(match key.algorithm() {
        Algorithm::HmacSha1 | Algorithm::HmacSha256 => {
            format!("{text}~hmac={}", hex::encode(&signature))
        }
        Algorithm::Ed25519 | Algorithm::EcdsaP256 | Algorithm::RsaSha256 | Algorithm::RsaSha1 => {
            let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
            format!("{text}~Signature={}", engine.encode(signature))
        }
    })
}
