//! Media CDN's signed requests.
//!
//! ```text
//! query, one URL   https://host/path?[own&]Expires=E&KeyName=K[&IPRanges=R]&Signature=S
//! query, prefix    URLPrefix=P&Expires=E&KeyName=K[&IPRanges=R]&Signature=S
//! cookie, prefix   URLPrefix=P:Expires=E:KeyName=K[:IPRanges=R]:Signature=S
//! path, prefix     https://host/prefix/edge-cache-token=Expires=E&KeyName=K&Signature=S/rest
//! ```
//!
//! Signed, with Ed25519, is what stands before `&Signature=`: in a query with `URLPrefix` the
//! fields alone, else the URL from its scheme. P and S are base64url; `KeyName` names keys of which
//! any may have signed.

use super::{BASE64, nets, text64};
use crate::{
    Algorithm, Claims, Denied, Facts, Label, Scheme, Scope, edge_auth::seconds, key_set::Wanted,
    presented::Decoded, url_scope::UrlScope,
};
use base64::Engine as _;

#[derive(Default)]
struct Read<'a> {
    url_prefix: Option<&'a str>,
    expires: Option<&'a str>,
    key_name: Option<&'a str>,
    ip_ranges: Option<&'a str>,
}

/// A query for exactly this URL.
pub(super) fn of_url(
    fields: &str,
    signed: String,
    signature: &str,
    site: &Label,
    facts: &Facts<'_>,
) -> Result<Decoded, Denied> {
    let read = read(fields, '&')?;
    let scope = Scope::Path(facts.path.clone());
    decoded(&read, scope, signed, signature, site)
}

/// A query or a cookie with a prefix.
pub(super) fn of_prefix(
    fields: &str,
    separator: char,
    signed: &str,
    signature: &str,
    site: &Label,
) -> Result<Decoded, Denied> {
    let read = read(fields, separator)?;
    let prefix = read
        .url_prefix
        .ok_or(Denied::Layout("URLPrefix is missing"))?;
    let prefix = text64(prefix).and_then(|prefix| UrlScope::prefix(&prefix));
    let scope = prefix.ok_or(Denied::Layout(
        "URLPrefix is not a scheme, a host and a path",
    ))?;
    decoded(&read, Scope::Url(scope), signed.to_owned(), signature, site)
}

/// A path component, for all below what stands before it.
pub(super) fn of_path(
    before: &str,
    fields: &str,
    signature: &str,
    site: &Label,
    facts: &Facts<'_>,
) -> Result<Decoded, Denied> {
    let read = read(fields, '&')?;
    if read.url_prefix.is_some() {
        return Err(Denied::Layout("URLPrefix in a path component"));
    }
    let prefix = format!("{}{before}", facts.origin);
    let scope = UrlScope::prefix(&prefix).ok_or(Denied::Layout("prefix is not a URL"))?;
    let signed = format!("{prefix}edge-cache-token={fields}");
    decoded(&read, Scope::Url(scope), signed, signature, site)
}

fn decoded(
    read: &Read<'_>,
    scope: Scope,
    signed: String,
    signature: &str,
    site: &Label,
) -> Result<Decoded, Denied> {
    let expires = read.expires.ok_or(Denied::Layout("Expires is missing"))?;
    let not_after_s = seconds(expires).ok_or(Denied::Layout("Expires is not a number"))?;
    let name = read.key_name.ok_or(Denied::Layout("KeyName is missing"))?;
    let signature = BASE64.decode(signature);
    let signature = signature.or(Err(Denied::Layout("Signature is not base64url")))?;
    let mut claims = Claims::new(site.clone(), scope, 0, not_after_s);
    if let Some(ranges) = read.ip_ranges {
        claims.client_nets = nets(ranges).ok_or(Denied::Layout("IPRanges"))?;
    }
    let wanted = Wanted::Named {
        scheme: Scheme::MediaCdn,
        name: Some(name.to_owned()),
        algorithms: &[Algorithm::Ed25519],
    };
    Ok(Decoded::new(wanted, claims, signed.into_bytes(), signature))
}

fn read(fields: &str, separator: char) -> Result<Read<'_>, Denied> {
    let mut read = Read::default();
    for field in fields.split(separator) {
        let (name, value) = field
            .split_once('=')
            .ok_or(Denied::Layout("field without ="))?;
        let place = match name {
            "URLPrefix" => &mut read.url_prefix,
            "Expires" => &mut read.expires,
            "KeyName" => &mut read.key_name,
            "IPRanges" => &mut read.ip_ranges,
            _ => return Err(Denied::Layout("field is unknown")),
        };
        if place.replace(value).is_some() {
            return Err(Denied::Layout("field is given twice"));
        }
    }
    Ok(read)
}
