//! Akamai EdgeAuth 2.0: fields joined by `~`, an HMAC at the end.
//!
//! ```text
//! [ip=A~][st=S~]exp=E~[acl=P[!P..]~][id=I~][data=D~]hmac=H
//! ```
//!
//! Signed are the fields before `hmac`, in their order; for a token without `acl` also `url=` and
//! the path, and for a key with a salt `salt=` and the salt: neither is sent. Patterns have `*` (any
//! bytes, slashes too) and `?` (one byte). What the signer escaped (`escape_early`) is signed as
//! escaped; `%xx` in a value means its byte.

use std::borrow::Cow;

use crate::{
    Algorithm, Claims, ClientNet, Denied, Error, Facts, Label, Scheme, Scope, SigningKey, hex,
    key_set::Wanted, percent, presented::Decoded, url_scope::UrlScope,
};

/// Where the one path that a token without `acl` is for comes into its digest.
pub(crate) fn bound<'a>(text: &str, facts: &Facts<'a>) -> Cow<'a, str> {
    let has_list = text.split('~').any(|field| field.starts_with("acl="));
    if has_list {
        return Cow::Borrowed("");
    }
    match facts.query {
        None => Cow::Borrowed(facts.path.as_str()),
        Some(query) => Cow::Owned(format!("{}?{query}", facts.path)),
    }
}

#[derive(Default)]
struct Read<'a> {
    ip: Option<&'a str>,
    st: Option<&'a str>,
    exp: Option<&'a str>,
    acl: Option<&'a str>,
    id: Option<&'a str>,
    data: Option<&'a str>,
}

pub(crate) fn decode(text: &str, site: &Label, facts: &Facts<'_>) -> Result<Decoded, Denied> {
    let (signed, hmac) = text
        .rsplit_once("~hmac=")
        .ok_or(Denied::Layout("hmac is missing"))?;
    let signature =
        hex::decode(hmac.as_bytes()).ok_or(Denied::Layout("hmac is not hexadecimal"))?;
    let read = read(signed)?;
    let exp = read.exp.ok_or(Denied::Layout("exp is missing"))?;
    let not_after_s = seconds(exp).ok_or(Denied::Layout("exp is not a number"))?;
    let not_before_s = match read.st {
        Some(st) => seconds(st).ok_or(Denied::Layout("st is not a number"))?,
        None => 0,
    };
    let (scope, messages) = match read.acl {
        Some(acl) => {
            let acl = percent::decode(acl).ok_or(Denied::Layout("acl is not text"))?;
            let scope = UrlScope::path_patterns(acl.split('!'));
            let scope = scope.ok_or(Denied::Layout("acl is not 1 to 16 patterns"))?;
            (Scope::Url(scope), vec![signed.as_bytes().to_vec()])
        }
        None => (Scope::Path(facts.path.clone()), url_messages(signed, facts)),
    };
    let mut claims = Claims::new(site.clone(), scope, not_before_s, not_after_s);
    if let Some(ip) = read.ip {
        let ip = percent::decode(ip).and_then(|ip| ClientNet::loose(&ip));
        claims.client_nets = vec![ip.ok_or(Denied::Layout("ip is not an address"))?];
    }
    if let Some(id) = read.id {
        let id = percent::decode(id).ok_or(Denied::Layout("id is not text"))?;
        claims.session = Some(Label::naming(&id));
    }
    if read
        .data
        .is_some_and(|data| percent::decode(data).is_none())
    {
        return Err(Denied::Layout("data is not text"));
    }
    let wanted = Wanted::Named {
        scheme: Scheme::EdgeAuth,
        name: None,
        algorithms: match signature.len() {
            20 => &[Algorithm::HmacSha1],
            _ => &[Algorithm::HmacSha256],
        },
    };
    let decoded = Decoded::new(wanted, claims, Vec::new(), signature);
    Ok(Decoded {
        messages,
        ..decoded
    })
}

/// Akamai leaves it to the signer whether the path is escaped (as `quote_plus` does, in lower case)
/// and whether the query belongs to it. A path of our grammar has neither `%` nor `?`, so no two of
/// these texts mean two requests.
fn url_messages(signed: &str, facts: &Facts<'_>) -> Vec<Vec<u8>> {
    let mut urls = vec![facts.path.to_string()];
    if let Some(query) = facts.query {
        urls.push(format!("{}?{query}", facts.path));
    }
    let escaped: Vec<_> = urls.iter().map(|url| percent::escape(url)).collect();
    urls.extend(escaped);
    urls.iter()
        .map(|url| format!("{signed}~url={url}").into_bytes())
        .collect()
}

fn read(signed: &str) -> Result<Read<'_>, Denied> {
    let mut read = Read::default();
    for field in signed.split('~') {
        let (name, value) = field
            .split_once('=')
            .ok_or(Denied::Layout("field without ="))?;
        let place = match name {
            "ip" => &mut read.ip,
            "st" => &mut read.st,
            "exp" => &mut read.exp,
            "acl" => &mut read.acl,
            "id" => &mut read.id,
            "data" => &mut read.data,
            _ => return Err(Denied::Layout("field is unknown")),
        };
        if place.replace(value).is_some() {
            return Err(Denied::Layout("field is given twice"));
        }
    }
    Ok(read)
}

/// Digits alone: `parse` would take a plus sign.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A token for paths that one of the patterns means.
pub fn sign_patterns(
    key: &SigningKey,
    patterns: &[&str],
    not_before_s: Option<u64>,
    not_after_s: u64,
    session: Option<&Label>,
) -> Result<String, Error> {
    if key.scheme() != Scheme::EdgeAuth {
        return Err(Error::Claims("the key is not of edge-auth"));
    }
    if UrlScope::path_patterns(patterns.iter().copied()).is_none()
        || patterns
            .iter()
            .any(|pattern| pattern.contains(['~', '!', '%', '=', '&']))
    {
        return Err(Error::Claims(
            "a pattern starts with / or * and has none of ~ ! % = &",
        ));
    }
    let mut fields = Vec::new();
    fields.extend(not_before_s.map(|s| format!("st={s}")));
    fields.push(format!("exp={not_after_s}"));
    fields.push(format!("acl={}", patterns.join("!")));
    fields.extend(session.map(|session| format!("id={session}")));
    let text = fields.join("~");
    let hmac = match &key.salt {
        Some(salt) => key.signature(format!("{text}~salt={salt}").as_bytes()),
        None => key.signature(text.as_bytes()),
    };
    Ok(format!("{text}~hmac={}", hex::encode(&hmac)))
}
