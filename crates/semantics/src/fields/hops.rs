//! `Via` and `CDN-Loop`: who passed a message on.

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use crate::lines;

const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// RFC 9110 section 7.6.3: the version of the protocol that a message came over, "HTTP/" left out.
const VERSIONS: [&str; 5] = ["0.9", "1.0", "1.1", "2", "3"];

/// What a node adds to `Via`, made once: a member for each version of HTTP.
#[derive(Debug, Clone)]
pub struct Via([Option<HeaderValue>; VERSIONS.len()]);

impl Via {
    /// A node's name is checked to be a token when its config is loaded; one that no field can hold
    /// adds nothing.
    pub fn new(node: &str) -> Self {
        Self(VERSIONS.map(|version| HeaderValue::try_from(format!("{version} {node}")).ok()))
    }

    /// Adds the node to the `Via` of a message that it passes on, after those before it.
    pub fn append(&self, headers: &mut HeaderMap, received: Version) {
        let [v09, v10, v11, v2, v3] = &self.0;
        let member = match received {
            Version::HTTP_09 => v09,
            Version::HTTP_10 => v10,
            Version::HTTP_2 => v2,
            Version::HTTP_3 => v3,
            _ => v11,
        };
        if let Some(member) = member {
            headers.append(header::VIA, member.clone());
        }
    }
}

/// Whether a request has been through the node or tier that calls itself `own_id`.
pub fn is_loop(headers: &HeaderMap, own_id: &str) -> bool {
    // RFC 8586 section 2: a list of cdn-id, each with parameters; hosts in any case.
    lines::all_members(headers, &CDN_LOOP).any(|member| {
        let end = member
            .iter()
            .position(|&byte| byte == b';')
            .unwrap_or(member.len());
        member[..end]
            .trim_ascii()
            .eq_ignore_ascii_case(own_id.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn looped(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CDN_LOOP, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn via_tells_the_protocol_it_came_over() {
        // RFC 9110 section 7.6.3.
        let mut headers = HeaderMap::from_iter([(header::VIA, "2 shield1".parse().unwrap())]);
        let own = Via::new("edge7");
        own.append(&mut headers, Version::HTTP_11);
        own.append(&mut headers, Version::HTTP_3);
        Via::new("a\r\nb").append(&mut headers, Version::HTTP_2);
        let members: Vec<_> = headers.get_all(header::VIA).iter().collect();
        assert_eq!(members, ["2 shield1", "1.1 edge7", "3 edge7"]);
    }

    #[test]
    fn a_loop_is_seen() {
        // RFC 8586 section 2.
        for line in [
            "edge7",
            "a, edge7",
            "EDGE7; hops=1, b",
            "a;x=\"y, z\", edge7 ;v=1",
            ",,edge7",
        ] {
            assert!(is_loop(&looped(&[line]), "edge7"), "{line}");
        }
        assert!(is_loop(&looped(&["a", "b, edge7"]), "edge7"));
    }

    #[test]
    fn others_are_no_loop() {
        for line in [
            "edge70",
            "a; edge7",
            "a;x=\"b, edge7\"",
            "edge7.example:443",
            "",
        ] {
            assert!(!is_loop(&looped(&[line]), "edge7"), "{line}");
        }
        assert!(!is_loop(&HeaderMap::new(), "edge7"));
    }

    proptest! {
        #[test]
        fn a_name_is_seen_behind_anything(before in "[ -~]{0,24}", id in "[a-z][a-z0-9.:-]{0,12}") {
            // Whatever came before: a quote left open hides nothing.
            let line = format!("{before}, {id}");
            prop_assert!(is_loop(&looped(&[&line]), &id));
        }
    }
}
