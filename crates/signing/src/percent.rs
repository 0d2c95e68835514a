//! Percent escapes in the fields of other vendors' tokens.

/// The text that `escaped` means; `None` if an escape is cut off, or the bytes are not text
/// without controls. A plus sign is a space (`quote_plus`).
pub(crate) fn decode(escaped: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let digits = after.get(..2)?;
                let digits = str::from_utf8(digits).ok()?;
                if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return None;
                }
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &after[2..];
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// As Python's `quote_plus` escapes, with lower-case digits.
pub(crate) fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b' ' => escaped.push('+'),
            byte if crate::path::is_unreserved(byte) => escaped.push(char::from(byte)),
            // Writing to a string cannot fail.
            byte => drop(write!(escaped, "%{byte:02x}")),
        }
        escaped
    })
}
