//! Signs custom policies, with ECDSA: ring makes no RSA signature with SHA-1, and a node has no use
//! for an RSA key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{Algorithm, ClientNet, Error, Scheme, SigningKey};

/// Query parameters with a custom policy for all URLs that `resource` means, to be joined to a URL
/// by `?` or `&`. As cookies they have `CloudFront-` before each name.
pub fn sign(
    key: &SigningKey,
    resource: &str,
    not_before_s: Option<u64>,
    not_after_s: u64,
    client_net: Option<ClientNet>,
) -> Result<String, Error> {
    if key.scheme() != Scheme::CloudFront || key.algorithm() != Algorithm::EcdsaP256 {
        return Err(Error::Claims("the key is not a P-256 key of cloudfront"));
    }
    if crate::UrlScope::url_pattern(resource).is_none() || resource.contains(['"', '\\']) {
        return Err(Error::Claims(
            "a resource is a URL with wildcards of up to 1024 bytes",
        ));
    }
    let mut condition = json!({ "DateLessThan": { "AWS:EpochTime": not_after_s } });
    if let Some(begin_s) = not_before_s {
        condition["DateGreaterThan"] = json!({ "AWS:EpochTime": begin_s });
    }
    if let Some(net) = client_net {
        condition["IpAddress"] = json!({ "AWS:SourceIp": net.to_string() });
    }
    let statement = json!({ "Resource": resource, "Condition": condition });
    let policy = json!({ "Statement": [statement] }).to_string();
    let signature = der(&key.signature(policy.as_bytes()));
    Ok(format!(
        "Policy={}&Signature={}&Key-Pair-Id={}&Hash-Algorithm=SHA256",
        encode64(policy.as_bytes()),
        encode64(&signature),
        key.token_name()
    ))
}

/// RFC 3279 section 2.2.3: two numbers side by side become a sequence of two integers.
fn der(fixed: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(72);
    for number in fixed.chunks(32) {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = &number[zeros..];
        let sign = digits.first().is_none_or(|first| *first >= 0x80);
        body.push(0x02);
        // At most 33 bytes each, so that a length is one byte.
        body.extend(u8::try_from(digits.len() + usize::from(sign)));
        body.extend(sign.then_some(0));
        body.extend(digits);
    }
    let length = u8::try_from(body.len());
    [0x30].into_iter().chain(length).chain(body).collect()
}

fn encode64(bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    text.replace('+', "-").replace('=', "_").replace('/', "~")
}
