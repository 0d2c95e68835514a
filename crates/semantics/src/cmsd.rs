//! Common Media Server Data (CTA-5006): what servers tell players.
//!
//! `CMSD-Static` is the origin's, about an object: it is stored with it and passed on as it is.
//! `CMSD-Dynamic` is of one response: each hop that has something to tell adds itself to the list,
//! and nothing of it is stored.

use http::{HeaderMap, HeaderName, HeaderValue};

const CMSD_DYNAMIC: HeaderName = HeaderName::from_static("cmsd-dynamic");

/// What a node tells of itself in one response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dynamic<'n> {
    /// Its name.
    pub node: &'n str,
    /// `etp`: what the connection to the player is estimated to carry, in kbit/s.
    pub throughput_kbps: Option<u64>,
    /// `rtt`: the round trip to the player, in milliseconds.
    pub round_trip_ms: Option<u64>,
    /// `du`: the node is under duress, and players had better ask for less.
    pub is_under_duress: bool,
}

/// Adds a node to the list. One that has nothing to tell is left out.
///
/// CTA-5006 section 4.2: each intermediary appends its own, so that the last is the nearest.
pub fn append(headers: &mut HeaderMap, dynamic: &Dynamic<'_>) {
    let told = [
        dynamic.throughput_kbps.map(|kbps| format!(";etp={kbps}")),
        dynamic.round_trip_ms.map(|ms| format!(";rtt={ms}")),
        dynamic.is_under_duress.then(|| ";du".to_owned()),
    ];
    let told: String = told.into_iter().flatten().collect();
    if told.is_empty() {
        return;
    }
    let member = format!("\"{}\"{told}", escaped(dynamic.node));
    if let Ok(value) = HeaderValue::try_from(member) {
        headers.append(CMSD_DYNAMIC, value);
    }
}

/// RFC 9651 section 3.3.3: a string holds printable ASCII.
fn escaped(name: &str) -> String {
    let printable = name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
    let mut text = String::with_capacity(name.len());
    for c in printable {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Dynamic<'_> = Dynamic {
        node: "edge7",
        throughput_kbps: None,
        round_trip_ms: None,
        is_under_duress: false,
    };

    fn told(dynamic: &Dynamic<'_>) -> Option<String> {
        let mut headers = HeaderMap::new();
        append(&mut headers, dynamic);
        let value = headers.get("cmsd-dynamic")?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_node_tells_what_it_knows() {
        let all = Dynamic {
            throughput_kbps: Some(9600),
            round_trip_ms: Some(12),
            is_under_duress: true,
            ..CALM
        };
        assert_eq!(told(&all).unwrap(), "\"edge7\";etp=9600;rtt=12;du");
        let duress = Dynamic {
            is_under_duress: true,
            ..CALM
        };
        assert_eq!(told(&duress).unwrap(), "\"edge7\";du");
    }

    #[test]
    fn who_has_nothing_to_tell_is_silent() {
        assert_eq!(told(&CALM), None);
    }

    #[test]
    fn the_nearest_node_comes_last() {
        let mut headers = HeaderMap::new();
        for node in ["shield1", "edge7"] {
            let dynamic = Dynamic {
                node,
                is_under_duress: true,
                ..CALM
            };
            append(&mut headers, &dynamic);
        }
        let all: Vec<_> = headers.get_all("cmsd-dynamic").iter().collect();
        assert_eq!(all, ["\"shield1\";du", "\"edge7\";du"]);
    }
}
