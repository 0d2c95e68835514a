//! Google Media CDN: signed requests (four carriers) and dual tokens.

mod dual;
mod signature;

use std::borrow::Cow;

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

pub use dual::sign_patterns;

use crate::{ClientNet, Denied, Facts, Label, presented::Decoded};

/// The most networks in one token.
const NETS_MAX: usize = 5;

/// With or without padding: Google's own signers write both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A token of Media CDN, as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sent<'a> {
    /// `Expires`, `KeyName` and `Signature` in the query, perhaps after `URLPrefix`.
    Query {
        /// The whole query before `&Signature=`.
        query: &'a str,
        /// Where the first of these parameters stands in it.
        fields_at: usize,
        /// What `Signature` holds, if it came.
        signature: Option<&'a str>,
        /// Whether parameters come after it.
        more_follow: bool,
    },
    /// The cookie.
    Cookie(&'a str),
    /// A path component.
    Path {
        /// The path before it, with its last slash.
        before: &'a str,
        /// The component after `edge-cache-token=`.
        fields: &'a str,
    },
    /// A dual token, in query or cookie.
    Dual(&'a str),
}

impl<'a> Sent<'a> {
    pub(crate) fn texts(&self) -> [Option<&'a str>; 5] {
        match *self {
            Self::Query {
                query, signature, ..
            } => [Some("query"), Some(query), signature, None, None],
            Self::Cookie(text) => [Some("cookie"), Some(text), None, None, None],
            Self::Path { before, fields } => [Some("path"), Some(before), Some(fields), None, None],
            Self::Dual(text) => [Some("dual"), Some(text), None, None, None],
        }
    }

    /// What of the request is signed and not in the token: the URL of an exact one, the origin of a
    /// path component, the path of `FullPath`, the fields of `Headers`. All of it, always: who
    /// signs prefixes or globs without headers is asked for nothing that changes.
    pub(crate) fn bound(&self, facts: &Facts<'_>) -> Cow<'static, str> {
        match self {
            Self::Query {
                query, fields_at, ..
            } if !query[*fields_at..].starts_with("URLPrefix=") => Cow::Owned(facts.url()),
            Self::Query { .. } | Self::Cookie(_) => Cow::Borrowed(""),
            Self::Path { .. } => Cow::Owned(facts.origin.to_owned()),
            Self::Dual(text) => dual::bound(text, facts),
        }
    }

    pub(crate) fn decode(&self, site: &Label, facts: &Facts<'_>) -> Result<Decoded, Denied> {
        match *self {
            Self::Query {
                query,
                fields_at,
                signature,
                more_follow,
            } => {
                let signature = signature.ok_or(Denied::Layout("Signature is missing"))?;
                let fields = &query[fields_at..];
                if fields.starts_with("URLPrefix=") {
                    return signature::of_prefix(fields, '&', fields, signature, site);
                }
                if more_follow {
                    return Err(Denied::Layout("a parameter after the Signature of one URL"));
                }
                let signed = format!("{}{}?{query}", facts.origin, facts.path);
                signature::of_url(fields, signed, signature, site, facts)
            }
            Self::Cookie(text) => {
                let cut = text.rsplit_once(":Signature=");
                let (fields, signature) = cut.ok_or(Denied::Layout("Signature is missing"))?;
                signature::of_prefix(fields, ':', fields, signature, site)
            }
            Self::Path { before, fields } => {
                let cut = fields.rsplit_once("&Signature=");
                let (fields, signature) = cut.ok_or(Denied::Layout("Signature is missing"))?;
                signature::of_path(before, fields, signature, site, facts)
            }
            Self::Dual(text) => dual::decode(text, site, facts),
        }
    }
}

/// Up to five networks, joined by commas and in base64.
fn nets(value: &str) -> Option<Vec<ClientNet>> {
    let text = String::from_utf8(BASE64.decode(value).ok()?).ok()?;
    if text.split(',').count() > NETS_MAX {
        return None;
    }
    text.split(',').map(ClientNet::loose).collect()
}

fn text64(value: &str) -> Option<String> {
    String::from_utf8(BASE64.decode(value).ok()?).ok()
}
