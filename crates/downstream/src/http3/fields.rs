//! The fields of a request as they came, which nobody sees after h3: it sorts pseudo fields from
//! the others, takes the last of two alike, and cuts a fragment off the path.
//!
//! Reads the lines of a field section (RFC 9204 section 4.5) and decodes no value but the path's.
//! What is no field section is not judged here: h3 refuses it.

/// Why a request is malformed (RFC 9114 sections 4.1.2 and 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a pseudo field behind a regular field")]
    Late,
    #[error("a pseudo field twice")]
    Twice,
    #[error("a pseudo field that requests do not have")]
    Foreign,
    #[error("a fragment, or a byte that paths do not have, in the path")]
    Path,
}

/// Judges an encoded field section.
pub(crate) fn check(section: &[u8]) -> Result<(), Malformed> {
    let mut lines = Lines(section);
    if lines.prefix().is_none() {
        return Ok(());
    }
    let (mut seen, mut regular) = (Vec::with_capacity(4), false);
    while let Some((name, value)) = lines.next_line() {
        match name {
            Name::Regular => regular = true,
            Name::Foreign => return Err(Malformed::Foreign),
            Name::Method | Name::Scheme | Name::Authority | Name::Path => {
                if regular {
                    return Err(Malformed::Late);
                }
                if seen.contains(&name) {
                    return Err(Malformed::Twice);
                }
                seen.push(name);
            }
        }
        if name == Name::Path && value.is_some_and(Text::is_no_path) {
            return Err(Malformed::Path);
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Method,
    Scheme,
    Authority,
    Path,
    /// A pseudo field of responses, of a method that we do not offer, or of nobody.
    Foreign,
    Regular,
}

impl Name {
    /// RFC 9204 appendix A.
    fn of_static(index: usize) -> Self {
        match index {
            0 => Self::Authority,
            1 => Self::Path,
            15..=21 => Self::Method,
            22..=23 => Self::Scheme,
            24..=28 | 63..=71 => Self::Foreign,
            _ => Self::Regular,
        }
    }

    /// There is one Huffman code for each name, so that codes are compared, not decoded.
    fn of_literal(text: Text<'_>) -> Self {
        match (text.huffman, text.bytes) {
            (false, b":method") | (true, b"\xb9\x49\x53\x39\xe4") => Self::Method,
            (false, b":scheme") | (true, b"\xb8\x82\x4e\x5a\x4b") => Self::Scheme,
            (false, b":authority") | (true, b"\xb8\x3b\x53\x39\xec\x32\x7d\x7f") => Self::Authority,
            (false, b":path") | (true, b"\xb9\x58\xd3\x3f") => Self::Path,
            (false, [b':', ..]) => Self::Foreign,
            // A colon is coded in seven bits, 1011100.
            (true, [first, ..]) if first >> 1 == 0b101_1100 => Self::Foreign,
            (false | true, _) => Self::Regular,
        }
    }
}

/// A string literal (RFC 7541 section 5.2).
#[derive(Debug, Clone, Copy)]
struct Text<'a> {
    huffman: bool,
    bytes: &'a [u8],
}

impl Text<'_> {
    fn is_no_path(self) -> bool {
        if self.huffman {
            return codes_no_path(self.bytes);
        }
        self.bytes
            .iter()
            .any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'#' | b'\\'))
    }
}

/// RFC 7541 appendix B is a canonical code: of each length, the codes below a bound that no shorter
/// code begins. A code of more than 15 bits is a backslash, a control or no ASCII.
fn codes_no_path(bytes: &[u8]) -> bool {
    const BOUNDS: [u16; 16] = [
        0, 0, 0, 0, 0, 0x0a, 0x2e, 0x7c, 0xfe, 0, 0x3fd, 0x7fd, 0xffc, 0x1ffe, 0x3ffe, 0x7fff,
    ];
    const HASH: (usize, u16) = (12, 0xffa);
    let (mut length, mut code) = (0, 0);
    for byte in bytes {
        for bit in (0..8).rev() {
            code = code << 1 | u16::from(byte >> bit & 1);
            length += 1;
            let Some(bound) = BOUNDS.get(length) else {
                return true;
            };
            if code < *bound {
                if (length, code) == HASH {
                    return true;
                }
                (length, code) = (0, 0);
            }
        }
    }
    false
}

