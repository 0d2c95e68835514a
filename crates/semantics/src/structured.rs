//! Structured field values (RFC 9651), as far as caching needs them.
//!
//! A strict reader: what has one byte outside the grammar is no dictionary or list at all.

/// The value of a dictionary member, as far as a rule here looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Integer(i64),
    Boolean(bool),
    /// A decimal, string, token, date, byte sequence or inner list.
    Other,
}

/// RFC 9651 section 4.2.2: the members of a dictionary, in order, the last value of each key.
pub(crate) fn dictionary(text: &[u8]) -> Option<Vec<(&str, Value)>> {
    let mut members: Vec<(&str, Value)> = Vec::new();
    parse(text, |reader| {
        let (key, value) = reader.member()?;
        match members.iter_mut().find(|(known, _)| *known == key) {
            Some(known) => known.1 = value,
            None => members.push((key, value)),
        }
        Some(())
    })?;
    Some(members)
}

/// RFC 9651 section 4.2.1: whether the text is a list.
pub(crate) fn is_list(text: &[u8]) -> bool {
    parse(text, |reader| reader.item_or_inner_list().map(|_| ())).is_some()
}

/// RFC 9651 section 3.3.4: whether the text is a token.
pub(crate) fn is_token(text: &[u8]) -> bool {
    let mut reader = Reader { left: text };
    reader.token().is_some() && reader.left.is_empty()
}

/// RFC 9651 section 4.2: a top-level comma-separated field, with each member read by `member`.
fn parse<'t>(text: &'t [u8], mut member: impl FnMut(&mut Reader<'t>) -> Option<()>) -> Option<()> {
    let mut reader = Reader { left: text };
    reader.spaces();
    while !reader.left.is_empty() {
        member(&mut reader)?;
        reader.white_space();
        if reader.left.is_empty() {
            break;
        }
        reader.expect(b',')?;
        reader.white_space();
        if reader.left.is_empty() {
            return None;
        }
    }
    Some(())
}

