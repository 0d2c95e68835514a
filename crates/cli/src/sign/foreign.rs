//! Signing as other vendors do.

use signing::{
    ClientNet, Label, Names, Scheme, SigningKey, cloudfront, edge_auth, media_cdn, uri_signing,
};

use super::{Arguments, Place, path_of};
use crate::{Error, output::say};

pub(super) fn run(arguments: &Arguments, key: &SigningKey, now_s: u64) -> Result<(), Error> {
    let end_s = now_s.saturating_add(arguments.expires_in);
    let origin = arguments.url.strip_suffix(path_of(&arguments.url)?);
    let origin = origin.ok_or_else(|| Error::Argument("sign a URL without a query".to_owned()))?;
    let origin = without_port(origin);
    let session = arguments.session.as_deref().map(Label::parse).transpose()?;
    let net = arguments
        .client
        .as_deref()
        .map(ClientNet::parse)
        .transpose()?;
    let bound = net.is_some() && key.scheme() != Scheme::CloudFront;
    let dropped =
        session.is_some() && matches!(key.scheme(), Scheme::CloudFront | Scheme::UriSigning);
    if bound || dropped {
        return Err(Error::Argument(
            "this scheme's tokens are not signed with --client or --session here".to_owned(),
        ));
    }
    let patterns = arguments.patterns()?;
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let names = Names::default();
    let (name, token) = match key.scheme() {
        Scheme::EdgeAuth => {
            let token = edge_auth::sign_patterns(key, &patterns, None, end_s, session.as_ref())?;
            (names.edge_auth, token)
        }
        Scheme::MediaCdn => {
            let token = media_cdn::sign_patterns(key, &patterns, None, end_s, session.as_ref())?;
            let place = match arguments.carrier {
                Place::Cookie => names.media_cdn_cookie,
                Place::Query | Place::Path => names.media_cdn,
            };
            (place, token)
        }
        Scheme::UriSigning => {
            let regex = regex_of(origin, &patterns);
            let what = uri_signing::Signed::Regex(&regex);
            let token = uri_signing::sign(key, &what, now_s, end_s, None)?;
            (names.uri_signing, token)
        }
        Scheme::CloudFront => {
            let [pattern] = patterns.as_slice() else {
                return Err(Error::Argument("a policy names one resource".to_owned()));
            };
            let resource = format!("{origin}{pattern}");
            let query = cloudfront::sign(key, &resource, None, end_s, net)?;
            return arguments.tell(&query, &query.replace('&', "; CloudFront-"), "CloudFront-");
        }
        Scheme::Native => return Err(Error::Argument("the key is native".to_owned())),
    };
    let pair = format!("{name}={token}");
    arguments.tell(&pair, &pair, "")
}

/// An edge judges URLs without a port.
fn without_port(origin: &str) -> &str {
    match origin.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
        Some(_) | None => origin,
    }
}

/// The wildcards of other schemes as a regular expression over whole URLs.
fn regex_of(origin: &str, patterns: &[&str]) -> String {
    let escape = |text: &str| text.replace('.', "\\.");
    let wild = |pattern: &&str| escape(pattern).replace('*', ".*").replace('?', ".");
    let all: Vec<_> = patterns.iter().map(wild).collect();
    format!("{}({})", escape(origin), all.join("|"))
}

impl Arguments {
    /// What the token is good for: wildcards over paths.
    fn patterns(&self) -> Result<Vec<String>, Error> {
        if !self.glob.is_empty() {
            return Ok(self.glob.clone());
        }
        if let Some(prefix) = &self.prefix {
            return Ok(vec![format!("{}/*", prefix.trim_end_matches('/'))]);
        }
        let path = path_of(&self.url)?;
        Ok(vec![match (self.carrier, path.rsplit_once('/')) {
            (Place::Path | Place::Cookie, Some((folder, _))) => format!("{folder}/*"),
            (Place::Path | Place::Cookie | Place::Query, _) => path.to_owned(),
        }])
    }

    fn tell(&self, query: &str, cookie: &str, first: &str) -> Result<(), Error> {
        match self.carrier {
            Place::Query => say(format!("{}?{query}", self.url)),
            Place::Cookie => say(format!("Cookie: {first}{cookie}")),
            Place::Path => {
                let hint = "this scheme's tokens travel in --carrier query or cookie here";
                return Err(Error::Argument(hint.to_owned()));
            }
        }
        Ok(())
    }
}
