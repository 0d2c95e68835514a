//! One canonical form of a host.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A longer name cannot be in the DNS.
const NAME_BYTES_MAX: usize = 253;

/// The host of a `Host` field or an authority: lower case, without port or trailing dot; an IPv6
/// address in brackets. `None` when it is not one.
///
/// RFC 9110 section 4.2.4: user information in an authority is to be treated as an error. A name
/// is of letters, digits, hyphens, dots and underscores.
pub(crate) fn canonical(authority: &str) -> Option<String> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address = address.parse::<Ipv6Addr>().ok()?;
        return (port.is_empty() || is_port(port.strip_prefix(':')?))
            .then(|| format!("[{address}]"));
    }
    let (name, port) = match authority.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (authority, None),
    };
    if port.is_some_and(|port| !is_port(port)) {
        return None;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    is_name(name).then(|| name.to_ascii_lowercase())
}

/// A host without the brackets of an IPv6 address, as certificates name it.
pub(crate) fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

fn is_port(port: &str) -> bool {
    let digits = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    digits && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn is_name(name: &str) -> bool {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return false;
    }
    // What looks like an address must be one: `1.2.3` and `0x7f.1` mean different hosts to
    // different readers.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return name.parse::<Ipv4Addr>().is_ok();
    }
    name.split('.').all(|label| {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(legal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_host_is_one() {
        for spelling in [
            "media.test",
            "MEDIA.Test",
            "media.test.",
            "media.test:443",
            "media.test.:1",
        ] {
            assert_eq!(
                canonical(spelling).as_deref(),
                Some("media.test"),
                "{spelling}"
            );
        }
        assert_eq!(canonical("[::1]:8443").as_deref(), Some("[::1]"));
        assert_eq!(canonical("[0:0:0:0:0:0:0:1]").as_deref(), Some("[::1]"));
        assert_eq!(canonical("127.0.0.1:80").as_deref(), Some("127.0.0.1"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = "a".repeat(254);
        for bad in [
            "", ".", "a..b", ".a", "a,b", "a b", "user@a", "a/b", "a:", "a:99999", "a:0", "a:+1",
            "a:1:2", "[::1", "::1", "[::1]x", "[zz]", "1.2.3", "a:080000", "ä.test", "a%2e", &long,
        ] {
            assert_eq!(canonical(bad), None, "{bad}");
        }
    }
}
