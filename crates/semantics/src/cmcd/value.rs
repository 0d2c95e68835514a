//! What the values of CMCD's keys mean (CTA-5004, CTA-5004-A).

use std::borrow::Cow;

/// A value, as a log may hold it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'c> {
    /// `bs`, `su`: there or not.
    Flag(bool),
    /// `br=3200`.
    Integer(i64),
    /// `pr=1.25`.
    Decimal(f64),
    /// A string without its quotes, a token, or an inner list as it came.
    Text(Cow<'c, str>),
}

impl<'c> Value<'c> {
    /// Reads what follows the equals sign. What is malformed is text.
    pub(super) fn read(raw: &'c str) -> Self {
        match raw {
            "true" | "?1" => return Self::Flag(true),
            "false" | "?0" => return Self::Flag(false),
            _ => {}
        }
        if let Some(text) = unquoted(raw) {
            return Self::Text(text);
        }
        let is_number = raw
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
        if is_number && let Ok(number) = raw.parse() {
            return Self::Integer(number);
        }
        if is_number && let Ok(number) = raw.parse::<f64>() {
            return Self::Decimal(number);
        }
        Self::Text(Cow::Borrowed(raw))
    }
}

/// The content of a quoted string; `None` if it is none.
pub(super) fn unquoted(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return (!inner.contains('"')).then_some(Cow::Borrowed(inner));
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(byte) = rest.next() {
        match byte {
            '\\' => text.push(rest.next()?),
            '"' => return None,
            byte => text.push(byte),
        }
    }
    Some(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_kinds_that_the_standard_gives_them() {
        let text = |text: &'static str| Value::Text(text.into());
        for (raw, expected) in [
            ("true", Value::Flag(true)),
            ("?0", Value::Flag(false)),
            ("3200", Value::Integer(3200)),
            ("-5", Value::Integer(-5)),
            ("1.25", Value::Decimal(1.25)),
            ("v", text("v")),
            ("\"a,b\"", text("a,b")),
            ("\"a\\\"b\"", text("a\"b")),
            ("(800;v 96;a)", text("(800;v 96;a)")),
            ("\"open", text("\"open")),
            ("1.2.3", text("1.2.3")),
            ("inf", text("inf")),
            ("", text("")),
        ] {
            assert_eq!(Value::read(raw), expected, "{raw}");
        }
    }
}