struct Reader<'t> {
    left: &'t [u8],
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.left.split_first()?;
        self.left = rest;
        Some(byte)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.left.first() == Some(&byte);
        if eaten {
            self.left = &self.left[1..];
        }
        eaten
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'t [u8] {
        let end = self
            .left
            .iter()
            .position(|&byte| !accept(byte))
            .unwrap_or(self.left.len());
        let (taken, rest) = self.left.split_at(end);
        self.left = rest;
        taken
    }

    fn spaces(&mut self) {
        self.take_while(|byte| byte == b' ');
    }

    fn white_space(&mut self) {
        self.take_while(|byte| byte == b' ' || byte == b'\t');
    }

    fn member(&mut self) -> Option<(&'t str, Value)> {
        let key = self.key()?;
        if self.eat(b'=') {
            return Some((key, self.item_or_inner_list()?));
        }
        self.parameters()?;
        Some((key, Value::Boolean(true)))
    }

    fn item_or_inner_list(&mut self) -> Option<Value> {
        let value = if self.eat(b'(') {
            self.inner_list()?
        } else {
            self.bare_item()?
        };
        self.parameters()?;
        Some(value)
    }

    fn inner_list(&mut self) -> Option<Value> {
        loop {
            self.spaces();
            if self.eat(b')') {
                return Some(Value::Other);
            }
            self.bare_item()?;
            self.parameters()?;
            if !matches!(self.left.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.eat(b';') {
            self.spaces();
            self.key()?;
            if self.eat(b'=') {
                self.bare_item()?;
            }
        }
        Some(())
    }

    fn key(&mut self) -> Option<&'t str> {
        if !matches!(self.left.first()?, b'a'..=b'z' | b'*') {
            return None;
        }
        let key = self.take_while(
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'),
        );
        std::str::from_utf8(key).ok()
    }

    fn bare_item(&mut self) -> Option<Value> {
        match *self.left.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'a'..=b'z' | b'A'..=b'Z' | b'*' => self.token(),
            b':' => self.bytes(),
            b'?' => self.boolean(),
            b'@' => self.date(),
            b'%' => self.display_string(),
            _ => None,
        }
    }

    /// RFC 9651 section 4.2.4: at most 15 digits, or 12 and a fraction of at most 3.
    fn number(&mut self) -> Option<Value> {
        let sign = if self.eat(b'-') { -1 } else { 1 };
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if self.eat(b'.') {
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            let fits = (1..=12).contains(&digits.len()) && (1..=3).contains(&fraction.len());
            return fits.then_some(Value::Other);
        }
        if !(1..=15).contains(&digits.len()) {
            return None;
        }
        let sum = digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        Some(Value::Integer(sign * sum))
    }

    /// RFC 9651 section 4.2.5: printable ASCII; only a quote and a backslash can be escaped.
    fn string(&mut self) -> Option<Value> {
        self.expect(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Some(Value::Other),
                b'\\' => {
                    if !matches!(self.next()?, b'"' | b'\\') {
                        return None;
                    }
                }
                0x20..=0x7e => {}
                _ => return None,
            }
        }
    }

    fn token(&mut self) -> Option<Value> {
        if !matches!(self.left.first()?, b'a'..=b'z' | b'A'..=b'Z' | b'*') {
            return None;
        }
        self.take_while(|byte| crate::lines::is_token_byte(byte) || matches!(byte, b':' | b'/'));
        Some(Value::Other)
    }

    fn bytes(&mut self) -> Option<Value> {
        self.expect(b':')?;
        let text = self
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='));
        self.expect(b':')?;
        let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
        let body = &text[..text.len() - padding];
        (padding <= 2 && !body.contains(&b'=') && body.len() % 4 != 1).then_some(Value::Other)
    }

    fn boolean(&mut self) -> Option<Value> {
        self.expect(b'?')?;
        match self.next()? {
            b'0' => Some(Value::Boolean(false)),
            b'1' => Some(Value::Boolean(true)),
            _ => None,
        }
    }

    fn date(&mut self) -> Option<Value> {
        self.expect(b'@')?;
        matches!(self.number()?, Value::Integer(_)).then_some(Value::Other)
    }

    /// RFC 9651 section 4.2.10: percent-encoded UTF-8 with lower-case hex digits.
    fn display_string(&mut self) -> Option<Value> {
        self.expect(b'%')?;
        self.expect(b'"')?;
        let mut decoded = Vec::new();
        loop {
            match self.next()? {
                b'"' => {
                    return std::str::from_utf8(&decoded)
                        .is_ok()
                        .then_some(Value::Other);
                }
                b'%' => decoded.push((self.hex()? << 4) | self.hex()?),
                byte @ 0x20..=0x7e => decoded.push(byte),
                _ => return None,
            }
        }
    }

    fn hex(&mut self) -> Option<u8> {
        match self.next()? {
            digit @ b'0'..=b'9' => Some(digit - b'0'),
            digit @ b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dictionary_is_read() {
        // RFC 9651 section 4.2.2: the last value of each key, parameters apart.
        let text = br#"max-age=60;x="a,b", no-store , a=(1 "b";c), no-store=?0, max-age=-7"#;
        let members = dictionary(text).unwrap();
        assert_eq!(
            members,
            [
                ("max-age", Value::Integer(-7)),
                ("no-store", Value::Boolean(false)),
                ("a", Value::Other)
            ]
        );
        assert_eq!(dictionary(b""), Some(Vec::new()));
    }

    #[test]
    fn every_kind_of_item_is_known() {
        for item in [
            "1",
            "-999999999999999",
            "1.5",
            "\"a\\\"b\\\\\"",
            "tok*n/:",
            "*x",
            ":aGk=:",
            ":aGk:",
            "?1",
            "@-1",
            "%\"%c3%a9\"",
            "()",
            "( a  b;c=1 )",
            "a;b;c=?0; d",
        ] {
            assert!(is_list(item.as_bytes()), "{item}");
        }
    }

    #[test]
    fn one_byte_outside_the_grammar_spoils_all() {
        for text in [
            "a=1,",
            ",a",
            "a=1,,b",
            "A=1",
            "a=1 b",
            "a = 1",
            "a=",
            "a=\"",
            "a=\"\\x\"",
            "a=?2",
            "a=(1",
            "a=(1\t2)",
            "a=(1\"b\")",
            "a=--1",
            "a=-",
            "a=1.",
            "a=1.2345",
            "a=1234567890123456",
            "a=:a:",
            "a=:=aa:",
            "a=:aa-a:",
            "a=@1.5",
            "a=%\"%C3%A9\"",
            "a=%\"%ff\"",
            "a=%x",
            "a;B",
            "&&&",
            "\u{e9}",
            "a=1\t\n",
            "a=1;",
        ] {
            assert_eq!(dictionary(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_token_begins_with_a_letter_or_a_star() {
        for (text, token) in [
            ("edge7", true),
            ("*", true),
            ("7edge", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(is_token(text.as_bytes()), token, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(junk: Vec<u8>, text in r#"[a-z0-9=;,():?@%."\\ *-]{0,40}"#) {
            for text in [junk.as_slice(), text.as_bytes()] {
                is_list(text);
                is_token(text);
                let keys = dictionary(text).unwrap_or_default().len();
                prop_assert!(keys <= text.len());
            }
        }
    }
}