/// What is left of a field section.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    /// Required insert count and base: of a dynamic table, which we do not have.
    fn prefix(&mut self) -> Option<()> {
        self.integer(8)?;
        self.integer(7).map(drop)
    }

    /// The name and, where it stands in the line, the value. `None` at the end, or where h3 will
    /// find fault.
    fn next_line(&mut self) -> Option<(Name, Option<Text<'a>>)> {
        let first = *self.0.first()?;
        match first.leading_zeros() {
            // Indexed; the next bit says of which table.
            0 if first & 0x40 != 0 => Some((Name::of_static(self.integer(6)?), None)),
            // A literal with the name of a table.
            1 if first & 0x10 != 0 => {
                let name = Name::of_static(self.integer(4)?);
                Some((name, Some(self.text(7)?)))
            }
            2 => {
                let name = Name::of_literal(self.text(3)?);
                Some((name, Some(self.text(7)?)))
            }
            _ => None,
        }
    }

    /// A string whose length has a prefix of so many bits, with the Huffman bit before them.
    fn text(&mut self, bits: u32) -> Option<Text<'a>> {
        let huffman = self.0.first()? >> bits & 1 == 1;
        let length = self.integer(bits)?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Text { huffman, bytes })
    }

    /// RFC 7541 section 5.1.
    fn integer(&mut self, bits: u32) -> Option<usize> {
        let mask = u8::MAX >> (8 - bits);
        let mut value = usize::from(self.byte()? & mask);
        if value < usize::from(mask) {
            return Some(value);
        }
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `:method` GET, `:scheme` https, `:authority` "a", as indexes and a literal.
    const GOOD: &[u8] = &[0, 0, 0xc0 | 0x11, 0xc0 | 0x17, 0x50, 1, b'a'];
    const PATH: &[u8] = &[0x51, 2, b'/', b'x'];
    const REGULAR: &[u8] = &[0x21, b'x', 1, b'1'];

    fn judged(lines: &[&[u8]]) -> Result<(), Malformed> {
        check(&[&[GOOD], lines].concat().concat())
    }

    #[test]
    fn pseudo_fields_come_first_and_once() {
        assert_eq!(judged(&[PATH, REGULAR, REGULAR]), Ok(()));
        assert_eq!(judged(&[REGULAR, PATH]), Err(Malformed::Late));
        assert_eq!(judged(&[PATH, PATH]), Err(Malformed::Twice));
        assert_eq!(judged(&[PATH, &[0xc0 | 0x0f]]), Err(Malformed::Twice));
    }

    #[test]
    fn pseudo_fields_are_known_by_every_spelling_of_their_names() {
        for path in [&b"\x25:path"[..], b"\x2c\xb9\x58\xd3\x3f"] {
            let path = [path, b"\x02/x"].concat();
            assert_eq!(judged(&[&path]), Ok(()));
            assert_eq!(judged(&[PATH, &path]), Err(Malformed::Twice), "{path:?}");
        }
        let status = b"\x2d\xb8\x84\x8d\x36\xa3\x03200";
        for foreign in [&[0xc0 | 0x19][..], b"\x27\x00:status\x03200", status] {
            assert_eq!(judged(&[PATH, foreign]), Err(Malformed::Foreign));
        }
    }

    #[test]
    fn a_path_has_no_fragment_coded_or_not() {
        let path = |huffman: u8, text: &[u8]| {
            let length = u8::try_from(text.len()).unwrap();
            [&[0x51, huffman | length][..], text].concat()
        };
        // As Python's hpack codes them.
        let queried = b"\x63\xbb\x03\x5e\x96\x91\xfe\x79\x80\x3f\x1e\xa0\xfe\x85\xfd\xff";
        assert_eq!(judged(&[&path(0x80, queried)]), Ok(()));
        assert_eq!(judged(&[&path(0, b"/v/a.m4s?x=1&y=(2)")]), Ok(()));
        for bad in [
            path(0, b"/a#b"),
            path(0, b"/a\\b"),
            path(0x80, b"\x60\x7f\xf5\x1f"),
            path(0x80, b"\x63\xbb\x03\x5e\x96\x91\xff\x5f"),
            path(0x80, b"\x63\xff\xfe\x00"),
        ] {
            assert_eq!(judged(&[&bad]), Err(Malformed::Path), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _judged = check(&bytes);
        }
    }
}
