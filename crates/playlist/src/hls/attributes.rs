//! Attribute lists (RFC 8216 section 4.2).

/// The value of an attribute, without the quotes around it; `None` if the list has none of this
/// name, or cannot be read up to it.
pub(super) fn attribute<'l>(list: &'l str, name: &str) -> Option<&'l str> {
    let mut rest = list;
    loop {
        let (known, behind) = rest.split_once('=')?;
        let (value, next) = value(behind)?;
        if known.trim() == name {
            return Some(value);
        }
        rest = next;
    }
}

/// A value and what is behind it. In quotes a comma is a character like any other.
fn value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, behind) = quoted.split_once('"')?;
        let next = behind.trim_start();
        return Some((value, next.strip_prefix(',').unwrap_or(next)));
    }
    let (value, next) = text.split_once(',').unwrap_or((text, ""));
    Some((value.trim_end(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_or_an_equals_sign_in_quotes_is_part_of_the_value() {
        let list = r#"BANDWIDTH=1, CODECS="avc1,mp4a=URI", URI="a,b=c.m3u8" ,FORCED=YES"#;
        assert_eq!(attribute(list, "URI"), Some("a,b=c.m3u8"));
        assert_eq!(attribute(list, "CODECS"), Some("avc1,mp4a=URI"));
        assert_eq!(attribute(list, "BANDWIDTH"), Some("1"));
        assert_eq!(attribute(list, "FORCED"), Some("YES"));
        assert_eq!(attribute(list, "mp4a"), None);
    }

    #[test]
    fn what_has_no_end_is_no_value() {
        assert_eq!(attribute(r#"URI="a.m3u8"#, "URI"), None);
        assert_eq!(attribute("", "URI"), None);
    }
}
