//! What an appliance tells of what it holds: an inventory, which is lines of JSON.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use serde::{Deserialize, Serialize};

/// An object that an appliance holds, or the beginning of one: a line of its inventory, which nodes and their
/// operators write and planners read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held<'a> {
    /// The site's name.
    pub site: Cow<'a, str>,
    /// The object's path.
    pub path: Cow<'a, str>,
    /// Bytes from its beginning on.
    pub bytes: u64,
}

impl Held<'_> {
    /// Writes the line, with its end.
    ///
    /// # Errors
    /// When `into` refuses bytes; what it has then may be a part of a line.
    pub fn write(&self, into: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *into, self)?;
        into.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written_and_others_are_not() {
        let held = Held {
            site: "vod".into(),
            path: "/a\n\"b\"".into(),
            bytes: 7,
        };
        let mut line = Vec::new();
        held.write(&mut line).unwrap();
        let expected = "{\"site\":\"vod\",\"path\":\"/a\\n\\\"b\\\"\",\"bytes\":7}\n";
        assert_eq!(String::from_utf8(line).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Held<'_>>(expected).unwrap(), held);
        for other in [
            r#"{"site":"vod","path":"/a"}"#,
            r#"{"site":"vod","path":"/a","bytes":-1}"#,
            r#"{"site":"vod","path":"/a","bytes":1,"size":2}"#,
        ] {
            assert!(serde_json::from_str::<Held<'_>>(other).is_err(), "{other}");
        }
    }
}
